// The experiment on the first page: asks for /hello again and again while heavy reports run, and draws how long each took.
const button = document.querySelector("#run");
const bars = document.querySelector("#bars");
const result = document.querySelector("#result");
const asks = 40;

button.addEventListener("click", async () => {
  button.disabled = true;
  bars.replaceChildren();
  result.textContent = "Three reports of half a second of CPU each have begun; asking for /hello meanwhile …";
  const nonce = Math.random();
  const reports = [1, 2, 3].map((n) => fetch(`/report/FR?cities=50&k=3&n=${nonce + n}`, { cache: "no-store" }));
  const tookMs = [];
  for (let ask = 0; ask < asks; ask += 1) {
    const beganAtMs = performance.now();
    await (await fetch("/hello", { cache: "no-store" })).text();
    tookMs.push(performance.now() - beganAtMs);
    draw(tookMs.at(-1));
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  await Promise.allSettled(reports);
  const sorted = tookMs.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(asks / 2)];
  result.textContent = `/hello took ${median.toFixed(1)} ms in the middle and ${sorted.at(-1).toFixed(0)} ms at worst.`;
  button.disabled = false;
});

function draw(tookMs) {
  const bar = document.createElement("i");
  // A logarithmic height: 1 ms is a stub, 1 s and more is full.
  bar.style.height = `${Math.min(100, 4 + 32 * Math.log10(Math.max(1, tookMs)))}%`;
  bar.className = tookMs > 50 ? "late" : "";
  bar.title = `${tookMs.toFixed(1)} ms`;
  bars.append(bar);
}
