// Every behaviour of the package on the handoff backend, which runs anywhere.

import { testOnBackend } from "./on-backend.ts";

await testOnBackend("handoff");
