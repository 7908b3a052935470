// Servers that others run in production, installed by the benchmark alone: into bench/.peers, at fixed versions.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const versions = { pm2: "7.0.4", wattpm: "3.67.0", "@platformatic/node": "3.65.0" };

export const peersFolder = fileURLToPath(new URL("./.peers", import.meta.url));

/** Installs the peers where they are missing. Their install scripts are not run; none of them needs one to serve. */
export function ensurePeers(): void {
  const manifest = `${JSON.stringify({ private: true, dependencies: versions }, null, 2)}\n`;
  const file = join(peersFolder, "package.json");
  if (existsSync(join(peersFolder, "node_modules")) && existsSync(file) && readFileSync(file, "utf8") === manifest)
    return;
  process.stderr.write("bench: installing PM2 and Watt into bench/.peers\n");
  mkdirSync(peersFolder, { recursive: true });
  writeFileSync(file, manifest);
  execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: peersFolder,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** A file of one of the peers, as an absolute path. */
export function peerFile(path: string): string {
  return join(peersFolder, "node_modules", path);
}

/** A folder that Watt can serve `main` from, with this many workers. */
export function wattFolder({ main, workers, port }: { main: string; workers: number; port: number }): string {
  const folder = join(peersFolder, "watt");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "bench-watt", type: "module", private: true }));
  writeFileSync(join(folder, "main.mjs"), `import ${JSON.stringify(main)};\n`);
  const settings = {
    $schema: `https://schemas.platformatic.dev/@platformatic/node/${versions["@platformatic/node"]}.json`,
    runtime: { server: { hostname: "127.0.0.1", port }, workers, logger: { level: "warn" } },
    node: { main: "main.mjs" },
  };
  writeFileSync(join(folder, "watt.json"), JSON.stringify(settings));
  return folder;
}
