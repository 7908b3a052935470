// The application that APP names, on node:cluster, with as many workers as WORKERS says.
import cluster from "node:cluster";
import http from "node:http";

if (cluster.isPrimary) {
  const count = Number(process.env.WORKERS);
  let listening = 0;
  cluster.on("listening", (_worker, { port }) => {
    if (++listening === count) console.log(`Serving at http://127.0.0.1:${port}`);
  });
  for (let i = 0; i < count; i++) cluster.fork();
} else {
  const { default: handler } = await import(process.env.APP);
  http.createServer(handler).listen(0, "127.0.0.1");
}
