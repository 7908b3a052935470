// What a switch costs an operating system's thread, a task of an event loop, and a greenlet.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Bar } from "../compare/report/svg.ts";
import { siblingModule } from "../pool/sibling-module.ts";
import type { Bench, Finding } from "./experiment.ts";
import type { SwitchCosts } from "./switch-costs.ts";

/** Waits of a request: as many as a page with ten queries, one after another. */
const waits = 10;

export async function switchCosts({ signal }: Bench): Promise<Finding> {
  const file = fileURLToPath(siblingModule(import.meta.url, "./switch-costs"));
  const { stdout } = await promisify(execFile)(process.execPath, [file], { signal });
  // What switch-costs.ts prints.
  const costs = JSON.parse(stdout) as SwitchCosts;
  const bars: Bar[] = [
    bar("OS thread", 3, costs.thread),
    bar("turn of the loop", 1, costs.loopTurn),
    bar("await", 0, costs.awaited),
  ];
  if (costs.greenlet !== null) bars.push(bar("greenlet, wait()", 4, costs.greenlet));
  return {
    done: "To something else and back: from one thread to another through the kernel, from a task to its event loop, from a greenlet to the loop that resumes it.",
    seen: [
      `Two threads that take turns need ${micros(costs.thread)} there and back: the kernel puts one to sleep and wakes the other, often on another CPU.`,
      `A task that awaits what is there already is back after ${micros(costs.awaited)}: no kernel, no stack, only the engine's queue. A whole turn of the event loop takes ${micros(costs.loopTurn)}.`,
      costs.greenlet === null
        ? "Greenlets can't be used on this machine."
        : `A greenlet needs ${micros(costs.greenlet)}: its stack is exchanged for another one, and the kernel is not asked.`,
      `A request that waits ${waits} times spends ${micros(waits * costs.thread)} on switches between threads, ${micros(waits * costs.awaited)} in await${costs.greenlet === null ? "" : `, ${micros(waits * costs.greenlet)} in a greenlet`}. Beside waits of milliseconds none of these decides; how many requests can wait at once does.`,
    ],
    pictures: [{ title: "There and back, microseconds", bars }],
  };
}

function bar(name: string, place: number, value: number): Bar {
  return { name, place, parts: [{ value, kind: "" }], said: micros(value) };
}

function micros(value: number): string {
  return `${value.toPrecision(value >= 100 ? 3 : 2)} µs`;
}
