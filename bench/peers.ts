// The servers that `npm run bench -- peers` compares: each once, with how to see that it is installed and how to start it.
//
// Two workers each, where a server has workers. Python's frameworks are held against Switchyard with Express, a framework too;
// servers that are given a plain handler against Switchyard with a plain handler.

import { ensurePeers, pm2, watt } from "./node-peers.ts";
import { pythonWith } from "./python.ts";
import { bareNode, freePort, nodeCluster, ours, type Subject } from "./subject.ts";

export interface Peer {
  readonly name: string;
  /** The name of Switchyard's server that does the same; absent for Switchyard's own. */
  readonly against?: string;
  /** Debian's packages that it needs; absent for what is there or installs itself. */
  readonly packages?: string;
  readonly isInstalled: () => boolean;
  /** How many requests that wait it has at once; a thousand and more when absent. */
  readonly atOnce?: number;
  readonly make: () => Subject | Promise<Subject>;
}

const workers = 2;
const threads = 8;
const plain = "./apps/peers.mjs";
const express = "./apps/peers-express.mjs";
const expressWaiting = "./apps/peers-express-wait.mjs";

const syncThreads = `Switchyard sync, ${workers} × ${threads} threads, Express`;

export const peers: readonly Peer[] = [
  switchyard("Switchyard async", plain, ["--model", "async"]),
  {
    name: "node:http",
    against: "Switchyard async",
    isInstalled: () => true,
    make: () => bareNode(plain),
  },
  switchyard("Switchyard hybrid", plain, ["--model", "hybrid", "--workers", String(workers)]),
  {
    name: "node:cluster",
    against: "Switchyard hybrid",
    isInstalled: () => true,
    make: () => nodeCluster(plain, workers),
  },
  { name: "PM2", against: "Switchyard hybrid", isInstalled: hasNodePeers, make: () => pm2(plain, workers) },
  { name: "Watt", against: "Switchyard hybrid", isInstalled: hasNodePeers, make: () => watt(plain, workers) },
  python({
    name: "aiohttp",
    against: "Switchyard hybrid",
    packages: "python3-aiohttp",
    modules: ["aiohttp"],
    command: () => ["./apps/peers_aiohttp.py"],
  }),
  python({
    name: "Tornado",
    against: "Switchyard hybrid",
    packages: "python3-tornado",
    modules: ["tornado"],
    command: () => ["./apps/peers_tornado.py"],
  }),
  python({
    name: "Twisted",
    against: "Switchyard hybrid",
    packages: "python3-twisted",
    modules: ["twisted"],
    command: () => ["./apps/peers_twisted.py"],
  }),
  switchyard("Switchyard hybrid, Express", express, ["--model", "hybrid", "--workers", String(workers)]),
  python({
    name: "uvicorn, FastAPI",
    against: "Switchyard hybrid, Express",
    packages: "uvicorn python3-fastapi python3-uvloop python3-httptools",
    modules: ["uvicorn", "fastapi", "uvloop", "httptools"],
    command: (port) => {
      const server = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"];
      return ["-m", "uvicorn", "peers_fastapi:app", "--port", port, "--workers", String(workers), ...server];
    },
  }),
  switchyard("Switchyard greenlet, Express", expressWaiting, ["--model", "greenlet", "--workers", String(workers)]),
  gunicorn("gevent", { against: "Switchyard greenlet, Express", packages: ["python3-gevent"], flags: [] }),
  gunicorn("eventlet", { against: "Switchyard greenlet, Express", packages: ["python3-eventlet"], flags: [] }),
  {
    ...switchyard("Switchyard sync, Express", expressWaiting, ["--model", "sync", "--workers", String(workers)]),
    atOnce: workers,
  },
  { ...gunicorn("sync", { against: "Switchyard sync, Express", packages: [], flags: [] }), atOnce: workers },
  {
    ...switchyard(syncThreads, expressWaiting, [
      ...["--model", "sync", "--workers", String(workers), "--threads", String(threads)],
    ]),
    atOnce: workers * threads,
  },
  {
    ...gunicorn("gthread", { against: syncThreads, packages: [], flags: ["--threads", String(threads)] }),
    atOnce: workers * threads,
  },
];

function switchyard(name: string, app: string, args: readonly string[]): Peer {
  return { name, isInstalled: () => true, make: () => ours(name, app, args) };
}

interface Python {
  readonly name: string;
  readonly against: string;
  readonly packages: string;
  readonly modules: readonly string[];
  readonly command: (port: string) => readonly string[];
}

function python({ name, against, packages, modules, command }: Python): Peer {
  const interpreter = () => pythonWith(...modules);
  return {
    name,
    against,
    packages,
    isInstalled: () => interpreter() !== null,
    make: async () => {
      const port = String(await freePort());
      const env = {
        PORT: port,
        WORKERS: String(workers),
        PYTHONPATH: new URL("./apps", import.meta.url).pathname,
        PYTHONDONTWRITEBYTECODE: "1",
      };
      const url = `http://127.0.0.1:${port}`;
      return { name, program: interpreter() ?? "python3", command: command(port), env, url, probe: "/hello" };
    },
  };
}

/** gunicorn with one kind of its workers, on Flask. */
function gunicorn(
  kind: string,
  { against, packages, flags }: { against: string; packages: readonly string[]; flags: readonly string[] },
): Peer {
  const own = ["--worker-class", kind, "--workers", String(workers), "--graceful-timeout", "1", "--log-level", "error"];
  return python({
    name: `gunicorn ${kind}, Flask`,
    against,
    packages: ["gunicorn", "python3-flask", ...packages].join(" "),
    modules: ["gunicorn", "flask", ...packages.map((each) => each.replace("python3-", ""))],
    command: (port) => ["-m", "gunicorn", "--bind", `127.0.0.1:${port}`, ...own, ...flags, "peers_flask:app"],
  });
}

/** They come from npm when they are asked for, and are missing where npm can't reach its registry. */
function hasNodePeers(): boolean {
  try {
    ensurePeers();
    return true;
  } catch {
    return false;
  }
}
