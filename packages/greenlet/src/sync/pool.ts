// A pool: a group that runs at most so many members at once. Whoever wants to add one more waits for a place, in order.
//
// A member that spawns into its own full pool waits for a place that it may be holding itself: give nested work a pool of
// its own.

import { type AnyFunction, GreenletError } from "../errors.ts";
import type { Greenlet } from "../greenlet.ts";
import { spawn } from "../spawn.ts";
import { taskFor, type WaitOptions } from "../wait.ts";
import { Group, type GroupOptions } from "./group.ts";
import { Semaphore } from "./semaphore.ts";

export class Pool extends Group {
  /** How many members run at once. */
  readonly max: number;
  readonly #places: Semaphore;

  constructor(max: number, options: GroupOptions = {}) {
    if (!Number.isInteger(max) || max < 1) {
      throw new GreenletError("ERR_INVALID_ARGUMENT", {
        saw: `A pool of ${String(max)} was asked for.`,
        fix: "Give it a whole number, 1 or more.",
      });
    }
    super(options);
    this.max = max;
    this.#places = new Semaphore(max);
  }

  /** How many more members can be started without waiting. */
  get free(): number {
    return this.#places.free;
  }

  get isFull(): boolean {
    return this.free === 0;
  }

  /** How many wait for a place. */
  get waiting(): number {
    return this.#places.waiting;
  }

  /** As `spawn`, if there is a place; null when there is none. Never waits, so that it works anywhere. */
  trySpawn<A extends unknown[], T>(fn: (...args: A) => T, ...args: A): Greenlet<Awaited<T>> | null {
    return this.#places.tryAcquire() ? this.startEntered(() => spawn(fn, ...args)) : null;
  }

  /** For code outside a greenlet: waits for a place, runs `fn(...args)` there, and gives a promise of its value. */
  async applyAsync<A extends unknown[], T>(fn: (...args: A) => T, ...args: A): Promise<Awaited<T>> {
    await this.#places.acquireAsync();
    return this.startEntered(() => spawn(fn, ...args), "map");
  }

  /** Parks until there is a place, which it does not take. @returns `false` when the timeout passed first. */
  waitAvailable(options: WaitOptions = {}): boolean {
    taskFor(this.waitAvailable);
    if (!this.#places.acquire(options)) return false;
    this.#places.release();
    return true;
  }

  protected override get room(): number {
    return this.max;
  }

  protected override enter(caller: AnyFunction): void {
    taskFor(caller);
    this.#places.acquire();
  }

  protected override leave(): void {
    this.#places.release();
  }
}
