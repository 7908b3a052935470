// Runs test/fixtures/apps/protocol on bare node:http, in a process of its own, to compare a server's behaviour with.

import { spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { Lines } from "./lines.ts";
import { appPath } from "./server.ts";

export interface BareServer {
  readonly url: string;
  readonly lines: Lines;
}

export async function startBare(t: TestContext): Promise<BareServer> {
  const child = spawn(process.execPath, [appPath("protocol/program.js")], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "close");
  t.after(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const lines = new Lines(child.stdout);
  const { listening } = await lines.waitFor((line) => line.listening !== undefined);
  return { url: `http://127.0.0.1:${listening}`, lines };
}
