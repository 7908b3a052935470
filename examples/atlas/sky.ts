// Asks the slow upstream about the sky over a city, with an ordinary fetch.

import type { City } from "./cities.ts";
import { type Sky, startUpstream } from "./upstream.ts";

export type { Sky } from "./upstream.ts";

/** How long an answer of the upstream may take, in milliseconds. */
const deadlineMs = 10_000;

let address: Promise<string> | null = null;

/** The upstream of this process, started when it is first needed; or the shared one that ATLAS_UPSTREAM_URL names. */
function upstreamAddress(): Promise<string> {
  const shared = process.env.ATLAS_UPSTREAM_URL;
  address ??= shared ? Promise.resolve(shared) : startUpstream();
  return address;
}

/** The upstream did not answer, or not with what we asked for: not the client's fault, nor this application's. */
class UpstreamError extends Error {
  override readonly name = "UpstreamError";
  readonly status = 502;
}

export async function skyOf(city: City): Promise<Sky> {
  const url = new URL("/sky", await upstreamAddress());
  url.searchParams.set("latitude", String(city.latitude));
  url.searchParams.set("longitude", String(city.longitude));
  const response = await fetch(url, { signal: AbortSignal.timeout(deadlineMs) }).catch((cause: unknown) => {
    throw new UpstreamError("The service that knows the sky can't be reached. Try again in a moment.", { cause });
  });
  if (!response.ok) throw new UpstreamError(`The service that knows the sky answered ${response.status}.`);
  // Our own upstream, in upstream.ts, answers 200 with a Sky and nothing else.
  return (await response.json()) as Sky;
}
