// A real Chromium for tests of pages. It notes everything that a page must not do: errors on its console, breaches of its
// content security policy, requests to anybody else.

import type { TestContext } from "node:test";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { findBrowser } from "../../../../scripts/browser.mjs";

const executablePath: string | null = findBrowser();

/** For `test`'s options: why the tests in a browser can't run here, or false. */
export const skip = executablePath === null && "no Chromium on this machine (install it, or name it in CHROMIUM)";

/** How long a page has to come to a state, in milliseconds: far more than it needs on a slow machine. */
export const withinMs = 60_000;

export interface Watched {
  readonly page: Page;
  /** What it must not have done, in words. */
  readonly faults: string[];
}

let browser: Promise<Browser> | null = null;

/** Opens a page in a browser that all tests of a file share. `closeBrowser` must be called after them. */
export async function openPage(t: TestContext, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  // Chromium's own sandbox can't be set up by root, nor in most containers; the pages are our own.
  browser ??= chromium.launch({
    executablePath: executablePath!,
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
    timeout: withinMs,
  });
  const context = await (await browser).newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(withinMs);
  const faults: string[] = [];
  const origin = new URL(url).origin;
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") faults.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) faults.push(`asked another server: ${request.url()}`);
  });
  await page.goto(url);
  return { page, faults };
}

export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
  browser = null;
}
