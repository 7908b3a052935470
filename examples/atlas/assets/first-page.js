// The experiment on the first page: asks for /hello again and again while heavy reports run, and draws how long each took.
const button = document.querySelector("#run");
const bars = document.querySelector("#bars");
const result = document.querySelector("#result");
const asks = 40;

button.addEventListener("click", async () => {
  button.disabled = true;
  bars.replaceChildren();
  result.textContent = "Three clients keep asking for reports; asking for /hello meanwhile …";
  const leaving = new AbortController();
  const clients = [1, 2, 3].map((client) => askForReports(client, leaving.signal));
  const tookMs = [];
  while (tookMs.length < asks) {
    const beganAtMs = performance.now();
    await (await fetch("/hello", { cache: "no-store" })).text();
    tookMs.push(performance.now() - beganAtMs);
    draw(tookMs.at(-1));
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  leaving.abort();
  await Promise.allSettled(clients);
  const sorted = tookMs.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(asks / 2)];
  result.textContent = `Half of them took less than ${median.toFixed(1)} ms, the slowest ${sorted.at(-1).toFixed(0)} ms.`;
  button.disabled = false;
});

async function askForReports(client, signal) {
  for (let report = 0; !signal.aborted; report += 1) {
    const response = await fetch(`/report/FR?cities=10&n=${client}.${report}`, { cache: "no-store", signal });
    await response.arrayBuffer();
  }
}

function draw(tookMs) {
  const bar = document.createElement("i");
  // A logarithmic height: 1 ms is a stub, 1 s and more is full.
  bar.style.height = `${Math.min(100, 4 + 32 * Math.log10(Math.max(1, tookMs)))}%`;
  bar.className = tookMs > 50 ? "late" : "";
  bar.title = `${tookMs.toFixed(1)} ms`;
  bars.append(bar);
}
