// Search by the beginning of each word of a city's name, accents and case aside: "sao pau" finds São Paulo.
//
// Synchronous from end to end: the loop of an async server stands still while SQLite looks, a few tenths of a millisecond.

import { atlas, type City, citiesWithCountries, cityColumns, cityOf } from "./cities.ts";

// Names are indexed in the order of population, so the first matches are the largest cities and none needs sorting.
const matches = atlas.prepare(
  `SELECT ${cityColumns} FROM city_names CROSS JOIN ${citiesWithCountries}
   WHERE city_names MATCH ? AND cities.rank = city_names.rowid ORDER BY city_names.rowid LIMIT ?`,
);

/** The cities whose names have a word that begins with each word of `text`, largest first. */
export function search(text: string, limit: number): City[] {
  return matches.all(fullTextQuery(text), limit).map(cityOf);
}

/** Quoted words only, so that nothing a client writes is taken for FTS5's own operators. */
function fullTextQuery(text: string): string {
  const words = text.match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  return words.map((word) => `"${word}"*`).join(" ");
}
