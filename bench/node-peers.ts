// Servers that others run in production, installed by the benchmark alone: into bench/.peers, at fixed versions.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { appNamed, freePort, type Subject } from "./subject.ts";

const versions = { pm2: "7.0.4", wattpm: "3.67.0", "@platformatic/node": "3.65.0" };

const peersFolder = fileURLToPath(new URL("./.peers", import.meta.url));

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

/** The application under PM2, which says nothing when it serves. */
export async function pm2(app: string, workers: number): Promise<Subject> {
  const port = await freePort();
  return {
    name: `PM2, ${workers} workers`,
    command: [peerFile("pm2/bin/pm2-runtime"), "start", "./apps/bare.mjs", "-i", String(workers)],
    env: { ...appNamed(app), PORT: String(port), PM2_HOME: `${tmpdir()}/switchyard-bench-pm2-${process.pid}` },
    url: `http://127.0.0.1:${port}`,
  };
}

/** The application under Watt. */
export async function watt(app: string, workers: number): Promise<Subject> {
  const port = await freePort();
  return {
    name: `Watt, ${workers} workers`,
    command: [peerFile("wattpm/bin/cli.js"), "start", wattFolder({ workers, port })],
    env: appNamed(app),
    url: `http://127.0.0.1:${port}`,
  };
}

function peerFile(path: string): string {
  return join(peersFolder, "node_modules", path);
}

/** A folder that Watt can serve apps/bare.mjs from, with this many workers. */
function wattFolder({ workers, port }: { workers: number; port: number }): string {
  const folder = join(peersFolder, "watt");
  mkdirSync(folder, { recursive: true });
  const main = fileURLToPath(new URL("./apps/bare.mjs", import.meta.url));
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
