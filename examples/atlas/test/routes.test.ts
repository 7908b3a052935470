// What each route answers, over real sockets, with nothing but Node as the server.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import type { City } from "../cities.ts";
import type { Neighbour } from "../pages.ts";
import type { Sky } from "../sky.ts";
import { asBrowser, jsonOf, startServer } from "./server.ts";

const paris = 2988507;

test("the first page links to every route and asks for nothing from elsewhere", async (t) => {
  const server = await startServer(t);
  const text = await (await fetch(server.url("/"), asBrowser)).text();
  for (const path of [
    "/hello",
    "/search?q=",
    `/cities/${paris}`,
    "/report/",
    "/map.svg",
    "/export.csv",
    "/live",
    "/upload",
  ]) {
    assert.ok(text.includes(`href="${path}`), `${path} is linked`);
  }
  assert.doesNotMatch(text, /(src|href)="(https?:)?\/\/(?!www\.geonames\.org)/);
  assert.ok(text.includes(`http://127.0.0.1:${server.port}/cities/`), "its commands name this server");
});

test("every link of the first page leads to an answer", async (t) => {
  const server = await startServer(t);
  const text = await (await fetch(server.url("/"), asBrowser)).text();
  const paths = [...text.matchAll(/href="(\/[^"]*)"/g)].map(([, path]) => path!.replaceAll("&#38;", "&"));
  assert.ok(paths.length > 10);
  for (const path of paths) {
    const response = await fetch(server.url(path), asBrowser);
    await response.arrayBuffer();
    // The straight-line route needs a greenlet, which Node alone does not give it.
    assert.equal(response.status, path.endsWith("/nearby") ? 501 : 200, path);
  }
});

test("/hello and /healthz answer at once", async (t) => {
  const server = await startServer(t);
  assert.equal(await (await fetch(server.url("/hello"))).text(), "Hello, world!");
  const health = await jsonOf(fetch(server.url("/healthz")));
  assert.deepEqual(health, { status: "ok", cities: 135_233 });
});

test("a search finds the beginnings of words, whatever their accents and case, largest city first", async (t) => {
  const server = await startServer(t);
  const found = async (query: string) => {
    const { cities } = await jsonOf<{ cities: City[] }>(fetch(server.url(`/search?${query}`)));
    return cities.map((city) => `${city.name}, ${city.country}`);
  };
  assert.deepEqual(await found("q=paris&limit=1"), ["Paris, FR"]);
  assert.deepEqual(await found("q=SAO%20pau&limit=1"), ["São Paulo, BR"]);
  assert.deepEqual(await found("q=z%C3%BCrich&limit=1"), await found("q=zurich&limit=1"));
  assert.equal((await found("q=a")).length, 20);
  assert.deepEqual(await found("q=qqqqqq"), []);
});

test("a search takes the operators of SQLite's full text search for mere words", async (t) => {
  const server = await startServer(t);
  for (const q of [
    'paris" OR "london',
    "name:paris",
    "paris NOT texas",
    "a*b",
    "(paris",
    "NEAR(a b)",
    "-a",
    "'; DROP",
  ]) {
    const response = await fetch(server.url(`/search?q=${encodeURIComponent(q)}`));
    await response.arrayBuffer();
    assert.equal(response.status, 200, q);
  }
});

test("what a browser searched for comes back escaped", async (t) => {
  const server = await startServer(t);
  const response = await fetch(server.url(`/search?q=${encodeURIComponent('a"><script>x</script>')}`), asBrowser);
  assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
  assert.equal(response.headers.get("vary"), "Accept");
  assert.doesNotMatch(await response.text(), /<script>x/);
});

test("a city's page waits for the sky over it, and a hundred of them wait together", async (t) => {
  const server = await startServer(t);
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => jsonOf<{ city: City; sky: Sky }>(fetch(server.url(`/cities/${paris}`)))),
  );
  for (const { city, sky } of answers) {
    assert.equal(city.name, "Paris");
    assert.match(sky.solarTime, /^\d\d:\d\d$/);
    assert.ok(sky.daylightHours > 8 && sky.daylightHours < 17);
  }
  const page = await (await fetch(server.url(`/cities/${paris}`), asBrowser)).text();
  assert.match(page, /Paris.*France/s);
});

test("the nearest cities come nearest first, and the report names only cities abroad", async (t) => {
  const server = await startServer(t);
  const { neighbours } = await jsonOf<{ neighbours: Neighbour[] }>(
    fetch(server.url(`/report/nearest?of=${paris}&k=20`)),
  );
  assert.equal(neighbours.length, 20);
  const distances = neighbours.map((city) => city.distanceKm);
  assert.deepEqual(
    distances,
    distances.toSorted((a, b) => a - b),
  );
  assert.ok(neighbours.every((city) => city.id !== paris));

  type Report = { country: { name: string }; report: { city: City; neighbours: Neighbour[] }[] };
  const { country, report } = await jsonOf<Report>(fetch(server.url("/report/fr?cities=3&k=2")));
  assert.equal(country.name, "France");
  assert.equal(report.length, 3);
  for (const { city, neighbours: abroad } of report) {
    assert.equal(city.country, "FR");
    assert.equal(abroad.length, 2);
    assert.ok(abroad.every((near) => near.country !== "FR"));
  }
});

test("a map is drawn for the world, for a country, and for one on both sides of the 180th meridian", async (t) => {
  const server = await startServer(t);
  for (const path of ["/map.svg", "/map.svg?country=FR", "/map.svg?country=FJ", "/map.svg?country=VA"]) {
    const response = await fetch(server.url(path));
    assert.match(response.headers.get("content-type") ?? "", /^image\/svg\+xml/);
    const svg = await response.text();
    assert.match(svg, /^<svg .*<\/svg>$/s, path);
    assert.match(svg, /d="M[\d.]+ [\d.]+h0/, path);
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/, path);
  }
});

test("an upload is counted and hashed while it arrives", async (t) => {
  const server = await startServer(t);
  const pieces = Array.from({ length: 64 }, () => randomBytes(65_536));
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  const response = await fetch(server.url("/upload"), {
    method: "POST",
    body: ReadableStream.from(pieces),
    duplex: "half",
  });
  assert.deepEqual(await response.json(), { bytes: 64 * 65_536, sha256: hash.digest("hex") });
});

test("where a request may not wait, the straight-line route says what to do", async (t) => {
  const server = await startServer(t);
  const response = await fetch(server.url(`/cities/${paris}/nearby`));
  assert.equal(response.status, 501);
  const { error } = await jsonOf<{ error: string }>(response);
  assert.match(error, /wait\(\).*--model greenlet/s);
});
