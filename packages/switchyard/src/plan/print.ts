// A plan as text for a terminal: what was assumed first, then a line for each model at the load, at twice and at ten times it.

import type { FleetPlan } from "./fleet-plan.ts";
import { type Answer, type Forecast, ms, type Plan, type PlanRequest, percentileName, rate } from "./plan.ts";

/** @param plans at the load itself, and at multiples of it. */
export function planText(request: PlanRequest, plans: readonly { factor: number; plan: Plan }[]): string {
  return plans.map(({ factor, plan }) => `${heading(factor, plan.perSecond)}\n${planTable(request, plan)}`).join("\n");
}

/** What the plan is made from, on a line or two. */
export function assumptionsText(request: PlanRequest, source: string): string {
  const { service, objective, cpus, connections } = request;
  const cpu = service.cpuMs === null ? "CPU time not known" : `${ms(service.cpuMs)} of it CPU`;
  const spread = service.spread === 0 ? "all alike" : `spread ${Number(service.spread.toPrecision(2))}`;
  const limits =
    connections === null ? "" : `; ${connections.limit} database connections, each held for ${ms(connections.holdMs)}`;
  return (
    `Requests take ${ms(service.meanMs)} (${cpu}; ${spread}; ${source}). ` +
    `${cpus} CPU${cpus === 1 ? "" : "s"}${limits}.\n` +
    `Objective: ${percentileName(objective.quantile)} at most ${ms(objective.latencyMs)}.\n`
  );
}

function heading(factor: number, perSecond: number): string {
  const load = `${rate(perSecond)} requests/s`;
  return factor === 1 ? load : `${factor === 2 ? "Twice" : "Ten times"} the load, ${load}`;
}

function planTable({ objective }: PlanRequest, { answers }: Plan): string {
  const head = ["model", "workers", "busy", "wait at all", "mean wait", percentileName(objective.quantile), "by"];
  const rows: string[][] = [];
  // What holds for several models is said once.
  const notes = new Map<string, string[]>();
  for (const { model, answer } of answers) {
    if (answer.is === "kept" || answer.is === "missed") {
      rows.push([answer.is === "kept" ? model : `${model} *`, ...cellsOf(answer.forecast)]);
    }
    const note = noteOf(answer);
    if (note !== null) notes.set(note, [...(notes.get(note) ?? []), model]);
  }
  const table = rows.length === 0 ? "" : `${alignedRows([head, ...rows])}\n`;
  return table + [...notes].map(([note, models]) => `  ${models.join(", ")}: ${note}.\n`).join("");
}

function cellsOf({ workers, busyRatio, outcome, method }: Forecast): string[] {
  return [
    String(workers),
    percent(busyRatio),
    percent(outcome.chanceToWait),
    ms(outcome.meanWaitMs),
    ms(outcome.latencyMs),
    method,
  ];
}

function noteOf(answer: Answer): string | null {
  switch (answer.is) {
    case "kept":
      return null;
    case "missed":
      return `* the objective is missed; ${answer.why}`;
    case "impossible":
      return `impossible: ${answer.why}`;
    case "unknown":
      return answer.why;
  }
}

export function fleetText(fleet: FleetPlan): string {
  const { machines, workersEach, perSecond, quantile, busyRatio } = fleet;
  const head = ["policy", "wait at all", "mean wait", percentileName(quantile), "objective"];
  const rows = fleet.policies.map(({ policy, outcome, isKept }) => [
    policy,
    percent(outcome.chanceToWait),
    ms(outcome.meanWaitMs),
    ms(outcome.latencyMs),
    isKept ? "kept" : "missed",
  ]);
  return (
    `${rate(perSecond)} requests/s at ${machines.toLocaleString("en-US")} machines with ` +
    `${workersEach} workers each, ${percent(busyRatio)} busy; ` +
    `${fleet.requests.toLocaleString("en-US")} requests simulated for each policy\n${alignedRows([head, ...rows])}\n`
  );
}

/** Columns with two spaces between them; the first to the left, numbers to the right. */
export function alignedRows(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  ")}`.trimEnd(),
    )
    .join("\n");
}

export function percent(ratio: number): string {
  const value = ratio * 100;
  return `${value > 0 && value < 1 ? Number(value.toPrecision(1)) : Math.round(value)} %`;
}
