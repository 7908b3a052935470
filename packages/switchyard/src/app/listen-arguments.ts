// The argument forms of net.Server.listen() brought into one, as Node's own listen() does it: options and a callback.
//
// A calculation only. Nothing is checked here: a program that passes nonsense to a server that really listens gets Node's
// own error for it.

import type { ListenOptions, Server } from "node:net";

export interface ListenCall {
  readonly options: ListenOptions & { readonly fd?: number };
  readonly callback: ListenCallback | null;
}

export type ListenCallback = (this: Server) => void;

/** What a call of listen() asks for: `listen(port, host, backlog, callback)`, `(path)`, `(options)`, `(handle)` or `()`. */
export function listenCallOf(args: readonly unknown[]): ListenCall {
  const last = args.at(-1);
  // The cast: a function in the last place is the callback, by the contract of listen().
  const callback = typeof last === "function" ? (last as ListenCallback) : null;
  const [first, ...rest] = callback === null ? args : args.slice(0, -1);
  if (typeof first === "object" && first !== null) return { options: first, callback };
  if (isPath(first)) return { options: { path: first }, callback };
  if (first === undefined || first === null) return { options: {}, callback };

  const host = rest.find((argument) => typeof argument === "string");
  const backlog = rest.find((argument) => typeof argument === "number");
  return {
    options: {
      port: Number(first),
      ...(host === undefined ? {} : { host }),
      ...(backlog === undefined ? {} : { backlog }),
    },
    callback,
  };
}

/** The port that a call asks for, or null when it asks for a path, a descriptor or nothing. */
export function askedPortOf(options: ListenCall["options"]): number | null {
  if (options.path !== undefined || options.fd !== undefined || options.port === undefined) return null;
  const port = Number(options.port);
  return Number.isInteger(port) ? port : null;
}

/** Node takes a string of digits for a port and every other string for a UNIX socket's path. */
function isPath(value: unknown): value is string {
  return typeof value === "string" && (value.trim() === "" || !Number.isInteger(Number(value)));
}
