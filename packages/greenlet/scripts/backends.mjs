// The backends that this machine can run: those that the addon takes when it is asked for them.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { backends } from "../src/addon.ts";

const hub = fileURLToPath(new URL("../src/index.ts", import.meta.url));

export function backendsHere(node = process.execPath) {
  const ask = `const { hub } = await import(${JSON.stringify(hub)}); console.log(hub.backend);`;
  return backends.filter((name) => {
    const env = { ...process.env, SWITCHYARD_GREENLET_BACKEND: name };
    const { stdout } = spawnSync(node, ["--input-type=module", "-e", ask], { env, encoding: "utf8" });
    return stdout.trim() === name;
  });
}
