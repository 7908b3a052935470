// The pid file: which process to send signals to, for scripts and service managers that want it in a file.
//
// It is put in place whole. A file that a killed server has left is replaced; one whose process is a server that runs is
// not. At the end it is removed, if it still names this process: the successor of a replaced server has its own in it.

import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { SwitchyardError } from "../errors.ts";

/** @throws {SwitchyardError} `SY_PID_FILE` when it belongs to another server that runs. */
export function assertFree(file: string, predecessor: number | null): void {
  const pid = pidIn(file);
  if (pid === null || pid === process.pid || pid === predecessor || !isServer(pid)) return;
  throw new SwitchyardError("SY_PID_FILE", {
    saw: `The pid file ${file} names process ${pid}, which is running.`,
    fix: "Stop that server, or give this one another file with --pid-file.",
  });
}

/** @throws {SwitchyardError} `SY_PID_FILE` when it can't be written. */
export function writePidFile(file: string): { close(): void } {
  const unfinished = `${file}.${process.pid}`;
  try {
    writeFileSync(unfinished, `${process.pid}\n`, { mode: 0o644 });
    renameSync(unfinished, file);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw new SwitchyardError("SY_PID_FILE", {
      saw: `The pid file ${file} can't be written (${(error as NodeJS.ErrnoException).code}).`,
      fix: "Name a file in a folder that this user may write to.",
      cause: error,
    });
  }
  return {
    close: () => {
      if (pidIn(file) === process.pid) rmSync(file, { force: true });
    },
  };
}

function pidIn(file: string): number | null {
  try {
    const text = readFileSync(file, "utf8").trim();
    return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : null;
  } catch {
    // There is none, which is the usual case; one that can't be read is found out about when it is written.
    return null;
  }
}

/** Whether a process runs and may be a server: the number of one that was killed may belong to anybody by now. */
function isServer(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
    return words.some((word) => /^switchyard(?:\.js)?$/.test(basename(word)));
  } catch {
    // No /proc to tell: better refuse than have two servers at one file.
    return true;
  }
}
