// What only one server can have at a time: the pid file, the control socket and the status page. A successor opens its own when
// its predecessor has let go of them.

import type { ServeSettings } from "../config/settings.ts";
import { reportOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import type { ServerStatus } from "../metrics/snapshot.ts";
import type { ServerControl } from "../server-control.ts";
import type { AdminAccess } from "./admin-access.ts";
import { writePidFile } from "./pid-file.ts";

export interface ExclusiveParts {
  readonly settings: () => ServeSettings;
  readonly access: AdminAccess;
  /** The process whose place this server takes. */
  readonly predecessor: number | null;
  readonly status: () => ServerStatus;
  readonly control: ServerControl;
  readonly log: Log;
  /** Starts the status page. Not called when the settings want none. */
  readonly startAdmin: (options: {
    port: number;
    access: AdminAccess;
    status: () => ServerStatus;
    control: ServerControl;
  }) => Promise<Admin>;
  /** Makes the control socket. Not called when the settings want none. */
  readonly startControl: (options: ControlOptions) => Promise<{ close(): void }>;
}

export interface ControlOptions {
  /** Null for the place where the commands look. */
  readonly path: string | null;
  /** The process whose place this server takes. */
  readonly predecessor: number | null;
  readonly control: ServerControl;
}

interface Admin {
  readonly url: string;
  close(): void;
}

export class Exclusive {
  readonly #parts: ExclusiveParts;
  #admin: Admin | null = null;
  #control: { close(): void } | null = null;
  #pidFile: { close(): void } | null = null;

  constructor(parts: ExclusiveParts) {
    this.#parts = parts;
  }

  /** Of the status page; null while there is none. */
  get adminUrl(): string | null {
    return this.#admin?.url ?? null;
  }

  async open(): Promise<void> {
    const { pidFile } = this.#parts.settings();
    if (pidFile !== null) this.#pidFile = writePidFile(pidFile);
    this.#control = await this.#startControl();
    this.#admin = await this.#startAdmin();
  }

  close(): void {
    for (const each of [this.#admin, this.#control, this.#pidFile]) each?.close();
    // Not twice: by then the files may be a successor's.
    this.#admin = null;
    this.#control = null;
    this.#pidFile = null;
  }

  async #startAdmin(): Promise<Admin | null> {
    const { settings, startAdmin, access, status, control } = this.#parts;
    const { adminPort } = settings();
    return adminPort === null ? null : startAdmin({ port: adminPort, access, status, control });
  }

  async #startControl(): Promise<{ close(): void } | null> {
    const { settings, startControl, predecessor, control, log } = this.#parts;
    const { controlSocket } = settings();
    if (controlSocket === null) return null;
    const isAsked = controlSocket !== "auto";
    try {
      return await startControl({ path: isAsked ? controlSocket : null, predecessor, control });
    } catch (error) {
      if (isAsked) throw error;
      // A container may have no folder that can be written to; the server needs none.
      const { code, saw, fix } = reportOf(error);
      log.warn({ code, saw, fix }, "There is no control socket: the commands can't reach this server.");
      return null;
    }
  }
}
