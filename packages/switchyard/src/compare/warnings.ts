// What makes a run's figures doubtful, said in whole sentences. Calculations: nothing is left out because it is awkward.

import type { CompareRun, Measurement } from "./run.ts";
import type { Schedule } from "./schedule.ts";
import { clientsOf } from "./verdict.ts";

/** A generator that is busier than this may be what limits the figure. */
const mostGeneratorBusy = 0.9;
const mostBehindMs = 20;

export function warningsIn(run: Omit<CompareRun, "warnings" | "services">, schedule: Schedule): string[] {
  return [
    ...(run.wasInterrupted ? ["The run was interrupted: what it had measured by then is shown."] : []),
    ...(run.isQuick
      ? ["This was a quick run, of one round and without constant rates: differences below 20% are not told apart."]
      : []),
    ...machineWarnings(run),
    ...othersWarnings(run),
    ...answerWarnings(run),
    ...run.variants.flatMap(({ variant, restarts, unsettled }) => [
      ...(restarts > 0
        ? [`Under ${variant.name} ${count(restarts, "worker")} had to be replaced while it was measured.`]
        : []),
      ...unsettled.map((path) => `${variant.name} was still getting faster on ${path} when it was measured.`),
    ]),
    ...badAnswers(run.measurements),
    ...generatorWarnings(run.measurements),
    ...unmeasured(run, schedule),
  ];
}

function machineWarnings({ machine }: Pick<CompareRun, "machine">): string[] {
  if (machine.loadBefore <= 0.5) return [];
  return [
    `The machine was busy before the run (load ${machine.loadBefore.toFixed(1)} on ${count(machine.cpus, "CPU")}): figures spread, and are lower than they could be.`,
  ];
}

/** Other work that used more CPUs than this in a stretch of load has changed its figures. */
export const mostOthersCpus = 0.3;

function othersWarnings({ measurements, mixed }: Pick<CompareRun, "measurements" | "mixed">): string[] {
  const stretches = [...measurements, ...mixed.flatMap(({ atStart, later }) => [...atStart, ...later])];
  const disturbed = stretches.flatMap(({ othersCpus }) =>
    (othersCpus ?? 0) > mostOthersCpus ? [othersCpus ?? 0] : [],
  );
  if (disturbed.length === 0) return [];
  return [
    `Other work used up to ${Math.max(...disturbed).toFixed(1)} CPUs in ${disturbed.length} of ${stretches.length} stretches of load, when none was left: these figures are lower than they could be.`,
  ];
}

function answerWarnings({ variants, paths }: Pick<CompareRun, "variants" | "paths">): string[] {
  return paths.flatMap((path) => {
    const probes = variants.flatMap(({ variant, probes: all }) =>
      all
        .filter((probe) => probe.path === path && probe.status > 0)
        .map((probe) => ({ ...probe, variant: variant.name })),
    );
    const first = probes[0];
    if (first === undefined) return [];
    const errors = probes.filter(({ status }) => status >= 500);
    if (errors.length === probes.length)
      return [`${path} answers ${first.status} under every model: nothing of it was measured.`];
    const good = probes.filter(({ status }) => status < 500);
    const clientErrors = good.filter(({ status }) => status >= 400);
    const said =
      clientErrors.length === 0 ? [] : [`${path} answers ${clientErrors[0]!.status}: is it the path that you mean?`];
    if (good.some(({ repeats }) => !repeats)) {
      return [
        ...said,
        `${path} answers something else at another time (a date or a random id does that), so that the models' answers could not be held against each other: only their statuses were.`,
      ];
    }
    const odd = good.filter(({ hash }) => hash !== good[0]!.hash).map(({ variant }) => variant);
    if (odd.length > 0)
      said.push(
        `${path} answers other bytes under ${odd.join(", ")} than under ${good[0]!.variant}: something in it depends on the model, or changes from one minute to the next.`,
      );
    return said;
  });
}

function badAnswers(measurements: readonly Measurement[]): string[] {
  const worst = new Map<string, Measurement>();
  for (const each of measurements) {
    const key = `${each.variant} ${each.path}`;
    if (each.badRatio > 0.001 && each.badRatio > (worst.get(key)?.badRatio ?? 0)) worst.set(key, each);
  }
  return Array.from(worst.values(), ({ variant, path, badRatio, stream }) => {
    const parts = [
      ...Object.entries(stream.statuses).map(([status, answers]) => `${answers} × ${status}`),
      ...(stream.broken > 0 ? [`${stream.broken} broken`] : []),
      ...(stream.unanswered > 0 ? [`${stream.unanswered} without an answer by the end`] : []),
    ];
    return `Under ${variant}, ${(badRatio * 100).toFixed(1)}% of the requests for ${path} ${loadText(stream)} were not answered as they should be (${parts.join(", ")}).`;
  });
}

function loadText({ arrivals }: Measurement["stream"]): string {
  return arrivals.kind === "closed"
    ? `with ${count(arrivals.clients, "client")}`
    : `at ${arrivals.perSecond} requests a second`;
}

function generatorWarnings(measurements: readonly Measurement[]): string[] {
  const busy = measurements.filter(({ generatorBusyRatio }) => generatorBusyRatio > mostGeneratorBusy);
  const late = measurements.filter(({ generatorBehindMs }) => generatorBehindMs > mostBehindMs);
  const names = [...new Set(busy.map(({ variant, path }) => `${variant} on ${path}`))];
  return [
    ...(names.length > 0
      ? [`The load generator was nearly always busy: more may be possible than was seen under ${names.join(", ")}.`]
      : []),
    ...(late.length > 0
      ? [
          `The load generator was up to ${Math.round(Math.max(...late.map((each) => each.generatorBehindMs)))} ms behind its timetable: the machine had no CPU left for it.`,
        ]
      : []),
  ];
}

function unmeasured(
  { variants, paths, measurements, wasInterrupted }: Omit<CompareRun, "warnings" | "services">,
  schedule: Schedule,
): string[] {
  if (schedule.deadlineMs === null || wasInterrupted) return [];
  const missing = variants
    .filter(({ failure, probes }) => failure === null && probes.every(({ status }) => status > 0 && status < 500))
    .filter(({ variant }) =>
      paths.some(
        (path) =>
          !measurements.some((each) => each.variant === variant.name && each.path === path && clientsOf(each) !== null),
      ),
    );
  if (missing.length === 0) return [];
  return [
    `The time was over before all was measured, ${listed(missing.map(({ variant }) => variant.name))} not on every path. Name fewer models or paths, or leave out --quick.`,
  ];
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** "a, b and c" */
function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
