// What the routes ask the atlas: a city, a country, every city as plain numbers for the calculations.
//
// All of it is synchronous: node:sqlite answers within the call. One connection and one prepared statement for each
// question serve the whole process, opened when the module is loaded.

import type { SQLOutputValue } from "node:sqlite";
import { dataFolder, openAtlas } from "./database.ts";

export interface City {
  readonly id: number;
  readonly name: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  readonly countryName: string;
  /** Inhabitants; 0 where GeoNames has no number. */
  readonly population: number;
  /** Degrees north. */
  readonly latitude: number;
  /** Degrees east. */
  readonly longitude: number;
}

export interface Country {
  readonly code: string;
  readonly name: string;
  readonly native: string;
  readonly capital: string;
}

/** Every city in columns, index 0 the largest: what a calculation over all of them can run through without an object each. */
export interface Points {
  readonly id: Float64Array;
  readonly latitude: Float64Array;
  readonly longitude: Float64Array;
  readonly population: Float64Array;
  readonly country: readonly string[];
}

type Row = Record<string, SQLOutputValue>;

export const atlas = openAtlas(dataFolder());

/** The columns of a City, for a query over `cities` joined with `countries`. */
export const cityColumns =
  "cities.id, cities.name, country, countries.name AS countryName, population, latitude, longitude";
export const citiesWithCountries = "cities JOIN countries ON countries.code = cities.country";

const byId = atlas.prepare(`SELECT ${cityColumns} FROM ${citiesWithCountries} WHERE cities.id = ?`);
const byRank = atlas.prepare(`SELECT ${cityColumns} FROM ${citiesWithCountries} WHERE rank = ?`);
const largestOfCountry = atlas.prepare(
  `SELECT ${cityColumns} FROM ${citiesWithCountries} WHERE country = ? ORDER BY rank LIMIT ?`,
);
const inBox = atlas.prepare(
  `SELECT ${cityColumns} FROM ${citiesWithCountries}
   WHERE latitude BETWEEN ? AND ? AND longitude BETWEEN ? AND ? ORDER BY rank LIMIT 2000`,
);
const countryByCode = atlas.prepare("SELECT code, name, native, capital FROM countries WHERE code = ?");

export const cityCount = Number(atlas.prepare("SELECT count(*) AS count FROM cities").get()?.count);

export function findCity(id: number): City | null {
  const row = byId.get(id);
  return row ? cityOf(row) : null;
}

/** The city of a rank, 1 being the world's largest. */
export function cityOfRank(rank: number): City | null {
  const row = byRank.get(rank);
  return row ? cityOf(row) : null;
}

export function largestCitiesOf(country: string, limit: number): City[] {
  return largestOfCountry.all(country, limit).map(cityOf);
}

export function citiesInBox(box: { south: number; north: number; west: number; east: number }): City[] {
  return inBox.all(box.south, box.north, box.west, box.east).map(cityOf);
}

export function findCountry(code: string): Country | null {
  const row = countryByCode.get(code);
  if (!row) return null;
  return { code, name: String(row.name), native: String(row.native), capital: String(row.capital) };
}

export function cityOf(row: Row): City {
  return {
    id: Number(row.id),
    name: String(row.name),
    country: String(row.country),
    countryName: String(row.countryName),
    population: Number(row.population),
    latitude: Number(row.latitude),
    longitude: Number(row.longitude),
  };
}

let points: Points | null = null;

/** All cities as numbers. Read once in each process, when a calculation first needs them (a tenth of a second). */
export function allPoints(): Points {
  points ??= readPoints();
  return points;
}

function readPoints(): Points {
  const id = new Float64Array(cityCount);
  const latitude = new Float64Array(cityCount);
  const longitude = new Float64Array(cityCount);
  const population = new Float64Array(cityCount);
  const country: string[] = [];
  const rows = atlas.prepare("SELECT id, latitude, longitude, population, country FROM cities ORDER BY rank").iterate();
  for (const row of rows) {
    const index = country.length;
    id[index] = Number(row.id);
    latitude[index] = Number(row.latitude);
    longitude[index] = Number(row.longitude);
    population[index] = Number(row.population);
    country.push(String(row.country));
  }
  return { id, latitude, longitude, population, country };
}
