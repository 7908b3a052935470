// The same on Express, in straight-line style: a greenlet parks where it waits, and a sync worker waits.
import { setTimeout as sleep } from "node:timers/promises";
import { wait } from "@switchyard/greenlet";
import express from "express";

const app = express();
app.get("/hello", (_request, response) => response.type("text").send("Hello, world!"));
app.get("/wait", (_request, response) => {
  wait(sleep(100));
  response.type("text").send("waited");
});
export default app;
