// Programs that call listen(): their server never binds, behaves as if it had, and gets the requests.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { test } from "node:test";
import { mayBeReset } from "../harness/connections.ts";
import { load, loadApp, program } from "./loaded-app.ts";

const served = `(request, response) => response.end("served by the program")`;

test("a program's server says that it listens on the address of the server that stands in for it", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      const server = createServer(${served});
      console.log("before", server.listening, server.address());
      server.on("listening", () => console.log("event", server.listening, JSON.stringify(server.address())));
      const returned = server.listen(3000, () => console.log("callback", server.address().port));
      console.log("after", returned === server);`,
  });
  const { printed, waitForPrinted, origin, outcome } = await loadApp(t, { app });
  assert.equal(await (await fetch(origin)).text(), "served by the program");
  assert.equal(outcome.askedPort, 3000);
  await waitForPrinted("callback 8080\n");
  assert.deepEqual(printed().trim().split("\n"), [
    "before false null",
    "after true",
    `event true {"address":"127.0.0.1","family":"IPv4","port":8080}`,
    "callback 8080",
  ]);
});

const listenForms: readonly [call: string, askedPort: number | null][] = [
  ["listen(4001)", 4001],
  [`listen("4002", "127.0.0.1", 511, () => {})`, 4002],
  ["listen({ port: 4003, host: '::1' })", 4003],
  ["listen({ path: '/tmp/never-bound.sock' })", null],
  ["listen('/tmp/never-bound.sock', () => {})", null],
  ["listen()", null],
  ["listen(() => {})", null],
];

test("every form of listen() is understood, and binds nothing", async (t) => {
  for (const [call, askedPort] of listenForms) {
    const app = program(t, {
      "server.mjs": `import { createServer } from "node:http"; createServer(${served}).${call};`,
    });
    const { origin, outcome } = await loadApp(t, { app });
    assert.equal(outcome.askedPort, askedPort, call);
    assert.equal(await (await fetch(origin)).text(), "served by the program", call);
  }
});

test("what the program set on its server, also after listen(), is told to the server that stands in", async (t) => {
  const { outcome } = await loadApp(t, { app: "server-program/server.js" });
  assert.deepEqual(outcome.settings, { keepAliveTimeout: 61_000, requestTimeout: 0 });
});

test("a program that closes its server on SIGTERM ends as it does under Node", async (t) => {
  const { kill, exited, printed } = await loadApp(t, { app: "server-program/server.js" });
  kill("SIGTERM");
  assert.equal(await exited, 0);
  assert.match(printed(), /program: closed/);
});

test("close() calls back and emits `close` once, and a second close() says that the server is not running", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      const server = createServer(${served});
      server.on("close", () => console.log("close event"));
      server.listen(3000, () => {
        server.closeIdleConnections();
        server.closeAllConnections();
        server.close((error) => {
          console.log("closed", error, server.listening, server.address());
          server.close((error) => console.log("again", error.code));
        });
      });`,
  });
  const { waitForPrinted, printed } = await loadApp(t, { app });
  await waitForPrinted("ERR_SERVER_NOT_RUNNING\n");
  assert.deepEqual(printed().trim().split("\n"), [
    "close event",
    "closed undefined false null",
    "again ERR_SERVER_NOT_RUNNING",
  ]);
});

test("the end of the application closes the program's server, so that its own clean-up runs", async (t) => {
  const { ask, waitForPrinted } = await loadApp(t, { app: "server-program/server.js" });
  assert.deepEqual(await ask("close"), { is: "closed" });
  await waitForPrinted("program: closed");
});

test("the end of the application runs Fastify's onClose hooks", async (t) => {
  const { ask, waitForPrinted } = await loadApp(t, { app: "fastify-ws/app.js" });
  await ask("close");
  await waitForPrinted("fastify: closed");
});

test("Fastify's second server for localhost is a twin of the first: it binds nothing and needs no notice", async (t) => {
  const { origin, notices, waitForPrinted, outcome } = await loadApp(t, { app: "fastify-program/server.js" });
  await waitForPrinted("fastify: listening");
  assert.equal(await (await fetch(`${origin}/hello`)).text(), "Hello, world!");
  assert.equal(outcome.askedPort, 3000);
  assert.deepEqual(notices, []);
});

test("a module that exports an app and listens is served by the server it set up", async (t) => {
  const app = program(t, {
    "app.mjs": `
      import { createServer } from "node:http";
      export default (request, response) => response.end("by the export");
      createServer((request, response) => response.end("by the server")).listen(3000);`,
  });
  const { origin } = await loadApp(t, { app });
  assert.equal(await (await fetch(origin)).text(), "by the server");
});

test("a factory that listens instead of returning something is a program that listens", async (t) => {
  const app = program(t, {
    "app.mjs": `
      import { createServer } from "node:http";
      export default async function main() {
        await new Promise((resolve) => setTimeout(resolve, 1));
        createServer(${served}).listen(3000);
      }`,
  });
  const { origin, outcome } = await loadApp(t, { app });
  assert.match(outcome.description, /^a program that listens/);
  assert.equal(await (await fetch(origin)).text(), "served by the program");
});

test("an exported app that listens only later is not opened twice", async (t) => {
  const app = program(t, {
    "app.mjs": `
      import { createServer } from "node:http";
      export default function listener(request, response) { response.end("by the export"); }
      setTimeout(() => {
        const server = createServer(listener);
        server.listen(3000, () => console.log("listening on", server.address().port));
      }, 10);`,
  });
  const { origin, notices, waitForPrinted } = await loadApp(t, { app });
  await waitForPrinted("listening on 8080");
  assert.equal(await (await fetch(origin)).text(), "by the export");
  assert.deepEqual(notices, []);
});

test("a second HTTP server and a plain net server really listen, and the user is told", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      import net from "node:net";
      createServer(${served}).listen(3000);
      const second = createServer((request, response) => response.end("second"));
      second.listen(0, "127.0.0.1", () => console.log("http:" + second.address().port + ";"));
      const raw = net.createServer((socket) => socket.end("raw"));
      raw.listen(0, "127.0.0.1", () => console.log("net:" + raw.address().port + ";"));`,
  });
  const { origin, notices, waitForPrinted, printed } = await loadApp(t, { app });
  await waitForPrinted("http:");
  await waitForPrinted("net:");
  assert.equal(await (await fetch(origin)).text(), "served by the program");
  const httpPort = /http:(\d+);/.exec(printed())?.[1];
  assert.equal(await (await fetch(`http://127.0.0.1:${httpPort}`)).text(), "second");
  const socket = mayBeReset(connect(Number(/net:(\d+);/.exec(printed())?.[1]), "127.0.0.1"));
  const [data] = await once(socket, "data");
  assert.equal(String(data), "raw");
  assert.deepEqual(notices, [
    "The application opened another HTTP server, on port 0; it listens by itself, in every worker.",
    "The application opened another server, on port 0; it listens by itself, in every worker.",
  ]);
});

test("several workers can open the same second port", { skip: process.platform !== "linux" }, async (t) => {
  // Nobody else can get the port meanwhile, and a server that shares it can.
  const holder = createServer().listen({ port: 0, host: "127.0.0.1", reusePort: true });
  await once(holder, "listening");
  t.after(() => holder.close());
  // The cast: a server that listens on a port has this kind of address.
  const { port } = holder.address() as AddressInfo;
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      createServer(${served}).listen(3000);
      createServer().listen(${port}, "127.0.0.1", () => console.log("second is open"));`,
  });
  for (let worker = 0; worker < 2; worker++) {
    const { waitForPrinted } = await loadApp(t, { app });
    await waitForPrinted("second is open");
  }
});

test("listeners that come and go on an adopted server are followed", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      const server = createServer((request, response) => response.end("first"));
      server.listen(3000);
      const first = server.listeners("request")[0];
      server.once("request", () => {
        server.removeAllListeners("request");
        server.on("request", (request, response) => response.end("second"));
      });`,
  });
  const { origin } = await loadApp(t, { app });
  assert.equal(await (await fetch(origin)).text(), "first");
  assert.equal(await (await fetch(origin)).text(), "second");
});

test("an adopted server without a request listener answers 503", async (t) => {
  const app = program(t, { "server.mjs": `import { createServer } from "node:http"; createServer().listen(3000);` });
  const { origin } = await loadApp(t, { app });
  assert.equal((await fetch(origin)).status, 503);
});

test("a program that listens for checkContinue decides by itself", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      const server = createServer();
      server.on("checkContinue", (request, response) => { response.writeHead(417); response.end(); });
      server.listen(3000);`,
  });
  const { outcome } = await loadApp(t, { app });
  const socket = mayBeReset(connect(outcome.port, "127.0.0.1"));
  t.after(() => socket.destroy());
  socket.write("POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
  const [head] = await once(socket, "data");
  assert.match(String(head), /^HTTP\/1\.1 417 /);
});

test("a program that throws right after listen() fails, as it does under Node", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      createServer(${served}).listen(3000);
      throw new Error("after listen");`,
  });
  const { outcome } = await load(t, { app });
  assert.equal(outcome.is === "failed" && outcome.code, "SY_APP_THREW");
});

test("a module that fails long after its server listens is not silent: it ends the worker, as it does under Node", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      import { once } from "node:events";
      const server = createServer(${served}).listen(3000);
      await once(server, "request");
      throw new Error("failed late");`,
  });
  const { origin, exited, printed } = await loadApp(t, { app });
  await fetch(origin).catch(() => {});
  assert.equal(await exited, 1);
  assert.match(printed(), /failed late/);
});

test("a program that waits at its top level for ever after it listens is served", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      createServer(${served}).listen(3000);
      await new Promise(() => {});`,
  });
  const { origin } = await loadApp(t, { app });
  assert.equal(await (await fetch(origin)).text(), "served by the program");
});

test("a program sees the command line of `node file`, so that `run as main` guards hold", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      import { pathToFileURL } from "node:url";
      if (import.meta.url === pathToFileURL(process.argv[1]).href) createServer(${served}).listen(3000);
      console.log(process.argv.length);`,
  });
  const { outcome, printed, waitForPrinted } = await loadApp(t, { app });
  assert.equal(outcome.askedPort, 3000);
  await waitForPrinted("\n");
  assert.equal(printed(), "2\n");
});

test("a CommonJS program is the main module, so that `require.main === module` holds in it and nowhere else", async (t) => {
  const app = program(t, {
    "server.cjs": `
      const { createServer } = require("node:http");
      const routes = require("./routes.cjs");
      if (require.main === module) createServer(routes).listen(3000);
      module.exports = routes;`,
    "routes.cjs": `
      if (require.main === module) throw new Error("not the main module");
      module.exports = ${served};`,
  });
  for (const isolation of ["process", "thread"] as const) {
    const { outcome, origin } = await loadApp(t, { app, isolation });
    assert.equal(outcome.askedPort, 3000);
    assert.equal(await (await fetch(origin)).text(), "served by the program");
  }
});

test("HTTPS and HTTP/2 servers are adopted as well: their connections are the stand-in's to decrypt", async (t) => {
  for (const create of [
    `(await import("node:https")).createServer`,
    `(await import("node:http2")).createSecureServer`,
    `(await import("node:http2")).createServer`,
  ]) {
    const app = program(t, { "server.mjs": `const create = ${create}; create({}, ${served}).listen(8443);` });
    const { outcome, origin } = await loadApp(t, { app });
    assert.equal(outcome.askedPort, 8443, create);
    assert.equal(await (await fetch(origin)).text(), "served by the program", create);
  }
});

test("a server that asks for the port which is served takes the place of one that the program started before", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { once } from "node:events";
      import { createServer } from "node:http";
      const metrics = createServer((request, response) => response.end("metrics"));
      metrics.on("listening", () => console.log("metrics listen"));
      metrics.listen(0, "127.0.0.1", () => console.log("called back"));
      await once(metrics, "listening");
      const server = createServer(${served}).listen(8080, () => {
        console.log("at", server.address().port);
        const told = setInterval(() => {
          if (!metrics.address()) return;
          clearInterval(told);
          console.log("metrics at", metrics.address().port, ".");
        }, 1);
      });`,
  });
  const { origin, outcome, notices, printed, waitForPrinted } = await loadApp(t, { app });
  assert.equal(outcome.askedPort, 8080);
  assert.equal(await (await fetch(origin)).text(), "served by the program");
  await waitForPrinted(" .\n");
  const [, port] = /metrics at (\d+) \./.exec(printed()) ?? [];
  assert.equal(await (await fetch(`http://127.0.0.1:${port}`)).text(), "metrics");
  assert.equal(printed().match(/metrics listen|called back/g)?.length, 2);
  assert.match(notices.join(), /another HTTP server, on port 0; it listens by itself/);
});

test("a server that asks for the served port is served even when another was found, and was used, before", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      const other = createServer((request, response) => {
        response.end("the first");
        if (request.url === "/go") createServer(${served}).listen("8080", () => console.log("taken over"));
      });
      other.listen(0);`,
  });
  const { origin, waitForPrinted } = await loadApp(t, { app });
  assert.equal(await (await fetch(`${origin}/go`)).text(), "the first");
  await waitForPrinted("taken over");
  assert.equal(await (await fetch(origin)).text(), "served by the program");
});

test("a server made late around an exported app is served with its WebSocket listeners", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      export default function app(request, response) { response.end("the app"); }
      setImmediate(() => {
        const server = createServer(app);
        server.on("upgrade", (request, socket) => socket.end());
        server.listen(3999, () => console.log("late"));
      });`,
  });
  const { origin, ask, waitForPrinted } = await loadApp(t, { app });
  await waitForPrinted("late");
  assert.equal(await (await fetch(origin)).text(), "the app");
  const look = await ask("look");
  assert.equal(look.is === "look" && look.takesUpgrades, true);
});

test("a second server on the served port gets the error that Node would give it", async (t) => {
  const app = program(t, {
    "server.mjs": `
      import { createServer } from "node:http";
      createServer(${served}).listen(8080);
      createServer(() => {}).on("error", (error) => console.log("second:", error.code)).listen(8080);`,
  });
  const { origin, waitForPrinted } = await loadApp(t, { app });
  await waitForPrinted("second: EADDRINUSE");
  assert.equal(await (await fetch(origin)).text(), "served by the program");
});
