// What a request asks for, checked: every number has a bound, and what does not fit is answered 400 with what would.

import { type Country, findCountry } from "./cities.ts";

/** An answer that is the client's to mend. Express answers with `status`; the message is meant to be read. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

interface WholeNumberRule {
  /** What the message calls it. */
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Taken when the value is absent. Without one, absence is an error too. */
  readonly fallback?: number;
}

export function wholeNumber(value: unknown, { name, min, max, fallback }: WholeNumberRule): number {
  if (value === undefined && fallback !== undefined) return fallback;
  // At most nine digits: what is longer would not be exact as a number, and is over every bound here.
  const number = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new RequestError(400, `${name} must be a whole number from ${min} to ${max}, and it is ${quoted(value)}.`);
}

export function cityId(value: unknown): number {
  return wholeNumber(value, { name: "A city's id", min: 1, max: 999_999_999 });
}

export function searchText(value: unknown): string {
  if (typeof value === "string" && value.length <= 100 && /[\p{L}\p{N}]/u.test(value)) return value;
  throw new RequestError(
    400,
    `q must be the beginning of a city's name, with a letter or a digit, at most 100 characters long, and it is ${quoted(value)}.`,
  );
}

export function country(value: unknown): Country {
  const known = typeof value === "string" && /^[A-Za-z]{2}$/.test(value) ? findCountry(value.toUpperCase()) : null;
  if (known) return known;
  throw new RequestError(400, `country must be a two-letter code such as FR, and it is ${quoted(value)}.`);
}

export function optionalCountry(value: unknown): Country | null {
  return value === undefined ? null : country(value);
}

function quoted(value: unknown): string {
  if (value === undefined) return "missing";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
