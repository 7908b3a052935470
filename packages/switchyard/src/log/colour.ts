// Whether output to a terminal is coloured.

/** Whether colours are wanted, as far as the environment says (no-color.org); the caller knows if there is a terminal. */
export function wantsColour(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  return (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
}
