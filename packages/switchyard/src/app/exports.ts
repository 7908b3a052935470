// The values of a module that may be its application, in the order in which they are tried.
//
// An http.Server comes first, wherever it is: a module that exports its app beside the server that it made for it has
// WebSocket listeners on the server. Then the default export and the names of `servedNames`. A CommonJS module's
// `module.exports` counts as its default export, and so does the `default` of a transpiled ES module inside it.

import { formOf, isHttpServer } from "./forms.ts";

export const servedNames = ["app", "handler", "server", "fetch", "createApp"] as const;

/** What describeExports() says of a module without exports. */
export const nothingExported = "nothing";

export interface Candidate {
  readonly value: unknown;
  readonly name: string;
}

export function candidatesOf(module: object): Candidate[] {
  const candidates: Candidate[] = [];
  const exported = defaultOf(module);
  if (exported !== undefined) candidates.push({ value: exported, name: "default" });
  // A framework's app has members of its own under these names, such as Fastify's `server`.
  const isApp = formOf({ value: exported, name: "default", isMade: false }) !== null;
  for (const holder of isApp ? [module] : [module, exported]) {
    if (typeof holder !== "object" || holder === null) continue;
    for (const name of servedNames) {
      const value: unknown = Reflect.get(holder, name);
      const isKnown = candidates.some((candidate) => candidate.value === value);
      if (value !== undefined && !isKnown) candidates.push({ value, name });
    }
  }
  return candidates.sort((one, other) => Number(isHttpServer(other.value)) - Number(isHttpServer(one.value)));
}

/** What the module exports, as a phrase for the error that says none of it can be served. */
export function describeExports(module: object): string {
  const exported = defaultOf(module);
  const named = Object.keys(module).filter((name) => name !== "default" && name !== "module.exports");
  const isInDefault = (name: string) => typeof exported === "object" && exported !== null && name in exported;
  const parts = named
    .filter((name) => !isInDefault(name))
    .map((name) => `\`${name}\` (${kindOf(Reflect.get(module, name))})`);
  if (exported !== undefined && !isEmptyObject(exported)) parts.unshift(`a default export (${kindOf(exported)})`);
  return parts.length === 0 ? nothingExported : parts.join(", ");
}

function defaultOf(module: object): unknown {
  const exported: unknown = Reflect.get(module, "default");
  const isTranspiled =
    typeof exported === "object" && exported !== null && Reflect.get(exported, "__esModule") === true;
  return isTranspiled ? Reflect.get(exported, "default") : exported;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "function")
    return /^class\b/.test(Function.prototype.toString.call(value)) ? "a class" : "a function";
  if (typeof value !== "object") return `a ${typeof value}`;
  const keys = Object.keys(value);
  if (keys.length === 0) return "an empty object";
  return `an object with ${keys.slice(0, 5).join(", ")}${keys.length > 5 ? ", …" : ""}`;
}

/** What a CommonJS module that never touched `module.exports` has for its default export. */
function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
