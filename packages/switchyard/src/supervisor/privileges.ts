// Gives up root's rights once the listening socket is bound, so that no application code ever has them.
//
// In the order that leaves no way back: supplementary groups first, then the group, then the user. Every process that is
// started later inherits the rest. Whoever is that user already has nothing to give up.

import { execFileSync } from "node:child_process";
import { closeSync, fchownSync, openSync } from "node:fs";
import { SwitchyardError } from "../errors.ts";

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Its name, for its supplementary groups; null for a number that has none. */
  readonly name: string | null;
}

/**
 * Who to become, found before anything is bound; null when nobody was named, or it is who we are.
 *
 * @throws {SwitchyardError} `SY_PRIVILEGES` for a name that does not exist, and where this process may not change.
 */
export function identityFor({ user, group }: { user: string | null; group: string | null }): Identity | null {
  if (user === null && group === null) return null;
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  if (uid === undefined || gid === undefined) throw notAllowed("This system has no users to change to.");
  const wanted: Identity = {
    uid: user === null ? uid : idOf("-u", user, "user"),
    gid: group === null ? idOf("-g", user!, "user") : groupIdOf(group),
    name: user === null || /^\d+$/.test(user) ? null : user,
  };
  if (wanted.uid === uid && wanted.gid === gid) return null;
  if (uid !== 0) throw notAllowed(`This process runs as user ${uid}, and only root may become another.`);
  return wanted;
}

/** From here on this process, and all that it starts, is somebody else. */
export function become({ uid, gid, name }: Identity): void {
  // Each is there where getuid() was; the types lack the second.
  if (name === null) process.setgroups!([gid]);
  else (process as unknown as { initgroups(user: string, group: number): void }).initgroups(name, gid);
  process.setgid!(gid);
  process.setuid!(uid);
}

/**
 * Makes a file for whom this process becomes, where it does not exist yet: in a folder that only root may write to, nobody
 * can make it later. One that exists is left as it is, and so is what it may link to; whoever opens it finds out what it is.
 */
export function makeFileFor({ uid, gid }: Identity, file: string, mode: number): void {
  let fd: number;
  try {
    fd = openSync(file, "ax", mode);
  } catch {
    return;
  }
  try {
    fchownSync(fd, uid, gid);
  } finally {
    closeSync(fd);
  }
}

/** Asks the system, whose users may be in a directory and not in /etc/passwd. */
function idOf(flag: "-u" | "-g", user: string, what: string): number {
  try {
    return Number(execFileSync("id", [flag, "--", user], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  } catch (error) {
    // A number needs no name to run as.
    if (/^\d+$/.test(user)) return Number(user);
    throw unknown(what, user, error);
  }
}

function groupIdOf(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  try {
    const entry = execFileSync("getent", ["group", group], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return Number(entry.split(":")[2]);
  } catch (error) {
    throw unknown("group", group, error);
  }
}

function unknown(what: string, name: string, cause: unknown): SwitchyardError {
  return new SwitchyardError("SY_PRIVILEGES", {
    saw: `There is no ${what} ${name} on this machine.`,
    fix: `Correct --${what}, or give its number.`,
    cause,
  });
}

function notAllowed(saw: string): SwitchyardError {
  return new SwitchyardError("SY_PRIVILEGES", {
    saw,
    fix: "Leave --user and --group out, or start the server as root.",
  });
}
