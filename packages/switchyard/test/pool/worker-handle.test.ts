// The contract of worker handles: what a pool may count on, whatever a worker lives in.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { Session } from "node:inspector";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ServeSettings } from "../../src/config/settings.ts";
import type { FromSyncWorker, FromWorker, StartOrder } from "../../src/ipc/messages.ts";
import type { Exit } from "../../src/pool/death.ts";
import { ProcessHandle } from "../../src/pool/process-handle.ts";
import { ThreadHandle } from "../../src/pool/thread-handle.ts";
import type { WorkerHandle } from "../../src/pool/worker-handle.ts";
import { FakeHandle } from "./fake-handle.ts";

const entry = new URL("../fixtures/workers/obedient.ts", import.meta.url);

/** What the worker does once it is ready: waits for word, exits with 5, or loops for ever. */
type Life = "obeys" | "exits" | "loops";

const kinds: Record<string, (life: Life) => WorkerHandle> = {
  process: (life) => {
    const handle = new ProcessHandle({ entry, channelCount: 1 });
    handle.send({ type: "start", order: orderFor(life) });
    return handle;
  },
  thread: (life) => new ThreadHandle({ entry, order: orderFor(life), withPort: true, fd: null, limits: null }),
  fake: (life) => {
    const handle = new FakeHandle(0);
    handle.onSent = ({ type }) => type === "stop" && setImmediate(() => handle.end({ code: 0, signal: null }));
    setImmediate(() => {
      handle.becomeReady();
      for (let count = 0; count < 3; count++) handle.say({ type: "impaired", cause: `message ${count}` });
      if (life === "exits") setImmediate(() => handle.end({ code: 5, signal: null }));
    });
    return handle;
  },
};

for (const [kind, make] of Object.entries(kinds)) {
  test(`${kind}: messages come in the order in which the worker sent them`, async (t) => {
    const { messages, received, handle } = start(t, make("obeys"));
    await received(4);
    assert.deepEqual(
      messages.map((message) => (message.type === "impaired" ? message.cause : message.type)),
      ["ready", "message 0", "message 1", "message 2"],
    );
    handle.kill();
  });

  test(`${kind}: a worker that is told to stop ends with code 0, and its end is told once`, async (t) => {
    const { handle, received, exits, exited } = start(t, make("obeys"));
    await received(1);
    handle.send({ type: "stop", withinMs: 1_000, handsOver: false });
    assert.equal((await exited).code, 0);
    // Neither throws, and neither makes for a second end.
    handle.send({ type: "stop", withinMs: 1_000, handsOver: false });
    handle.kill();
    await new Promise(setImmediate);
    assert.equal(exits.length, 1);
  });

  test(`${kind}: the exit code of a worker that ends by itself is told, after all that it said`, async (t) => {
    const { messages, exited } = start(t, make("exits"));
    const { code, signal } = await exited;
    assert.deepEqual({ code, signal, messages: messages.length }, { code: 5, signal: null, messages: 4 });
  });

  test(`${kind}: kill ends a worker that is stuck`, async (t) => {
    const { handle, received, exited, exits } = start(t, make("loops"));
    await received(1);
    handle.kill();
    handle.kill();
    const { code, signal } = await exited;
    assert.ok(signal === "SIGKILL" || (handle.isolation === "thread" && code === 1));
    await new Promise(setImmediate);
    assert.equal(exits.length, 1);
  });

  if (kind === "fake") continue;

  test(`${kind}: a channel carries requests both ways in order, and closes when its worker ends`, async (t) => {
    const { handle, received } = start(t, make("obeys"));
    await received(1);
    const [channel] = handle.channels;
    const ids: number[] = [];
    const allCame = new Promise<void>((resolve) => {
      channel!.onMessage = (message: FromSyncWorker) => {
        ids.push(message.id);
        if (ids.length === 100) resolve();
      };
    });
    for (let id = 1; id <= 100; id++) channel!.send({ type: "body", id, piece: Buffer.alloc(1_000, id) });
    await allCame;
    assert.deepEqual(
      ids,
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
    const closed = new Promise<void>((resolve) => {
      channel!.onClose = resolve;
    });
    handle.kill();
    await closed;
    channel!.send({ type: "abort", id: 1 });
  });
}

test("thread: kill ends a worker that is stuck while the inspector has it evaluate something, which loses V8 the order", async (t) => {
  const { handle, received, exited } = start(t, kinds.thread!("loops"));
  await received(1);
  const folder = mkdtempSync(join(tmpdir(), "switchyard-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const mark = join(folder, "evaluates");
  const session = new Session();
  session.connect();
  t.after(() => session.disconnect());
  session.on("NodeWorker.attachedToWorker", ({ params: { sessionId } }) => {
    const expression = `process.getBuiltinModule("node:fs").writeFileSync(${JSON.stringify(mark)}, "");
      for (const endAtMs = Date.now() + 200; Date.now() < endAtMs; );`;
    const message = JSON.stringify({ id: 1, method: "Runtime.evaluate", params: { expression } });
    session.post("NodeWorker.sendMessageToWorker", { sessionId, message });
  });
  session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
  while (!existsSync(mark)) await new Promise(setImmediate);
  handle.kill();
  assert.equal((await exited).code, 1);
});

function start(t: TestContext, handle: WorkerHandle) {
  const messages: FromWorker[] = [];
  const exits: Exit[] = [];
  const watchers = new Set<() => void>();
  handle.onMessage = (message) => {
    messages.push(message);
    for (const watcher of watchers) watcher();
  };
  const exited = new Promise<Exit>((resolve) => {
    handle.onExit = (exit) => {
      exits.push(exit);
      resolve(exit);
    };
  });
  t.after(async () => {
    handle.kill();
    await exited;
  });
  const received = (count: number) =>
    new Promise<void>((resolve) => {
      const watcher = () => messages.length >= count && resolve();
      watchers.add(watcher);
      watcher();
    });
  return { handle, messages, exits, exited, received };
}

function orderFor(life: Life): StartOrder {
  // The worker of this test reads nothing else of the settings.
  const settings = { app: life } as ServeSettings;
  return { settings, address: "", workers: [1], lanes: [], lane: null, link: null, tls: null };
}
