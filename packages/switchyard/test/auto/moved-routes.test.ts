import assert from "node:assert/strict";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { test } from "node:test";
import { patternOfRoute } from "../../src/auto/framework-route.ts";
import { MovedRoutes, maxMovedBodyBytes } from "../../src/auto/moved-routes.ts";
import { patternOfPath } from "../../src/auto/shape.ts";

const moved = new MovedRoutes();
moved.replace([
  { method: "GET", pattern: patternOfRoute("/:page")!, except: [patternOfPath("/hello")] },
  { method: "POST", pattern: patternOfPath("/import"), except: [] },
]);

function takes(method: string, url: string, headers: IncomingHttpHeaders = {}, more: object = {}): boolean {
  return moved.takes({ method, url, headers, ...more } as IncomingMessage);
}

test("a request of a moved route is taken, with any query, and no other is", () => {
  assert.ok(takes("GET", "/big?size=10"));
  assert.ok(takes("POST", "/import"));
  assert.ok(!takes("POST", "/big"));
  assert.ok(!takes("GET", "/big/one"));
  assert.ok(!takes("GET", "/hello"));
});

test("a request for a stream of events or for an upgrade is never taken", () => {
  assert.ok(!takes("GET", "/big", { accept: "text/event-stream" }));
  assert.ok(!takes("GET", "/big", { connection: "Upgrade", upgrade: "websocket" }));
  assert.ok(takes("GET", "/big", { accept: "text/html" }));
});

test("a request with a large body, or one of unknown length, is never taken", () => {
  assert.ok(takes("POST", "/import", { "content-length": String(maxMovedBodyBytes) }));
  assert.ok(!takes("POST", "/import", { "content-length": String(maxMovedBodyBytes + 1) }));
  assert.ok(!takes("POST", "/import", { "transfer-encoding": "chunked" }));
  assert.ok(!takes("POST", "/import", {}, { stream: { endAfterHeaders: false } }));
  assert.ok(takes("POST", "/import", {}, { stream: { endAfterHeaders: true } }));
});

test("nothing is taken once no route is moved", () => {
  const none = new MovedRoutes();
  assert.ok(none.isEmpty);
  assert.equal(none.takes({ method: "GET", url: "/big", headers: {} } as IncomingMessage), false);
});
