// One answer as a client sees it, in a form in which two servers' answers can be compared.
//
// Left out: the date, the order of fields with different names (it has no meaning, RFC 9110 §5.3), and the letter case of
// the fields that belong to the connection.

import http from "node:http";

export interface SeenAnswer {
  readonly interim: readonly unknown[];
  readonly status: string;
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly isComplete: boolean;
  /** The code of the error that the client got instead of an answer or of its end. */
  readonly error: string | null;
}

const ofConnection = new Set(["connection", "keep-alive", "transfer-encoding", "content-length"]);

/** Sends a request and takes down all that comes back. The connection's agent decides whether it is kept. */
export function see(url: string, options: http.RequestOptions & { body?: string | Buffer } = {}): Promise<SeenAnswer> {
  const { body, ...rest } = options;
  return new Promise((resolve) => {
    const interim: unknown[] = [];
    const request = http.request(url, rest);
    request.on("information", ({ statusCode, statusMessage, rawHeaders }) =>
      interim.push([statusCode, statusMessage, rawHeaders.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text))]),
    );
    request.on("error", (error: NodeJS.ErrnoException) =>
      resolve({
        interim,
        status: "",
        fields: [],
        body: "",
        trailers: [],
        isComplete: false,
        error: error.code ?? error.message,
      }),
    );
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      let error: string | null = null;
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", (reason: NodeJS.ErrnoException) => {
        error = reason.code ?? reason.message;
      });
      response.on("close", () =>
        resolve({
          interim,
          status: `${response.httpVersion} ${response.statusCode} ${response.statusMessage}`,
          fields: seenFields(response.rawHeaders),
          body: Buffer.concat(chunks).toString("latin1"),
          trailers: response.rawTrailers,
          isComplete: response.complete,
          error,
        }),
      );
    });
    request.end(body);
  });
}

function seenFields(rawHeaders: readonly string[]): string[] {
  const fields: { key: string; text: string }[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    const value = rawHeaders[i + 1]!;
    const key = name.toLowerCase();
    if (key === "date") fields.push({ key, text: "Date" });
    else fields.push({ key, text: `${ofConnection.has(key) ? key : name}: ${value}` });
  }
  // A stable sort: values of one name keep their order.
  return fields.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ text }) => text);
}
