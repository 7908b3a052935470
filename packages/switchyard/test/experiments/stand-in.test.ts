// What stands in for PostgreSQL, asked by the client that the experiment's application has.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "pg";
import { startStandIn } from "../../src/experiments/stand-in.ts";
import { folderWith } from "../config/folder.ts";

test("the stand-in answers as many clients as it is told, refuses the next as PostgreSQL does, and takes one when one leaves", async (t) => {
  const host = folderWith(t, {});
  const standIn = await startStandIn(join(host, ".s.PGSQL.5432"), 2);
  t.after(() => standIn.close());
  const connected = async () => {
    const client = new Client({ host, port: 5432, user: "test", database: "test" });
    await client.connect();
    return client;
  };
  const clients = [await connected(), await connected()];
  await assert.rejects(connected(), { code: "53300", message: "sorry, too many clients already" });
  await Promise.all(clients.map((client) => client.query("select pg_sleep(0.1)")));
  await clients[0]!.end();
  const next = await connected();
  await next.query("select 1");
  await Promise.all([next.end(), clients[1]!.end()]);
});
