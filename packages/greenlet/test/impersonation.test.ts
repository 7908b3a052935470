// Every behaviour of the package on the impersonation backend, where this machine has it.

import { test } from "node:test";
import { hub } from "../src/index.ts";

if (hub.backend === "impersonation") {
  process.env.SWITCHYARD_GREENLET_BACKEND = "impersonation";
  await import("./behaviour/index.ts");
} else {
  test("every behaviour on impersonation", { skip: hub.backendReason }, () => {});
}
