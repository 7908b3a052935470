// The functions of node:crypto that derive and make keys, which take milliseconds to seconds by design.

import crypto from "node:crypto";
import { type CooperativeForm, cooperative, type LibraryFunction, type Patch } from "./cooperation.ts";

const forms: Record<string, Omit<CooperativeForm, "twin">> = {
  pbkdf2: {},
  scrypt: {},
  hkdf: {},
  argon2: {},
  generateKey: {},
  generatePrime: {},
  checkPrime: {},
  randomFill: {},
  generateKeyPair: { result: ([publicKey, privateKey]) => ({ publicKey, privateKey }) },
};

export function cryptoPatches(): Patch[] {
  const library = crypto as unknown as Record<string, LibraryFunction | undefined>; // looked up by name
  return Object.entries(forms).flatMap(([name, form]) => {
    const twin = library[name];
    // argon2 came with Node 24.7.
    if (twin === undefined) return [];
    return [{ holder: crypto, name: `${name}Sync`, make: (original) => cooperative(original, { ...form, twin }) }];
  });
}
