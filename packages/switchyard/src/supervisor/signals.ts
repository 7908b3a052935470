// The signals that the supervisor answers to, as people know them.

export interface SignalActions {
  /** SIGTERM, SIGINT: drain, then end. */
  readonly stop: (signal: NodeJS.Signals) => void;
  /** The same again, by somebody who does not want to wait: end now. */
  readonly kill: (signal: NodeJS.Signals) => void;
}

/** Listens until the returned function is called. */
export function onSignals({ stop, kill }: SignalActions): () => void {
  let isStopping = false;
  const onStop = (signal: NodeJS.Signals) => {
    if (isStopping) {
      kill(signal);
      return;
    }
    isStopping = true;
    stop(signal);
  };
  process.on("SIGTERM", onStop);
  process.on("SIGINT", onStop);
  return () => {
    process.removeListener("SIGTERM", onStop);
    process.removeListener("SIGINT", onStop);
  };
}
