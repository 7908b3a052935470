// Runs the program that follows in a greenlet, with every patch on and none held back for small inputs.

import { monkey } from "../dist/index.js";

monkey.patchAll({ fs: "all", crypto: "all", zlib: { minBytes: 0 }, stdin: true, sqlite: true, child_process: true });
await import("../dist/main.js");
