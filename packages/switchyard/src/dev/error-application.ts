// The application that is served while the user's own can't be loaded: every request is answered 500 with what is wrong.

import { createHash } from "node:crypto";
import type { ErrorReport } from "../errors.ts";
import type { IncomingMessage, ServerResponse } from "../node-http.ts";
import { errorPage, waitingHeader, wantsPage } from "./error-page.ts";

export function errorApplication(report: ErrorReport): (request: IncomingMessage, response: ServerResponse) => void {
  const { code, saw, fix, stack } = report;
  const id = createHash("sha256").update(JSON.stringify(report)).digest("hex").slice(0, 16);
  return (request, response) => {
    const isPage = wantsPage(request.headers.accept);
    const title = `${code}: the application can't be loaded`;
    const text = isPage
      ? errorPage({ title, message: saw, hint: fix, stack, waitsFor: id })
      : `${title}\n${saw}\n${fix}\n\n${stack ?? ""}\n`;
    response.writeHead(500, {
      "Content-Type": `text/${isPage ? "html" : "plain"}; charset=utf-8`,
      "Content-Length": Buffer.byteLength(text),
      "Cache-Control": "no-store",
      [waitingHeader]: id,
    });
    response.end(text);
  };
}
