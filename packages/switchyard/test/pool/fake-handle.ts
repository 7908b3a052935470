// A worker that does what its test says, for lives that the real ones can't be made to live on demand. It passes the
// contract of handles (test/pool/worker-handle.test.ts).

import type { FromWorker, ToWorker } from "../../src/ipc/messages.ts";
import type { Exit } from "../../src/pool/death.ts";
import type { WorkerHandle } from "../../src/pool/worker-handle.ts";

export class FakeHandle implements WorkerHandle {
  readonly isolation = "process";
  readonly pid: number;
  readonly channels = [];
  readonly slot: number;
  readonly sent: ToWorker[] = [];
  onMessage: (message: FromWorker) => void = () => {};
  onExit: (exit: Exit) => void = () => {};
  hasEnded = false;
  /** What it does with what it is sent, as a worker's program does. */
  onSent: (message: ToWorker) => void = () => {};

  constructor(slot: number, pid = 0) {
    this.slot = slot;
    this.pid = pid;
  }

  get isToldToStop(): boolean {
    return this.sent.some(({ type }) => type === "stop");
  }

  send(message: ToWorker): void {
    if (this.hasEnded) return;
    this.sent.push(message);
    this.onSent(message);
  }

  kill(): void {
    // Like a process's, its end is heard of in a later turn.
    setImmediate(() => this.end({ code: null, signal: "SIGKILL" }));
  }

  say(message: FromWorker): void {
    if (!this.hasEnded) this.onMessage(message);
  }

  becomeReady(): void {
    this.say({ type: "ready", application: "a fake", askedPort: null, program: {} });
  }

  end(exit: Exit): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.onExit(exit);
  }
}
