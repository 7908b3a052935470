// Every error that this package raises, once.
//
// One class, a code for each cause, and a message in two parts: what was seen, then what to do. Callers compare `code`,
// never text.

export const errorCodes = {
  ERR_ADDON_UNAVAILABLE: "The compiled part of the package can't be loaded in this Node.",
  ERR_NOT_IN_GREENLET: "Something that waits was called outside every greenlet.",
  ERR_SWITCH_FORBIDDEN: "Something that waits was called inside withoutSwitching().",
  ERR_PINNED:
    "The greenlet can't leave its stack here: native code on it is in the middle of a call, or Node's own state can't be moved.",
  ERR_TOO_MANY_GREENLETS: "As many greenlets are alive as may be, or the machine gives no more threads.",
  ERR_RUN_LIMIT: "The greenlet ran longer than hub.preempt()'s limitMs without waiting, and was ended.",
  ERR_WAIT_TIMEOUT: "A wait took longer than its timeout.",
  ERR_INVALID_ARGUMENT: "An argument is not of the kind that the function takes.",
  ERR_INVALID_STATE: "A call does not fit the state of the object that it was made on.",
  ERR_SHUT_DOWN: "The queue or channel has been shut down.",
  ERR_VERSION_CONFLICT: "Two versions of the package that can't work together are loaded in one thread.",
} as const;

export type GreenletErrorCode = keyof typeof errorCodes;

export interface ErrorParts {
  /** What was seen, as a whole sentence. */
  readonly saw: string;
  /** What to do, as a whole sentence in the imperative. */
  readonly fix: string;
  /** The first error, when there was one before this. */
  readonly cause?: unknown;
}

/** What this package throws. `message` is both parts, one after the other. */
export class GreenletError extends Error {
  override readonly name: string = "GreenletError";
  readonly code: GreenletErrorCode;
  readonly saw: string;
  readonly fix: string;

  constructor(code: GreenletErrorCode, parts: ErrorParts) {
    super(`${parts.saw} ${parts.fix}`, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = code;
    this.saw = parts.saw;
    this.fix = parts.fix;
  }
}

/**
 * What `kill()` throws into a greenlet when it is given no other reason. A greenlet that ends by it counts as successful,
 * with the exit as its value.
 */
export class GreenletExit extends Error {
  override readonly name: string = "GreenletExit";

  constructor(message = "The greenlet was killed.") {
    super(message);
  }
}

/** A function that is only named or looked for on the stack, never called. */
export type AnyFunction = (...args: never) => unknown;

/** For something that waits and was called on the main stack. `caller` is the function that the user called. */
export function notInGreenlet(caller: AnyFunction): GreenletError {
  const error = new GreenletError("ERR_NOT_IN_GREENLET", {
    saw:
      `${caller.name}() was called outside a greenlet, at ${callSiteOf(caller)}. Timers, stream and event callbacks, ` +
      "promise reactions and the part of an async function after its first await run on the main stack, even when a greenlet set them up.",
    fix:
      "Wrap the function that waits in greenletify(), or start it with spawn(). Under Switchyard, serve the application with " +
      "--model greenlet or --model sync; under async and hybrid use await.",
  });
  Error.captureStackTrace(error, caller);
  return error;
}

/** Where `callee` was called from, as "function (file:line:column)". */
function callSiteOf(callee: AnyFunction): string {
  const holder: { stack?: unknown } = {};
  Error.captureStackTrace(holder, callee);
  // A program may have replaced Error.prepareStackTrace or set stackTraceLimit to 0.
  const frame = typeof holder.stack === "string" ? holder.stack.split("\n")[1] : undefined;
  return frame?.trim().replace(/^at /, "") ?? "an unknown place";
}
