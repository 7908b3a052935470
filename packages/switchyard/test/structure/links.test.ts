// The repository's own documents, and what the code says of them, lead to something that exists.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const root = new URL("../../../../", import.meta.url);

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  ...filesBelow("docs", /\.md$/),
  ...filesBelow("packages", /^(?!.*\/(?:fixtures|dist|build)\/).*\.md$/),
  ...filesBelow("examples", /\.md$/),
];

test("every relative link in the documents leads to a file, and its fragment to a heading", () => {
  const broken = documents.flatMap((document) => {
    const links = textOf(document).matchAll(/\]\(([^)\s]+)\)/g);
    return Array.from(links, ([, link]) => link!)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => !leadsSomewhere(document, link))
      .map((link) => `${document}: ${link}`);
  });
  assert.deepEqual(broken, []);
});

test("every document and test that the sources name exists", () => {
  const named = /\b(docs\/[\w/-]+\.md|test\/[\w/-]+)/g;
  const missing = ["packages/switchyard", "packages/greenlet"].flatMap((folder) =>
    filesBelow(`${folder}/src`, /\.ts$/).flatMap((file) =>
      // An address of somebody else's site may look the same.
      Array.from(textOf(file).matchAll(named), ([, name]) => name!)
        .filter((name) => (name.startsWith("docs/") ? !existsSync(new URL(name, root)) : !isTest(folder, name)))
        .map((name) => `${file}: ${name}`),
    ),
  );
  assert.deepEqual(missing, []);
});

test("every script that the documents run is in package.json", () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(textOf("package.json"));
  const unknown = documents.flatMap((document) =>
    Array.from(
      textOf(document).matchAll(/\bnpm (?:run ([\w:]+)|(start|test)\b)/g),
      ([, script, known]) => script ?? known!,
    )
      .filter((script) => scripts[script] === undefined)
      .map((script) => `${document}: npm run ${script}`),
  );
  assert.deepEqual(unknown, []);
});

test("every decision is listed in docs/decisions/README.md", () => {
  const listed = textOf("docs/decisions/README.md");
  const unlisted = filesBelow("docs/decisions", /\.md$/).filter((file) => {
    const name = file.slice("docs/decisions/".length);
    return name !== "README.md" && !listed.includes(`(${name})`);
  });
  assert.deepEqual(unlisted, []);
});

function leadsSomewhere(document: string, link: string): boolean {
  const [path, fragment] = link.split("#");
  const target = path === "" ? new URL(document, root) : new URL(path!, new URL(document, root));
  if (!existsSync(target)) return false;
  if (fragment === undefined) return true;
  const headings = readFileSync(target, "utf8").matchAll(/^#+ (.+)$/gm);
  return Array.from(headings, ([, heading]) => fragmentOf(heading!)).includes(fragment);
}

/** As GitHub makes a heading's fragment. */
function fragmentOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
}

function isTest(folder: string, name: string): boolean {
  return [name, `${name}.test.ts`].some((path) => existsSync(new URL(`${folder}/${path}`, root)));
}

function textOf(file: string): string {
  return readFileSync(new URL(file, root), "utf8");
}

/** Paths from the root, without what npm installed. */
function filesBelow(folder: string, fits: RegExp): string[] {
  return readdirSync(new URL(`${folder}/`, root), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.name === "node_modules") return [];
    if (entry.isDirectory()) return filesBelow(path, fits);
    return fits.test(path) ? [path] : [];
  });
}
