import type { LoadRequest } from "./application.ts";
export function prepareTypeScript(_request: LoadRequest): void {}
