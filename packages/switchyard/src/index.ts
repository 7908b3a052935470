// The public API of `switchyard`: re-exports only. What is not here is private.

export { type ConfigSource, defineConfig, type UserConfig } from "./config/define.ts";
export type { AccessLogFormat, LaneModel, LogLevel, Model, ServeSettings, UserLane } from "./config/settings.ts";
export { type ErrorCode, SwitchyardError } from "./errors.ts";
