// The same on Express, with await.
import { setTimeout as sleep } from "node:timers/promises";
import express from "express";

const app = express();
app.get("/hello", (_request, response) => response.type("text").send("Hello, world!"));
app.get("/wait", async (_request, response) => {
  await sleep(100);
  response.type("text").send("waited");
});
export default app;
