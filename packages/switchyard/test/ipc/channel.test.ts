// The contract of channels, for a message port and for a socket; and what only a socket can do to it.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { type Channel, SocketChannel } from "../../src/ipc/channel.ts";
import type { Piece } from "../../src/ipc/messages.ts";
import { newRings, otherSideOf, RingChannel } from "../../src/ipc/ring-channel.ts";
import { mayBeReset } from "../harness/connections.ts";

interface Note {
  readonly id: number;
  readonly text?: string;
  readonly piece?: Piece;
}

type Pair = readonly [Channel<Note, Note>, Channel<Note, Note>];

const kinds: Record<string, (t: TestContext) => Promise<Pair>> = {
  ring: async (t) => {
    const { port1, port2 } = new MessageChannel();
    t.after(() => port1.close());
    const rings = newRings();
    return [new RingChannel<Note, Note>(port1, rings), new RingChannel<Note, Note>(port2, otherSideOf(rings))];
  },
  socket: async (t) => {
    const [near, far] = await socketPair(t);
    return [new SocketChannel<Note, Note>(near), new SocketChannel<Note, Note>(far)];
  },
};

for (const [kind, connect] of Object.entries(kinds)) {
  test(`${kind}: messages arrive as they were sent, in order, both ways`, async (t) => {
    const [near, far] = await connect(t);
    const sent: Note[] = [
      { id: 1, text: "plain" },
      { id: 2, piece: "a text, with ünïcödé and a \0" },
      { id: 3, piece: Buffer.from([0, 255, 10, 13, 0]) },
      { id: 4, piece: "" },
      { id: 5, piece: Buffer.alloc(1_000_000, 7) },
      { id: 6 },
    ];
    const there = gather(far, sent.length);
    const back = gather(near, sent.length);
    for (const note of sent) {
      near.send(note);
      far.send(note);
    }
    assert.deepEqual((await there).map(plain), sent.map(plain));
    assert.deepEqual((await back).map(plain), sent.map(plain));
  });

  test(`${kind}: short and long messages by the thousand, answered while they come, keep their order`, async (t) => {
    const [near, far] = await connect(t);
    const count = 3_000;
    // Every now and then one that is too long for a ring, and in all more than a ring holds.
    const pieceOf = (id: number) => Buffer.alloc(id % 50 === 0 ? 40_000 : id % 7 === 0 ? 900 : 0, id % 251);
    far.onMessage = ({ id, piece }) => far.send({ id, piece: piece! });
    const back = gather(near, count);
    for (let id = 1; id <= count; id++) near.send({ id, piece: pieceOf(id) });
    const notes = await back;
    assert.deepEqual(
      notes.map(({ id }) => id),
      Array.from({ length: count }, (_, index) => index + 1),
    );
    for (const { id, piece } of notes) assert.ok(pieceOf(id).equals(piece as Uint8Array), `piece of ${id}`);
  });

  test(`${kind}: a piece of a larger buffer arrives alone, and the sender's buffer stays as it was`, async (t) => {
    const [near, far] = await connect(t);
    const whole = Buffer.from("0123456789");
    const came = gather(far, 1);
    near.send({ id: 1, piece: whole.subarray(2, 5) });
    const [note] = await came;
    assert.equal(String(Buffer.from(note!.piece as Uint8Array)), "234");
    assert.equal(String(whole), "0123456789");
  });

  test(`${kind}: when one side closes, the other hears of it once, and may go on sending to nobody`, async (t) => {
    const [near, far] = await connect(t);
    let closes = 0;
    const closed = new Promise<void>((resolve) => {
      far.onClose = () => {
        closes++;
        resolve();
      };
    });
    near.close();
    await closed;
    far.send({ id: 1, piece: Buffer.from("nobody") });
    far.close();
    await new Promise(setImmediate);
    assert.equal(closes, 1);
  });
}

test("ring: what was sent quietly is heard by a side that looks, and wakes one that sleeps when it is to, or in a turn", async (t) => {
  const [near, far] = await kinds.ring!(t);
  let heard: number[] = [];
  let hear: () => void = () => {};
  far.onMessage = ({ id }) => {
    heard.push(id);
    hear();
  };
  const heardNext = () =>
    new Promise<void>((resolve) => {
      hear = resolve;
    });
  near.sendQuietly({ id: 1 });
  far.receiveRest();
  assert.deepEqual(heard, [1]);
  // A side that is awake, as whoever just received something is, wakes the other a turn later by itself.
  for (let id = 2; id < 100; id++) {
    const [later, told] = [heardNext(), Promise.withResolvers<void>()];
    near.onMessage = () => {
      near.sendQuietly({ id });
      if (id % 2 === 0) near.wakeOther();
      told.resolve();
    };
    far.send({ id });
    await told.promise;
    await later;
  }
  // And one that sleeps does at once.
  await turns(10);
  const last = heardNext();
  near.sendQuietly({ id: 100 });
  await last;
  heard = heard.filter((id, index) => id !== index + 1);
  assert.deepEqual(heard, []);
});

test("socket: frames that come byte by byte, or all at once, are put together again", async (t) => {
  const notes: Note[] = [{ id: 1, text: "é" }, { id: 2, piece: Buffer.from("piece") }, { id: 3 }];
  const bytes = Buffer.concat(notes.map(frameOf));
  for (const size of [1, 2, 3, 7, 8, 9, bytes.length]) {
    const [near, far] = await socketPair(t);
    const came = gather(new SocketChannel<Note, Note>(far), notes.length);
    near.setNoDelay(true);
    for (let at = 0; at < bytes.length; at += size) {
      near.write(bytes.subarray(at, at + size));
      await new Promise(setImmediate);
    }
    assert.deepEqual((await came).map(plain), notes.map(plain), `pieces of ${size}`);
  }
});

const garbage: Record<string, Buffer> = {
  "a length beyond all frames": Buffer.from("ffffffffffffffff00", "hex"),
  "text that is not JSON": frame(Buffer.from("{nonsense"), Buffer.alloc(0)),
  "JSON that is no message": frame(Buffer.from("42"), Buffer.alloc(0)),
  "a frame of nothing": Buffer.alloc(8),
};

for (const [what, bytes] of Object.entries(garbage)) {
  test(`socket: ${what} closes the channel, and what came before it was heard`, async (t) => {
    const [near, far] = await socketPair(t);
    const channel = new SocketChannel<Note, Note>(far);
    const heard: Note[] = [];
    channel.onMessage = (note) => heard.push(note);
    const closed = new Promise<void>((resolve) => {
      channel.onClose = resolve;
    });
    near.on("error", () => {});
    near.write(Buffer.concat([frameOf({ id: 1 }), bytes]));
    await closed;
    assert.deepEqual(heard, [{ id: 1 }]);
  });
}

/** The first `count` messages of a channel. */
function gather(channel: Channel<Note, Note>, count: number): Promise<Note[]> {
  const notes: Note[] = [];
  return new Promise((resolve) => {
    channel.onMessage = (note) => {
      notes.push(note);
      if (notes.length === count) resolve(notes);
    };
  });
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

/** Bytes are bytes, whichever class they come in. */
function plain({ piece, ...rest }: Note): object {
  return piece === undefined || typeof piece === "string" ? { ...rest, piece } : { ...rest, piece: Buffer.from(piece) };
}

function frameOf({ piece, ...rest }: Note): Buffer {
  const binary = piece === undefined ? Buffer.alloc(0) : Buffer.from(piece as Uint8Array);
  return frame(Buffer.from(JSON.stringify(rest)), binary);
}

function frame(json: Buffer, piece: Buffer): Buffer {
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(json.length, 0);
  lengths.writeUInt32LE(piece.length, 4);
  return Buffer.concat([lengths, json, piece]);
}

async function socketPair(t: TestContext): Promise<[net.Socket, net.Socket]> {
  const server = net.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = mayBeReset(net.connect((server.address() as net.AddressInfo).port, "127.0.0.1"));
  const [far] = (await once(server, "connection")) as [net.Socket];
  server.close();
  t.after(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}
