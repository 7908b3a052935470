// What a program sets on its own server, and which of it holds: the settings that the user gave come before the program's, and
// the program's before the defaults. A calculation.

import type { ServeSettings } from "./settings.ts";

/** As on http.Server, timeouts in milliseconds. Absent: the program left Node's default. */
export interface ProgramSettings {
  readonly keepAliveTimeout?: number;
  readonly headersTimeout?: number;
  readonly requestTimeout?: number;
  readonly timeout?: number;
  readonly maxRequestsPerSocket?: number;
  /** The server speaks TLS, with a certificate of the program's. */
  readonly isSecure?: true;
}

/** The same timeouts as options have them. */
const namesOfProgram = {
  keepAliveTimeoutMs: "keepAliveTimeout",
  headersTimeoutMs: "headersTimeout",
  requestTimeoutMs: "requestTimeout",
} as const;

/** The settings with what the program set in the place of defaults. */
export function withProgram(settings: ServeSettings, program: ProgramSettings): ServeSettings {
  const of = (key: keyof typeof namesOfProgram) =>
    settings.given.includes(key) ? settings[key] : (program[namesOfProgram[key]] ?? settings[key]);
  const requestTimeoutMs = of("requestTimeoutMs");
  const headersTimeoutMs = of("headersTimeoutMs");
  return {
    ...settings,
    keepAliveTimeoutMs: of("keepAliveTimeoutMs"),
    // Headers are part of a request, whoever has set which of the two: Node's server refuses to be told otherwise.
    headersTimeoutMs: requestTimeoutMs === 0 ? headersTimeoutMs : Math.min(headersTimeoutMs, requestTimeoutMs),
    requestTimeoutMs,
  };
}
