// A certificate for 127.0.0.1 and localhost, made when a test needs one and signed by itself.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export interface Certificate {
  /** Arguments of `serve` that use it. */
  readonly args: readonly string[];
  /** For clients to trust. */
  readonly ca: Buffer;
}

export function makeCertificate(t: TestContext): Certificate {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-tls-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const cert = join(folder, "cert.pem");
  const key = join(folder, "key.pem");
  const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  const names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  execFileSync("openssl", [...request.split(" "), ...names, "-keyout", key, "-out", cert], { stdio: "pipe" });
  return { args: ["--tls-cert", cert, "--tls-key", key], ca: readFileSync(cert) };
}
