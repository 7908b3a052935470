// What a worker has told last counts, though the kernel may tell of its end before its channel is read: when another worker
// ends in the same turn of the loop, Node looks which others have.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ProcessHandle } from "../../src/pool/process-handle.ts";

const entry = new URL("../fixtures/workers/last-message.ts", import.meta.url);

test("the last message of a worker comes before its end, also when several end at once", async () => {
  // Without care the message comes late in one pair of six.
  for (let pair = 1; pair <= 12; pair++) {
    const heard = await endTwo();
    for (const worker of [1, 2]) {
      assert.deepEqual(
        heard.filter((each) => each.endsWith(String(worker))),
        [`message of ${worker}`, `end of ${worker}`],
      );
    }
  }
});

/** The second ends while the last message of the first is heard. */
async function endTwo(): Promise<string[]> {
  const heard: string[] = [];
  const [first, second] = [new ProcessHandle({ entry }), new ProcessHandle({ entry })];
  await Promise.all([isThere(first), isThere(second)]);
  const ended = [first, second].map((handle, index) => {
    const end = Promise.withResolvers<void>();
    handle.onMessage = () => {
      heard.push(`message of ${index + 1}`);
      if (handle === first) endWhileNobodyReads(second);
    };
    handle.onExit = () => {
      heard.push(`end of ${index + 1}`);
      end.resolve();
    };
    return end.promise;
  });
  endWhileNobodyReads(first);
  await Promise.all(ended);
  await new Promise((resolve) => setImmediate(resolve));
  return heard;
}

function isThere(handle: ProcessHandle): Promise<void> {
  return new Promise((resolve) => {
    handle.onMessage = () => resolve();
  });
}

/** Both its end and what it tells wait for this loop. */
function endWhileNobodyReads(handle: ProcessHandle): void {
  handle.send({ type: "reopenLogs" });
  while (!/ Z /.test(readFileSync(`/proc/${handle.pid}/stat`, "utf8")));
}
