// The slow upstream: an HTTP server of its own that knows the sky over any place, and takes its time to say so.
//
// What it answers is real astronomy (NOAA's equations for the sun's position, to about a minute); only its slowness is
// made up: ATLAS_UPSTREAM_MS, 100 by default. The application starts one in its own process, on a free port of the loopback
// interface, when it first needs it. Run by itself (`PORT=4000 node upstream.ts`) it can be shared: give its address to the
// application as ATLAS_UPSTREAM_URL.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** The sky over a place at a moment. */
export interface Sky {
  /** How high the sun stands over the horizon, in degrees; negative at night. */
  readonly sunAltitude: number;
  /** Between sunrise and sunset today, in hours. */
  readonly daylightHours: number;
  /** What a sundial shows, as hh:mm. */
  readonly solarTime: string;
}

const delayMs = Math.min(60_000, Math.max(0, Number(process.env.ATLAS_UPSTREAM_MS ?? 100) || 0));
const minutesPerDay = 1440;
const radiansPerDegree = Math.PI / 180;

export function createUpstream(): Server {
  return createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://upstream");
  const latitude = Number.parseFloat(searchParams.get("latitude") ?? "");
  const longitude = Number.parseFloat(searchParams.get("longitude") ?? "");
  const isKnown = pathname === "/sky" && Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
  await delay(delayMs);
  response.writeHead(isKnown ? 200 : 404, { "content-type": "application/json" });
  response.end(JSON.stringify(isKnown ? skyOver({ latitude, longitude, at: new Date() }) : { error: "no such place" }));
}

/** After "General Solar Position Calculations", NOAA Global Monitoring Laboratory. */
export function skyOver({ latitude, longitude, at }: { latitude: number; longitude: number; at: Date }): Sky {
  const minutesUtc = at.getUTCHours() * 60 + at.getUTCMinutes();
  const dayOfYear =
    (Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()) - Date.UTC(at.getUTCFullYear(), 0)) / 86_400_000;
  const year = ((2 * Math.PI) / 365) * (dayOfYear + (minutesUtc / 60 - 12) / 24);
  const equationOfTimeMinutes =
    229.18 *
    (0.000075 +
      0.001868 * Math.cos(year) -
      0.032077 * Math.sin(year) -
      0.014615 * Math.cos(2 * year) -
      0.040849 * Math.sin(2 * year));
  const declination =
    0.006918 -
    0.399912 * Math.cos(year) +
    0.070257 * Math.sin(year) -
    0.006758 * Math.cos(2 * year) +
    0.000907 * Math.sin(2 * year) -
    0.002697 * Math.cos(3 * year) +
    0.00148 * Math.sin(3 * year);
  const solarMinutes = (minutesUtc + equationOfTimeMinutes + 4 * longitude + 2 * minutesPerDay) % minutesPerDay;
  const hourAngle = (solarMinutes / 4 - 180) * radiansPerDegree;
  const parallel = latitude * radiansPerDegree;
  const sineOfAltitude =
    Math.sin(parallel) * Math.sin(declination) + Math.cos(parallel) * Math.cos(declination) * Math.cos(hourAngle);
  // Sunrise is when the sun's upper edge shows through the air's refraction: 90.833 degrees from the zenith.
  const cosineOfSunrise =
    Math.cos(90.833 * radiansPerDegree) / (Math.cos(parallel) * Math.cos(declination)) -
    Math.tan(parallel) * Math.tan(declination);
  const sunriseAngle = Math.acos(Math.min(1, Math.max(-1, cosineOfSunrise))) / radiansPerDegree;
  return {
    sunAltitude: rounded(Math.asin(Math.min(1, Math.max(-1, sineOfAltitude))) / radiansPerDegree),
    daylightHours: rounded((2 * sunriseAngle) / 15),
    solarTime: clockFace(solarMinutes),
  };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function clockFace(minutes: number): string {
  const hour = String(Math.floor(minutes / 60)).padStart(2, "0");
  return `${hour}:${String(Math.floor(minutes % 60)).padStart(2, "0")}`;
}

/** Starts an upstream on a free port of the loopback interface; its address. It keeps no process alive by itself. */
export async function startUpstream(): Promise<string> {
  const server = createUpstream();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  server.unref();
  // listen() on a port, not a UNIX socket, has succeeded: the address is of this kind.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

if (import.meta.main) createUpstream().listen(Number(process.env.PORT ?? 4000), "127.0.0.1");
