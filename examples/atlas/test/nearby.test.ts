// The straight-line route where it can wait: each request in a greenlet, as the greenlet model runs it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { spawn } from "@switchyard/greenlet";
import app from "../app.ts";
import type { City } from "../cities.ts";
import type { PlaceWithSky } from "../nearby.ts";
import { asBrowser, jsonOf, startServer } from "./server.ts";

interface Nearby {
  readonly city: City;
  readonly places: PlaceWithSky[];
}

test("in a greenlet, the straight-line route answers with the sky over a city and over its neighbours", async (t) => {
  const server = await startServer(t, (request, response) => void spawn(() => app(request, response)));
  const { city, places } = await jsonOf<Nearby>(fetch(server.url("/cities/2988507/nearby?count=4")));
  assert.equal(city.name, "Paris");
  assert.equal(places.length, 5);
  assert.equal(places[0]!.distanceKm, 0);
  for (const place of places) assert.match(place.sky.solarTime, /^\d\d:\d\d$/);
  assert.equal(new Set(places.map((place) => place.city.id)).size, 5);

  const page = await (await fetch(server.url("/cities/2988507/nearby"), asBrowser)).text();
  assert.match(page, /asked 4 times/);
});

test("in greenlets, fifty of them wait side by side and none gets another's answer", async (t) => {
  const server = await startServer(t, (request, response) => void spawn(() => app(request, response)));
  const ids = [2988507, 2643743, 3448439, 1850147, 5128581];
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, at) => jsonOf<Nearby>(fetch(server.url(`/cities/${ids[at % 5]}/nearby?count=2`)))),
  );
  for (const [at, { city, places }] of answers.entries()) {
    assert.equal(city.id, ids[at % 5]);
    assert.equal(places[0]!.city.id, ids[at % 5]);
  }
});
