// Who may use the admin port, found out before anything is started: its address, and the token that it asks for.
//
// Read while the server may still be root, so that the file needs to be readable for nobody else. The token stays in the
// supervisor: neither workers nor the log get it.

import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { adminTokenVariable, faultOfToken, isLoopback } from "../config/admin-token.ts";
import type { ServeSettings } from "../config/settings.ts";
import { SwitchyardError } from "../errors.ts";

export interface AdminAccess {
  readonly host: string;
  /** What every request but a probe must bring; null on loopback, where none was set. */
  readonly token: string | null;
}

const makeOne = "openssl rand -hex 32";

/** @throws {SwitchyardError} `SY_ADMIN_TOKEN` */
export function readAdminAccess(
  { adminPort, adminHost, adminTokenFile }: ServeSettings,
  env: Readonly<Record<string, string | undefined>>,
): AdminAccess {
  // Without the port there is nothing to protect, and a file that nobody needs may be missing.
  if (adminPort === null) return { host: adminHost, token: null };
  const fromEnvironment = env[adminTokenVariable];
  const token =
    adminTokenFile !== null
      ? tokenOf(`The token in ${adminTokenFile}`, readPrivate(adminTokenFile).trim())
      : fromEnvironment !== undefined
        ? tokenOf(`The token in the environment variable ${adminTokenVariable}`, fromEnvironment.trim())
        : null;
  if (token === null && !isLoopback(adminHost)) {
    throw new SwitchyardError("SY_ADMIN_TOKEN", {
      saw: `The admin port is to listen on ${adminHost}, which others than this machine may reach, and it has no token.`,
      fix: `Give a token with --admin-token-file or ${adminTokenVariable}, leave --admin-host out to listen on 127.0.0.1, or turn the port off with --admin-port off.`,
    });
  }
  return { host: adminHost, token };
}

function tokenOf(name: string, token: string): string {
  const fault = faultOfToken(token);
  if (fault === null) return token;
  throw new SwitchyardError("SY_ADMIN_TOKEN", {
    saw: `${name} ${fault}.`,
    fix: `Put a random one there: ${makeOne}.`,
  });
}

function readPrivate(file: string): string {
  let fd: number | null = null;
  try {
    fd = openSync(file, "r");
    // Of the file that was opened, and not of another that is there a moment later.
    const { mode } = fstatSync(fd);
    if ((mode & 0o006) !== 0) throw openToAll(file, mode);
    return readFileSync(fd, "utf8");
  } catch (error) {
    if (error instanceof SwitchyardError) throw error;
    throw new SwitchyardError("SY_ADMIN_TOKEN", {
      saw: `The token file ${file} can't be read (${(error as NodeJS.ErrnoException).code}).`,
      fix: "Correct --admin-token-file, or let the user that starts the server read the file.",
      cause: error,
    });
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

function openToAll(file: string, mode: number): SwitchyardError {
  const digits = (mode & 0o777).toString(8).padStart(4, "0");
  return new SwitchyardError("SY_ADMIN_TOKEN", {
    saw: `Every user of this machine may read or write the token file ${file} (its mode is ${digits}).`,
    fix: `Run chmod 600 ${file}, and put a new token into it if others may have seen this one.`,
  });
}
