// Handlers on a plain node:http server, each with greenlets and without: `node greenlet-http.mjs <handler>`.

import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { greenletify, wait } from "@switchyard/greenlet";

const resolved = Promise.resolve(1);

const handlers = {
  hello: (_request, response) => response.end("Hello, world!"),
  "hello-greenlet": greenletify((_request, response) => response.end("Hello, world!")),
  awaits: async (_request, response) => {
    for (let i = 0; i < 10; i++) await resolved;
    response.end("Hello, world!");
  },
  waits: greenletify((_request, response) => {
    for (let i = 0; i < 10; i++) wait(resolved);
    response.end("Hello, world!");
  }),
  "await-100": async (_request, response) => {
    await delay(100);
    response.end("waited");
  },
  "wait-100": greenletify((_request, response) => {
    wait(delay(100));
    response.end("waited");
  }),
};

const server = createServer(handlers[process.argv[2]]);
// A thousand clients connect at once: with Node's own backlog of 511, the kernel has the others try again a second later.
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () =>
  console.log(`Serving at http://127.0.0.1:${server.address().port}`),
);
process.once("SIGTERM", () => process.exit());
