// The first page: what there is to try, an experiment to run in the page, and what to expect under each model.

import { type Html, html } from "./html.ts";
import { asset, page, searchForm } from "./layout.ts";

const script = asset("first-page.js");

interface Route {
  readonly kind: string;
  readonly path: string;
  readonly prose: string;
}

const routes: readonly Route[] = [
  {
    kind: "fast",
    path: "/hello",
    prose: "Two words. How long it takes tells how busy the server is with everything else.",
  },
  {
    kind: "synchronous SQLite",
    path: "/search?q=paris",
    prose:
      "Full text search by the beginnings of words, largest cities first. SQLite answers within the call, in less than a millisecond.",
  },
  {
    kind: "waits with await",
    path: "/cities/2988507",
    prose: "A city's page. It waits a tenth of a second for a slow upstream that knows the sky over it.",
  },
  {
    kind: "waits with wait(…)",
    path: "/cities/2988507/nearby",
    prose:
      "Four such waits, one after another, in synchronous code and inside the callback of map. Under greenlet and sync.",
  },
  {
    kind: "CPU, 10 ms",
    path: "/report/nearest?of=2988507&k=10",
    prose: "The nearest of all cities by great circle, each one looked at.",
  },
  {
    kind: "CPU, 50 ms to 1 s",
    path: "/report/FR?cities=5&k=3",
    prose: "For the largest cities of a country, the nearest ones abroad. cities=100 takes about a second.",
  },
  {
    kind: "CPU, 50 ms",
    path: "/map.svg",
    prose: "The world, drawn from nothing but its cities. Drawn anew for each request.",
  },
  {
    kind: "CPU, 10 to 30 ms",
    path: "/map.svg?country=IT",
    prose: "One country, in its own shape. Any two-letter code will do.",
  },
  {
    kind: "streamed",
    path: "/export.csv",
    prose: "Every city as CSV, read as fast as you take it. Add ?country=FR for one country.",
  },
  {
    kind: "server-sent events",
    path: "/live",
    prose: "A city each second until you leave. Under sync it keeps a worker busy all the while.",
  },
  {
    kind: "streamed upload",
    path: "/upload",
    prose: "Counts and hashes what you send while it arrives, whatever its size.",
  },
  { kind: "health", path: "/healthz", prose: "Whether the application is ready, for whatever watches over it." },
];

interface ModelProse {
  readonly name: string;
  readonly flags: string;
  readonly expect: string;
}

const models: readonly ModelProse[] = [
  {
    name: "sync",
    flags: "--model sync --workers 4",
    expect:
      "Four workers, each with one request at a time; the fifth request waits in the queue. Three heavy reports leave a worker for /hello; a fourth one does not, and then it waits for the first that is done. A city page keeps its worker for the tenth of a second that it waits, so four workers answer forty a second and no more.",
  },
  {
    name: "async",
    flags: "--model async",
    expect:
      "One process, one event loop. A thousand city pages wait at once and all are there after a tenth of a second. But while a report is calculated, everything else stands still: see the bars above.",
  },
  {
    name: "hybrid",
    flags: "--model hybrid",
    expect:
      "An event loop for each CPU. As async, and a report stops one loop instead of the only one: who is on the other notices nothing.",
  },
  {
    name: "greenlet",
    flags: "--model greenlet",
    expect:
      "One event loop, and for each request a stack of its own. City pages wait together as under async, and so do the neighbours, written in synchronous code. CPU-heavy work stops the loop as it does under async.",
  },
];

/** `host` is where the reader found this page, for commands that can be copied as they are. */
export function firstPage(cityCount: number, host: string): Html {
  const content = html`
<h1>The world's cities, on four kinds of server</h1>
<p class="lead">An ordinary Express application over ${cityCount.toLocaleString("en")} cities in SQLite. It knows nothing of the server that
runs it. Switchyard runs it under one model or another, and each route here shows where they differ.</p>
${searchForm("")}
<img class="map" src="/map.svg" alt="Map of the world, drawn from its cities" width="1000" height="450">

<h2>What to try</h2>
<div class="cards">${routes.map(routeCard)}</div>

<h2>See a heavy report hold up the others</h2>
<p>Three clients ask for a report of a tenth of a second of calculation, again and again; meanwhile <code>/hello</code> is
asked for forty times, one after another. Each bar is one <code>/hello</code>: a millisecond is a stub, a second is full height, and amber is over 50 ms.</p>
<button id="run" type="button">Run it on this server</button>
<div class="bars" id="bars" aria-hidden="true"></div>
<p id="result" role="status" class="soft">Not run yet.</p>

<h2>The models, and what to expect</h2>
<div class="cards wide">${models.map(modelCard)}</div>

<h2>From a terminal</h2>
<p>Every route answers JSON to a client that does not ask for HTML.</p>
<pre>curl "http://${host}/search?q=sao+pau&limit=3"
curl http://${host}/cities/3448439
curl -N "http://${host}/live/events?count=5"
curl -o cities.csv http://${host}/export.csv
curl -T cities.csv -X POST http://${host}/upload</pre>
<p>Five at once, of a server with four sync workers: four are answered after a tenth of a second, the fifth after two tenths.</p>
<pre>for n in 1 2 3 4 5; do
  curl -s -o /dev/null -w "%{time_total}\\n" http://${host}/cities/2988507 &
done; wait</pre>
<p>A slower upstream makes it plain: start the server with <code>ATLAS_UPSTREAM_MS=2000</code>.</p>`;
  return page("Atlas", { content, script });
}

function routeCard({ kind, path, prose }: Route): Html {
  return html`<div class="card"><span class="kind">${kind}</span><h3><a href="${path}"><code>${path}</code></a></h3><p>${prose}</p></div>`;
}

function modelCard({ name, flags, expect }: ModelProse): Html {
  return html`<div class="card"><h3>${name}</h3><pre>npx switchyard serve \\
  examples/atlas/app.ts \\
  ${flags}</pre><p>${expect}</p></div>`;
}
