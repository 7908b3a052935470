// The browser that the tests of pages run in: Chromium, found on this machine, or installed by Debian's package manager
// where that is allowed. Used by the test run alone; nothing that a user runs needs a browser.

import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** The browser's path: $CHROMIUM, or the first that is on the path; null when there is none. */
export function findBrowser() {
  if (process.env.CHROMIUM) return isProgram(process.env.CHROMIUM) ? process.env.CHROMIUM : null;
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin", "/usr/lib/chromium"];
  for (const name of names) {
    const folder = folders.find((each) => each !== "" && isProgram(join(each, name)));
    if (folder !== undefined) return join(folder, name);
  }
  return null;
}

/** Installs Debian's Chromium when there is no browser and this user may. Says what it does, and never fails. */
export function installBrowser() {
  if (findBrowser() !== null || process.env.CHROMIUM) return;
  const mayInstall = process.platform === "linux" && process.getuid?.() === 0 && run("apt-get", ["--version"]);
  if (!mayInstall) {
    say("no Chromium here, and it can't be installed by this user: the tests in a browser are skipped.");
    return;
  }
  say("installing Chromium for the tests in a browser");
  const options = ["-o", "Acquire::Retries=3", "-y", "--no-install-recommends"];
  const isDone = run("apt-get", ["update"]) && run("apt-get", ["install", ...options, "chromium"]);
  if (!isDone || findBrowser() === null) say("Chromium could not be installed: the tests in a browser are skipped.");
}

function run(command, args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return spawnSync(command, args, { env, stdio: ["ignore", "ignore", "inherit"] }).status === 0;
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function say(text) {
  process.stderr.write(`test: ${text}\n`);
}
