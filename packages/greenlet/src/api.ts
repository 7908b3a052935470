// Everything that the package exports, as this copy of it implements it. `index.ts` decides which copy's is used.

export { GreenletError, GreenletExit } from "./errors.ts";
export { Greenlet } from "./greenlet.ts";
export { hub } from "./hub.ts";
export { monkey } from "./monkey/monkey.ts";
export { current, greenletify, inGreenlet, spawn, spawnLater, spawnNow } from "./spawn.ts";
export { Channel } from "./sync/channel.ts";
export { AsyncResult, Event } from "./sync/event.ts";
export { Group } from "./sync/group.ts";
export { Local } from "./sync/local.ts";
export { Condition, Lock } from "./sync/lock.ts";
export { Pool } from "./sync/pool.ts";
export { LifoQueue, PriorityQueue, Queue } from "./sync/queue.ts";
export { BoundedSemaphore, Semaphore } from "./sync/semaphore.ts";
export { Timeout, withTimeout } from "./sync/timeout.ts";
export { iterate, iwait, joinAll, killAll, waitEvent } from "./sync/waitable.ts";
export { UnreachableExit } from "./unreachable.ts";
export { sleep, sync, wait, withoutSwitching } from "./wait.ts";
