// Ctrl-C for commands that measure: the first ends the run in order, and a second one at once, when what is left is the last
// watch's.

/** What shells add to SIGINT's number for the exit code of a program that it ended. */
export const interruptedCode = 130;

/** @param then what becomes of the run, for the line that says that it ends. */
export function onInterrupt(then: string): { signal: AbortSignal; forget: () => void } {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(interruptedCode);
    process.stderr.write(`\nEnding: ${then}.\n`);
    controller.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return {
    signal: controller.signal,
    forget: () => {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", interrupt);
    },
  };
}
