// A fast route and one that holds the CPU, each request in a greenlet, on a plain node:http server. PREEMPT_MS is the slice.

import { createServer } from "node:http";
import { greenletify, hub } from "@switchyard/greenlet";

const sliceMs = Number(process.env.PREEMPT_MS ?? 0);
if (sliceMs > 0) hub.preempt({ sliceMs });
const { default: mixed } = await import("./mixed.mjs");

const server = createServer(greenletify(mixed));
server.listen(0, "127.0.0.1", () => console.log(`Serving at http://127.0.0.1:${server.address().port}`));
process.once("SIGTERM", () => process.exit());
