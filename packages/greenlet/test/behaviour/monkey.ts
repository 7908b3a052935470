// Patched functions against their originals: each case runs on the main stack, where the original runs, and in a greenlet.

import assert from "node:assert/strict";
import childProcess from "node:child_process";
import crypto from "node:crypto";
import fs, { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { Worker } from "node:worker_threads";
import zlib from "node:zlib";
import { hub, monkey, spawn, spawnNow, withoutSwitching } from "../../src/index.ts";

before(() => monkey.patchAll({ fs: "all", atomics: true, crypto: "all", zlib: { minBytes: 0 } }));
after(() => monkey.unpatch());

/** What a call gave: its value, or everything that can be told of its error. */
function outcomeOf(call: () => unknown): unknown {
  try {
    const value = call();
    return {
      value: value instanceof fs.Stats ? { size: value.size, mode: value.mode, isFile: value.isFile() } : value,
    };
  } catch (error) {
    if (!(error instanceof Error)) return { thrown: error };
    const { stack, ...fields } = error as Error & Record<string, unknown>;
    return {
      class: error.constructor.name,
      name: error.name,
      message: error.message,
      fields,
      hasFrames: /\n {4}at /.test(stack ?? ""),
    };
  }
}

/** An outcome without what differs from run to run, in a form that can be compared. */
function comparable(outcome: unknown): unknown {
  const text = JSON.stringify(outcome, (key, value) => {
    if (key === "pid" && value > 0) return "a pid";
    if (!(value instanceof Error)) return value;
    // execSync's error holds itself.
    const { error, ...fields } = value as Error & Record<string, unknown>;
    return { ...fields, message: value.message, holdsItself: error === value };
  });
  return JSON.parse(text ?? "null");
}

const fsCases: Record<string, (folder: string) => unknown> = {
  "readFileSync as a Buffer": (f) => fs.readFileSync(join(f, "text")),
  "readFileSync as text": (f) => fs.readFileSync(join(f, "text"), "utf8"),
  "readFileSync with options and a URL": (f) =>
    fs.readFileSync(new URL(`file://${f}/text`), { encoding: "latin1", flag: "r" }),
  "readFileSync of what is not there": (f) => fs.readFileSync(join(f, "absent")),
  "readFileSync of a directory": (f) => fs.readFileSync(f),
  "readFileSync of a wrong argument": () => fs.readFileSync({} as string),
  "readFileSync with a wrong encoding": (f) => fs.readFileSync(join(f, "text"), "no" as BufferEncoding),
  "readFileSync of a descriptor": (f) => {
    const fd = fs.openSync(join(f, "text"), "r");
    try {
      return fs.readFileSync(fd, "utf8");
    } finally {
      fs.closeSync(fd);
    }
  },
  "openSync, readSync, writeSync and closeSync": (f) => {
    const fd = fs.openSync(join(f, "made"), "w+", 0o600);
    const wrote = [fs.writeSync(fd, "hello"), fs.writeSync(fd, Buffer.from("XY"), 0, 1, 0)];
    const buffer = Buffer.alloc(4);
    const read = [fs.readSync(fd, buffer, 0, 4, 0), fs.readSync(fd, buffer, { position: 4 })];
    fs.closeSync(fd);
    return { wrote, read, text: buffer.toString(), mode: fs.statSync(join(f, "made")).mode };
  },
  "closeSync of a bad descriptor": () => fs.closeSync(99_999),
  "openSync with a wrong flag": (f) => fs.openSync(join(f, "text"), "zz"),
  statSync: (f) => fs.statSync(join(f, "text")),
  "statSync of what is not there": (f) => fs.statSync(join(f, "absent")),
  "statSync that may find nothing": (f) => fs.statSync(join(f, "absent"), { throwIfNoEntry: false }),
  "statSync below a file": (f) => fs.statSync(join(f, "text", "below"), { throwIfNoEntry: false }),
  "lstatSync that may find nothing": (f) => fs.lstatSync(join(f, "absent"), { throwIfNoEntry: false }),
  "lstatSync below a file": (f) => fs.lstatSync(join(f, "text", "below"), { throwIfNoEntry: false }),
  "statSync with bigint": (f) => String(fs.statSync(join(f, "text"), { bigint: true }).size),
  readdirSync: (f) => fs.readdirSync(f),
  "readdirSync with types": (f) =>
    fs.readdirSync(f, { withFileTypes: true }).map((entry) => [entry.name, entry.isFile()]),
  "readdirSync of a file": (f) => fs.readdirSync(join(f, "text")),
  "writeFileSync and appendFileSync": (f) => {
    const results = [
      fs.writeFileSync(join(f, "w"), "one", { mode: 0o640 }),
      fs.appendFileSync(join(f, "w"), Buffer.from("two")),
    ];
    return [results, fs.readFileSync(join(f, "w"), "utf8"), fs.statSync(join(f, "w")).mode];
  },
  "writeFileSync that must not exist": (f) => fs.writeFileSync(join(f, "text"), "x", { flag: "wx" }),
  "writeFileSync of wrong data": (f) => fs.writeFileSync(join(f, "w"), 5 as unknown as string),
  existsSync: (f) => [
    fs.existsSync(join(f, "text")),
    fs.existsSync(join(f, "no")),
    fs.existsSync(5 as unknown as string),
    fs.existsSync("a\0b"),
  ],
  accessSync: (f) => fs.accessSync(join(f, "text"), fs.constants.R_OK),
  "accessSync of what is not there": (f) => fs.accessSync(join(f, "absent")),
  mkdirSync: (f) => fs.mkdirSync(join(f, "dir")),
  "mkdirSync recursive": (f) => fs.mkdirSync(join(f, "a", "b"), { recursive: true })?.slice(f.length),
  "mkdirSync of what is there": (f) => fs.mkdirSync(f),
  unlinkSync: (f) => [fs.unlinkSync(join(f, "text")), fs.existsSync(join(f, "text"))],
  "unlinkSync of what is not there": (f) => fs.unlinkSync(join(f, "absent")),
  rmSync: (f) => [fs.rmSync(join(f, "full"), { recursive: true }), fs.existsSync(join(f, "full"))],
  "rmSync of a directory": (f) => fs.rmSync(join(f, "full")),
  "rmSync of what is not there": (f) => fs.rmSync(join(f, "absent")),
  "rmSync by force": (f) => fs.rmSync(join(f, "absent"), { force: true }),
  renameSync: (f) => [fs.renameSync(join(f, "text"), join(f, "new")), fs.readdirSync(f)],
  "renameSync of what is not there": (f) => fs.renameSync(join(f, "absent"), join(f, "new")),
  copyFileSync: (f) => [fs.copyFileSync(join(f, "text"), join(f, "copy")), fs.readFileSync(join(f, "copy"), "utf8")],
  "copyFileSync onto what is there": (f) =>
    fs.copyFileSync(join(f, "text"), join(f, "text"), fs.constants.COPYFILE_EXCL),
  realpathSync: (f) => [
    fs.realpathSync(join(f, "link")).slice(f.length),
    fs.realpathSync.native(join(f, "link")).slice(f.length),
  ],
  "realpathSync of what is not there": (f) => fs.realpathSync(join(f, "absent")),
  readlinkSync: (f) => fs.readlinkSync(join(f, "link")),
};

const otherCases: Record<string, () => unknown> = {
  pbkdf2Sync: () => crypto.pbkdf2Sync("password", "salt", 1000, 32, "sha256").toString("hex"),
  "pbkdf2Sync with an unknown digest": () => crypto.pbkdf2Sync("password", "salt", 1, 32, "nonsense"),
  "pbkdf2Sync with a wrong argument": () => crypto.pbkdf2Sync("password", "salt", -1, 32, "sha256"),
  scryptSync: () => crypto.scryptSync("password", "salt", 32, { N: 1024 }).toString("hex"),
  "scryptSync over its memory": () => crypto.scryptSync("password", "salt", 32, { N: 2 ** 20 }),
  hkdfSync: () => Buffer.from(crypto.hkdfSync("sha256", "key", "salt", "info", 32)).toString("hex"),
  generateKeyPairSync: () => {
    const pair = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
    return [Object.keys(pair), pair.publicKey.asymmetricKeyType, pair.privateKey.type];
  },
  "generateKeyPairSync as PEM": () =>
    Object.values(
      crypto.generateKeyPairSync("ed25519", {
        publicKeyEncoding: { type: "spki", format: "pem" },
        privateKeyEncoding: { type: "pkcs8", format: "pem" },
      }),
    ).map((pem) => pem.split("\n")[0]),
  "generateKeyPairSync of an unknown kind": () => crypto.generateKeyPairSync("nonsense" as "rsa", {} as never),
  "generateKeyPairSync with an unknown curve": () => crypto.generateKeyPairSync("ec", { namedCurve: "nonsense" }),
  generateKeySync: () => crypto.generateKeySync("hmac", { length: 128 }).symmetricKeySize,
  "generateKeySync of a wrong length": () => crypto.generateKeySync("aes", { length: 1 } as never),
  generatePrimeSync: () => new Uint8Array(crypto.generatePrimeSync(32)).length,
  "generatePrimeSync that can't be": () => crypto.generatePrimeSync(8, { add: 1000n, rem: 999n }),
  checkPrimeSync: () => [crypto.checkPrimeSync(13n), crypto.checkPrimeSync(15n)],
  randomFillSync: () => crypto.randomFillSync(Buffer.alloc(8)).length,
  "randomFillSync beyond the end": () => crypto.randomFillSync(Buffer.alloc(8), 4, 8),
  randomBytes: () => crypto.randomBytes(12).length,
  "randomBytes of a wrong size": () => crypto.randomBytes(-1),
  randomInt: () => [crypto.randomInt(1), crypto.randomInt(5, 6)],
  "randomInt of an empty range": () => crypto.randomInt(5, 5),
  "sign and verify": () => {
    const { publicKey, privateKey } = crypto.generateKeyPairSync("ed25519");
    const signature = crypto.sign(null, Buffer.from("text"), privateKey);
    return [
      signature.length,
      crypto.verify(null, Buffer.from("text"), publicKey, signature),
      crypto.verify(null, Buffer.from("other"), publicKey, signature),
    ];
  },
  "sign with no key": () => crypto.sign("sha256", Buffer.from("text"), "no key"),
  ...Object.fromEntries(
    (
      [
        ["gzip", "gunzip"],
        ["deflate", "inflate"],
        ["deflateRaw", "inflateRaw"],
        ["deflate", "unzip"],
        ["brotliCompress", "brotliDecompress"],
        ["zstdCompress", "zstdDecompress"],
      ] as const
    ).flatMap(([pack, unpack]): [string, () => unknown][] => [
      [
        `${pack}Sync and ${unpack}Sync`,
        () => zlib[`${unpack}Sync`](zlib[`${pack}Sync`]("text ".repeat(5000))).toString(),
      ],
      [`${unpack}Sync of what is not packed`, () => zlib[`${unpack}Sync`](Buffer.from("not packed at all"))],
      [
        `${unpack}Sync beyond its bound`,
        () => zlib[`${unpack}Sync`](zlib[`${pack}Sync`](Buffer.alloc(9000)), { maxOutputLength: 100 }),
      ],
      [`${pack}Sync of a wrong argument`, () => zlib[`${pack}Sync`](5 as never)],
    ]),
  ),
  "gzipSync with options and info": () => {
    const { buffer, engine } = zlib.gzipSync("x", { level: 9, info: true }) as unknown as {
      buffer: Buffer;
      engine: object;
    };
    return [buffer, engine.constructor.name];
  },
  "deflateSync of nothing": () => zlib.deflateSync(undefined as unknown as string),
  "deflateSync of null": () => zlib.deflateSync(null as unknown as string),
  "gzipSync with a wrong level": () => zlib.gzipSync("x", { level: 99 }),
  spawnSync: () => childProcess.spawnSync("sh", ["-c", "echo out; echo err >&2; exit 3"]),
  "spawnSync as text": () => childProcess.spawnSync("cat", { encoding: "utf8", input: "given" }),
  "spawnSync of what is not there": () => childProcess.spawnSync("no-such-program", ["x"]),
  "spawnSync that takes too long": () => childProcess.spawnSync("sleep", ["60"], { timeout: 20 }),
  "spawnSync with a signal that is none": () =>
    childProcess.spawnSync("sleep", ["60"], { timeout: 20, killSignal: "SIGNONE" as "SIGKILL" }),
  "spawnSync with a signal's name in small letters": () =>
    childProcess.spawnSync("sleep", ["60"], { timeout: 20, killSignal: "sigkill" as "SIGKILL" }),
  "spawnSync of too much output": () =>
    childProcess.spawnSync("sh", ["-c", "printf 12345678901234567890; exec sleep 60"], {
      maxBuffer: 10,
      encoding: "utf8",
    }),
  "spawnSync of a child that is killed": () => childProcess.spawnSync("sh", ["-c", "kill -9 $$"]),
  "spawnSync in no such folder": () => childProcess.spawnSync("true", { cwd: "/no/such/folder" }),
  "spawnSync with nothing to collect": () => childProcess.spawnSync("true", { stdio: "ignore" }),
  "spawnSync with a wrong argument": () => childProcess.spawnSync(5 as unknown as string),
  execSync: () => childProcess.execSync("echo $((1 + 2))", { encoding: "utf8" }),
  "execSync as a Buffer": () => childProcess.execSync("printf x"),
  "execSync that fails": () => childProcess.execSync("echo why >&2; exit 4", { stdio: "pipe" }),
  "execSync of no such command": () => childProcess.execSync("no-such-command", { stdio: "pipe" }),
  "execSync that takes too long": () => childProcess.execSync("exec sleep 60", { timeout: 20, stdio: "pipe" }),
  "execSync with input": () => childProcess.execSync("cat", { input: "given" }),
  execFileSync: () => childProcess.execFileSync("echo", ["a", "b"], { encoding: "utf8" }),
  "execFileSync that fails": () => childProcess.execFileSync("sh", ["-c", "exit 5"], { stdio: "pipe" }),
  "execFileSync of what is not there": () => childProcess.execFileSync("no-such-program", ["x"]),
  "Atomics.wait that is not equal": () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1),
  "Atomics.wait that times out": () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5),
  "Atomics.wait on what is not shared": () => Atomics.wait(new Int32Array(1), 0, 0),
};

function makeFolder(): string {
  const folder = fs.mkdtempSync(join(tmpdir(), "greenlet-fs-"));
  fs.writeFileSync(join(folder, "text"), "some téxt");
  fs.mkdirSync(join(folder, "full"));
  fs.writeFileSync(join(folder, "full", "inner"), "");
  fs.symlinkSync("text", join(folder, "link"));
  return folder;
}

for (const [name, run] of Object.entries(fsCases)) {
  test(`in a greenlet, ${name} gives what the original gives`, async (t) => {
    const folders = [makeFolder(), makeFolder()] as const;
    t.after(() => folders.forEach((folder) => void fs.rmSync(folder, { recursive: true, force: true })));
    const tell = (outcome: unknown, folder: string) =>
      JSON.parse(JSON.stringify(outcome).replaceAll(folder, "<folder>"));
    const original = tell(
      outcomeOf(() => run(folders[0])),
      folders[0],
    );
    const patched = tell(await spawn(() => outcomeOf(() => run(folders[1]))), folders[1]);
    assert.deepEqual(patched, original);
  });
}

for (const [name, run] of Object.entries(otherCases)) {
  test(`in a greenlet, ${name} gives what the original gives`, async () => {
    const original = comparable(outcomeOf(run));
    const patched = comparable(await spawn(() => outcomeOf(run)));
    assert.deepEqual(patched, original);
  });
}

const blocking: Record<string, () => unknown> = {
  "fs.readFileSync": () => fs.readFileSync(process.execPath),
  "a named import": () => readFileSync(process.execPath),
  "child_process.execSync": () => childProcess.execSync("true"),
  "crypto.scryptSync": () => crypto.scryptSync("p", "s", 32),
  "zlib.gzipSync": () => zlib.gzipSync("x"),
  "crypto.randomBytes": () => crypto.randomBytes(8),
  "Atomics.wait": () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20),
};

for (const [name, run] of Object.entries(blocking)) {
  test(`${name} lets others run while it works, and not inside withoutSwitching`, async () => {
    const greenlet = spawnNow(run);
    assert.equal(greenlet.state, "parked");
    await greenlet;
    const held = spawnNow(() => withoutSwitching(run));
    assert.equal(held.state, "done");
  });
}

test("Atomics.wait in a greenlet is woken by another thread, and keeps the process alive meanwhile", async () => {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    "const { workerData: w } = require('node:worker_threads'); Atomics.notify(w, 0, 1) || setInterval(() => Atomics.notify(w, 0, 1), 1)",
    {
      eval: true,
      workerData: shared,
    },
  );
  assert.equal(await spawn(() => Atomics.wait(shared, 0, 0)), "ok");
  await worker.terminate();
});

test("a module that is being loaded by a greenlet is never left half-loaded", async (t) => {
  const folder = fs.mkdtempSync(join(tmpdir(), "greenlet-module-"));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  fs.writeFileSync(
    join(folder, "reads.cjs"),
    "exports.a = 1; require('node:fs').readFileSync(__filename); exports.b = 2;",
  );
  const require = createRequire(import.meta.url);
  const { switches } = hub.stats();
  const greenlet = spawnNow(() => require(join(folder, "reads.cjs")));
  assert.deepEqual([greenlet.state, greenlet.value], ["done", { a: 1, b: 2 }]);
  assert.equal(hub.stats().switches, switches + 1);
});

test("unpatch puts the originals back, and isPatched tells", () => {
  const patched = fs.readFileSync;
  assert.ok(monkey.isPatched("fs"));
  monkey.unpatch("fs");
  assert.ok(!monkey.isPatched("fs") && monkey.isPatched("crypto"));
  assert.notEqual(fs.readFileSync, patched);
  assert.equal(readFileSync, fs.readFileSync);
  monkey.patch("fs");
  assert.notEqual(fs.readFileSync, patched);
  assert.equal(readFileSync, fs.readFileSync);
  assert.throws(() => monkey.patch("nothing" as "fs"), { code: "ERR_INVALID_ARGUMENT" });
  assert.ok(isDeepStrictEqual([fs.readFileSync.name, fs.readFileSync.length], ["readFileSync", 2]));
});
