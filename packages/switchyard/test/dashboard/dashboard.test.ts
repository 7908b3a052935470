// The dashboard as its user meets it: in a real browser, beside a real server.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { Accounting } from "../harness/accounting.ts";
import { startGate } from "../harness/gate.ts";
import { until } from "../harness/patience.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { closeBrowser, openPage, skip } from "./browser.ts";

after(closeBrowser);

async function adminUrl(server: TestServer): Promise<string> {
  const line = await server.waitForLine(({ msg }) => msg?.startsWith("Status page: ") ?? false);
  return String(line.url);
}

async function startHeld(t: TestContext, args: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-held-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const hold = join(folder, "hold");
  const server = await startServer(t, { app: "held-start/app.mjs", args, env: { HOLD_START: hold } });
  return { server, hold: () => writeFileSync(hold, ""), letGo: () => rmSync(hold) };
}

test("a queue is seen to form under load, and to empty", { skip }, async (t) => {
  const gate = await startGate(t);
  const server = await startServer(t, {
    app: "faults/app.mjs",
    args: ["--model", "sync", "--workers", "2", "--no-access-log"],
    env: { ...gate.env },
  });
  const { page, faults } = await openPage(t, await adminUrl(server));
  await page.waitForSelector('.queue-bar[aria-valuenow="0"]');
  assert.equal(await page.locator(".slot.busy").count(), 0);

  const client = new Accounting(server);
  const sent = Array.from({ length: 7 }, () => client.send("/gate"));
  await page.waitForSelector('.queue-bar[aria-valuenow="5"]');
  await page.waitForSelector(".slot.busy >> nth=1");
  assert.equal(await page.locator(".queue-wagons i").count(), 5);
  assert.match((await page.locator(".queue").textContent()) ?? "", /5 requests waiting.*limit 1,024/);

  gate.open();
  await Promise.all(sent.map(({ outcome }) => outcome));
  await page.waitForSelector('.queue-bar[aria-valuenow="0"]');
  await page.locator(".slot.busy").first().waitFor({ state: "detached" });
  assert.deepEqual(faults, []);
});

test("a worker that is killed is seen to die and to come back", { skip }, async (t) => {
  const { server, hold, letGo } = await startHeld(t, ["--model", "hybrid", "--workers", "2"]);
  const { page, faults } = await openPage(t, await adminUrl(server));
  await page.waitForSelector('.slot[data-state="ready"] >> nth=1');
  const { workers } = await server.status();
  const victim = workers.find(({ worker }) => worker === 2);
  assert.ok(victim);

  hold();
  process.kill(victim.pid, "SIGKILL");
  await page.waitForSelector('.slot[data-worker="2"][data-state="missing"]');
  assert.match((await page.locator(".condition").textContent()) ?? "", /1 of 2 ready/);
  await page
    .getByText(new RegExp(`^Worker 2 \\(process ${victim.pid}\\) (?:has gone|ended: )`))
    .first()
    .waitFor();

  letGo();
  await page.waitForSelector('.slot[data-worker="2"][data-state="ready"]');
  const successor = (await server.status()).workers.find(({ worker }) => worker === 2);
  await page.getByText(`Worker 2 (process ${successor?.pid}) is there.`, { exact: true }).first().waitFor();
  assert.match((await page.locator(".condition").textContent()) ?? "", /serving/);
  assert.deepEqual(faults, []);
});

test("requests that were answered before the page was opened are in its charts", { skip }, async (t) => {
  const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", "async", "--no-access-log"] });
  const { page, faults } = await openPage(t, await adminUrl(server));
  const chart = page.getByRole("img", { name: /^Requests a second .* answered: now [\d.]+, at most [1-9]/ });
  // However long a second is on this machine, there is one with as many.
  await until(async () => {
    await server.get("/");
    return (await chart.count()) > 0;
  });

  await page.reload();
  await chart.waitFor();
  assert.ok((await page.locator(".uplot canvas").count()) >= 2);
  assert.deepEqual(faults, []);
});

test("the page says when the server has gone", { skip }, async (t) => {
  const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", "async"] });
  const { page } = await openPage(t, await adminUrl(server));
  await page.getByText("serving", { exact: true }).waitFor();
  await server.stop();
  await page.getByText("no answer", { exact: true }).waitFor();
  assert.match((await page.locator('p[role="status"]').textContent()) ?? "", /does not answer/);
});

test("everything on the page can be reached and read by keyboard, and has a name", { skip }, async (t) => {
  const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", "sync", "--workers", "2"] });
  const { page } = await openPage(t, await adminUrl(server));
  await page.getByText("serving", { exact: true }).waitFor();
  const wanted = await page.locator("a, button:not(:disabled), [tabindex='0'], summary").count();
  const reached = new Set<string>();
  for (let press = 0; press < wanted; press++) {
    await page.keyboard.press("Tab");
    reached.add(
      await page.evaluate<string>("(document.activeElement.ariaLabel ?? document.activeElement.textContent).trim()"),
    );
  }
  assert.equal(reached.size, wanted);
  assert.ok(!reached.has(""));
  for (const role of ["button", "img", "meter", "link", "region"] as const) {
    // An image of text that stands beside it has an empty alternative, and no role with it.
    for (const each of await page.getByRole(role).all()) {
      assert.match(await each.ariaSnapshot(), /"[^"]+"/, `a nameless ${role}: ${await each.innerHTML()}`);
    }
  }
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`on a phone nothing is cut off, and text stands out from its ground (${colorScheme})`, { skip }, async (t) => {
    const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", "sync", "--workers", "3"] });
    const { page, faults } = await openPage(t, await adminUrl(server), {
      colorScheme,
      viewport: { width: 360, height: 740 },
      reducedMotion: "reduce",
    });
    await page.getByText("serving", { exact: true }).waitFor();
    assert.ok(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"));
    const brightnessOf = async (property: string) => {
      const colour = await page.evaluate<string>(`getComputedStyle(document.body).${property}`);
      return (colour.match(/\d+/g) ?? []).slice(0, 3).reduce((sum, each) => sum + Number(each), 0);
    };
    const brightness = { ground: await brightnessOf("backgroundColor"), ink: await brightnessOf("color") };
    assert.ok(colorScheme === "light" ? brightness.ground > 600 : brightness.ground < 150, JSON.stringify(brightness));
    assert.ok(Math.abs(brightness.ground - brightness.ink) > 400);
    assert.equal(await page.evaluate("document.getAnimations().length"), 0);
    assert.deepEqual(faults, []);
  });
}

test("every lane is drawn with its workers on one unbroken track, and every button is in sight", {
  skip,
}, async (t) => {
  const lanes = ["--lane", "/report/**=sync:2", "--lane", "/photo/**=sync:1"];
  const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", "async", "--workers", "2", ...lanes] });
  for (const viewport of [
    { width: 1280, height: 900 },
    { width: 390, height: 800 },
  ]) {
    const { page, faults } = await openPage(t, await adminUrl(server), { viewport });
    await page.getByText("5 of 5", { exact: true }).waitFor();
    assert.deepEqual(await page.locator(".lane h3").allTextContents(), ["report", "photo", "All other requests"]);
    if (viewport.width === 1280) assert.deepEqual(await page.evaluate(gapsInTrack), [0, 0]);
    for (const button of await page.getByRole("button", { name: /^Restart worker/ }).all()) {
      const box = await button.boundingBox();
      assert.ok(box !== null && box.x >= 0 && box.x + box.width <= viewport.width, JSON.stringify(box));
    }
    assert.deepEqual(faults, []);
  }
});

/** In the page: how far each lane's piece of the track ends before the next lane's begins, in pixels. */
const gapsInTrack = `(() => {
  const lanes = [...document.querySelectorAll(".lane")];
  const piece = (lane) => {
    const { top, height } = getComputedStyle(lane, "::after");
    const begin = lane.getBoundingClientRect().top + parseFloat(top);
    return { begin, end: begin + parseFloat(height) };
  };
  const joint = (lane) => lane.getBoundingClientRect().top + parseFloat(getComputedStyle(lane, "::before").top);
  return lanes.slice(1).map((lane, index) => Math.max(0, Math.round(joint(lane) - piece(lanes[index]).end)));
})()`;

test("the buttons reload the workers, make one more and one fewer, and restart one", { skip }, async (t) => {
  const server = await startServer(t, { app: "plain/app.mjs", args: ["--model", "async", "--workers", "2"] });
  const { page, faults } = await openPage(t, await adminUrl(server));
  const before = (await server.status()).workers.map(({ pid }) => pid);

  // By keyboard, as whoever has no mouse does.
  await page.getByRole("button", { name: "Reload", exact: true }).press("Enter");
  await page.getByText("Reloaded: every worker was replaced.").first().waitFor();
  const reloaded = await server.waitForStatus(
    ({ workers }) =>
      workers.length === 2 && workers.every(({ pid, state }) => state === "ready" && !before.includes(pid)),
  );

  await page.getByRole("button", { name: "One worker more for lane default" }).click();
  await page.waitForSelector('.slot[data-worker="3"][data-state="ready"]');
  await page.getByRole("button", { name: "One worker fewer for lane default" }).click();
  await page.locator('.slot[data-worker="3"]').waitFor({ state: "detached" });
  await server.waitForStatus(({ workersWanted, workers }) => workersWanted === 2 && workers.length === 2);

  const restarted = reloaded.workers.find(({ worker }) => worker === 1)?.pid;
  await page.getByRole("button", { name: "Restart worker 1" }).click();
  await page.getByText("Worker 1 was restarted.").first().waitFor();
  await server.waitForStatus(({ workers }) => workers.every(({ pid }) => pid !== restarted));
  assert.deepEqual(faults, []);
});

test("a reload that can't be done says why, and the old workers serve on", { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-reload-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const app = join(folder, "app.mjs");
  writeFileSync(app, 'export default (_request, response) => response.end("old");');
  const server = await startServer(t, { app, args: ["--model", "async"] });
  const { page } = await openPage(t, await adminUrl(server));
  await page.getByText("serving", { exact: true }).waitFor();
  writeFileSync(app, 'throw new Error("broken on purpose");');
  await page.getByRole("button", { name: "Reload", exact: true }).click();
  await page
    .getByText(/The reload failed\. .*broken on purpose/)
    .first()
    .waitFor();
  assert.equal((await server.get("/")).body, "old");
});

test("a browser that was given the token as a password gets the page, its events and its buttons", {
  skip,
}, async (t) => {
  const password = "a-token-for-the-browser";
  const server = await startServer(t, {
    app: "plain/app.mjs",
    args: ["--model", "async", "--no-access-log"],
    env: { SWITCHYARD_ADMIN_TOKEN: password },
  });
  const httpCredentials = { username: "anybody", password };
  const { page } = await openPage(t, await adminUrl(server), { httpCredentials });
  await page.waitForSelector('.slot[data-state="ready"]');
  await page.getByRole("button", { name: "Restart worker 1" }).click();
  await page.getByText("Worker 1 was restarted.").first().waitFor();
});
