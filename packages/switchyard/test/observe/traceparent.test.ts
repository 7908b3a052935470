// W3C Trace Context (w3.org/TR/trace-context): what a caller sends reaches the application as it was sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { models } from "../harness/models.ts";
import { startServer } from "../harness/server.ts";

const context = {
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  tracestate: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
};

for (const { name, args } of models) {
  test(`${name}: traceparent and tracestate are passed on unchanged`, async (t) => {
    const server = await startServer(t, { app: "protocol/app.js", args: [...args, "--no-access-log"] });
    const { body } = await server.get("/fields", { headers: context });
    for (const value of Object.values(context)) assert.ok(body.includes(value), body);
  });
}
