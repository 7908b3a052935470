// A listening socket that was bound by whoever started this server: systemd (LISTEN_FDS, sd_listen_fds(3)).
//
// The variables are removed from the environment, so that no process of the application takes them for its own.

import { SwitchyardError } from "../errors.ts";

/** The first descriptor that systemd passes. */
const firstFd = 3;
const names = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] as const;

/**
 * The descriptor of the socket to serve on, or null when there is none for this process. Of several, the one that is named
 * "http" is meant.
 *
 * @throws {SwitchyardError} `SY_ACTIVATION`
 */
export function activatedFd(): number | null {
  const [pid, count, fdNames = ""] = names.map((name) => process.env[name]);
  for (const name of names) delete process.env[name];
  // Meant for another process: a shell between systemd and this one, most often.
  if (pid === undefined || count === undefined || Number(pid) !== process.pid) return null;
  if (Number(count) === 1) return firstFd;
  const index = fdNames.split(":").indexOf("http");
  if (index !== -1) return firstFd + index;
  throw new SwitchyardError("SY_ACTIVATION", {
    saw: `systemd passed ${count} sockets (LISTEN_FDS), and none is named http (LISTEN_FDNAMES is "${fdNames}").`,
    fix: "Pass one socket, or set FileDescriptorName=http in the unit of the one to serve on.",
  });
}
