// Lets `new Request(request)` and `fetch(request)` take the Request that a Fetch handler was given.
//
// @hono/node-server's Request is a light one: it has Request's prototype and all its members, but not the private fields
// that Node's own constructor and fetch() look for, and they would throw "Cannot read private member #state". Forwarding a
// request is what a proxy or a middleware does, so both are taught to read a light Request by its public members.
// `Request` stays the same class for `instanceof` and its prototype.

let isInstalled = false;

/** Replaces the globals `Request` and `fetch`, once in a thread, by ones that differ in this only. */
export function acceptTranslatedRequests(): void {
  if (isInstalled) return;
  isInstalled = true;
  const NativeRequest = globalThis.Request;
  const nativeFetch = globalThis.fetch;
  const toNative = (input: unknown): unknown => {
    if (!(input instanceof NativeRequest) || isNative(NativeRequest, input)) return input;
    return new NativeRequest(input.url, input);
  };

  globalThis.Request = new Proxy(NativeRequest, {
    construct: (target, [input, ...rest], newTarget) =>
      Reflect.construct(target, [toNative(input), ...rest], newTarget === globalThis.Request ? target : newTarget),
  });
  globalThis.fetch = new Proxy(nativeFetch, {
    apply: (target, self, [input, ...rest]) => Reflect.apply(target, self, [toNative(input), ...rest]),
  });
}

/** Whether Node made it: the native getter reads a private field, and throws where there is none. */
function isNative(NativeRequest: typeof Request, input: Request): boolean {
  try {
    Object.getOwnPropertyDescriptor(NativeRequest.prototype, "url")?.get?.call(input);
    return true;
  } catch {
    return false;
  }
}
