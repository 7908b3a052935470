// Notices that clients of Socket.IO poll for a session that another worker holds, and says once what to do.
//
// Engine.IO, below Socket.IO, keeps a session in memory and answers 400 to a poll whose session it does not know. With
// several workers each poll is another's as often as not, and all that its user sees are clients that connect again and
// again. Of a worker that is alone nothing is said: there a session is unknown because the server was restarted.

import type { ServeSettings } from "../config/settings.ts";

type Workers = Pick<ServeSettings, "model" | "workers" | "threads">;

/** Tells `warn` of the first such answer. Null where there is one worker, and no other could hold a session. */
export function lostSessions(settings: Workers, warn: (text: string) => void): ((url: string) => void) | null {
  if (isAlone(settings)) return null;
  let isTold = false;
  return (url) => {
    if (isTold || !isPollOfSession(url)) return;
    isTold = true;
    warn(
      "A client of Socket.IO was answered 400, because another worker holds its session. Long polling needs one worker " +
        "for all requests of a session, and requests are not bound to workers here. Let clients connect by WebSocket " +
        `alone (transports: ["websocket"])${settings.model === "sync" ? " under another model than sync" : ""}, ` +
        "or run one worker: --model async --workers 1.",
    );
  };
}

/** Engine.IO's own names: https://socket.io/docs/v4/engine-io-protocol/ */
function isPollOfSession(url: string): boolean {
  return /[?&]EIO=\d/.test(url) && /[?&]transport=polling\b/.test(url) && /[?&]sid=/.test(url);
}

function isAlone({ model, workers, threads }: Workers): boolean {
  if (threads > 1) return false;
  return workers === "auto" ? model === "async" : workers <= 1;
}
