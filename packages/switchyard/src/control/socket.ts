// The control socket: a UNIX socket of its user's alone, over which the commands steer a running server.
//
// A client sends one line and gets one line. Whoever sends anything else, too much, too slowly or too often is told so and
// loses the connection; none of it reaches the server. The file is made with mode 0600 from the start, put in place whole,
// and removed at the end if it is still ours. Nobody takes the socket of a server that answers.

import { lstatSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import net, { type Socket } from "node:net";
import { reportOf, SwitchyardError } from "../errors.ts";
import type { ServerControl } from "../server-control.ts";
import { type ControlAnswer, type ControlRequest, requestBytes, requestOf } from "./protocol.ts";
import { ownSocketPath, socketsOf } from "./socket-path.ts";

export interface ControlSocketOptions {
  /** Where it is to be; null for the place where the commands look. */
  readonly path: string | null;
  /** The folder that the server was started in. */
  readonly cwd: string;
  /** The process whose place this server takes; its socket may be taken over. */
  readonly predecessor: number | null;
  readonly control: ServerControl;
}

export interface ControlSocket {
  readonly path: string;
  close(): void;
}

/** How long a client may take to send its line, and to read the answer, in milliseconds. */
const clientTimeoutMs = 5_000;
const mostClients = 32;

/** @throws {SwitchyardError} `SY_CONTROL_SOCKET` when the path can't be bound, or belongs to a server that answers. */
export async function startControlSocket(options: ControlSocketOptions): Promise<ControlSocket> {
  const found = ownSocketPath(options.cwd);
  const path = options.path ?? found;
  if (options.predecessor === null && (await isAnswered(path))) throw inUse(path);
  const server = net.createServer({ allowHalfOpen: true }, (socket) => serveClient(socket, options.control));
  server.maxConnections = mostClients;
  await bindPrivately(server, path);
  const inode = inodeOf(path);
  const link = path === found ? null : linkTo(path, found);
  void removeStale(options.cwd);
  return {
    path,
    close: () => {
      server.close();
      if (inodeOf(path) === inode) remove(path);
      if (link !== null) remove(link);
    },
  };
}

/** Makes the file under another name and renames it: so it is never there with another mode, or without a listener. */
async function bindPrivately(server: net.Server, path: string): Promise<void> {
  const unfinished = `${path}.${process.pid}`;
  const bound = Promise.withResolvers<void>();
  server.once("error", bound.reject);
  server.once("listening", bound.resolve);
  const umask = process.umask(0o177);
  try {
    // Binds before it returns.
    server.listen(unfinished);
  } finally {
    process.umask(umask);
  }
  try {
    await bound.promise;
    renameSync(unfinished, path);
  } catch (error) {
    server.close();
    throw cannotBind(path, error as NodeJS.ErrnoException);
  }
  server.on("error", () => {});
  server.unref();
}

function serveClient(socket: Socket, control: ServerControl): void {
  let text = "";
  let isAnswered = false;
  const answer = (line: ControlAnswer, { staysOpen = false } = {}) => {
    isAnswered = true;
    socket.write(`${JSON.stringify(line)}\n`);
    if (staysOpen) return;
    socket.end();
    socket.setTimeout(clientTimeoutMs, () => socket.destroy());
  };
  const late = setTimeout(() => {
    if (!isAnswered) answer(refusal(`No whole line came within ${clientTimeoutMs} ms.`));
  }, clientTimeoutMs).unref();
  socket.setEncoding("utf8");
  socket.on("error", () => {});
  socket.on("close", () => clearTimeout(late));
  socket.on("end", () => {
    if (!isAnswered && !text.includes("\n")) answer(refusal("The connection ended before a whole line came."));
  });
  socket.on("data", (chunk: string) => {
    if (isAnswered || text.includes("\n")) return;
    text += chunk;
    const end = text.indexOf("\n");
    if (end === -1 && text.length > requestBytes) answer(refusal(`A line may be ${requestBytes} bytes long.`));
    if (end === -1) return;
    clearTimeout(late);
    const request = requestOf(text.slice(0, end));
    if (request === null) {
      answer(refusal("The line is not a command in JSON."));
      return;
    }
    perform(request, control).then(
      // Who stops the server learns of its end by that of the connection.
      () => answer({ ok: true, status: control.status() }, { staysOpen: request.command === "stop" }),
      (error) => answer({ ok: false, error: reportOf(error) }),
    );
  });
}

async function perform(request: ControlRequest, control: ServerControl): Promise<void> {
  switch (request.command) {
    case "status":
      return;
    case "reload":
      return control.reload();
    case "scale":
      return control.scale(request.lane, request.workers);
    case "restart":
      return control.restart(request.worker);
    case "stop":
      return control.stop(request.how);
    case "reopenLogs":
      return control.reopenLogs();
  }
}

function refusal(saw: string): ControlAnswer {
  const fix = "Use the commands of Switchyard, of the version that the server has.";
  return { ok: false, error: reportOf(new SwitchyardError("SY_CONTROL_REQUEST", { saw, fix })) };
}

/** Whether somebody listens on it. A socket whose server is gone refuses, and may be replaced. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    // EACCES: somebody else's, alive or not.
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "EACCES"));
  });
}

/** Sockets of this folder whose servers were killed. */
async function removeStale(cwd: string): Promise<void> {
  for (const { path, pid } of socketsOf(cwd)) {
    if (!isRunning(pid) && !(await isAnswered(path))) remove(path);
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function linkTo(path: string, link: string): string | null {
  try {
    remove(link);
    symlinkSync(path, link);
    return link;
  } catch {
    // Then the commands need --control-socket too.
    return null;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone already.
  }
}

function inodeOf(path: string): number | null {
  return lstatSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

function inUse(path: string): SwitchyardError {
  return new SwitchyardError("SY_CONTROL_SOCKET", {
    saw: `The control socket ${path} belongs to a server that is running.`,
    fix: "Stop that server, or give this one another with --control-socket.",
  });
}

function cannotBind(path: string, error: NodeJS.ErrnoException): SwitchyardError {
  return new SwitchyardError("SY_CONTROL_SOCKET", {
    saw: `The control socket ${path} can't be made (${error.code}).`,
    fix: "Name a file in a folder that this user may write to, in 90 characters or less, with --control-socket.",
    cause: error,
  });
}
