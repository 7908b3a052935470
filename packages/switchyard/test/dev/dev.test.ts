// `switchyard dev` as a programmer meets it: a change is served, an error is shown with its place, and neither ends it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { closeBrowser, openPage, skip } from "../dashboard/browser.ts";
import { Lines } from "../harness/lines.ts";
import { until as eventually } from "../harness/patience.ts";
import { freePort } from "../harness/ports.ts";
import { descendantsOf, waitUntilEnded } from "../harness/processes.ts";
import { type Answer, get } from "../harness/server.ts";

after(closeBrowser);

const bin = fileURLToPath(new URL("../../bin/switchyard.js", import.meta.url));
const asBrowser = { headers: { accept: "text/html" } };

interface Project {
  write(name: string, text: string): void;
  readonly app: string;
}

function project(t: TestContext, files: Readonly<Record<string, string>>): Project {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-dev-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, text: string) => {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  return { write, app: join(folder, "app.mjs") };
}

async function startDev(t: TestContext, { app }: Project, args: readonly string[] = []) {
  const child = spawn(process.execPath, [bin, "dev", app, "--port", "0", "--no-access-log", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PORT: undefined, NODE_OPTIONS: "" },
  });
  let printed = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  const exited = once(child, "close").then(([code]) => code as number | null);
  t.after(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const lines = new Lines(child.stdout);
  const line = await lines.waitFor(({ msg }) => String(msg).startsWith("Serving at "));
  const url = String(line.url);
  return {
    child,
    exited,
    lines,
    url,
    printed: () => printed,
    /** Asks until the answer fits: a change is noticed some time after it was made. */
    async until(fits: (answer: Answer) => boolean, path = "/"): Promise<Answer> {
      let answer: Answer | null = null;
      return eventually(
        async () => {
          answer = await get(url + path, asBrowser).catch(() => null);
          return answer !== null && fits(answer) && answer;
        },
        () => [answer, printed],
      );
    },
  };
}

const answering = (text: string) => `export default (_request, response) => response.end(${JSON.stringify(text)});\n`;

test("a change of any file that was loaded is served, on the same port, by one worker", async (t) => {
  const files = project(t, {
    "app.mjs": 'import { text } from "./lib/text.mjs";\nexport default (_request, response) => response.end(text);\n',
    "lib/text.mjs": 'export const text = "one";\n',
  });
  const { url, until, child } = await startDev(t, files);
  assert.equal((await get(url)).body, "one");
  files.write("lib/text.mjs", 'export const text = "two";\n');
  await until(({ body }) => body === "two");
  files.write("app.mjs", answering("three"));
  await until(({ body }) => body === "three");
  assert.equal(child.exitCode, null);
});

test("data that lies beside the code may change without a reload", async (t) => {
  const files = project(t, { "app.mjs": answering("one"), "data.json": "1" });
  const { url, lines, until } = await startDev(t, files);
  assert.equal((await get(url)).body, "one");
  files.write("data.json", "2");
  files.write("log.txt", "more");
  files.write("app.mjs", answering("two"));
  await until(({ body }) => body === "two");
  const told = lines.all.filter(({ file }) => file !== undefined).map(({ file }) => String(file));
  assert.ok(
    told.every((file) => file.endsWith("app.mjs")),
    told.join(),
  );
});

test("an application that can't be loaded is answered with the error and its place, until it is mended", async (t) => {
  const files = project(t, { "app.mjs": answering("one") });
  const { url, until, printed, child } = await startDev(t, files);
  assert.equal((await get(url)).body, "one");

  files.write("app.mjs", 'const name = "<b>bold</b>";\nthrow new Error("no " + name + " here");\n');
  const { status, body } = await until(({ status }) => status === 500);
  assert.equal(status, 500);
  assert.match(body, /no &lt;b&gt;bold&lt;\/b&gt; here/);
  assert.doesNotMatch(body, /<b>bold/);
  assert.match(body, /<mark><span class="number"> +2<\/span> throw new Error/);
  await eventually(() => printed().includes("error SY_APP_THREW: "), printed);
  const plain = await get(url);
  assert.match(plain.body, /^SY_APP_THREW: /);
  assert.equal(plain.status, 500);

  files.write("app.mjs", "export default (;\n");
  await until(({ body }) => body.includes("SY_APP_SYNTAX"));
  files.write("app.mjs", 'import "./missing.mjs";\nexport default () => {};\n');
  await until(({ body }) => body.includes("missing.mjs"));
  files.write("missing.mjs", "");
  files.write("app.mjs", answering("mended"));
  await until(({ body }) => body === "mended");
  assert.equal(child.exitCode, null);
});

test("it can be started with an application that does not load yet", async (t) => {
  const files = project(t, { "app.mjs": "process.exit(3);\n" });
  const { until } = await startDev(t, files);
  await until(({ status, body }) => status === 500 && body.includes("SY_APP_EXITED"));
  files.write("app.mjs", answering("now"));
  await until(({ body }) => body === "now");
});

test("what a handler throws is shown to a browser with its source, escaped, and not to a program", async (t) => {
  const files = project(t, {
    "app.mjs":
      "export default async (request) => {\n" +
      "  await null;\n" +
      '  throw new TypeError("bad <i>" + request.url);\n' +
      "};\n",
  });
  const { url } = await startDev(t, files);
  const page = await get(`${url}/x`, asBrowser);
  assert.equal(page.status, 500);
  assert.match(page.body, /TypeError: bad &lt;i&gt;http:\/\/[^<]+\/x</);
  assert.match(page.body, /<mark><span class="number"> +3<\/span> {3}throw new TypeError/);
  assert.doesNotMatch(page.body, /<i>/);
  const plain = await get(`${url}/x`);
  assert.equal(plain.status, 500);
  assert.doesNotMatch(plain.body, /TypeError/);
});

test("a page in a browser goes on by itself when the error is mended", { skip }, async (t) => {
  const files = project(t, { "app.mjs": 'throw new Error("first");\n' });
  const { url } = await startDev(t, files);
  const { page } = await openPage(t, url);
  await page.getByRole("heading", { name: /first/ }).waitFor();
  files.write("app.mjs", 'throw new Error("second");\n');
  await page.getByRole("heading", { name: /second/ }).waitFor();
  files.write("app.mjs", answering("all is well"));
  await page.getByText("all is well").waitFor();
});

test("--inspect opens the worker's inspector, and again in the worker after a change", async (t) => {
  const files = project(t, { "app.mjs": answering("one") });
  const port = await freePort();
  const { until } = await startDev(t, files, [`--inspect=${port}`]);
  const first = await inspected(port, null);
  files.write("app.mjs", answering("two"));
  await until(({ body }) => body === "two");
  await inspected(port, first);
});

test("a bad port for the inspector is refused", async () => {
  for (const text of ["0", "70000", "x", ""]) {
    const child = spawn(process.execPath, [bin, "dev", "app.mjs", `--inspect=${text}`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let printed = "";
    child.stderr.setEncoding("utf8").on("data", (piece: string) => {
      printed += piece;
    });
    const [code] = await once(child, "close");
    assert.equal(code, 65, printed);
    assert.match(printed, /SY_OPTION_VALUE: --inspect was given/);
  }
});

test("Ctrl-C ends it at once and leaves no process behind", async (t) => {
  const { child, exited, url } = await startDev(t, project(t, { "app.mjs": answering("one") }));
  assert.equal((await get(url)).body, "one");
  const below = descendantsOf(child.pid!);
  assert.ok(below.length > 0);
  child.kill("SIGINT");
  assert.equal(await exited, 0);
  await waitUntilEnded(below);
});

/** The id of the inspector's target, once there is one and it is another than before. */
async function inspected(port: number, before: string | null): Promise<string> {
  return eventually(async () => {
    const answer = await get(`http://127.0.0.1:${port}/json/list`).catch(() => null);
    const id: unknown = answer === null ? null : JSON.parse(answer.body)[0]?.id;
    return typeof id === "string" && id !== before && id;
  });
}
