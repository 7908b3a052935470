// Every behaviour of the package on the light backend.

import { testOnBackend } from "./on-backend.ts";

await testOnBackend("impersonation-light");
