// The token of the admin port, as its rules: which environment variable has it, which texts are one, and for which
// addresses the port needs one.
//
// Calculations: nothing is read here, and no text of a token is ever part of what is said about it.

import { BlockList, isIP } from "node:net";

/** The environment variable that has the token. Workers are started without it. */
export const adminTokenVariable = "SWITCHYARD_ADMIN_TOKEN";

const minLength = 16;
// Twice over in Base64 it must fit into a request's headers, of which the admin port takes 8 KB.
const maxLength = 1024;

/** What is wrong with a text as a token, to stand after its name, or null for one that can be used. */
export function faultOfToken(token: string): string | null {
  if (token === "") return "is empty";
  // HTTP's headers carry no more than this without encodings that clients disagree about (RFC 7617 §2.1).
  if (!/^[\x21-\x7e]+$/.test(token)) return "has white space in it, or characters that are not ASCII";
  if (token.length < minLength) return `has ${token.length} characters, and a token needs ${minLength} or more`;
  if (token.length > maxLength) return `has ${token.length} characters, and a token has ${maxLength} at most`;
  return null;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether nobody outside of this machine can reach an address. A name but localhost could mean any. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === "localhost") return true;
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 6 ? "ipv6" : "ipv4");
}
