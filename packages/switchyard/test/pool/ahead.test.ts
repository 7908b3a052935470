// Requests on offer to a busy worker thread, seen from the balancer. The worker is a fake that claims when the test says so:
// the moments between a claim, an answer and a hang-up can't be made to happen with a real one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type LaneSettings, lanesOf } from "../../src/config/lanes.ts";
import type { FromSyncWorker, ToSyncWorker } from "../../src/ipc/messages.ts";
import { type Assignment, Balancer, type Offered } from "../../src/pool/balancer.ts";
import { Claims, slots } from "../../src/pool/claims.ts";
import type { Member } from "../../src/pool/pool.ts";
import { aheadForMs, SyncWorker } from "../../src/pool/sync-worker.ts";

type Sent = Extract<ToSyncWorker, { type: "request" }>;

/** A worker thread that does nothing by itself. */
class Thread {
  readonly claims = new Claims(Claims.newMemory());
  readonly sent: Sent[] = [];
  /** What it has said and nobody has heard. */
  readonly unheard: FromSyncWorker[] = [];
  readonly worker: SyncWorker;
  /** What its balancer takes the time to be: it stands still, so that no request becomes long because the machine does. */
  atMs = 0;
  #hear: (message: FromSyncWorker) => void = () => {};

  constructor(number: number, runMs = 0.1) {
    const thread = this;
    for (let i = 0; i < 100; i++) this.claims.ran(runMs);
    const channel = {
      send: (message: ToSyncWorker) => {
        if (message.type === "request") this.sent.push(message);
      },
      sendQuietly: () => {},
      wakeOther: () => {},
      close: () => {},
      unref: () => {},
      flushed: async () => {},
      receiveRest: () => this.beHeard(),
      onClose: () => {},
      get onMessage() {
        return thread.#hear;
      },
      set onMessage(hear) {
        thread.#hear = hear;
      },
    };
    // The cast: the balancer asks a member for its handle's claims and its slot alone.
    const member = { slot: number, handle: { claims: this.claims } } as unknown as Member;
    this.worker = new SyncWorker({ number, member, channel, capacity: 1, clock: () => this.atMs });
  }

  beHeard(): void {
    for (let message = this.unheard.shift(); message !== undefined; message = this.unheard.shift()) this.#hear(message);
  }

  /** Ends the request that it has and begins the next that it can claim, as a real one does. @returns its id, if any. */
  goOn(id: number, next: readonly Sent[]): number | undefined {
    this.unheard.push({ type: "answer", id, head: "200\n\n\n", piece: "" });
    return next.find(({ slot, id: nextId }) => slot !== null && this.claims.take(slot, nextId))?.id;
  }
}

class Request implements Offered {
  readonly offeredAtMs = 0;
  readonly isComplete: boolean;
  readonly name: string;
  readonly journal: string[];
  turn = 0;
  /** The worker is told of it as soon as it is assigned. */
  isSentAtOnce = true;
  constructor(name: string, journal: string[], isComplete = true) {
    this.name = name;
    this.journal = journal;
    this.isComplete = isComplete;
  }
  line() {
    return { method: "GET", url: this.name };
  }
  refuse({ status }: { status: number }): void {
    this.journal.push(`${this.name} refused ${status}`);
  }
  sendAhead({ id, slot, channel }: Parameters<Offered["sendAhead"]>[0]): void {
    channel.send(requestOf(id, slot));
  }
  assign({ id, worker, channel, wasSentAhead, onFree }: Assignment) {
    this.journal.push(`${this.name} in ${worker}`);
    if (!wasSentAhead && this.isSentAtOnce) channel.send(requestOf(id, null));
    const { isSentAtOnce } = this;
    return {
      id,
      isSent: wasSentAhead || isSentAtOnce,
      receive: onFree,
      fail: (status: number) => this.journal.push(`${this.name} failed ${status}`),
    };
  }
}

function requestOf(id: number, slot: number | null): Sent {
  return { type: "request", id, head: "", hasBody: false, isWhole: false, expectsContinue: false, slot };
}

function start(threads: readonly Thread[], own: Partial<LaneSettings> = {}) {
  const journal: string[] = [];
  const limits = { queueLimit: 100, queueTimeoutMs: 0, runTimeoutMs: 0, bodyLimitBytes: 1_000 };
  const [first] = lanesOf(
    { ...limits, model: "sync", lanes: [{ match: "/**", model: "sync", workers: 2 }] },
    { count: 2 },
  );
  const lane: LaneSettings = { ...first!, ...own };
  const log = { error() {}, info() {}, warn() {} } as never;
  const balancer = new Balancer({ lane, log, onStuck: () => {}, onQueued: () => {} });
  for (const { worker } of threads) balancer.addWorker(worker);
  const offer = (...names: string[]) =>
    names.map((name) => {
      const request = new Request(name, journal);
      balancer.offer(request);
      return request;
    });
  return { balancer, journal, offer };
}

/** Resolves when it is so; whoever runs the test bounds it. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

test("a busy thread with short requests is sent the next ones, which count as queued until it begins them", () => {
  const thread = new Thread(1);
  const { balancer, journal, offer } = start([thread], { queueLimit: 3 });
  offer("a", "b", "c", "d", "e");
  assert.deepEqual(journal, ["a in 1", "e refused 503"]);
  assert.equal(balancer.queueSnapshot().length, 3);
  assert.equal(thread.sent.length, 4);
  assert.equal(thread.goOn(thread.sent[0]!.id, thread.sent), thread.sent[1]!.id);
  thread.beHeard();
  assert.deepEqual(journal.slice(2), ["b in 1"]);
  assert.equal(balancer.queueSnapshot().length, 2);
});

test("no more are on offer to a thread than there are slots, and none to one whose requests are long, or before its first", () => {
  const [short, long] = [new Thread(1), new Thread(1, 5)];
  for (const [thread, count] of [
    [short, slots],
    [long, 0],
  ] as const) {
    const { balancer, offer } = start([thread]);
    offer(..."abcdefghijklmnopq");
    assert.equal(thread.sent.length, 1 + count);
    assert.equal(balancer.queueSnapshot().length, 16);
  }
});

test("nothing is sent ahead of a request that the thread has not heard of: it would be begun in its place", () => {
  const thread = new Thread(1);
  const { balancer, journal, offer } = start([thread]);
  const first = new Request("with a body", journal);
  first.isSentAtOnce = false;
  balancer.offer(first);
  offer("b", "c");
  assert.deepEqual(thread.sent, []);
  assert.equal(balancer.queueSnapshot().length, 2);
  thread.goOn(1, []);
  thread.beHeard();
  assert.deepEqual(journal, ["with a body in 1", "b in 1"]);
  assert.deepEqual(
    thread.sent.map(({ slot }) => slot === null),
    [true, false],
  );
});

test("a lane that serves the newest first, and a request whose body is still to come, send nothing ahead", () => {
  const thread = new Thread(1);
  start([thread], { order: "newest-first" }).offer("a", "b", "c");
  assert.equal(thread.sent.length, 1);
  const other = new Thread(1);
  const { balancer, journal, offer } = start([other]);
  offer("a");
  balancer.offer(new Request("b", journal, false));
  offer("c");
  assert.equal(other.sent.length, 1);
});

test("what waits behind a request that turns out long is taken back in a moment, and given to others in its order", {
  timeout: 20_000,
}, async () => {
  const [one, two] = [new Thread(1), new Thread(2)];
  const { balancer, journal, offer } = start([one, two]);
  offer("a", "b", "c", "d", "e", "f");
  assert.deepEqual([one.sent.length, two.sent.length], [3, 3]);
  for (const thread of [one, two]) thread.atMs = aheadForMs;
  await until(() => one.worker.ahead?.size === 0 && two.worker.ahead?.size === 0);
  assert.equal(balancer.queueSnapshot().length, 4);
  for (let round = 0; round < 4; round++) {
    // Thread 2 alone goes on; whatever it was sent before was taken back from it too.
    const current = two.worker.requests.values()[0]!.id;
    two.goOn(current, two.sent);
    two.beHeard();
  }
  assert.deepEqual(journal, ["a in 1", "b in 2", "c in 2", "d in 2", "e in 2", "f in 2"]);
});

test("a request is sent ahead to a busy thread that begins it sooner than an idle one would wake, and to that if it is not begun", {
  timeout: 20_000,
}, async () => {
  const [one, two] = [new Thread(1, 0.04), new Thread(2, 0.04)];
  const { balancer, journal, offer } = start([one, two]);
  offer("a", "b");
  assert.deepEqual(journal, ["a in 1"]);
  assert.deepEqual([one.sent.length, two.sent.length], [2, 0]);
  assert.equal(balancer.queueSnapshot().length, 1);
  // It would be the second to wait there.
  offer("c");
  assert.deepEqual(journal, ["a in 1", "c in 2"]);
  one.atMs = aheadForMs;
  await until(() => one.worker.ahead?.size === 0);
  two.goOn(two.sent[0]!.id, two.sent);
  two.beHeard();
  assert.deepEqual(journal, ["a in 1", "c in 2", "b in 2"]);
});

test("an idle thread gets a request at once when the queue has no room, or the request is not complete", () => {
  const [one, two] = [new Thread(1, 0.01), new Thread(2, 0.01)];
  const { balancer, journal, offer } = start([one, two], { queueLimit: 1 });
  offer("a", "b", "c");
  assert.deepEqual(journal, ["a in 1", "c in 2"]);
  assert.equal(balancer.queueSnapshot().refused, 0);
  const others = start([new Thread(1, 0.01), new Thread(2, 0.01)]);
  others.offer("a");
  others.balancer.offer(new Request("b", others.journal, false));
  assert.deepEqual(others.journal, ["a in 1", "b in 2"]);
});

test("an answer that nobody was woken for is heard in a moment, while the thread is at the next request", {
  timeout: 20_000,
}, async () => {
  const thread = new Thread(1);
  const { journal, offer } = start([thread]);
  offer("a", "b");
  thread.goOn(thread.sent[0]!.id, thread.sent);
  await until(() => journal.length === 2);
  assert.deepEqual(journal, ["a in 1", "b in 1"]);
});

test("an answer that nobody was woken for is heard when the request that was to follow it is taken back", () => {
  for (const how of ["withdraw", "retireWorker"] as const) {
    const thread = new Thread(1);
    const { balancer, offer } = start([thread]);
    const [, b] = offer("a", "b");
    thread.goOn(thread.sent[0]!.id, []);
    if (how === "withdraw") assert.equal(balancer.withdraw(b!), true);
    else balancer.retireWorker(thread.worker);
    assert.equal(thread.worker.isIdle, true, how);
  }
});

test("a client that leaves while its request is on offer: it is not run, whenever the thread comes for it", () => {
  const thread = new Thread(1);
  const { balancer, journal, offer } = start([thread]);
  const [, b] = offer("a", "b", "c");
  assert.equal(balancer.withdraw(b!), true);
  assert.equal(balancer.queueSnapshot().abandoned, 1);
  assert.equal(thread.goOn(thread.sent[0]!.id, thread.sent), thread.sent[2]!.id);
  thread.beHeard();
  assert.deepEqual(journal, ["a in 1", "c in 1"]);
});

test("a client that leaves when the thread has begun its request unheard: it is known to be in the worker at once", () => {
  const thread = new Thread(1);
  const { balancer, journal, offer } = start([thread]);
  const [, b] = offer("a", "b");
  assert.equal(thread.goOn(thread.sent[0]!.id, thread.sent), thread.sent[1]!.id);
  assert.equal(balancer.withdraw(b!), false);
  assert.deepEqual(journal, ["a in 1", "b in 1"]);
  assert.equal(balancer.queueSnapshot().abandoned, 0);
});

test("a thread that is to end, or has died, leaves what was on offer to it to the others, in its order", () => {
  for (const ending of ["retireWorker", "removeWorker"] as const) {
    const [one, two] = [new Thread(1), new Thread(2)];
    const { balancer, journal, offer } = start([one, two]);
    offer("a", "b", "c", "d");
    balancer[ending](one.worker, "it was killed");
    const failed = ending === "removeWorker" ? ["a failed 502"] : [];
    for (let round = 0; round < 2; round++) {
      two.goOn(two.worker.requests.values()[0]!.id, two.sent);
      two.beHeard();
    }
    assert.deepEqual(journal, ["a in 1", "b in 2", ...failed, ...journal.slice(2 + failed.length)]);
    assert.deepEqual(journal.slice(2 + failed.length).sort(), ["c in 2", "d in 2"]);
    assert.equal(one.claims.take(one.sent[1]!.slot!, one.sent[1]!.id), false);
  }
});

test("at the deadline of a drain what is on offer is refused like the rest of the queue", () => {
  const thread = new Thread(1);
  const { balancer, journal, offer } = start([thread]);
  offer("a", "b", "c");
  balancer.giveUp();
  assert.deepEqual(journal, ["a in 1", "b refused 503", "c refused 503", "a failed 503"]);
  assert.equal(balancer.queueSnapshot().length, 0);
});
