// Applications of frameworks that have to be started, or asked for their listener, before they serve.
//
// Fastify and Nest keep the server that they made, so that what hangs on it (@fastify/websocket, Nest's gateways) works.

import { createRequire } from "node:module";
import { SwitchyardError } from "../errors.ts";
import type { Adoption } from "./adopt.ts";
import type { Application } from "./application.ts";
import { type FastifyLike, isHttpServer, type KoaLike, type NestLike } from "./forms.ts";
import { listenerApplication } from "./listener.ts";
import { nodeServerApplication, type RequestListener } from "./node-server.ts";
import { koaRoutes } from "./routes.ts";

export interface Described {
  /** "default export", "export `app`": where the value was found. */
  readonly where: string;
}

export async function fastifyApplication(
  app: FastifyLike,
  adoption: Adoption,
  { where }: Described,
): Promise<Application> {
  await app.ready();
  return nodeServerApplication({
    description: `a Fastify app (${where})`,
    adopted: adoption.adopted ?? adoption.adoptExported(app.server),
    close: async () => app.close(),
  });
}

export async function nestApplication(app: NestLike, adoption: Adoption, { where }: Described): Promise<Application> {
  await app.init();
  const server = app.getHttpServer();
  if (!isHttpServer(server)) {
    throw new SwitchyardError("SY_APP_NOTHING", {
      saw: `The Nest application (${where}) has no HTTP server of Node's.`,
      fix: "Make it with NestFactory.create() on its Express or Fastify platform.",
    });
  }
  return nodeServerApplication({
    description: `a Nest app (${where})`,
    adopted: adoption.adopted ?? adoption.adoptExported(server),
    close: () => app.close(),
  });
}

export function koaApplication(app: KoaLike, { where }: Described): Application {
  return { ...listenerApplication(`a Koa app (${where})`, app.callback()), routeOf: koaRoutes(app) };
}

/** An h3 1.x app, which its own package makes a listener of; from 2.0 on, h3 apps have `fetch`. */
export function h3Application(app: object, file: string, { where }: Described): Application {
  const h3: unknown = createRequire(file)("h3");
  const toNodeListener: unknown = typeof h3 === "object" && h3 !== null ? Reflect.get(h3, "toNodeListener") : undefined;
  if (typeof toNodeListener !== "function") {
    throw new SwitchyardError("SY_APP_NOTHING", {
      saw: `The ${where} looks like an h3 app, and the project's h3 has no toNodeListener().`,
      fix: "Export toNodeListener(app), or use h3 1.8 or later.",
    });
  }
  // The cast: it is what toNodeListener() is for.
  return listenerApplication(`an h3 app (${where})`, toNodeListener(app) as RequestListener);
}
