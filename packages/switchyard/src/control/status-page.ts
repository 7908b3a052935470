// The status page as HTML: reads /status every second and shows it. No library, no request to anywhere else.

export function statusPage(): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Switchyard status</title>
<style>
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft: color-mix(in srgb, currentColor 62%, transparent); --busy: #c2570c; --ok: #15803d; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; }
p { margin: 0; color: var(--soft); overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1.5rem 0; }
dl div { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
dt { color: var(--soft); font-size: .8rem; }
dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .4rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
th { font-weight: 500; color: var(--soft); font-size: .8rem; }
.dot { display: inline-block; width: .6rem; height: .6rem; border-radius: 50%; background: var(--ok); margin-right: .5rem; }
.dot.busy { background: var(--busy); } .dot.off { background: var(--line); }
#lost { color: var(--busy); }
</style>
</head>
<body>
<h1 id="title">Switchyard</h1>
<p id="what">Waiting for the first report.</p>
<p id="lost" role="status"></p>
<dl id="figures"></dl>
<div class="table"><table>
<thead><tr><th>worker</th><th>state</th><th>in flight</th><th>answered</th><th>failed</th><th>aborted</th><th>refused</th><th>memory</th><th>pid</th></tr></thead>
<tbody id="workers"></tbody>
</table></div>
<script>
const byId = (id) => document.getElementById(id);
let last = null;
function figure(name, value) {
  const box = document.createElement("div"), term = document.createElement("dt"), data = document.createElement("dd");
  term.textContent = name; data.textContent = value; box.append(term, data);
  return box;
}
function row(worker) {
  const line = document.createElement("tr");
  const { requests } = worker;
  const cells = [worker.worker, worker.state, requests.inFlight, requests.answered, requests.failed, requests.aborted, requests.refused,
    Math.round(worker.rssBytes / 1048576) + " MiB", worker.pid];
  for (const text of cells) line.insertCell().textContent = text;
  const dot = document.createElement("span");
  dot.className = "dot" + (worker.state !== "ready" ? " off" : requests.inFlight > 0 ? " busy" : "");
  line.cells[0].prepend(dot);
  return line;
}
function show(status) {
  const sum = (name) => status.workers.reduce((total, worker) => total + worker.requests[name], 0);
  const done = sum("answered") + sum("failed"), now = performance.now();
  const rate = last === null || done < last.done ? 0 : Math.round((done - last.done) / ((now - last.now) / 1000));
  last = { done, now };
  byId("title").textContent = "Switchyard: " + status.model + ", " + status.workers.length + " of " + status.workersWanted + " workers";
  byId("what").textContent = (status.application.description ?? "loading") + " in " + status.application.file + ", at " + status.url;
  const figures = [figure("requests a second", rate), figure("in flight", sum("inFlight")), figure("answered", done), figure("workers replaced", status.restarts)];
  if (status.queue !== null) figures.push(figure("queued, of " + status.queue.limit, status.queue.length), figure("refused, queue full", status.queue.refused));
  byId("figures").replaceChildren(...figures);
  byId("workers").replaceChildren(...status.workers.map(row));
}
async function update() {
  try {
    show(await (await fetch("status")).json());
    byId("lost").textContent = "";
  } catch {
    byId("lost").textContent = "The server does not answer any more.";
  }
  setTimeout(update, 1000);
}
update();
</script>
</body>
</html>
`;
}
