// Atlas: the world's cities, as an ordinary Express application.
//
// It is written once and knows nothing of the server that runs it: `node app.ts` serves it with Node alone, `switchyard
// serve app.ts` under any model. Its routes are of the kinds that tell the models apart: a fast one, synchronous SQLite, a
// wait for a slow upstream (with `await`, and with `wait` in straight lines), CPU-heavy calculations, streams.

import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import express, { type NextFunction, type Request, type Response } from "express";
import { allPoints, type City, cityCount, cityOfRank, findCity, largestCitiesOf } from "./cities.ts";
import { csvOf } from "./export.ts";
import type { Html } from "./html.ts";
import * as input from "./input.ts";
import { sendCities } from "./live.ts";
import { drawMap } from "./map.ts";
import { nearby } from "./nearby.ts";
import { nearest } from "./nearest.ts";
import * as pages from "./pages.ts";
import { search } from "./search.ts";
import { skyOf } from "./sky.ts";

/** The codes of what `wait` throws outside a greenlet, and where greenlets are not to be had. */
const cannotWaitHere: ReadonlySet<unknown> = new Set(["ERR_NOT_IN_GREENLET", "ERR_ADDON_UNAVAILABLE"]);

const app = express();
app.disable("x-powered-by");

app.get("/", (request, response) => {
  response.send(pages.firstPage(cityCount, request.get("host") ?? "localhost").text);
});

app.get("/hello", (_request, response) => {
  response.type("text").send("Hello, world!");
});

app.get("/healthz", (_request, response) => {
  response.json({ status: "ok", cities: cityCount });
});

/** Synchronous: SQLite answers within the call. */
app.get("/search", (request, response) => {
  const text = input.searchText(request.query.q);
  const limit = input.wholeNumber(request.query.limit, { name: "limit", min: 1, max: 100, fallback: 20 });
  const cities = search(text, limit);
  answer(request, response, {
    json: { q: text, count: cities.length, cities },
    page: () => pages.searchPage(text, cities),
  });
});

/** Waits for the slow upstream with `await`: the loop is free meanwhile, a sync worker is not. */
app.get("/cities/:id", async (request, response) => {
  const city = existingCity(request.params.id);
  const sky = await skyOf(city);
  answer(request, response, { json: { city, sky }, page: () => pages.cityPage(city, sky) });
});

/** The same wait in synchronous code. Express calls this like any handler and never learns that it was parked. */
app.get("/cities/:id/nearby", (request, response) => {
  const city = existingCity(request.params.id);
  const count = input.wholeNumber(request.query.count, { name: "count", min: 1, max: 10, fallback: 3 });
  const places = nearby(city, count);
  answer(request, response, { json: { city, places }, page: () => pages.nearbyPage(city, places) });
});

/** CPU-bound: about ten milliseconds. */
app.get("/report/nearest", (request, response) => {
  const city = existingCity(request.query.of);
  const k = input.wholeNumber(request.query.k, { name: "k", min: 1, max: 100, fallback: 10 });
  const neighbours = neighboursOf(city, { k, accepts: () => true });
  answer(request, response, {
    json: { city, neighbours },
    page: () => pages.nearestPage(`The cities nearest to ${city.name}`, [{ city, neighbours }]),
  });
});

/** CPU-bound: about ten milliseconds for each of `cities`; a second at most. */
app.get("/report/:country", (request, response) => {
  const country = input.country(request.params.country);
  const cities = input.wholeNumber(request.query.cities, { name: "cities", min: 1, max: 100, fallback: 5 });
  const k = input.wholeNumber(request.query.k, { name: "k", min: 1, max: 100, fallback: 3 });
  const points = allPoints();
  const accepts = (index: number) => points.country[index] !== country.code;
  const report = largestCitiesOf(country.code, cities).map((city) => ({
    city,
    neighbours: neighboursOf(city, { k, accepts }),
  }));
  answer(request, response, {
    json: { country, report },
    page: () => pages.nearestPage(`${country.name}: the nearest cities abroad`, report),
  });
});

/** CPU-bound: the map is drawn anew each time. */
app.get("/map.svg", (request, response) => {
  const country = input.optionalCountry(request.query.country);
  const svg = drawMap(allPoints(), country);
  response.set("cache-control", "public, max-age=3600").type("image/svg+xml").send(svg);
});

/** Streamed: rows are read as fast as the client takes them. */
app.get("/export.csv", async (request, response) => {
  const country = input.optionalCountry(request.query.country);
  response.attachment(country ? `cities-${country.code}.csv` : "cities.csv").type("text/csv; charset=utf-8");
  await pipeline(Readable.from(csvOf(country)), response);
});

app.get("/live", (_request, response) => {
  response.send(pages.livePage().text);
});

/** Server-sent events, until `count` are sent or the client leaves. */
app.get("/live/events", (request, response) => {
  const everyMs = input.wholeNumber(request.query.everyMs, {
    name: "everyMs",
    min: 10,
    max: 60_000,
    fallback: 1000,
  });
  const count = input.wholeNumber(request.query.count, { name: "count", min: 1, max: 3600, fallback: 3600 });
  sendCities(response, { everyMs, count });
});

app.get("/upload", (_request, response) => {
  response.send(pages.uploadPage().text);
});

/** Streamed: of a body of any size, no more than a piece is in memory. */
app.post("/upload", async (request, response) => {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    hash.update(piece);
  }
  response.json({ bytes, sha256: hash.digest("hex") });
});

app.use((request: Request, _response: Response) => {
  throw new input.RequestError(404, `There is nothing at ${request.path}. The first page, /, lists what there is.`);
});

app.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
  // Nobody is left to answer, and nothing went wrong here that a log should tell.
  if (isFromClientLeaving(error)) return;
  // Too late for another answer: Express closes the connection, so that the client knows it is not complete.
  if (response.headersSent) return next(error);
  const status = statusOf(error);
  if (status === 500) console.error(error);
  const message =
    status === 500 || !(error instanceof Error) ? "Something failed here; the log says what." : error.message;
  response.status(status);
  answer(request, response, { json: { error: message }, page: () => pages.errorPage(status, message) });
});

/** What the client prefers; JSON when it says nothing, as curl does. */
function answer(request: Request, response: Response, { json, page }: { json: object; page: () => Html }): void {
  response.vary("Accept");
  if (request.accepts(["json", "html"]) === "html") response.send(page().text);
  else response.json(json);
}

function existingCity(value: unknown): City {
  const id = input.cityId(value);
  const city = findCity(id);
  if (!city) throw new input.RequestError(404, `There is no city with the id ${id}. /search finds the ids.`);
  return city;
}

function neighboursOf(
  city: City,
  { k, accepts }: { k: number; accepts: (index: number) => boolean },
): pages.Neighbour[] {
  return nearest(allPoints(), { from: city, k, accepts }).flatMap(({ index, distanceKm }) => {
    const neighbour = cityOfRank(index + 1);
    return neighbour ? [{ ...neighbour, distanceKm }] : [];
  });
}

/** What a pipeline to a response, and reading a request's body, throw when the client has gone. */
function isFromClientLeaving(error: unknown): boolean {
  if (!(error instanceof Error && "code" in error)) return false;
  return error.code === "ERR_STREAM_PREMATURE_CLOSE" || error.code === "ECONNRESET";
}

function statusOf(error: unknown): number {
  if (error instanceof input.RequestError) return error.status;
  // `wait` can't work under every model; its message says where it does. What was asked for is not wrong, only not here.
  if (error instanceof Error && "code" in error && cannotWaitHere.has(error.code)) return 501;
  // The upstream's failures, and Express's own errors (a path that can't be decoded, for one) carry a status.
  if (error instanceof Error && "status" in error && typeof error.status === "number") return error.status;
  return 500;
}

export default app;

if (import.meta.main) {
  const server = app.listen(Number(process.env.PORT ?? 3000), () => console.log("atlas listens on", server.address()));
}
