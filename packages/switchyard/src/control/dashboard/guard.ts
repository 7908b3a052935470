// Who may speak to the dashboard.
//
// The admin port is open to every program of the machine and, through a browser, to every site that its user visits. A
// site can't read our answers, but for DNS rebinding: a name of its own that it lets point to 127.0.0.1, so that the
// browser takes our page for the site's. Such a request names the site in its Host header, so what is not an address or
// localhost is turned away. Where the port has a token (../credentials.ts) any name will do: the browser keeps the token for
// the name that it was typed in for, so the site's page has none.

import { isIP } from "node:net";
import type { IncomingMessage } from "../../node-http.ts";

/** Whether the Host header is an IP address or localhost: names that nobody else can give to this server. */
export function isOwnHost({ headers }: IncomingMessage): boolean {
  const { host } = headers;
  if (host === undefined) return false;
  const name = /^\[([^\]]*)\](?::\d+)?$|^([^:]*)(?::\d+)?$/.exec(host);
  const bare = name?.[1] ?? name?.[2] ?? "";
  return bare.toLowerCase() === "localhost" || isIP(bare) !== 0;
}
