// The page's line to the server: hands on what it is told, and says when the line is broken and when it is back.
//
// A page that nobody looks at closes its line, and opens it again when it is looked at: a browser allows few lines to one
// server, and the server has a limit of its own.

import type { Sample } from "server/control/dashboard/history.ts";
import type { SeenStatus } from "server/control/dashboard/seen.ts";

export type Line = "opening" | "open" | "lost";

export interface LiveHandlers {
  onStatus(status: SeenStatus, atMs: number): void;
  onHistory(samples: Sample[]): void;
  onSample(sample: Sample): void;
  onLine(line: Line): void;
}

/** How long to wait before a line that the server has refused is tried again, in milliseconds. */
const tryAgainMs = 5_000;

export function connect(handlers: LiveHandlers): void {
  let source: EventSource | null = null;

  const open = () => {
    source?.close();
    const opened = new EventSource("/events");
    source = opened;
    const on = <Data>(name: string, handle: (data: Data) => void) =>
      // What comes is what live.ts of the server sends: the two are parts of one package.
      opened.addEventListener(name, (event: MessageEvent<string>) => handle(JSON.parse(event.data) as Data));
    on<{ status: SeenStatus; atMs: number }>("status", ({ status, atMs }) => handlers.onStatus(status, atMs));
    on<Sample[]>("history", handlers.onHistory);
    on<Sample>("sample", handlers.onSample);
    opened.onopen = () => handlers.onLine("open");
    opened.onerror = () => {
      handlers.onLine("lost");
      if (opened.readyState === EventSource.CLOSED) setTimeout(() => source === opened && open(), tryAgainMs);
    };
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (source === null) {
      handlers.onLine("opening");
      open();
    }
  });
  open();
}
