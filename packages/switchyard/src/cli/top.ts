// `switchyard top`: the server that was started in this folder, live, in a terminal.
//
// It draws on the terminal's other screen and gives the first one back at its end, however that comes. Without a terminal
// it prints one frame as plain text and ends.

import { isatty } from "node:tty";
import { nowMs } from "../clock.ts";
import { ask, findSocket } from "../control/client.ts";
import { History } from "../control/dashboard/history.ts";
import type { SeenStatus } from "../control/dashboard/seen.ts";
import { wantsColour } from "../log/colour.ts";
import { flagsHelp, parseCommandLine } from "./command-flags.ts";
import { printText } from "./print.ts";
import { controlFlag, noArguments } from "./steer.ts";
import { frameOf } from "./top-frame.ts";

export function topHelp(): string {
  return `Usage: switchyard top [options]

Shows the server that was started in this folder, live: its queue, its workers and what they do. q ends it.
Without a terminal it prints how the server is now, and ends.

${flagsHelp(controlFlag)}`;
}

/** Shows the server until its user has seen enough, and returns the exit code. */
export async function runTop(args: readonly string[]): Promise<number> {
  const { values, positionals, help } = parseCommandLine("top", { args, flags: controlFlag });
  if (help) return printText(topHelp());
  noArguments("top", positionals);
  const socket = await findSocket(values["control-socket"]);
  const read = async (): Promise<SeenStatus> => (await ask(socket, { command: "status" })).status;
  if (isatty(1)) return watch(read);
  const lines = frameOf(await read(), [], { columns: 200, rows: Number.POSITIVE_INFINITY, isColoured: false });
  return printText(`${lines.join("\n")}\n`);
}

/** How often the server is asked how it is, in milliseconds. */
const askEveryMs = 500;
/** How often a sample of its throughput is taken, in milliseconds. */
const sampleEveryMs = 1_000;

// ECMA-48 and xterm: the other screen and back, the cursor hidden and shown, home, erase to the line's and screen's end.
const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";
const home = "\x1b[H";
const eraseLine = "\x1b[K";
const eraseBelow = "\x1b[J";

async function watch(read: () => Promise<SeenStatus>): Promise<number> {
  const { stdout, stdin } = process;
  const history = new History();
  const ended = Promise.withResolvers<void>();
  let status: SeenStatus = await read();
  let isLost = false;
  let sampledAtMs = nowMs();
  history.add(status, sampledAtMs);

  const draw = () => {
    const { columns = 80, rows = 24 } = stdout;
    const lines = frameOf(status, history.samples, { columns, rows: rows - 1, isColoured: wantsColour() });
    const foot = isLost ? "The server does not answer; trying again. q ends." : "q ends";
    const text = lines.map((line) => `${line}${eraseLine}\r\n`).join("");
    stdout.write(`${home}${text}${foot.slice(0, columns)}${eraseLine}${eraseBelow}`);
  };
  const update = async () => {
    try {
      status = await read();
      isLost = false;
      if (nowMs() - sampledAtMs >= sampleEveryMs) {
        sampledAtMs = nowMs();
        history.add(status, sampledAtMs);
      }
    } catch {
      // A server that ended, or is being replaced by another on the same socket.
      isLost = true;
    }
    draw();
  };
  const end = () => ended.resolve();
  const onKey = (key: Buffer) => {
    // q, Ctrl-C (which a raw terminal does not turn into a signal), Ctrl-D, and Escape alone.
    if (["q", "Q", "\x03", "\x04", "\x1b"].includes(key.toString())) end();
  };

  stdout.write(enter);
  try {
    if (stdin.isTTY) stdin.setRawMode(true).on("data", onKey);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
    stdout.on("resize", draw);
    draw();
    let isEnded = false;
    void ended.promise.then(() => {
      isEnded = true;
    });
    while (!isEnded) {
      await Promise.race([new Promise((resolve) => setTimeout(resolve, askEveryMs)), ended.promise]);
      if (!isEnded) await Promise.race([update(), ended.promise]);
    }
    return 0;
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdout.write(leave);
  }
}
