// What this package asks of a logger: the part of pino's interface that it uses, so that a module that only logs does not
// load pino to know the type.

export interface Log {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}
