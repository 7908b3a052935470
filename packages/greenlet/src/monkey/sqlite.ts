// Functions that a program gives to node:sqlite: they are run with switching forbidden. And, where it is asked for, databases
// whose connection is in a thread (sqlite-database.ts).
//
// SQLite calls them while it holds the database's mutex. A greenlet that parked there would hold it on, and whoever used the
// database next, the main stack too, would block the one JavaScript thread for ever.

import { withoutSwitching } from "../wait.ts";
import type { LibraryFunction, Patch } from "./cooperation.ts";
import { workerDatabases } from "./sqlite-database.ts";

export function sqlitePatches(option: true | "worker"): Patch[] {
  // Loaded here, because some versions of Node warn when it is.
  const sqlite = process.getBuiltinModule("node:sqlite");
  const guards = functionGuards(sqlite.DatabaseSync);
  return option === "worker" ? [...guards, ...workerPatches(sqlite)] : guards;
}

function workerPatches(sqlite: typeof import("node:sqlite")): Patch[] {
  const { databaseClass, plainOf } = workerDatabases(sqlite.DatabaseSync);
  return [
    { holder: sqlite, name: "DatabaseSync", make: () => databaseClass },
    {
      holder: sqlite,
      name: "backup",
      make: (original) =>
        function (database, ...args) {
          return original.call(this, plainOf(database), ...args);
        },
    },
  ];
}

function functionGuards(DatabaseSync: typeof import("node:sqlite").DatabaseSync): Patch[] {
  return [
    {
      holder: DatabaseSync.prototype,
      name: "function",
      make: (original) =>
        function (...args) {
          const last = args.length - 1;
          if (typeof args[last] === "function") args[last] = unswitched(args[last]);
          return original.apply(this, args);
        },
    },
    {
      holder: DatabaseSync.prototype,
      name: "aggregate",
      make: (original) =>
        function (name, options) {
          if (typeof options !== "object" || options === null) return original.call(this, name, options);
          const guarded = Object.entries(options).map(([key, value]) => [
            key,
            typeof value === "function" ? unswitched(value as LibraryFunction) : value, // called by SQLite with its values
          ]);
          return original.call(this, name, Object.fromEntries(guarded));
        },
    },
  ];
}

function unswitched(body: LibraryFunction): LibraryFunction {
  const guarded: LibraryFunction = function (...args) {
    return withoutSwitching(() => body.apply(this, args));
  };
  // SQLite reads how many arguments a function takes.
  Object.defineProperty(guarded, "length", { value: body.length, configurable: true });
  return guarded;
}
