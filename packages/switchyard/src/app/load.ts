// Loads the user's module inside a worker and makes one Application of whatever it is.
//
// An application is found in one of two ways. Either the module exports it (exports.ts, forms.ts), or the program calls
// listen() and its server is adopted (adopt.ts), at once or later: after a database connection, in Nest's bootstrap().
// When a module does both, the server wins, because the program has set it up as it wants it.
//
//   import ──► exports something servable ──────────────► made ready ──► Application
//      │   └─► exports nothing servable ──► wait ──┐
//      └────────────── listen() is called ─────────┴─► `listening` ──► Application
//
// The wait ends at startTimeoutMs, or as soon as nothing can come any more: when nothing keeps the event loop alive, Node
// emits `beforeExit`, in a process and in a worker thread alike. For that to work, the caller must hold nothing that keeps
// the loop alive while it waits: it unrefs its IPC channel or parentPort before it calls loadApplication, has no listening
// server and no ref'd timer, and takes its hold again when the promise has settled.
//
// A server of Switchyard's own in the same thread begins to listen after the load, on a descriptor; any other is passed to
// exemptFromAdoption() before it listens.

import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { SwitchyardError } from "../errors.ts";
import { type AdoptedServer, type Adoption, interceptListen } from "./adopt.ts";
import type { Application, LoadRequest } from "./application.ts";
import { type Candidate, candidatesOf, describeExports } from "./exports.ts";
import { type Form, formOf } from "./forms.ts";
import { fastifyApplication, h3Application, koaApplication, nestApplication } from "./frameworks.ts";
import { listenerApplication } from "./listener.ts";
import { checkFile, loadErrorOf } from "./load-errors.ts";
import { LoadWatch } from "./load-watch.ts";
import { nodeServerApplication } from "./node-server.ts";
import { honoRoutes } from "./routes.ts";
import { prepareTypeScript } from "./typescript.ts";

export { exemptFromAdoption } from "./adopt.ts";

/**
 * Imports the application's file and gives what it serves.
 *
 * @throws {SwitchyardError} `SY_APP_MISSING`, `SY_APP_SYNTAX`, `SY_APP_THREW`, `SY_APP_LOADER` for what the file or its
 * imports lack; `SY_APP_NOTHING` when there is nothing to serve; `SY_APP_SLOW` after `startTimeoutMs`. The application's
 * own error is the `cause`. A program that ends its process while it loads ends the worker: the caller's parent sees that.
 */
export async function loadApplication(request: LoadRequest): Promise<Application> {
  checkFile(request.file);
  const adoption = interceptListen(request);
  using watch = new LoadWatch(request);
  const exported = exportedApplication(request, adoption, watch);
  try {
    const application = await Promise.race([exported, listeningProgram(adoption), watch.failure]);
    exported.catch(throwUncaught);
    adoption.onTakeOver((adopted) => become(application, programApplication(adopted)));
    return application;
  } catch (error) {
    throw await loadErrorOf(error, request.file);
  }
}

/** What is served is another server of the program now (adopt.ts). What was opened for the first is still closed at the end. */
function become(application: Application, next: Application): void {
  const { close } = application;
  Reflect.deleteProperty(application, "routeOf");
  Object.defineProperties(application, Object.getOwnPropertyDescriptors(next));
  application.close = async () => {
    await next.close();
    await close();
  };
}

/**
 * For a module that fails after its server listened, at a later top-level await: nobody waits for its import any more, and
 * under Node it would end the process.
 */
function throwUncaught(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

/** What the module exports. Never settles when it exports nothing servable: then a listen() may still come. */
async function exportedApplication(request: LoadRequest, adoption: Adoption, watch: LoadWatch): Promise<Application> {
  await prepareTypeScript(request);
  presentAsMain(request.file);
  const module: object = await import(pathToFileURL(request.file).href);
  if (adoption.adopted === null) {
    for (const candidate of candidatesOf(module)) {
      const application = await applicationOf(candidate, request, adoption);
      if (application !== null && adoption.adopted === null) adoption.settleOn(candidate.value);
      if (application !== null) return application;
      // A factory or a promise may have called listen() instead of giving something.
      if (adoption.adopted !== null) break;
    }
  }
  watch.exportsNothing(describeExports(module));
  const first = await adoption.listening;
  return programApplication(adoption.adopted ?? first);
}

/**
 * Lets the program see itself as the one that `node file` would run: some listen only if argv[1] is their own file, or if
 * `require.main === module`. Node reads process.mainModule for each module that it gives a `require`, after the module has
 * entered the cache.
 */
function presentAsMain(file: string): void {
  process.argv = [process.execPath, file];
  const { cache } = createRequire(file);
  const name = realpathSync(file);
  Object.defineProperty(process, "mainModule", { configurable: true, get: () => cache[name] });
}

/** The adopted server, once it listens and the rest of the module has had its chance to throw. */
async function listeningProgram(adoption: Adoption): Promise<Application> {
  const first = await adoption.listening;
  await new Promise((resolve) => setImmediate(resolve));
  return programApplication(adoption.adopted ?? first);
}

function programApplication(adopted: AdoptedServer): Application {
  const port = adopted.askedPort;
  const description = `a program that listens by itself${port === null ? "" : ` (it asked for port ${port})`}`;
  return nodeServerApplication({ description, adopted });
}

/** Follows promises and factories until there is a form that serves; null when there is none. */
async function applicationOf(
  candidate: Candidate,
  request: LoadRequest,
  adoption: Adoption,
): Promise<Application | null> {
  const where = candidate.name === "default" ? "default export" : `export \`${candidate.name}\``;
  let value = candidate.value;
  let isMade = false;
  for (;;) {
    if (isMade && value instanceof Response) return fetchOfFactory(candidate, where);
    const form = formOf({ value, name: candidate.name, isMade });
    if (form === null) return null;
    if (form.is === "factory") {
      // Awaited as a whole: a Fastify instance is a promise of itself, and one that is made here is ready then.
      value = await form.make();
      isMade = true;
    } else if (form.is === "promise") {
      value = await form.promise;
    } else {
      return serve(form, where, request, adoption);
    }
    if (adoption.adopted !== null) return null;
  }
}

async function serve(
  form: Exclude<Form, { is: "factory" | "promise" }>,
  where: string,
  request: LoadRequest,
  adoption: Adoption,
): Promise<Application> {
  switch (form.is) {
    case "server":
      return nodeServerApplication({
        description: `an HTTP server (${where})`,
        adopted: adoption.adopted ?? adoption.adoptExported(form.server),
      });
    case "fastify":
      return fastifyApplication(form.app, adoption, { where });
    case "nest":
      return nestApplication(form.app, adoption, { where });
    case "koa":
      return koaApplication(form.app, { where });
    case "h3":
      return h3Application(form.app, request.file, { where });
    case "listener":
      return listenerApplication(`${form.what} (${where})`, form.listener);
    case "fetch":
      return fetchForm(form, where);
  }
}

async function fetchForm({ what, handler, app }: Form & { is: "fetch" }, where: string): Promise<Application> {
  const application = (await import("./fetch-handler.ts")).fetchApplication(`${what} (${where})`, handler);
  const routeOf = app === undefined ? null : honoRoutes(app);
  return routeOf === null ? application : { ...application, routeOf };
}

/** A function without parameters whose result is a Response is no factory: it answers every request alike. */
async function fetchOfFactory(candidate: Candidate, where: string): Promise<Application> {
  const form = formOf({ value: candidate.value, name: "fetch", isMade: true });
  if (form?.is !== "fetch") {
    throw new SwitchyardError("SY_APP_NOTHING", {
      saw: `The ${where} is a Response, and not a handler that makes one.`,
      fix: "Export a function that returns a Response: `export default (request) => new Response(...)`.",
    });
  }
  return (await import("./fetch-handler.ts")).fetchApplication(`${form.what} (${where})`, form.handler);
}
