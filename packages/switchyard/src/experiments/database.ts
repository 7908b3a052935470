// A database for an experiment: PostgreSQL of Debian's package where it is installed, with data of its own in a temporary
// folder and no other way to it than a UNIX socket there; else what stands in for it.
//
// It never touches a PostgreSQL that runs already. Nothing of it outlives the experiment: it is stopped and its folder
// removed, and when this process is killed, the last watch kills it.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { startStandIn } from "./stand-in.ts";

export interface Database {
  /** What it is, for those who read the numbers. */
  readonly name: string;
  /** What tells a client where it is. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export interface DatabaseOptions {
  /** How many it allows at once. */
  readonly connections: number;
  readonly signal: AbortSignal;
  /** Told of its process, so that it ends even when this one is killed; the returned function is called when it has ended. */
  readonly onProcess: (pid: number) => () => void;
}

const user = "switchyard";
const stopPatienceMs = 5_000;

export async function startDatabase(options: DatabaseOptions): Promise<Database> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-database-"));
  const env = { PGHOST: folder, PGUSER: user, PGDATABASE: "postgres", PGPASSWORD: "", PGPORT: "5432" };
  try {
    const { name, stop } = await startIn(folder, options);
    return { name, env, stop: () => stop().finally(() => remove(folder)) };
  } catch (error) {
    remove(folder);
    throw error;
  }
}

type Started = Pick<Database, "name" | "stop">;

async function startIn(folder: string, options: DatabaseOptions): Promise<Started> {
  const installed = findPostgres();
  let why = "that is not installed (Debian: apt-get install postgresql)";
  if (installed !== null) {
    try {
      return await startPostgres(installed, folder, options);
    } catch (error) {
      options.signal.throwIfAborted();
      why = `that did not start (${firstLineOf(error)})`;
    }
  }
  const standIn = await startStandIn(join(folder, ".s.PGSQL.5432"), options.connections);
  return { name: `a stand-in that speaks PostgreSQL's protocol, since ${why}`, stop: () => standIn.close() };
}

/** What initdb said at the end, or what went wrong with postgres itself. */
function firstLineOf(error: unknown): string {
  const text = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
  return text.trim().split("\n")[0] ?? "";
}

function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

interface Installed {
  /** The folder of its programs. */
  readonly bin: string;
  readonly version: string;
  /** Whom it runs as; it refuses to run as root. */
  readonly runAs: { readonly uid: number; readonly gid: number } | null;
}

const versions = "/usr/lib/postgresql";

/** The latest that is installed, or null; null too for root where the package's user is missing. */
function findPostgres(): Installed | null {
  if (!existsSync(versions)) return null;
  const [version] = readdirSync(versions)
    .filter(
      (each) => existsSync(join(versions, each, "bin/initdb")) && existsSync(join(versions, each, "bin/postgres")),
    )
    .sort((a, b) => Number(b) - Number(a));
  if (version === undefined) return null;
  const bin = join(versions, version, "bin");
  if (process.getuid?.() !== 0) return { bin, version, runAs: null };
  const fields = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8"));
  return fields === null ? null : { bin, version, runAs: { uid: Number(fields[1]), gid: Number(fields[2]) } };
}

async function startPostgres(
  { bin, version, runAs }: Installed,
  folder: string,
  { connections, signal, onProcess }: DatabaseOptions,
): Promise<Started> {
  if (runAs !== null) chownSync(folder, runAs.uid, runAs.gid);
  const data = join(folder, "data");
  const options = { ...runAs, cwd: folder, signal };
  const making = ["--pgdata", data, "--username", user, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"];
  await promisify(execFile)(join(bin, "initdb"), [...making, "--no-sync"], options);
  const child = spawn(join(bin, "postgres"), ["-D", data, "-k", folder, ...settingsFor(connections)], {
    ...options,
    // A group of its own, which Ctrl-C does not reach and the last watch can kill. SIGINT: without waiting for clients.
    detached: true,
    killSignal: "SIGINT",
    stdio: ["ignore", "ignore", "pipe"],
  });
  // An abort, which ends it: the experiment hears of it from the signal.
  child.on("error", () => {});
  const forget = child.pid === undefined ? () => {} : onProcess(child.pid);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve())).then(forget);
  await untilReady(child);
  return { name: `PostgreSQL ${version}, which the experiment started`, stop: () => stopPostgres(child, ended) };
}

function settingsFor(connections: number): string[] {
  const settings = {
    listen_addresses: "",
    max_connections: connections,
    // All of them are for the application.
    superuser_reserved_connections: 0,
    max_wal_senders: 0,
    autovacuum: "off",
    fsync: "off",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/** @throws with the last that it said when it ends instead. */
function untilReady(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let last = "";
  createInterface({ input: child.stderr! }).on("line", (line) => {
    last = line;
    if (line.includes("ready to accept connections")) resolve();
  });
  child.once("close", () => reject(new Error(`PostgreSQL ended. The last that it said: ${last}`)));
  return promise;
}

async function stopPostgres(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill("SIGINT");
  const timer = setTimeout(() => child.kill("SIGQUIT"), stopPatienceMs);
  await ended;
  clearTimeout(timer);
}
