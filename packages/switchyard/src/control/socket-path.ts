// Where control sockets are, so that a command finds the server of its folder without being told.
//
// They are in a folder that is its user's alone: $XDG_RUNTIME_DIR/switchyard, or switchyard-<uid> in the folder for
// temporary files. The name says which folder the server was started in, and by which process:
//
//   <hash of the folder's path>-<pid>.sock
//
// A server whose socket is elsewhere, by --control-socket, has a link to it there.

import { lstatSync, mkdirSync, readdirSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SwitchyardError } from "../errors.ts";

/** The socket, or the link to it, of the server that this process is, started in `cwd`. Its folder is made. */
export function ownSocketPath(cwd: string): string {
  const folder = socketFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stats = lstatSync(folder);
  // Under /tmp somebody else may have made it first, to read along.
  if (!stats.isDirectory() || stats.uid !== process.getuid?.() || (stats.mode & 0o077) !== 0) {
    throw new SwitchyardError("SY_CONTROL_SOCKET", {
      saw: `${folder}, the folder for control sockets, is not this user's alone.`,
      fix: `Remove it, set XDG_RUNTIME_DIR, or name a place with --control-socket.`,
    });
  }
  return join(folder, `${prefixOf(cwd)}${process.pid}.sock`);
}

/** Sockets of servers that were started in `cwd`, alive or not, each with its process. */
export function socketsOf(cwd: string): { path: string; pid: number }[] {
  const folder = socketFolder();
  const prefix = prefixOf(cwd);
  return namesIn(folder)
    .filter((name) => name.startsWith(prefix) && name.endsWith(".sock"))
    .map((name) => ({ path: join(folder, name), pid: Number(name.slice(prefix.length, -".sock".length)) }));
}

function socketFolder(): string {
  const { XDG_RUNTIME_DIR } = process.env;
  if (XDG_RUNTIME_DIR?.startsWith("/")) return join(XDG_RUNTIME_DIR, "switchyard");
  return join(tmpdir(), `switchyard-${process.getuid?.() ?? 0}`);
}

function prefixOf(cwd: string): string {
  return `${hashOf(realpathSync(cwd))}-`;
}

/** FNV-1a of 64 bits (RFC 9923): short, and without loading node:crypto. Nothing rests on it but a name. */
function hashOf(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // No server of this user has made it yet.
    return [];
  }
}
