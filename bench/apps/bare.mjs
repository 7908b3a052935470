// The same handler on bare node:http, as `node app.js` would serve it.
import http from "node:http";
import hello from "./hello.mjs";

http.createServer(hello).listen(Number(process.env.PORT ?? 0), "127.0.0.1", function listening() {
  console.log(`Serving at http://127.0.0.1:${this.address().port}`);
});
