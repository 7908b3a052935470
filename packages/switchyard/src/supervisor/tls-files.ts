// Reads the certificate and its key once, before anything is started, so that a mistake in them is one clear message and
// not a failed handshake later. Workers get them as text and need no right to read the files.

import { readFileSync } from "node:fs";
import type { ServeSettings } from "../config/settings.ts";
import { SwitchyardError } from "../errors.ts";

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** @throws {SwitchyardError} `SY_TLS_FILE` */
export function readTlsFiles(settings: ServeSettings): TlsFiles | null {
  const { tlsCert, tlsKey } = settings;
  if (tlsCert === null || tlsKey === null) return null;
  const cert = readPem(tlsCert, "certificate");
  const key = readPem(tlsKey, "key");
  // Loaded only where it is used: 9 ms.
  const { createPrivateKey, X509Certificate } = process.getBuiltinModule("node:crypto");
  const certificate = parsed("certificate", tlsCert, () => new X509Certificate(cert));
  const privateKey = parsed("key", tlsKey, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new SwitchyardError("SY_TLS_FILE", {
      saw: `The key in ${tlsKey} does not belong to the certificate in ${tlsCert}.`,
      fix: "Give the key that the certificate was made with.",
    });
  }
  return { cert, key };
}

function readPem(file: string, what: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new SwitchyardError("SY_TLS_FILE", {
      saw: `The TLS ${what} ${file} can't be read (${(error as NodeJS.ErrnoException).code}).`,
      fix: "Correct the path, or let this user read the file.",
      cause: error,
    });
  }
}

function parsed<T>(what: string, file: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new SwitchyardError("SY_TLS_FILE", {
      saw: `${file} is not a PEM ${what} that can be used.`,
      fix:
        what === "key"
          ? "Give an unencrypted private key in PEM form."
          : "Give the certificate, with its chain, in PEM form.",
      cause: error,
    });
  }
}
