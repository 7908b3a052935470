// Atomics.wait by way of Atomics.waitAsync.
//
// Packages that make asynchronous functions blocking (synckit, make-synchronous) post a message to a worker, sleep in
// Atomics.wait, and take the answer from a port. Two such calls at once on one worker take each other's answers. So a port
// belongs to the greenlet that sleeps for its answer: another one that wants to post to it waits for its turn.

import { MessagePort } from "node:worker_threads";
import { runningTask, type Task } from "../switching.ts";
import { WaitList } from "../sync/wait-list.ts";
import { wait } from "../wait.ts";
import { cooperatingTask, type LibraryFunction, type Patch } from "./cooperation.ts";

const aDayMs = 86_400_000;

/** The port that a greenlet posted to last: the one that its Atomics.wait waits for. */
const lastPorts = new WeakMap<Task, MessagePort>();
/** Who waits to post to a port whose answer another greenlet sleeps for. */
const takenPorts = new Map<MessagePort, WaitList<true>>();

export function atomicsPatches(): Patch[] {
  return [
    { holder: Atomics, name: "wait", make: waitCooperatively },
    { holder: MessagePort.prototype, name: "postMessage", make: postInTurn },
  ];
}

function waitCooperatively(original: LibraryFunction): LibraryFunction {
  return function (...args) {
    const task = cooperatingTask();
    if (task === null) return original.apply(this, args);
    let outcome: ReturnType<typeof Atomics.waitAsync>;
    try {
      outcome = Reflect.apply(Atomics.waitAsync, Atomics, args);
    } catch {
      return original.apply(this, args);
    }
    if (!outcome.async) return outcome.value;
    const port = lastPorts.get(task);
    const waiting = new WaitList<true>("its turn to use a worker");
    if (port !== undefined) takenPorts.set(port, waiting);
    // A pending waitAsync does not keep the process alive (Node issue 61941); Atomics.wait does.
    const alive = setInterval(() => {}, aDayMs);
    try {
      return wait(outcome.value);
    } finally {
      clearInterval(alive);
      if (port !== undefined) takenPorts.delete(port);
      // They run once this greenlet parks or ends, which is after it has taken its answer.
      waiting.giveAll(true);
    }
  };
}

function postInTurn(original: LibraryFunction): LibraryFunction {
  const patched: LibraryFunction = function (...args) {
    const task = runningTask();
    if (task === null) return original.apply(this, args);
    if (cooperatingTask() !== null) {
      for (let taken = takenPorts.get(this); taken !== undefined; taken = takenPorts.get(this)) {
        taken.park(patched, {}, undefined);
      }
    }
    lastPorts.set(task, this);
    return original.apply(this, args);
  };
  return patched;
}
