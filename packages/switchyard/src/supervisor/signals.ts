// The signals that the supervisor answers to, as people know them from other servers.
//
//   TERM          drain, then end            INT           end soon         either of them again   end now
//   HUP           reload                   USR1          open log files again
//   TTIN          one worker more          TTOU          one worker less
//   USR2          another server in this one's place, on the same socket

import { isatty } from "node:tty";

export interface SignalActions {
  readonly stop: (how: "graceful" | "quick", signal: NodeJS.Signals) => void;
  /** TERM or INT once more, by somebody who does not want to wait. */
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly reload: () => void;
  readonly scaleBy: (processes: 1 | -1) => void;
  readonly reopenLogs: () => void;
  readonly handOver: () => void;
}

/** Listens until the returned function is called. */
export function onSignals(actions: SignalActions): () => void {
  const hadTerminal = isatty(1);
  let isStopping = false;
  const onStop = (signal: NodeJS.Signals) => {
    if (isStopping) {
      actions.kill(signal);
      return;
    }
    isStopping = true;
    actions.stop(signal === "SIGINT" ? "quick" : "graceful", signal);
  };
  const listeners: Partial<Record<NodeJS.Signals, (signal: NodeJS.Signals) => void>> = {
    SIGTERM: onStop,
    SIGINT: onStop,
    SIGHUP: (signal) => {
      // The terminal that the server was started in was closed: nobody means a reload by that.
      if (hadTerminal && !isatty(1)) onStop(signal);
      else actions.reload();
    },
    SIGTTIN: () => actions.scaleBy(1),
    SIGTTOU: () => actions.scaleBy(-1),
    // Node would open its inspector's port.
    SIGUSR1: () => actions.reopenLogs(),
    SIGUSR2: () => actions.handOver(),
  };
  const entries = Object.entries(listeners);
  for (const [signal, listener] of entries) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of entries) process.removeListener(signal, listener);
  };
}
