// Every behaviour of the package on the impersonation backend.

import { testOnBackend } from "./on-backend.ts";

await testOnBackend("impersonation");
