// Measures one server: the first answers, the warm-up, and a stretch of load with what the kernel counted meanwhile.

import { createHash } from "node:crypto";
import { nowMs } from "../clock.ts";
import type { ServerStatus } from "../metrics/snapshot.ts";
import type { Generator } from "./load/generator.ts";
import { type LoadResult, plainGet, type Stream, type StreamResult, type Target } from "./load/orders.ts";
import type { Measurement, Probe, Turns } from "./run.ts";
import type { Schedule } from "./schedule.ts";
import type { Subject } from "./subject.ts";
import { machineTime, memoryOf, othersIn, type Usage, usageOf } from "./usage.ts";

/** A first answer may need what an application does once. */
const probeTimeoutMs = 10_000;

/** What a path answers: asked twice, to see whether it answers the same again. */
export async function probe(target: Target, path: string): Promise<Probe> {
  const first = await ask(target, path);
  const second = await ask(target, path);
  return { path, ...first, repeats: first.hash === second.hash && first.status === second.status };
}

/** Status 0 stands for no answer. */
async function ask(
  { host, port, request = plainGet }: Target,
  path: string,
): Promise<{ status: number; bytes: number; hash: string }> {
  try {
    const response = await fetch(`http://${host}:${port}${path}`, {
      method: request.method,
      redirect: "manual",
      headers: [
        ["accept-encoding", "identity"],
        ...request.headers.map(({ name, value }): [string, string] => [name, value]),
      ],
      ...(request.body === "" ? {} : { body: Buffer.from(request.body) }),
      signal: AbortSignal.timeout(probeTimeoutMs),
    });
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      hash.update(chunk);
    }
    return { status: response.status, bytes, hash: hash.digest("hex") };
  } catch {
    // Broken, or longer than the time: the report says that this path was not answered.
    return { status: 0, bytes: 0, hash: "" };
  }
}

/**
 * Sends requests until a stretch answers no more than a tenth more than the best before it: compilers and caches are warm then.
 *
 * @returns whether that came before the time was over.
 */
export async function warmUp({ generator, subject, schedule }: Measuring, path: string): Promise<boolean> {
  const lengthMs = schedule.warmUpMs / 4;
  let best = 0;
  let isSettled = false;
  for (let stretch = 0; stretch < 4; stretch++) {
    const result = await generator.run({
      target: subject.target,
      streams: [{ path, arrivals: { kind: "closed", clients: 4 } }],
      lengthMs,
      patienceMs: schedule.patienceMs,
    });
    const answered = result.streams[0]!.answered / result.lengthMs;
    isSettled = stretch > 0 && answered <= best * 1.1;
    if (isSettled) break;
    best = Math.max(best, answered);
  }
  await untilAllReady(subject);
  return isSettled;
}

/** How long workers that are being started have to be ready before figures are taken beside them, in milliseconds. */
const startPatienceMs = 3_000;

/** Model auto starts workers when it has seen a route that needs them: what that costs is no request's. */
async function untilAllReady(subject: Subject): Promise<void> {
  const endsAtMs = nowMs() + startPatienceMs;
  while (nowMs() < endsAtMs) {
    const status = await subject.status();
    const isStarting =
      status?.workers.some(({ state }) => state === "starting") ||
      status?.lanes.some(({ workers }) => workers !== null && workers.live < workers.min);
    if (!isStarting) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export interface Measuring {
  readonly generator: Generator;
  readonly subject: Subject;
  readonly schedule: Schedule;
}

export interface Stretch {
  readonly variant: string;
  readonly round: number;
  readonly stream: Stream;
  readonly lengthMs: number;
  /** The status that the path's answers are to have. */
  readonly status: number;
}

/** One stretch of load on one path. */
export async function measure({ generator, subject, schedule }: Measuring, stretch: Stretch): Promise<Measurement> {
  const { variant, round, stream, lengthMs, status } = stretch;
  const toldBefore = await subject.status();
  const { result, before, after, othersCpus } = await loaded({ generator, subject, schedule }, [stream], lengthMs);
  const toldAfter = await subject.status();
  const seen = result.streams[0]!;
  const used =
    before === null || after === null || !isWhole(before, after)
      ? null
      : {
          cpuMs: after.cpuMs - before.cpuMs,
          queuedMs: after.queuedMs - before.queuedMs,
          voluntary: after.voluntarySwitches - before.voluntarySwitches,
          involuntary: after.involuntarySwitches - before.involuntarySwitches,
        };
  // What was answered after the sending had ended has used CPU time too.
  const all = Object.values(seen.statuses).reduce((sum, count) => sum + count, 0);
  return {
    variant,
    path: stream.path,
    round,
    stream: seen,
    ...ratesOf(seen, result, status),
    cpuMs: used === null || all === 0 ? null : used.cpuMs / all,
    cpuQueuedMs: used === null || all === 0 ? null : used.queuedMs / all,
    cpusBusy: used === null ? null : used.cpuMs / result.lengthMs,
    switches:
      used === null || all === 0 ? null : { voluntary: used.voluntary / all, involuntary: used.involuntary / all },
    turns: toldBefore === null || toldAfter === null ? null : turnsBetween(toldBefore, toldAfter),
    memoryBytes: memoryOf(subject.pid)?.bytes ?? null,
    generatorBusyRatio: result.busyRatio,
    generatorBehindMs: result.behindMs,
    othersCpus,
  };
}

/** What a process has used is gone with it: where one has ended meanwhile, nothing is known. */
function isWhole(before: Usage, after: Usage): boolean {
  return before.pids.every((pid) => after.pids.includes(pid));
}

export interface Loaded {
  readonly result: LoadResult;
  readonly before: Usage | null;
  readonly after: Usage | null;
  /** CPUs that other work used meanwhile and that were wanted here. */
  readonly othersCpus: number | null;
}

/** A load, with what the server used before and after it, and what else the machine did. */
export async function loaded(measuring: Measuring, streams: readonly Stream[], lengthMs: number): Promise<Loaded> {
  const { generator, subject, schedule } = measuring;
  const machineBefore = machineTime();
  const ownBefore = ownCpuMs();
  const beganAtMs = nowMs();
  const before = usageOf(subject.pid);
  const result = await generator.run({ target: subject.target, streams, lengthMs, patienceMs: schedule.patienceMs });
  const after = usageOf(subject.pid);
  const machine = { before: machineBefore, after: machineTime() };
  const usedMs = before === null || after === null ? 0 : after.cpuMs - before.cpuMs;
  const ownMs = ownCpuMs() - ownBefore + usedMs;
  return { result, before, after, othersCpus: othersIn(machine, { ownMs, lengthMs: nowMs() - beganAtMs }) };
}

/** Of this process, the load generator's thread included. */
function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** With fewer answers than this the workers' own clocks would be most of what is counted. */
const fewestAnswers = 5;

/**
 * What the workers did for one answer, of what they told between two moments. Both their turns and their answers are as old as
 * their last report, so that they go together.
 */
export function turnsBetween(before: ServerStatus, after: ServerStatus): Turns | null {
  const answers = answersIn(after) - answersIn(before);
  if (answers < fewestAnswers) return null;
  let loop = 0;
  let greenlet = 0;
  for (const { worker, vitals } of after.workers) {
    const earlier = before.workers.find((each) => each.worker === worker)?.vitals;
    // It is new, or has not told yet: its part is not known.
    if (vitals === null || earlier == null || earlier.startedAtMs !== vitals.startedAtMs) continue;
    loop += vitals.loopTurns - earlier.loopTurns;
    greenlet += vitals.greenletSwitches - earlier.greenletSwitches;
  }
  return { loop: loop / answers, greenlet: greenlet / answers };
}

function answersIn({ totals }: ServerStatus): number {
  return totals.answered + totals.failed;
}

/** Good answers in a second, and the share of what was sent that was not answered well. */
export function ratesOf(
  seen: StreamResult,
  { lengthMs }: Pick<LoadResult, "lengthMs">,
  status: number,
): { perSecond: number; badRatio: number } {
  const answered = Object.values(seen.statuses).reduce((sum, count) => sum + count, 0);
  const good = seen.statuses[String(status)] ?? 0;
  const sent = answered + seen.broken + seen.unanswered;
  const goodShare = answered === 0 ? 0 : good / answered;
  return {
    perSecond: (seen.answered * goodShare * 1_000) / lengthMs,
    // In a closed loop every client has one request on its way at the end: that is no fault.
    badRatio: sent === 0 ? 1 : (answered - good + seen.broken) / sent,
  };
}
