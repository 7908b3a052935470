// What the record of an option says.

import type { ServeSettings } from "./settings.ts";
import type { Kind } from "./values.ts";

export type OptionKey = Exclude<keyof ServeSettings, "app" | "given">;

export type OptionGroup =
  | "Workers"
  | "Recycling"
  | "Listening"
  | "Limits"
  | "Starting and stopping"
  | "Logs"
  | "Command";

export interface OptionRecord<Key extends OptionKey = OptionKey> {
  /** The flag without its dashes. */
  readonly flag: string;
  readonly group: OptionGroup;
  readonly kind: Kind<ServeSettings[Key]>;
  readonly default: ServeSettings[Key];
  /** Said instead of the default's value, where that alone would mislead. */
  readonly defaultProse?: string;
  /** What it does, in one or two whole sentences. */
  readonly prose: string;
  /** The environment variable that is read when neither a flag nor the config file sets it. */
  readonly env?: string;
  /** A flag that turns it off, without its dashes. The value is then null. */
  readonly offFlag?: string;
  /** Each time the flag is given adds to a list. */
  readonly repeats?: boolean;
}

export type OptionRecords = { readonly [Key in OptionKey]: OptionRecord<Key> };
