// `switchyard compare`: measures an application under every model, and says which one it needs.
//
// It starts every server itself, on a free port of this machine, and stops them all: at its end, at Ctrl-C, and when it is
// killed.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus as cpuList, loadavg, release, tmpdir, totalmem } from "node:os";
import { join, relative, resolve } from "node:path";
import type { Advice } from "../compare/advice.ts";
import type { RequestShape } from "../compare/load/orders.ts";
import type { CompareRun, Machine } from "../compare/run.ts";
import { modelWords, variantsFor } from "../compare/variants.ts";
import { readCpus } from "../config/cpus.ts";
import { choices, path, text, toggle } from "../config/values.ts";
import { SwitchyardError } from "../errors.ts";
import { type CommandLine, flagsHelp, parseCommandLine } from "./command-flags.ts";
import { requestFlags, requestOf } from "./compare-request.ts";
import { interruptedCode, onInterrupt } from "./interruption.ts";
import { assertWritable } from "./output-file.ts";
import { columnsOf, fitted, printText } from "./print.ts";
import { assertFile } from "./settings.ts";

const flags = {
  path: {
    kind: text({ placeholder: "<path>", allowed: "a path such as /search?q=paris" }),
    prose: "A path to send requests to. May be given several times. Default: /.",
    isRepeated: true,
  },
  ...requestFlags,
  models: {
    kind: choices(modelWords),
    prose: "The models to compare; sync is sync-threads and sync-processes. Default: all.",
  },
  quick: {
    kind: toggle(),
    prose: "Measures for well under a minute, one round and short ones: small differences are not told apart.",
  },
  html: { kind: path({ allowed: "the path of a file" }), prose: "Writes the report, one HTML file with all in it." },
  json: { kind: path({ allowed: "the path of a file" }), prose: "Writes all that was measured, as JSON." },
  write: { kind: toggle(), prose: "Puts what is advised into switchyard.config.ts." },
} as const;

type Flags = CommandLine<typeof flags>["values"];

export function compareHelp(): string {
  return `Usage: switchyard compare <file> --path /search?q=paris --path /report [options]

Runs the application under each model, sends it requests, and says which model it needs, with how
many workers and which lanes. Use it on a machine that does nothing else.

${flagsHelp(flags)}`;
}

export async function runCompare(args: readonly string[]): Promise<number> {
  const { values, positionals, help } = parseCommandLine("compare", { args, flags });
  if (help) return printText(compareHelp());
  const app = applicationOf(positionals);
  const paths = pathsOf(values.path);
  const request = requestOf(values);
  assertWritable({ html: values.html, json: values.json });
  const folder = mkdtempSync(join(tmpdir(), "switchyard-compare-"));
  const interruption = onInterrupt("what was measured is kept");
  try {
    const run = await measureAll({ app, paths, request, values, folder, args, signal: interruption.signal });
    return await tell(run, { values, app });
  } finally {
    interruption.forget();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Measured {
  readonly app: string;
  readonly paths: readonly string[];
  readonly request: RequestShape;
  readonly values: Flags;
  readonly folder: string;
  readonly args: readonly string[];
  readonly signal: AbortSignal;
}

async function measureAll({ app, paths, request, values, folder, args, signal }: Measured): Promise<CompareRun> {
  const [{ compare }, { estimateMs, fullSchedule, quickSchedule }, { startLastWatch }] = await Promise.all([
    import("../compare/compare.ts"),
    import("../compare/schedule.ts"),
    import("../supervisor/last-watch.ts"),
  ]);
  const cpus = readCpus();
  const variants = variantsFor(values.models, cpus.count);
  const isQuick = values.quick === true;
  const schedule = isQuick ? quickSchedule : fullSchedule;
  const about = Math.round(estimateMs(schedule, { variants: variants.length, paths: paths.length }) / 1_000);
  const length = about < 90 ? `${about} s` : `${Math.round(about / 60)} minutes`;
  const said = `Comparing ${variants.map(({ name }) => name).join(", ")} on ${paths.join(", ")}: about ${length}. Ctrl-C ends it and keeps what was measured.\n`;
  process.stderr.write(fitted(said, columnsOf(process.stderr)));
  const lastWatch = startLastWatch();
  try {
    const started: number[] = [];
    return await compare({
      app,
      paths,
      request,
      variants,
      schedule,
      isQuick,
      machine: machineNow(cpus),
      command: commandText(args),
      configFile: configWriter(folder),
      signal,
      progress: progressLine(),
      onProcess: (pid) => {
        started.push(pid);
        lastWatch.watch(started.slice(-1));
      },
    });
  } finally {
    lastWatch.close();
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  }
}

/** As it can be typed again, but for the values of headers, which may be secrets. */
function commandText(args: readonly string[]): string {
  const shown = args.map((arg, index) => {
    const said = args[index - 1] === "--header" || arg.startsWith("--header=") ? arg.replace(/:.*$/s, ": ...") : arg;
    return /^[\w@%+=:,./-]+$/.test(said) ? said : `'${said.replaceAll("'", `'\\''`)}'`;
  });
  return `switchyard compare ${shown.join(" ")}`;
}

/** Prints, writes what was asked for, and returns the exit code. */
async function tell(run: CompareRun, { values, app }: { values: Flags; app: string }): Promise<number> {
  const [{ advise }, { compareText }] = await Promise.all([
    import("../compare/advice.ts"),
    import("../compare/print.ts"),
  ]);
  const advice = advise(run);
  const columns = columnsOf(process.stdout);
  printText(fitted(compareText(run, advice, columns), columns));
  if (values.html !== null) {
    const { reportHtml } = await import("../compare/report/report.ts");
    writeFileSync(values.html, reportHtml(run, advice));
    printText(`The report: ${values.html}\n`);
  }
  if (values.json !== null) {
    writeFileSync(values.json, `${JSON.stringify({ ...run, advice }, null, 2)}\n`);
    printText(`All that was measured: ${values.json}\n`);
  }
  if (run.wasInterrupted) return interruptedCode;
  if (advice === null) throw nothingMeasured(run);
  if (values.write === true) await write(advice, app);
  return 0;
}

async function write(advice: Advice, app: string): Promise<void> {
  const { writeAdvice } = await import("../compare/config-file.ts");
  const cwd = process.cwd();
  const name = relative(cwd, app);
  const written = await writeAdvice(advice.config, { cwd, app: name.startsWith(".") ? name : `./${name}` });
  switch (written.is) {
    case "made":
      printText(`Made ${written.file}.\n`);
      return;
    case "changed":
      printText(`Changed ${written.file}.\n`);
      return;
    case "says-so":
      printText(`${written.file} says so already.\n`);
      return;
    case "nothing-to-say":
      printText("Nothing was written: it is what serve does by itself.\n");
  }
}

function applicationOf(positionals: readonly string[]): string {
  const [file, ...rest] = positionals;
  if (file === undefined) {
    throw new SwitchyardError("SY_APP_MISSING", {
      saw: "compare was given no application.",
      fix: 'Name the application\'s file, as in "switchyard compare app.ts --path /search".',
    });
  }
  if (/^[a-z]+:\/\//i.test(file)) {
    throw new SwitchyardError("SY_COMPARE_TARGET", {
      saw: `compare was given the address ${file}, and it sends requests to no server but those it starts on this machine.`,
      fix: 'Name the application\'s file, as in "switchyard compare app.ts --path /search".',
    });
  }
  if (rest.length > 0) {
    throw new SwitchyardError("SY_UNKNOWN_OPTION", {
      saw: `compare takes one application, and it was given "${file}" and "${rest[0]}".`,
      fix: "Paths are given as --path /search.",
    });
  }
  const app = resolve(file);
  assertFile(app, process.cwd(), "compare");
  return app;
}

function pathsOf(given: readonly string[]): readonly string[] {
  for (const each of given) {
    if (/^[a-z]+:\/\//i.test(each) || each.startsWith("//")) {
      throw new SwitchyardError("SY_COMPARE_TARGET", {
        saw: `--path was given ${each}, which names a host.`,
        fix: "Give the path alone, as in --path /search: the application is started on this machine.",
      });
    }
    if (!/^\/[\x21-\x7e]*$/.test(each)) {
      throw new SwitchyardError("SY_OPTION_VALUE", {
        saw: `--path was given "${each}", and it takes a path as it is sent: it begins with /, and has no spaces or other characters that must be encoded.`,
        fix: `Encode it, as in --path "${encodeURI(each.startsWith("/") ? each : `/${each}`)}".`,
      });
    }
  }
  return given.length === 0 ? ["/"] : [...new Set(given)];
}

function machineNow(cpus: ReturnType<typeof readCpus>): Machine {
  return {
    cpus: cpus.count,
    quota: cpus.quota,
    cpu: cpuList()[0]?.model ?? `${availableParallelism()} CPUs of an unknown kind`,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    loadBefore: loadavg()[0] ?? 0,
  };
}

function configWriter(folder: string): (config: object) => string {
  let count = 0;
  return (config) => {
    const file = join(folder, `${++count}.config.mjs`);
    writeFileSync(file, `export default ${JSON.stringify(config)};\n`);
    return file;
  };
}

/** One line that is written over on a terminal; elsewhere a line for each thing done. */
function progressLine(): (text: string, doneRatio: number) => void {
  return (what, doneRatio) => {
    const line = `${String(Math.round(doneRatio * 100)).padStart(3)} %  ${what}`;
    process.stderr.write(
      process.stderr.isTTY ? `\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}` : `${line}\n`,
    );
  };
}

function nothingMeasured({ variants, paths }: CompareRun): SwitchyardError {
  if (variants.some(({ failure, probes }) => failure === null && probes.length === 0)) {
    return new SwitchyardError("SY_COMPARE_NOTHING", {
      saw: "The time was over before enough models had their turn to advise one of them.",
      fix: "Leave out --quick, name fewer models or paths, or use a machine that does less besides.",
    });
  }
  const failed = variants.find(({ failure }) => failure !== null)?.failure;
  return new SwitchyardError("SY_COMPARE_NOTHING", {
    saw:
      failed === undefined || failed === null
        ? `Nothing could be measured: ${paths.join(", ")} ${paths.length === 1 ? "answers" : "answer"} nothing that is no server error.`
        : `Nothing could be measured: the application serves under none of these models. ${failed.saw}`,
    fix: failed?.fix ?? "Look at what the application logs: switchyard serve.",
  });
}
