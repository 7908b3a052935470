// Which requests a loop worker hands to the sync workers because their route was moved.
//
// Asked for every request once a route was moved, and for none before. What never moves, whatever its route: a request that
// asks for a stream of events or for an upgrade, which would keep a worker for as long as it lasts; and one whose body is
// large or of a length that is not declared, since a worker has nothing else to do while a slow client sends it.

import type { IncomingMessage } from "node:http";
import type { Move } from "./policy.ts";
import { matches, pathOf } from "./shape.ts";

/** What the loops are told of a move. */
export type MovedRoute = Pick<Move, "method" | "pattern" | "except">;

/** The longest body of a request that is moved, in bytes. */
export const maxMovedBodyBytes = 1024 ** 2;

export class MovedRoutes {
  #byMethod = new Map<string, readonly MovedRoute[]>();

  get isEmpty(): boolean {
    return this.#byMethod.size === 0;
  }

  replace(routes: readonly MovedRoute[]): void {
    this.#byMethod = Map.groupBy(routes, ({ method }) => method);
  }

  takes(request: IncomingMessage): boolean {
    const routes = this.#byMethod.get(request.method ?? "");
    if (routes === undefined) return false;
    const path = pathOf(request.url ?? "");
    const isTaken = routes.some(
      ({ pattern, except }) => matches(pattern, path) && !except.some((other) => matches(other, path)),
    );
    return isTaken && mayMove(request);
  }
}

function mayMove(request: IncomingMessage): boolean {
  const { headers } = request;
  if (headers.accept?.includes("text/event-stream") === true || headers.upgrade !== undefined) return false;
  if (headers["transfer-encoding"] !== undefined) return false;
  // HTTP/2 needs no such field; its requests have a stream (RFC 9113 §8.1), which the types of HTTP/1.1 lack.
  const { stream } = request as { stream?: { endAfterHeaders?: boolean } };
  if (stream?.endAfterHeaders === false && headers["content-length"] === undefined) return false;
  return Number(headers["content-length"] ?? 0) <= maxMovedBodyBytes;
}
