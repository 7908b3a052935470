// The pid file: which process to send signals to, for scripts and service managers that want it in a file.
//
// It is put in place whole. A file that a killed server has left is replaced; one whose process is a server that runs is
// not. At the end it is removed, if it still names this process: the successor of a replaced server has its own in it.
// In a folder that belongs to root, a server that has given up root's rights writes into the file that was made for it, and
// empties it at the end.

import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { SwitchyardError } from "../errors.ts";

/** Everybody may know whom to send a signal to. */
export const pidFileMode = 0o644;

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
  const text = `${process.pid}\n`;
  try {
    if (!replace(file, text)) writeFileSync(file, text);
  } catch (error) {
    throw new SwitchyardError("SY_PID_FILE", {
      saw: `The pid file ${file} can't be written (${(error as NodeJS.ErrnoException).code}).`,
      fix: "Name a file in a folder that this user may write to; with --user, the file may also be that user's.",
      cause: error,
    });
  }
  return {
    close: () => {
      if (pidIn(file) === process.pid) remove(file);
    },
  };
}

/** @returns whether the folder let it. */
function replace(file: string, text: string): boolean {
  const unfinished = `${file}.${process.pid}`;
  try {
    writeFileSync(unfinished, text, { mode: pidFileMode });
    renameSync(unfinished, file);
    return true;
  } catch (error) {
    rmSync(unfinished, { force: true });
    if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    return false;
  }
}

function remove(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // The folder is not ours to change. An empty file names nobody.
    truncateSync(file);
  }
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
