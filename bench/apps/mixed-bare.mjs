// The same on bare node:http; PM2 and Watt run this file too.
import http from "node:http";
import mixed from "./mixed.mjs";

http.createServer(mixed).listen(Number(process.env.PORT ?? 0), "127.0.0.1", function listening() {
  console.log(`Serving at http://127.0.0.1:${this.address().port}`);
});
