// What a config file may hold, and the function that gives its author types for it.

import type { ServeSettings } from "./settings.ts";

/**
 * The default export of `switchyard.config.ts`. Every key is optional and has the name, the unit and the values that it
 * has in docs/options.md; `app` is the application's file. Relative paths are relative to the config file's folder.
 */
export type UserConfig = { readonly [Key in keyof ServeSettings]?: ServeSettings[Key] | undefined };

/** A config, or a function that makes one, which may be asynchronous. */
export type ConfigSource = UserConfig | (() => UserConfig | Promise<UserConfig>);

/** Returns its argument. It exists so that an editor knows what a config file may hold. */
export function defineConfig<Source extends ConfigSource>(config: Source): Source {
  return config;
}
