// Why a worker ended, in words for a person who is woken at night.

/** How the operating system or the thread reported the end of a worker. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The error that ended a thread, when it was one. */
  readonly error?: Error;
}

export interface Death extends Exit {
  /** One phrase: "killed by SIGKILL", "exit code 1", "out of heap memory". */
  readonly cause: string;
}

/** @param killedFor why this server killed it, or null when it did not. */
export function deathOf(exit: Exit, killedFor: string | null): Death {
  return { ...exit, cause: causeOf(exit, killedFor) };
}

function causeOf(exit: Exit, killedFor: string | null): string {
  if (killedFor !== null) return `killed by Switchyard: ${killedFor}`;
  if (exit.error !== undefined) {
    const code = (exit.error as NodeJS.ErrnoException).code;
    if (code === "ERR_WORKER_OUT_OF_MEMORY") return "out of heap memory";
    return `uncaught ${exit.error.name}: ${exit.error.message}`;
  }
  if (exit.signal === "SIGABRT" || exit.code === 134)
    return "aborted (SIGABRT): most often out of heap memory; Node's own report is above";
  if (exit.signal === "SIGKILL") return "killed by SIGKILL: by somebody, or by the kernel when memory ran out";
  if (exit.signal === "SIGSEGV") return "crashed (SIGSEGV): a fault in native code";
  if (exit.signal !== null) return `killed by ${exit.signal}`;
  if (exit.code === 0) return "exit code 0: the application ended its own process";
  return `exit code ${exit.code}`;
}
