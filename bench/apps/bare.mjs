// The application that APP names, on bare node:http, as `node app.js` would serve it; PM2 and Watt run this file too.
import http from "node:http";

const { default: handler } = await import(process.env.APP);

http.createServer(handler).listen(Number(process.env.PORT ?? 0), "127.0.0.1", function listening() {
  console.log(`Serving at http://127.0.0.1:${this.address().port}`);
});
