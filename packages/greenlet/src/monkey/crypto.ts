// The functions of node:crypto that derive and make keys, which take milliseconds to seconds by design; and, where asked for,
// those that are quick and can be given a callback.

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

/** Without a callback they block, for microseconds as a rule: less than a switch to a thread costs. */
const dual = ["randomBytes", "randomInt", "sign", "verify", "diffieHellman", "encapsulate", "decapsulate"];

export function cryptoPatches(which: true | "all" = true): Patch[] {
  const library = crypto as unknown as Record<string, LibraryFunction | undefined>; // looked up by name
  const patches = Object.entries(forms).flatMap(([name, form]): Patch[] => {
    const twin = library[name];
    // argon2 came with Node 24.7.
    if (twin === undefined) return [];
    return [{ holder: crypto, name: `${name}Sync`, make: (original) => cooperative(original, { ...form, twin }) }];
  });
  if (which !== "all") return patches;
  const ofDual = dual.filter((name) => library[name] !== undefined);
  return [...patches, ...ofDual.map((name): Patch => ({ holder: crypto, name, make: withOwnCallback }))];
}

function withOwnCallback(original: LibraryFunction): LibraryFunction {
  return cooperative(original, {
    twin: original,
    keepsOriginal: (args) => typeof args.at(-1) === "function",
  });
}
