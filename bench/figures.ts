// How figures stand in a document: rounded, as rows of a Markdown table, in a block between marks that the benchmark writes.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** Three digits that count, whatever the size. */
export function rounded(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function markdownTable(heads: readonly string[], lines: readonly (readonly string[])[]): string {
  return [heads, heads.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The middle of these, or the higher of the two in the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** A run as its JSON has it, as far as a document says where its figures come from. */
export interface Origin {
  readonly at: string;
  readonly rounds: number;
  readonly machine: { readonly cpus: number; readonly cpu: string; readonly node: string };
}

/** Documents with blocks of figures, relative to this folder. */
const documents = ["../README.md", "../packages/greenlet/README.md", "../docs/peers.md", "../docs/operate.md"];

/** Puts tables between the lines `<!-- name -->` and `<!-- /name -->` of the document that has them, with their origin. */
export function writeBlock(name: string, { tables, json }: { tables: string; json: string }): void {
  const block = new RegExp(`(?<=<!-- ${name} -->\n)[^]*?(?=<!-- /${name} -->)`);
  const files = documents.map((path) => fileURLToPath(new URL(path, import.meta.url)));
  const document = files.find((file) => block.test(readFileSync(file, "utf8")));
  if (document === undefined) throw new Error(`No document has lines <!-- ${name} --> and <!-- /${name} -->.`);
  const origin = originOf(JSON.parse(readFileSync(json, "utf8")), relative(dirname(document), json));
  const text = readFileSync(document, "utf8");
  writeFileSync(
    document,
    text.replace(block, () => `${tables}\n\n${origin}\n`),
  );
}

function originOf({ at, rounds, machine }: Origin, source: string): string {
  const where = `Node ${machine.node}, ${machine.cpus} CPUs (${machine.cpu}), ${at.slice(0, 10)}`;
  return `${where}; medians of ${rounds} rounds. [Raw numbers](${source}), by \`npm run bench\`.`;
}
