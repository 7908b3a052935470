// The same handler on node:cluster, two workers unless WORKERS says otherwise.
import cluster from "node:cluster";
import http from "node:http";
import hello from "./hello.mjs";

if (cluster.isPrimary) {
  const count = Number(process.env.WORKERS ?? 2);
  let listening = 0;
  cluster.on("listening", (_worker, { port }) => {
    if (++listening === count) console.log(`Serving at http://127.0.0.1:${port}`);
  });
  for (let i = 0; i < count; i++) cluster.fork();
} else {
  http.createServer(hello).listen(0, "127.0.0.1");
}
