// The upstream's astronomy, and what a reader sees of an upstream that is away.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, Socket } from "node:net";
import { test } from "node:test";
import { skyOver } from "../upstream.ts";
import { jsonOf, startServer } from "./server.ts";

test("the sky is that of the place and the day", () => {
  const equator = skyOver({ latitude: 0, longitude: 0, at: new Date("2026-03-20T12:07:00Z") });
  assert.ok(equator.sunAltitude > 89, "at an equinox the sun passes overhead");
  assert.match(
    equator.solarTime,
    /^(11:5[5-9]|12:0[0-5])$/,
    "and noon by the sundial is seven minutes past that of the clock",
  );
  assert.ok(Math.abs(equator.daylightHours - 12.1) < 0.1);

  const midsummer = skyOver({ latitude: 78.2, longitude: 15.6, at: new Date("2026-06-21T23:00:00Z") });
  assert.equal(midsummer.daylightHours, 24);
  assert.ok(midsummer.sunAltitude > 10, "the midnight sun");

  const midwinter = skyOver({ latitude: 78.2, longitude: 15.6, at: new Date("2026-12-21T11:00:00Z") });
  assert.equal(midwinter.daylightHours, 0);
  assert.ok(midwinter.sunAltitude < 0);
});

test("a city's page says so when the upstream can't be reached", async (t) => {
  // A client's connection has the port, so nobody can listen on it.
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address && typeof address === "object");
  const client = new Socket().on("error", () => {}).connect(address.port, "127.0.0.1");
  t.after(() => {
    client.destroy();
    server.close();
  });
  await once(client, "connect");
  process.env.ATLAS_UPSTREAM_URL = `http://127.0.0.1:${client.localPort}`;

  const atlas = await startServer(t);
  const response = await fetch(atlas.url("/cities/2988507"));
  assert.equal(response.status, 502);
  assert.match((await jsonOf<{ error: string }>(response)).error, /can't be reached/);
});
