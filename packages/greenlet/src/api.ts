// Everything that the package exports, as this copy of it implements it. `index.ts` decides which copy's is used.

export { GreenletError, GreenletExit } from "./errors.ts";
export { Greenlet } from "./greenlet.ts";
export { hub } from "./hub.ts";
export { monkey } from "./monkey/monkey.ts";
export { current, greenletify, inGreenlet, spawn, spawnNow } from "./spawn.ts";
export { sleep, sync, wait, withoutSwitching } from "./wait.ts";
