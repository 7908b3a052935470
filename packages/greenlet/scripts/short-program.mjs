// What valgrind watches: greenlets that start, wait, are killed, overflow their stacks and end. Compiled code of V8's is off there.

import { hub, sleep, spawn, spawnNow, wait } from "../dist/index.js";

const results = await Promise.all(
  Array.from({ length: 10 }, (_, n) =>
    spawn(() => {
      sleep(n);
      return wait(Promise.resolve(n));
    }),
  ),
);
const killed = spawnNow(() => sleep(60_000));
killed.kill();
await killed;
const deep = () => deep() + 1;
await spawn(deep).catch(() => {});
console.log(`${results.length} greenlets on ${hub.backend}`);
