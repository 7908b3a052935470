// The server's listening socket: bound here once, inherited by whoever accepts on it.
//
// The supervisor binds and holds it but never accepts, so it outlives every worker: connections that arrive while a worker
// is being replaced wait in the kernel's queue. It listens from the moment the first worker is ready.

import { lookup } from "node:dns/promises";
import { chownSync, lstatSync, readFileSync, readlinkSync, unlinkSync } from "node:fs";
import net, { isIP } from "node:net";
import { getSystemErrorMap } from "node:util";
import type { ListeningAddress } from "../app/application.ts";
import type { ServeSettings } from "../config/settings.ts";
import { SwitchyardError } from "../errors.ts";
import type { Identity } from "./privileges.ts";

export interface ListeningSocket {
  /** Its descriptor in this process, for child processes to inherit. */
  readonly fd: number;
  readonly address: ListeningAddress;
  /** Once no worker holds it either, connections are refused. May be called again. */
  close(): void;
}

/** @throws {SwitchyardError} `SY_PORT_IN_USE`, `SY_PORT_DENIED`. */
export async function bindListeningSocket(settings: ServeSettings, owner: Identity | null): Promise<ListeningSocket> {
  if (settings.unix !== null) await removeStaleSocket(settings.unix);
  const { unix, unixMode, host, port } = settings;
  try {
    return closedOnce(
      unix === null ? bindTcp(await numericAddress(host), port) : bindUnix(unix, { mode: unixMode, owner }),
    );
  } catch (error) {
    throw bindError(error as NodeJS.ErrnoException, unix ?? `${host}:${port}`);
  }
}

/**
 * A socket that somebody else has bound, and that this process has inherited. It may be listening already; nothing is
 * accepted here.
 *
 * @throws {SwitchyardError} `SY_ACTIVATION` when the descriptor is no stream socket.
 */
export function adoptListeningSocket(fd: number): ListeningSocket {
  const handle = (net as unknown as NetWithBinding)._createServerHandle(null, 0, 0, fd);
  if (typeof handle === "number") {
    throw new SwitchyardError("SY_ACTIVATION", {
      saw: `Descriptor ${fd} is not a socket that can be served on (${systemError(handle).code}).`,
      fix: "Pass a bound TCP or UNIX stream socket (ListenStream= in the socket's unit).",
    });
  }
  const name: { address?: string; family?: string; port?: number } = {};
  const address = handle.getsockname?.(name) === 0 ? (name as net.AddressInfo) : pathOfSocket(fd);
  return closedOnce({ fd, address, close: () => handle.close() });
}

/** Node does not tell the path of an inherited UNIX socket; Linux lists them by inode. */
function pathOfSocket(fd: number): string {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
    const lines = readFileSync("/proc/net/unix", "utf8").split("\n");
    // Num RefCount Protocol Flags Type St Inode Path
    const fields = lines.map((line) => line.trim().split(/\s+/)).find((each) => each[6] === inode);
    return fields?.[7] ?? "inherited";
  } catch {
    // No /proc: the name is for the log alone.
    return "inherited";
  }
}

function closedOnce(socket: ListeningSocket): ListeningSocket {
  let isOpen = true;
  return {
    ...socket,
    close: () => {
      if (isOpen) socket.close();
      isOpen = false;
    },
  };
}

async function numericAddress(host: string): Promise<string> {
  return isIP(host) === 0 ? (await lookup(host)).address : host;
}

function bindTcp(host: string, port: number): ListeningSocket {
  const bound = bind({ host, port });
  const address = bound.address() as net.AddressInfo;
  return { fd: bound.fd(), address, close: () => bound.close() };
}

const allBits = 0o777;

function bindUnix(path: string, { mode, owner }: { mode: string | null; owner: Identity | null }): ListeningSocket {
  // By the umask, so that there is no moment in which somebody else may connect.
  const umask = mode === null ? null : process.umask(allBits & ~Number.parseInt(mode, 8));
  let bound: BoundSocket;
  try {
    bound = bind({ path });
  } finally {
    if (umask !== null) process.umask(umask);
  }
  // Whoever serves must be able to take the socket away at its end.
  if (owner !== null) chownSync(path, owner.uid, owner.gid);
  return { fd: bound.fd(), address: path, close: () => bound.close() };
}

/** A UNIX socket whose server is gone leaves its file behind; one that answers belongs to somebody. */
async function removeStaleSocket(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  const isStale = await new Promise<boolean>((resolve) => {
    const probe = net.connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(false);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
  if (isStale) unlinkSync(path);
}

function bindError(error: NodeJS.ErrnoException, where: string): unknown {
  switch (error.code) {
    case "EADDRINUSE":
      return new SwitchyardError("SY_PORT_IN_USE", {
        saw: `${where} is in use by another process.`,
        fix: "Stop that process, or choose another with --port or --unix.",
        cause: error,
      });
    case "EACCES":
    case "EPERM":
      return new SwitchyardError("SY_PORT_DENIED", {
        saw: `This user may not listen on ${where}.`,
        fix: "Choose a port of 1024 or more, or a folder that this user may write to.",
        cause: error,
      });
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "ENOENT":
    case "ENOTDIR":
    case "EINVAL":
      return new SwitchyardError("SY_PORT_DENIED", {
        saw: `${where} is not an address that this machine can listen on (${error.code}).`,
        fix: "Use an address of this machine (127.0.0.1, 0.0.0.0, ::) or an existing folder for a UNIX socket.",
        cause: error,
      });
    default:
      return error;
  }
}

/** What net.BoundSocket has (Node 26, and late versions of 24); declared here because the types of 24 lack it. */
interface BoundSocket {
  fd(): number;
  address(): net.AddressInfo | string;
  close(): void;
}

interface NetWithBinding {
  readonly BoundSocket?: new (options: { host?: string; port?: number; path?: string }) => BoundSocket;
  /** How node:cluster itself binds a shared socket, in every version that has no BoundSocket. */
  _createServerHandle(address: string | null, port: number, addressType: number, fd?: number): RawHandle | number;
}

interface RawHandle {
  readonly fd: number;
  getsockname?(out: object): number;
  close(): void;
}

function bind(target: { host: string; port: number } | { path: string }): BoundSocket {
  const binding = net as unknown as NetWithBinding;
  if (binding.BoundSocket !== undefined) return new binding.BoundSocket(target);
  const handle =
    "path" in target
      ? binding._createServerHandle(target.path, -1, -1)
      : binding._createServerHandle(target.host, target.port, isIP(target.host));
  if (typeof handle === "number") throw systemError(handle);
  const name: { address?: string; family?: string; port?: number } = {};
  // libuv reports a taken port only when the name is asked for.
  const status = handle.getsockname?.(name) ?? 0;
  if (status !== 0) {
    handle.close();
    throw systemError(status);
  }
  return {
    fd: () => handle.fd,
    address: () => ("path" in target ? target.path : (name as net.AddressInfo)),
    close: () => handle.close(),
  };
}

function systemError(errno: number): NodeJS.ErrnoException {
  const [code, text] = getSystemErrorMap().get(errno) ?? ["UNKNOWN", "unknown error"];
  return Object.assign(new Error(text), { code, errno });
}
