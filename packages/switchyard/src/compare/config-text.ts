// The advice as the text of a config file. A calculation.

import type { AdvisedConfig } from "./advice.ts";

/** A whole config file, or null when there is nothing to say. */
export function configText(config: AdvisedConfig): string | null {
  const entries = entriesOf(config);
  return entries.length === 0 ? null : `export default {\n${entries.map(({ line }) => `  ${line}\n`).join("")}};\n`;
}

/** Each key of the config as a line: `model: "hybrid",`. */
export function entriesOf(config: AdvisedConfig): { key: string; line: string }[] {
  return Object.entries(config).map(([key, value]) => ({ key, line: `${key}: ${literal(value)},` }));
}

/** As a person would write it: no quotes around keys, spaces inside braces. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([key, each]) => `${key}: ${literal(each)}`)
    .join(", ")} }`;
}
