// `switchyard plan`: reads its flags, finds the service times, and prints what plan/ calculates. Starts no server.

import { writeFileSync } from "node:fs";
import { readCpus } from "../config/cpus.ts";
import { choices, decimal, duration, path, text, wholeNumber } from "../config/values.ts";
import { SwitchyardError } from "../errors.ts";
import { type LogReading, readAccessLog } from "../plan/access-log.ts";
import { type FleetPlan, planFleet } from "../plan/fleet-plan.ts";
import { ms, type Objective, type PlanRequest, planAt, plannedModels, rate } from "../plan/plan.ts";
import { assumptionsText, fleetText, planText } from "../plan/print.ts";
import { type ServiceTimes, servicesOf } from "../plan/service.ts";
import { readCompareRun } from "../plan/sources.ts";
import { type CommandLine, flagsHelp, parseCommandLine } from "./command-flags.ts";
import { assertWritable } from "./output-file.ts";
import { columnsOf, fitted, printText } from "./print.ts";

const flags = {
  rate: {
    kind: decimal({ min: 0.001, max: 1_000_000 }),
    prose: "The requests that arrive in a second, on average. With --log, the log's own rate when it is left out.",
  },
  slo: {
    kind: text({ placeholder: "<p99=time>", allowed: "an objective such as p99=300ms" }),
    prose: "The objective: a percentile of the latency and its bound.",
  },
  service: {
    kind: decimalDuration(),
    prose: "How long one request takes in a worker that has nothing else to do, on average.",
  },
  cpu: {
    kind: decimalDuration(),
    prose: "How much of --service is CPU time. Without it only model sync can be planned.",
  },
  spread: {
    kind: decimal({ min: 0, max: 20 }),
    prose:
      "How much the times differ: their standard deviation divided by their mean. 0 is all alike, 1 (the default) " +
      "exponential, for which Erlang's formula holds, more is a few very long ones.",
  },
  log: {
    kind: path({ allowed: "the path of an access log" }),
    prose:
      "Takes the times and the rate from an access log in JSON form (--access-log json). The common and the combined " +
      "form, of other servers too, have no times: with --service, the rate is taken from them.",
  },
  from: {
    kind: path({ allowed: "the path of a compare run's JSON" }),
    prose: "Takes the times, and the CPU time in them, from the JSON of a compare run, instead of --service.",
  },
  path: {
    kind: text({ placeholder: "<path>", allowed: "a path such as /search" }),
    prose: "The path whose times are taken from --log or --from.",
  },
  models: { kind: choices(plannedModels), prose: "The models to plan for. Default: all." },
  cpus: {
    kind: wholeNumber({ min: 1, max: 4096 }),
    prose: "CPUs of the machine. Default: those that this process may use.",
  },
  connections: {
    kind: wholeNumber({ min: 1, max: 1_000_000 }),
    prose: "A limit on active database connections, for the whole server.",
  },
  "connection-time": {
    kind: decimalDuration(),
    prose: "How long a request holds a connection. Default: all of its time that is not CPU time.",
  },
  machines: {
    kind: wholeNumber({ min: 1, max: 100_000 }),
    prose:
      "Simulates as many machines behind a balancer, under each of the policies random, round-robin, least-busy and " +
      "two-choices, instead of looking for a number of workers.",
  },
  workers: {
    kind: wholeNumber({ min: 1, max: 10_000 }),
    prose: "With --machines: workers of each machine. Default: as many as are busy for 80% of the time.",
  },
  seed: { kind: wholeNumber({ min: 0, max: 2 ** 31 - 1 }), prose: "The seed of the simulation. Default: 1." },
  json: { kind: path({ allowed: "the path of a file" }), prose: "Writes the plan to a file as JSON, too." },
} as const;

type Flags = CommandLine<typeof flags>["values"];

export function planHelp(): string {
  return `Usage: switchyard plan --rate 200 --slo p99=300ms --service 40ms [options]

Says how many workers keep an objective under each model, the chance that a request waits and how
long, and how that changes at twice and ten times the load.

${flagsHelp(flags)}`;
}

/** Prints a plan and returns the exit code: that of SY_PLAN_IMPOSSIBLE when no model can do the load. */
export async function runPlan(args: readonly string[]): Promise<number> {
  const { values, positionals, help } = parseCommandLine("plan", { args, flags });
  if (help) return printText(planHelp());
  if (positionals.length > 0) throw surplus(positionals[0]!);
  assertWritable({ json: values.json });
  const objective = objectiveOf(values.slo);
  const source = await readSource(values);
  const perSecond = values.rate ?? source.perSecond;
  if (perSecond === null) throw missing("how many requests arrive", "--rate 200");
  const request = requestOf(values, { objective, service: source.service, perSecond });

  print(assumptionsText(request, source.said));
  if (values.machines !== null) return printFleets(request, values);
  return printPlans(request, values);
}

function print(text: string): void {
  printText(fitted(text, columnsOf(process.stdout)));
}

function printPlans(request: PlanRequest, { json }: Flags): number {
  const plans = [1, 2, 10].map((factor) => ({ factor, plan: planAt(request, factor) }));
  print(`\n${planText(request, plans)}`);
  if (json !== null) writeJson(json, { request, plans });
  const { answers } = plans[0]!.plan;
  const impossible = answers.flatMap(({ model, answer }) => (answer.is === "impossible" ? [{ model, answer }] : []));
  if (impossible.length === 0 || impossible.length < answers.filter(({ answer }) => answer.is !== "unknown").length) {
    return 0;
  }
  const best = impossible.reduce((a, b) => (b.answer.mostPerSecond > a.answer.mostPerSecond ? b : a));
  throw new SwitchyardError("SY_PLAN_IMPOSSIBLE", {
    saw: `${rate(request.perSecond)} requests/s are more than any of these models can do: ${best.answer.why}.`,
    fix: "Lower the rate or the time of a request, or give it what it lacks: CPUs, connections, machines (--machines).",
  });
}

function printFleets(request: PlanRequest, values: Flags): number {
  const heldShare = heldShareOf(request, values.models);
  const fleets: FleetPlan[] = [];
  // Ten times as many machines at ten times the load would be the same again: the machines stay as they are.
  for (const factor of [1, 2, 10]) {
    const perSecond = request.perSecond * factor;
    const { objective, service, seed } = request;
    const machines = values.machines ?? 1;
    const workersEach = factor === 1 ? values.workers : fleets[0]!.workersEach;
    if (factor > 1 && fleets[0]!.busyRatio * factor >= 1) {
      print(
        `\n${factor === 2 ? "Twice" : "Ten times"} the load, ${rate(perSecond)} requests/s, is more than they can do: it takes ${Math.ceil((machines * fleets[0]!.busyRatio * factor) / 0.8)} such machines at 80% busy.\n`,
      );
      continue;
    }
    const fleet = planFleet({ perSecond, objective, service, machines, workersEach, heldShare, seed });
    fleets.push(fleet);
    print(`\n${fleetText(fleet)}`);
  }
  if (values.json !== null) writeJson(values.json, { request, fleets });
  return 0;
}

/** The share of a request's time for which it holds a worker: a sync worker all of it, a loop while it uses the CPU. */
function heldShareOf({ service }: PlanRequest, models: Flags["models"]): number {
  if (models === null || models.includes("sync")) return 1;
  if (service.cpuMs === null)
    throw missing("how much of a request is CPU time, for which it holds its loop", "--cpu 5ms");
  return Math.max(1e-6, service.cpuMs / service.meanMs);
}

interface Source {
  readonly service: ServiceTimes;
  readonly perSecond: number | null;
  readonly said: string;
}

async function readSource(values: Flags): Promise<Source> {
  const named = (["service", "log", "from"] as const).filter((name) => values[name] !== null);
  if (named.length === 0) throw missing("how long requests take", "--service 40ms");
  const isLoggedRate = values.log !== null && values.service !== null && values.from === null;
  if (named.length > 1 && !isLoggedRate) {
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: `Service times were given more than once: ${named.map((name) => `--${name}`).join(" and ")}.`,
      fix: "Give one of --service, --log and --from.",
    });
  }
  const source = await sourceOf(values);
  const { service } = source;
  if (!(service.meanMs > 0)) {
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: "The time of a request is 0, and a plan needs one that is longer than 0.",
      fix: "Give the mean time of a request, as in --service 40ms.",
    });
  }
  if (service.cpuMs !== null && service.cpuMs > service.meanMs) {
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: `--cpu is ${ms(service.cpuMs)}, and the whole request takes ${ms(service.meanMs)}.`,
      fix: "CPU time is a part of a request's time: give at most that much.",
    });
  }
  return source;
}

async function sourceOf(values: Flags): Promise<Source> {
  if (values.log !== null) {
    const reading = await readAccessLog(values.log, values.path);
    const lines = `${reading.requests.toLocaleString("en-US")} lines of ${values.log}${busiestText(reading)}`;
    if (values.service !== null) {
      return {
        service: givenByHand(values),
        perSecond: reading.perSecond,
        said: `given by hand; the rate of ${lines}`,
      };
    }
    if (reading.service === null) throw withoutTimes(values.log);
    const shared = reading.models.filter((model) => model !== "sync");
    const waits = shared.length === 0 ? "" : `, under ${shared.join(" and ")}: they include waits for the loop`;
    const said = `${lines}${waits}`;
    return { service: { ...reading.service, cpuMs: values.cpu }, perSecond: reading.perSecond, said };
  }
  if (values.from !== null) {
    const { path, service } = await readCompareRun(values.from, values.path);
    return { service: { ...service, cpuMs: values.cpu ?? service.cpuMs }, perSecond: null, said: `measured, ${path}` };
  }
  return { service: givenByHand(values), perSecond: null, said: "given by hand" };
}

function givenByHand({ service, cpu, spread }: Flags): ServiceTimes {
  return servicesOf({ meanMs: service ?? 0, cpuMs: cpu, spread: spread ?? 1 });
}

/** A mean over a night and a day is a plan for neither. */
function busiestText({ perSecond, busiestPerSecond }: LogReading): string {
  if (perSecond === null || busiestPerSecond === null || busiestPerSecond < 1.5 * perSecond) return "";
  return `, whose busiest minute had ${rate(busiestPerSecond)}/s`;
}

function withoutTimes(file: string): SwitchyardError {
  return new SwitchyardError("SY_PLAN_SOURCE", {
    saw: `${file} is in the common or combined form, which does not say how long requests take.`,
    fix: 'Give that by hand, as in "--service 40ms": the rate is taken from the log. Or log with --access-log json for a while.',
  });
}

function requestOf(
  values: Flags,
  { objective, service, perSecond }: { objective: Objective; service: ServiceTimes; perSecond: number },
): PlanRequest {
  const waitMs = service.meanMs - (service.cpuMs ?? 0);
  const holdMs = values["connection-time"] ?? waitMs;
  if (holdMs > waitMs) {
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: `--connection-time is ${ms(holdMs)}, and a request waits for no more than ${ms(waitMs)} of its time.`,
      fix: "The time with a connection is a part of the waiting: give at most that much.",
    });
  }
  return {
    perSecond,
    objective,
    service,
    cpus: values.cpus ?? readCpus().count,
    connections: values.connections === null ? null : { limit: values.connections, holdMs },
    models: values.models ?? plannedModels,
    seed: values.seed ?? 1,
  };
}

/** "p99=300ms" */
function objectiveOf(written: string | null): Objective {
  if (written === null) throw missing("an objective", "--slo p99=300ms");
  const [, percentile, time] = /^p(\d{1,2}(?:\.\d{1,3})?)\s*(?:=|<=|<)\s*(.+)$/i.exec(written) ?? [];
  const latencyMs = time === undefined ? Number.NaN : Number(decimalDuration().fromText(time));
  if (percentile === undefined || Number(percentile) === 0 || !(latencyMs > 0)) {
    throw new SwitchyardError("SY_OPTION_VALUE", {
      saw: `--slo was given "${written}", and it takes a percentile and a length of time.`,
      fix: 'Write it as in "--slo p99=300ms": p50 to p99.999, and a time in ms or s.',
    });
  }
  return { quantile: Number(percentile) / 100, latencyMs };
}

/** A length of time with a fraction, in milliseconds: 0.2ms is a usual one here. */
function decimalDuration() {
  const whole = duration({ minMs: 0 });
  const number = decimal({ min: 0, max: 3_600_000, placeholder: "<time>" });
  return {
    ...number,
    allowed: "a length of time, such as 40ms, 0.5ms or 1.5s",
    fromText: (written: string) => {
      const milliseconds = /^(\d+(?:\.\d+)?) ?(?:ms)?$/.exec(written)?.[1];
      return milliseconds === undefined ? whole.fromText(written) : Number(milliseconds);
    },
  };
}

function writeJson(file: string, value: unknown): void {
  // Samples are numbers by the thousand, and the plan does not need them any more.
  const text = JSON.stringify(value, (key, each: unknown) => (key === "samplesMs" ? undefined : each), 2);
  writeFileSync(file, `${text}\n`);
}

function missing(what: string, example: string): SwitchyardError {
  return new SwitchyardError("SY_OPTION_VALUE", {
    saw: `plan was not told ${what}.`,
    fix: `Add it, as in "switchyard plan --rate 200 --slo p99=300ms --service 40ms"; here ${example}.`,
  });
}

function surplus(argument: string): SwitchyardError {
  return new SwitchyardError("SY_UNKNOWN_OPTION", {
    saw: `plan takes flags alone, and it was given "${argument}".`,
    fix: '"switchyard plan --help" lists them.',
  });
}
