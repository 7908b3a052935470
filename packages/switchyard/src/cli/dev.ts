// `switchyard dev`: one worker, replaced whenever a file that the application was loaded from has changed.
//
// It is `serve` with other settings: the supervisor, its port and its dashboard stay, and a change is a reload. While the
// application can't be loaded, one of our own takes its place and answers with the error, until the next change. Nothing
// that an application does at its load ends the command.

import { type FSWatcher, mkdtempSync, readFileSync, rmSync, statSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join, relative } from "node:path";
import { nowMs } from "../clock.ts";
import { parseServeFlags } from "../config/flags.ts";
import type { ServeSettings } from "../config/settings.ts";
import { type ErrorReport, reportOf, SwitchyardError } from "../errors.ts";
import type { Log } from "../log/log.ts";
import type { ServerControl } from "../server-control.ts";
import { LoadedFiles } from "./dev-watch.ts";
import { printError, printText } from "./print.ts";
import { readSettings } from "./settings.ts";

export function devHelp(): string {
  return `Usage: switchyard dev <file> [options]

Serves an application while you write it: one worker, replaced when a file that it was loaded
from changes. An application that can't be loaded, or throws, is answered with a page that shows
where.

  --inspect[=<port>]
      Opens Node's inspector in the worker, on 127.0.0.1, port 9229 unless another is named.

The options of "switchyard serve" are taken too; --workers and --threads have no effect.
`;
}

/** Serves until it is told to stop, and returns the exit code. */
export async function dev(args: readonly string[]): Promise<number> {
  const { inspectPort, rest } = takeInspect(args);
  const flags = parseServeFlags(rest);
  if (flags.help) return printText(devHelp());
  const settings = devSettings(await readSettings(flags, "dev"));
  const folder = mkdtempSync(join(tmpdir(), "switchyard-dev-"));
  try {
    return await new Development(settings, { folder, inspectPort }).run();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const defaultInspectPort = 9229;
/** How long what is loaded is gathered before it is watched, in milliseconds. */
const listQuietMs = 50;

function takeInspect(args: readonly string[]): { inspectPort: number | null; rest: readonly string[] } {
  let inspectPort: number | null = null;
  const rest = args.filter((arg) => {
    const [name, value] = arg.split("=", 2);
    if (name !== "--inspect") return true;
    inspectPort = value === undefined ? defaultInspectPort : portOf(value);
    return false;
  });
  return { inspectPort, rest };
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new SwitchyardError("SY_OPTION_VALUE", {
    saw: `--inspect was given "${text}", and it takes a port from 1 to 65535.`,
    fix: `Write --inspect=9230, or --inspect alone for port ${defaultInspectPort}.`,
  });
}

function devSettings(settings: ServeSettings): ServeSettings {
  const keepsModel = settings.model === "sync" || settings.model === "greenlet";
  return {
    ...settings,
    model: keepsModel ? settings.model : "async",
    workers: 1,
    threads: 0,
    // The worker before a change must not answer after it, on a connection that a browser keeps.
    drainTimeoutMs: 0,
    // The way to the supervisor's reload.
    adminPort: settings.adminPort ?? 0,
  };
}

interface DevelopmentOptions {
  /** For what its processes tell each other, by files. */
  readonly folder: string;
  readonly inspectPort: number | null;
}

class Development {
  readonly #settings: ServeSettings;
  readonly #folder: string;
  readonly #list: string;
  readonly #files = new LoadedFiles({
    onChange: (file) => void this.#onChange(file),
    onFailure: (error, folder) =>
      this.#log?.warn({ folder }, `${folder} can't be watched (${error.message}); restart the command after a change.`),
  });
  #log: Log | null = null;
  /** What is served now: the application, or the one that shows its error. */
  #served: string;
  #control: ServerControl | null = null;
  #isReloading = false;
  #changed: string | null = null;

  constructor(settings: ServeSettings, { folder, inspectPort }: DevelopmentOptions) {
    this.#settings = settings;
    this.#served = settings.app;
    this.#folder = folder;
    this.#list = join(folder, "loaded");
    const preload = ownModule("preload");
    // Every process that is started from here on reads these, at its own start.
    process.env.NODE_ENV ??= "development";
    process.env.SWITCHYARD_DEV = "1";
    process.env.SWITCHYARD_DEV_LOADS = this.#list;
    if (inspectPort !== null) process.env.SWITCHYARD_DEV_INSPECT = String(inspectPort);
    process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ""} --import=${preload.href}`.trim();
  }

  async run(): Promise<number> {
    const [{ createLogger }, { runSupervisor }, { startControlSocket }, { startAdminServer }] = await Promise.all([
      import("../log/logger.ts"),
      import("../supervisor/supervisor.ts"),
      import("../control/socket.ts"),
      import("../control/admin.ts"),
    ]);
    const log = createLogger({ level: this.#settings.logLevel, component: "dev" });
    this.#log = log;
    this.#watch();
    const listing = this.#watchList();
    const now = () => ({ ...this.#settings, app: this.#served });
    try {
      for (;;) {
        try {
          return await runSupervisor({
            settings: now(),
            log,
            readSettings: () => Promise.resolve(now()),
            startControl: (options) => startControlSocket({ ...options, cwd: process.cwd() }),
            startAdmin: (options) => {
              this.#control = options.control;
              return startAdminServer(options);
            },
          });
        } catch (error) {
          const isApplications = error instanceof SwitchyardError && error.fault === "app";
          if (!isApplications || this.#served !== this.#settings.app) throw error;
          this.#showError(error);
        }
      }
    } finally {
      listing.close();
      this.#files.close();
    }
  }

  /** One reload at a time; what changes meanwhile makes another after it. */
  async #onChange(file: string): Promise<void> {
    this.#changed = file;
    if (this.#isReloading || this.#control === null) return;
    this.#isReloading = true;
    while (this.#changed !== null) {
      const changed: string = this.#changed;
      this.#changed = null;
      await this.#reload(changed, this.#control);
    }
    this.#isReloading = false;
  }

  async #reload(changed: string, control: ServerControl): Promise<void> {
    const startedAtMs = nowMs();
    const name = relative(process.cwd(), changed);
    writeFileSync(this.#list, "");
    this.#served = this.#settings.app;
    try {
      await control.reload();
      this.#watch();
      this.#log?.info({ file: changed }, `${name} changed: loaded again in ${Math.round(nowMs() - startedAtMs)} ms.`);
    } catch (error) {
      this.#showError(error);
      // What replaces the application is ours and loads; only a server that ends refuses.
      await control.reload().catch(() => {});
    }
  }

  /** From the next reload or start on, serves what is wrong. */
  #showError(error: unknown): void {
    const report = reportOf(error);
    printError(error, { verbose: true });
    this.#served = this.#errorModule(report);
    this.#watch();
  }

  #errorModule(report: ErrorReport): string {
    const file = join(this.#folder, `error-${Math.round(nowMs() * 1000)}.mjs`);
    const application = ownModule("error-application").href;
    const literal = JSON.stringify(JSON.stringify(report));
    writeFileSync(
      file,
      `import { errorApplication } from ${JSON.stringify(application)};\nexport default errorApplication(JSON.parse(${literal}));\n`,
    );
    return file;
  }

  /** Files are loaded at any time: at the start, and by an import() that a request makes. */
  #watchList(): FSWatcher {
    let isDue = false;
    return watch(this.#folder, () => {
      if (isDue) return;
      isDue = true;
      setTimeout(() => {
        isDue = false;
        this.#watch();
      }, listQuietMs).unref();
    });
  }

  /** Watches what has been loaded: with the application itself, which may not have come so far. */
  #watch(): void {
    const loaded = listed(this.#list);
    // Our own stand-ins for an application that does not load.
    for (const file of loaded.keys()) if (file.startsWith(this.#folder)) loaded.delete(file);
    this.#files.watch(new Set([this.#settings.app, ...loaded.keys()]));
    // What was changed after it was loaded and before it was watched.
    for (const [file, mtimeMs] of loaded) if (hasChanged(file, mtimeMs)) this.#files.told(file);
  }
}

/** A module that processes of this command load: neither is an entry of a process. */
function ownModule(name: "preload" | "error-application"): URL {
  return new URL(`../dev/${name}${extname(import.meta.url)}`, import.meta.url);
}

/** The files that were loaded, each with the time of its last change then. */
function listed(list: string): Map<string, number> {
  const lines = textOf(list).split("\n");
  return new Map(
    lines
      .filter((line) => line.includes("\t"))
      .map((line) => {
        const at = line.lastIndexOf("\t");
        return [line.slice(0, at), Number(line.slice(at + 1))];
      }),
  );
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Nothing has been loaded yet.
    return "";
  }
}

function hasChanged(file: string, mtimeMs: number): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? mtimeMs) !== mtimeMs;
}
