// The log files of this process: whoever writes one says how it is opened again, for log rotation.

/** Log files tell who asked for what: they are for their user and its group. */
export const logFileMode = 0o640;

const reopens = new Set<() => void>();

/** Calls `reopen` whenever the files are to be opened again, until the returned function is called. */
export function onReopen(reopen: () => void): () => void {
  reopens.add(reopen);
  return () => void reopens.delete(reopen);
}

/** Opens every log file of this process again, by its name. Where that fails, the old file is written on. */
export function reopenLogFiles(): void {
  for (const reopen of reopens) reopen();
}
