// A compare run, from start to end: every variant is started, measured and stopped, round after round, then each at the same
// constant rates, then what is advised against what is the default.
//
// One server runs at a time. A variant that can't serve is noted and the others go on. When the run is interrupted, or its time
// is over, what has been measured is kept and returned.

import { nowMs, wallMs } from "../clock.ts";
import { advise } from "./advice.ts";
import { type Generator, startGenerator } from "./load/generator.ts";
import type { RequestShape, Stream } from "./load/orders.ts";
import { type Measuring, measure, probe, warmUp } from "./measure.ts";
import { mixedStreams, mixedSubjects, runMixed } from "./mixed.ts";
import type { CompareRun, Failure, Machine, Measurement, MixedLoad, Probe, Variant, VariantReport } from "./run.ts";
import { estimateMs, mixedEstimateMs, type Schedule, stretchMs } from "./schedule.ts";
import { isFailure, type Subject, startSubject } from "./subject.ts";
import { memoryOf } from "./usage.ts";
import { capacityOf, expectedStatus, servicesIn } from "./verdict.ts";
import { warningsIn } from "./warnings.ts";

export interface CompareOptions {
  /** The application's file, as an absolute path. */
  readonly app: string;
  readonly paths: readonly string[];
  /** What is sent besides a path. */
  readonly request: RequestShape;
  readonly variants: readonly Variant[];
  readonly schedule: Schedule;
  readonly isQuick: boolean;
  readonly machine: Machine;
  /** As the user wrote it. */
  readonly command: string;
  /** Writes a config file that says this, and returns its path. */
  readonly configFile: (config: object) => string;
  readonly signal: AbortSignal;
  /** What is done now, and the share of the run that is over. */
  readonly progress: (text: string, doneRatio: number) => void;
  /** Told of every process that is started. */
  readonly onProcess: (pid: number) => void;
}

export async function compare(options: CompareOptions): Promise<CompareRun> {
  const generator = startGenerator();
  const cut = () => generator.cut();
  options.signal.addEventListener("abort", cut);
  try {
    return await new Comparison(options, generator).run();
  } finally {
    options.signal.removeEventListener("abort", cut);
    await generator.close();
  }
}

type MutableReport = { -readonly [Key in keyof VariantReport]: VariantReport[Key] };

class Comparison {
  readonly #options: CompareOptions;
  readonly #generator: Generator;
  readonly #beganAtMs = nowMs();
  readonly #reports: MutableReport[];
  readonly #measurements: Measurement[] = [];
  #mixed: readonly MixedLoad[] = [];
  /** When the next variant's turn is to come, where time is limited; 0 when the server of this one has ended. */
  #visitEndsAtMs = Number.POSITIVE_INFINITY;

  constructor(options: CompareOptions, generator: Generator) {
    this.#options = options;
    this.#generator = generator;
    this.#reports = options.variants.map((variant) => ({
      variant,
      failure: null,
      startMs: null,
      workers: null,
      idleBytes: null,
      processes: null,
      restarts: 0,
      probes: [],
      unsettled: [],
    }));
  }

  async run(): Promise<CompareRun> {
    const { signal } = this.#options;
    const at = new Date(wallMs()).toISOString();
    const hasOpenLoops = this.#options.schedule.rateShares.length > 0;
    await this.#pass(hasOpenLoops ? closedShare : 1, (report, measuring, round) =>
      this.#closedLoops(report, measuring, round),
    );
    if (hasOpenLoops) {
      await this.#pass(1, (report, measuring, round) => this.#openLoops(report, measuring, round));
    }
    this.#visitEndsAtMs = Number.POSITIVE_INFINITY;
    if (!signal.aborted) await this.#tryAdvice();
    return this.#result(at);
  }

  /** Visits every variant, round after round. Where time is limited, each has the same part of what is left until `share` of it. */
  async #pass(
    share: number,
    work: (report: MutableReport, measuring: Measuring, round: number) => Promise<void>,
  ): Promise<void> {
    const { rounds, deadlineMs } = this.#options.schedule;
    for (let round = 1; round <= rounds; round++) {
      for (const [index, report] of this.#reports.entries()) {
        this.#visitEndsAtMs = Number.POSITIVE_INFINITY;
        if (deadlineMs !== null) {
          const endsAtMs = this.#beganAtMs + (deadlineMs - this.#mixedReserveMs()) * share;
          this.#visitEndsAtMs = nowMs() + (endsAtMs - nowMs()) / (this.#reports.length - index);
        }
        await this.#visit(report, (measuring) => work(report, measuring, round));
      }
    }
  }

  /** Starts a variant, does something with it, and stops it, whatever comes. */
  async #visit(report: MutableReport, work: (measuring: Measuring) => Promise<void>): Promise<void> {
    const { app, request, configFile, onProcess, schedule, signal } = this.#options;
    if (report.failure !== null || this.#isOver(this.#mixedReserveMs())) return;
    const { args } = report.variant;
    const subject = await startSubject({ app, args, request, config: configFile({}), onProcess, signal });
    if (isFailure(subject)) {
      if (!signal.aborted) report.failure = subject;
      return;
    }
    report.startMs ??= subject.startMs;
    let isTold = false;
    void subject.ended.then(() => {
      if (isTold || signal.aborted) return;
      report.failure = endedUnderLoad;
      this.#visitEndsAtMs = 0;
    });
    try {
      await work({ generator: this.#generator, subject, schedule });
      await this.#noteStatus(report, subject);
    } finally {
      isTold = true;
      await subject.stop();
    }
  }

  async #closedLoops(report: MutableReport, measuring: Measuring, round: number): Promise<void> {
    const { paths } = this.#options;
    if (round === 1) {
      const memory = memoryOf(measuring.subject.pid);
      report.idleBytes = memory?.bytes ?? null;
      report.processes = memory?.processes ?? null;
      report.probes = await this.#probeAll(measuring);
    }
    for (const [index, path] of paths.entries()) {
      const status = this.#workingStatus(report, path);
      if (status === null || this.#isOver(this.#mixedReserveMs())) continue;
      this.#say(`${report.variant.name}, ${path}`);
      const endsAtMs = nowMs() + (this.#visitEndsAtMs - nowMs()) / (paths.length - index);
      if (!(await warmUp(measuring, path)) && round === 1) report.unsettled = [...report.unsettled, path];
      await this.#levels({ report, path, round, status, measuring, endsAtMs });
    }
  }

  /** A closed loop at each number of clients: the least first, then the most, which say most where time is short. */
  async #levels({ report, path, round, status, measuring, endsAtMs }: LevelsOf): Promise<void> {
    const { schedule, signal } = this.#options;
    const least = schedule.clients[0]!;
    let rest: readonly number[] = schedule.clients.slice(1);
    let aloneMs = 0;
    for (let index = 0; ; index++) {
      const clients = index === 0 ? least : rest[index - 1];
      // One level besides the least is measured however little time there is: alone, most models look the same.
      const isLate = index > 1 && nowMs() + schedule.closedMs > endsAtMs;
      if (clients === undefined || isLate || this.#isOver(this.#mixedReserveMs())) break;
      const stream: Stream = { path, expected: status, arrivals: { kind: "closed", clients } };
      const lengthMs = stretchMs(schedule, { usualMs: schedule.closedMs, requestMs: aloneMs });
      const seen = await measure(measuring, { variant: report.variant.name, round, stream, lengthMs, status });
      if (!signal.aborted) this.#measurements.push(seen);
      if (seen.stream.unanswered > 0) await this.#untilIdle(measuring.subject);
      if (index > 0) continue;
      aloneMs = seen.stream.meanMs;
      // More would wait for the CPU for longer than a stretch is: nothing could be seen but that.
      // One that mostly waits is no such path, whatever the server's own start has cost beside it.
      const computesMs = (seen.cpuMs ?? 0) > aloneMs / 2 ? (seen.cpuMs ?? 0) : 0;
      const most = schedule.longestMs / Math.max(computesMs, Number.MIN_VALUE);
      rest = lastFirst(rest.filter((each) => each <= Math.max(fewClients, most)));
    }
  }

  /** Waits until the server is done with what was given up, which it does not know: or the next figures would be of that. */
  async #untilIdle(subject: Subject): Promise<void> {
    const endsAtMs = nowMs() + 4 * this.#options.schedule.longestMs;
    while (nowMs() < endsAtMs && !this.#options.signal.aborted) {
      const status = await subject.status();
      if (status !== null && status.totals.inFlight === 0 && (status.queue?.length ?? 0) === 0) return;
      // Workers tell their counts four times a second.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async #openLoops(report: MutableReport, measuring: Measuring, round: number): Promise<void> {
    const { schedule, paths, signal } = this.#options;
    if (round === 1) await this.#probeAgain(report, measuring);
    for (const path of paths) {
      const status = this.#workingStatus(report, path);
      if (status === null || this.#isOver(this.#mixedReserveMs())) continue;
      await warmUp(measuring, path);
      const most = Math.max(...this.#reports.map((each) => capacityOf(this.#measurements, each.variant.name, path)));
      for (const share of schedule.rateShares) {
        const perSecond = roundedRate(most * share);
        if (this.#isOver(this.#mixedReserveMs()) || perSecond <= 0) break;
        this.#say(`${report.variant.name}, ${path} at ${perSecond}/s`);
        const stream: Stream = { path, expected: status, arrivals: { kind: "open", perSecond } };
        const lengthMs = stretchMs(schedule, { usualMs: schedule.openMs, requestMs: (20 * 1_000) / perSecond });
        const seen = await measure(measuring, { variant: report.variant.name, round, stream, lengthMs, status });
        if (!signal.aborted) this.#measurements.push(seen);
        if (seen.stream.unanswered > 0) await this.#untilIdle(measuring.subject);
      }
    }
  }

  async #probeAll({ subject }: Measuring): Promise<Probe[]> {
    const probes: Probe[] = [];
    for (const path of this.#options.paths) probes.push(await probe(subject.target, path));
    return probes;
  }

  /** A while after the first time: a body that another moment changes is not the model's doing. */
  async #probeAgain(report: MutableReport, measuring: Measuring): Promise<void> {
    const now = await this.#probeAll(measuring);
    report.probes = report.probes.map((each, index) => ({
      ...each,
      // Another status is another matter than another body.
      repeats: each.repeats && (now[index]!.status !== each.status || now[index]!.hash === each.hash),
    }));
  }

  /** The status that a path is to have, or null when this variant gives it another: then there is nothing to measure. */
  #workingStatus(report: VariantReport, path: string): number | null {
    const own = report.probes.find((each) => each.path === path)?.status ?? 0;
    return own > 0 && own < 500 && own === expectedStatus(this.#reports, path) ? own : null;
  }

  async #noteStatus(report: MutableReport, subject: Subject): Promise<void> {
    const status = await subject.status();
    if (status === null) return;
    report.workers = status.workersWanted;
    report.restarts += status.restarts;
  }

  /** What is advised, beside what is the default, with all paths at once. */
  async #tryAdvice(): Promise<void> {
    const { app, request, configFile, onProcess, schedule, signal, paths } = this.#options;
    const draft = this.#result("");
    const advice = advise(draft);
    if (advice === null || paths.length < 2 || this.#isOver(0)) return;
    if (Object.keys(advice.config).length === 0) return;
    this.#say("what is advised, and what is the default");
    this.#mixed = await runMixed({
      subjects: mixedSubjects(advice, schedule),
      streams: mixedStreams(draft, advice),
      start: (config) => startSubject({ app, args: [], request, config: configFile(config), onProcess, signal }),
      generator: this.#generator,
      schedule,
      isOver: () => this.#isOver(0),
    });
  }

  #isOver(reserveMs: number): boolean {
    const { signal, schedule } = this.#options;
    if (signal.aborted || this.#visitEndsAtMs === 0) return true;
    return schedule.deadlineMs !== null && nowMs() - this.#beganAtMs > schedule.deadlineMs - reserveMs;
  }

  /** The time that is kept for trying the advice. */
  #mixedReserveMs(): number {
    const { schedule, paths } = this.#options;
    return paths.length < 2 ? 0 : mixedEstimateMs(schedule);
  }

  #say(text: string): void {
    const { schedule, variants, paths, progress } = this.#options;
    const estimated = estimateMs(schedule, { variants: variants.length, paths: paths.length });
    progress(text, Math.min(0.99, (nowMs() - this.#beganAtMs) / estimated));
  }

  #result(at: string): CompareRun {
    const { command, app, request, isQuick, machine, paths, signal, schedule } = this.#options;
    const run: Omit<CompareRun, "warnings" | "services"> = {
      format: "switchyard-compare-1",
      at,
      command,
      app,
      isQuick,
      wasInterrupted: signal.aborted,
      machine,
      paths,
      // Their values may be secrets, and a report is for others too.
      request: { ...request, headers: request.headers.map(({ name }) => ({ name, value: "" })) },
      variants: this.#reports,
      measurements: this.#measurements,
      mixed: this.#mixed,
      lengthMs: nowMs() - this.#beganAtMs,
    };
    return { ...run, services: servicesIn(run), warnings: warningsIn(run, schedule) };
  }
}

interface LevelsOf {
  readonly report: VariantReport;
  readonly path: string;
  readonly round: number;
  readonly status: number;
  readonly measuring: Measuring;
  readonly endsAtMs: number;
}

/** The share of a limited time that is for the closed loops. */
const closedShare = 0.8;

/** As many clients any path is given. */
const fewClients = 8;

/** 256, 4, 16, 64 of 4, 16, 64, 256. */
function lastFirst(clients: readonly number[]): number[] {
  return [...clients.slice(-1), ...clients.slice(0, -1)];
}

const endedUnderLoad: Failure = {
  code: null,
  saw: "The server ended while it was being measured.",
  fix: "Run it by itself under the same model and send it requests: its log says why.",
};

/** A rate that can be read: two digits. */
function roundedRate(perSecond: number): number {
  return perSecond < 1 ? Number(perSecond.toPrecision(1)) : Number(perSecond.toPrecision(2));
}
