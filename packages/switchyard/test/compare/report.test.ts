// The HTML report in a real browser: light and dark, narrow and wide.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { advise } from "../../src/compare/advice.ts";
import { reportHtml } from "../../src/compare/report/report.ts";
import { closeBrowser, openPage, skip } from "../dashboard/browser.ts";
import { madeRun } from "./made-run.ts";

after(closeBrowser);

const path = '/<b>bold</b>?q="x"&y=1';
const most = { "sync-threads": [50, 51, 52], async: [600, 610, 620], hybrid: [1_100, 1_200, 1_210] };
const run = madeRun([
  { path, wallMs: 100, cpuMs: 1, most },
  {
    path: "/a-path-that-is-long-enough-to-be-wider-than-a-telephone-when-nobody-breaks-it",
    wallMs: 20,
    cpuMs: 19,
    most,
  },
]);
const html = reportHtml({ ...run, warnings: ["A warning."] }, advise(run));

test("the report is one file that asks nothing of any other", () => {
  assert.doesNotMatch(html, /<script|<link|<img|https?:|@import|url\(/);
  assert.ok(!html.includes("<b>bold"), "what comes from outside is text");
});

for (const [colorScheme, width] of [
  ["light", 1280],
  ["dark", 1280],
  ["light", 360],
  ["dark", 360],
] as const) {
  test(`the report fits a ${colorScheme} page ${width} pixels wide, and every chart shows its points`, {
    skip,
  }, async (t) => {
    const server = createServer((_request, response) => {
      response.setHeader("content-type", "text/html; charset=utf-8").end(html);
    }).listen(0, "127.0.0.1");
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { page, faults } = await openPage(t, url, { colorScheme, viewport: { width, height: 800 } });
    const seen = await page.evaluate<Seen>(look);
    assert.ok(seen.overflow <= 0, `${seen.overflow} pixels too wide`);
    assert.equal(seen.empty, 0);
    assert.ok(seen.charts >= 10);
    assert.ok(seen.smallest >= 9, `text of ${seen.smallest} pixels`);
    assert.equal(brightness(seen.paper) > brightness(seen.ink), colorScheme === "light");
    // Browsers ask for an icon by themselves.
    assert.deepEqual(
      faults.filter((fault) => !fault.includes("favicon")),
      [],
    );
  });
}

interface Seen {
  readonly overflow: number;
  readonly empty: number;
  readonly charts: number;
  readonly smallest: number;
  readonly paper: string;
  readonly ink: string;
}

/** As text, since it runs in the page, whose types the tests do not have. */
const look = `({
  overflow: document.documentElement.scrollWidth - window.innerWidth,
  empty: [...document.querySelectorAll("figure svg")].filter((svg) => svg.querySelectorAll("g[class^=s]").length < 3).length,
  charts: document.querySelectorAll("figure svg").length,
  smallest: Math.min(...[...document.querySelectorAll("figure text")].map((text) => text.getBoundingClientRect().height)),
  paper: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color,
})`;

function brightness(colour: string): number {
  return (colour.match(/[\d.]+/g) ?? []).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
}
