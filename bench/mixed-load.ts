// The case that matters: a fast route, while a few clients keep a route busy that holds the CPU.

import { load } from "./load.ts";

export const fastClients = 16;
export const busyClients = 4;

export interface Mixed {
  readonly helloPerSecond: number;
  readonly helloP50Ms: number;
  readonly helloP99Ms: number;
  readonly cpuPerSecond: number;
  readonly errors: number;
}

/** @param cpus Where the load is made; by default anywhere. */
export async function mixedLoad(
  url: string,
  { warmSeconds, seconds, cpus }: { warmSeconds: number; seconds: number; cpus?: string },
): Promise<Mixed> {
  const on = cpus === undefined ? {} : { cpus };
  const both = (length: number) =>
    Promise.all([
      load({ url: `${url}/hello`, connections: fastClients, seconds: length, ...on }),
      load({ url: `${url}/cpu`, connections: busyClients, seconds: length, ...on }),
    ]);
  await both(warmSeconds);
  const [hello, cpu] = await both(seconds);
  return {
    helloPerSecond: hello.perSecond,
    helloP50Ms: hello.p50Ms,
    helloP99Ms: hello.p99Ms,
    cpuPerSecond: cpu.perSecond,
    errors: hello.errors + cpu.errors,
  };
}
