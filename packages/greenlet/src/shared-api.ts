// One implementation for each thread, whichever copy of the package was loaded first.

import { readFileSync } from "node:fs";
import type * as own from "./api.ts";
import { GreenletError } from "./errors.ts";

type Api = typeof own;

interface SharedApi {
  readonly version: string;
  readonly api: Api;
}

const key = Symbol.for("@switchyard/greenlet");

/** The API of the copy that this thread runs, where it has loaded one. */
export function loadedApi(): Api | undefined {
  return (globalThis as { [key]?: SharedApi })[key]?.api;
}

/** The API of the first copy in this thread. One that does not fit is replaced by functions that say so. */
export function sharedApi(ownApi: Api): Api {
  const version = ownVersion();
  // globalThis has no type for a symbol of ours.
  const holder = globalThis as { [key]?: SharedApi };
  holder[key] ??= { version, api: ownApi };
  const first = holder[key];
  if (fits(first.version, version)) return first.api;
  return conflicting(ownApi, { first: first.version, own: version });
}

/** Whether an API of version `first` serves a copy of version `own`: the same major version, or minor below 1.0. */
function fits(first: string, own: string): boolean {
  const [firstMajor, firstMinor] = first.split(".");
  const [ownMajor, ownMinor] = own.split(".");
  return firstMajor === ownMajor && (ownMajor !== "0" || firstMinor === ownMinor);
}

function conflicting(api: Api, versions: { first: string; own: string }): Api {
  const refuse = () => {
    throw new GreenletError("ERR_VERSION_CONFLICT", {
      saw: `@switchyard/greenlet ${versions.own} was loaded in a thread that already runs ${versions.first}.`,
      fix: "Make both parts of the program depend on one version (npm ls @switchyard/greenlet shows who wants which).",
    });
  };
  return new Proxy(api, {
    get: (target, name) => {
      const member = Reflect.get(target, name);
      if (typeof member === "object") return new Proxy(member, { get: refuse, set: refuse });
      if (member === target.GreenletError || member === target.GreenletExit || typeof member !== "function")
        return member;
      return new Proxy(member, { apply: refuse, construct: refuse });
    },
  });
}

function ownVersion(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return manifest.version;
}
