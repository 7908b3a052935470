// `switchyard experiments`: runs the experiments on the example application, one after another, and says what each shows with
// this machine's numbers.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus as cpuList, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { wallMs } from "../clock.ts";
import { startGenerator } from "../compare/load/generator.ts";
import { isFailure, startSubject } from "../compare/subject.ts";
import { readCpus } from "../config/cpus.ts";
import { path } from "../config/values.ts";
import { SwitchyardError } from "../errors.ts";
import { experiments } from "../experiments/all.ts";
import type { Bench, Experiment, Finding } from "../experiments/experiment.ts";
import { experimentsHtml } from "../experiments/page.ts";
import { startLastWatch } from "../supervisor/last-watch.ts";
import { flagsHelp, parseCommandLine } from "./command-flags.ts";
import { interruptedCode, onInterrupt } from "./interruption.ts";
import { assertWritable } from "./output-file.ts";
import { columnsOf, fitted, printText } from "./print.ts";

const flags = {
  html: {
    kind: path({ allowed: "the path of a file" }),
    prose: "Writes the pictures and what they show, as one HTML file.",
  },
  json: { kind: path({ allowed: "the path of a file" }), prose: "Writes what was found, as JSON." },
} as const;

export function experimentsHelp(): string {
  const names = experiments.map(({ name, title }) => `  ${name.padEnd(18)}  ${title}\n`).join("");
  return `Usage: switchyard experiments [name ...] [options]

Runs experiments on the example application, with numbers from this machine. Without a name, all:

${names}
${flagsHelp(flags)}`;
}

/** An example, in this package's repository. */
function exampleAt(name: string): string {
  return fileURLToPath(new URL(`../../../../examples/${name}/app.ts`, import.meta.url));
}

export async function runExperiments(args: readonly string[]): Promise<number> {
  const { values, positionals, help } = parseCommandLine("experiments", { args, flags });
  if (help) return printText(experimentsHelp());
  const chosen = chosenFrom(positionals);
  assertWritable({ html: values.html, json: values.json });
  const example = exampleAt("atlas");
  if (!existsSync(example)) {
    throw new SwitchyardError("SY_APP_MISSING", {
      saw: `The example application, which the experiments are run on, is not at ${example}.`,
      fix: "Run them in a clone of Switchyard's repository.",
    });
  }
  const machine = `${readCpus().count} CPUs (${cpuList()[0]?.model ?? "of an unknown kind"}), Node ${process.version}, ${new Date(wallMs()).toISOString().slice(0, 10)}.`;
  printText(`${machine}\n`);
  const interruption = onInterrupt("what was found is kept");
  const findings = await runAll(chosen, interruption.signal);
  interruption.forget();
  if (values.html !== null) {
    writeFileSync(values.html, experimentsHtml(machine, findings));
    printText(`\nThe pictures: ${values.html}\n`);
  }
  if (values.json !== null) {
    const found = findings.map(({ experiment: { name, title }, finding }) => ({ name, title, ...finding }));
    writeFileSync(values.json, `${JSON.stringify({ machine, found }, null, 2)}\n`);
  }
  return interruption.signal.aborted ? interruptedCode : 0;
}

function chosenFrom(names: readonly string[]): readonly Experiment[] {
  const unknown = names.find((name) => !experiments.some((each) => each.name === name));
  if (unknown !== undefined) {
    throw new SwitchyardError("SY_UNKNOWN_OPTION", {
      saw: `There is no experiment "${unknown}".`,
      fix: `These are there: ${experiments.map(({ name }) => name).join(", ")}.`,
    });
  }
  return names.length === 0 ? experiments : experiments.filter(({ name }) => names.includes(name));
}

interface Found {
  readonly experiment: Experiment;
  readonly finding: Finding;
}

/** Runs them one after another, and returns what was found by the end, or by the interruption. */
async function runAll(chosen: readonly Experiment[], signal: AbortSignal): Promise<Found[]> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-experiments-"));
  const config = join(folder, "empty.config.mjs");
  writeFileSync(config, "export default {};\n");
  const generator = startGenerator();
  const lastWatch = startLastWatch();
  const watched = new Set<number>();
  const onProcess = (pid: number) => {
    watched.add(pid);
    lastWatch.watch([...watched]);
    return () => {
      watched.delete(pid);
      lastWatch.watch([...watched]);
    };
  };
  const bench: Bench = {
    generator,
    cpus: readCpus().count,
    memoryBytes: totalmem(),
    signal,
    onProcess,
    async withServer(args, work, { app, env } = { app: "atlas", env: {} }) {
      signal.throwIfAborted();
      let forget = () => {};
      const watch = (pid: number) => {
        forget = onProcess(pid);
      };
      const subject = await startSubject({ app: exampleAt(app), args, config, env, onProcess: watch, signal });
      if (isFailure(subject)) throw new SwitchyardError("SY_COMPARE_NOTHING", subject);
      try {
        return await work(subject);
      } finally {
        await subject.stop();
        forget();
      }
    },
  };
  const findings: Found[] = [];
  try {
    for (const experiment of chosen) {
      printText(`\n${experiment.title}\n`);
      const finding = await experiment.run(bench);
      const sentences = [finding.done, ...finding.seen].map((sentence) => `  ${sentence}\n`);
      printText(fitted(sentences.join(""), columnsOf(process.stdout)));
      findings.push({ experiment, finding });
    }
  } catch (error) {
    // Whatever fails then fails because its servers end.
    if (!signal.aborted) throw error;
  } finally {
    lastWatch.close();
    await generator.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return findings;
}
