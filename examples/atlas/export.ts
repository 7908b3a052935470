// The whole atlas, or one country, as CSV: read row by row while it is sent, so that it is never in memory as a whole.
//
// The statement is asked for the next rows only when the client has taken those before, and is closed when the client
// leaves (`pipeline` sees to both).

import type { Country } from "./cities.ts";
import { atlas, citiesWithCountries, cityColumns } from "./cities.ts";

/** Rows are joined into pieces of about so many characters: a write for each row would cost more than the row. */
const pieceLength = 32_768;

const columns = ["id", "name", "country", "countryName", "population", "latitude", "longitude"] as const;

/** The lines of the file, in pieces. RFC 4180: fields that need it are quoted, lines end in CR LF. */
export function* csvOf(country: Country | null): Generator<string, void, void> {
  let piece = `${columns.join(",")}\r\n`;
  for (const row of citiesOf(country)) {
    piece += `${columns.map((column) => field(String(row[column]))).join(",")}\r\n`;
    if (piece.length < pieceLength) continue;
    yield piece;
    piece = "";
  }
  yield piece;
}

/** A statement of its own for each export: one that is shared would begin again for all when the next one starts. */
function citiesOf(country: Country | null) {
  const query = `SELECT ${cityColumns} FROM ${citiesWithCountries}`;
  return country
    ? atlas.prepare(`${query} WHERE country = ? ORDER BY rank`).iterate(country.code)
    : atlas.prepare(`${query} ORDER BY rank`).iterate();
}

function field(value: string): string {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
