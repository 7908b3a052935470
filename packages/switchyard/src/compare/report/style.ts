// The report's style sheet: light and dark by the reader's choice, narrow and wide by the room there is.

export const style = `
:root { color-scheme: light dark; --paper: light-dark(#fdfdfc, #16181b); --card: light-dark(#ffffff, #1e2125);
  --ink: light-dark(#1b1e22, #e8eaed); --soft: light-dark(#5b636d, #a3abb5); --line: light-dark(#dfe2e6, #353a41);
  --cpu: light-dark(#c2410c, #fb923c); --wait: light-dark(#94a3b8, #64748b); --accent: light-dark(#0f766e, #2dd4bf); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .25rem; overflow-wrap: anywhere; }
h3 { font-size: .95rem; margin: 0 0 .5rem; font-weight: 600; }
p { margin: .35rem 0; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.advice { border-left: 4px solid var(--accent); background: var(--card); padding: 1rem 1.25rem; border-radius: 0 .5rem .5rem 0; margin: 1.5rem 0; }
.advice strong { font-size: 1.15rem; }
.warnings { padding: .75rem 1.25rem; border: 1px solid var(--line); border-radius: .5rem; }
.warnings ul, .advice ul { margin: .35rem 0; padding-left: 1.2rem; }
pre { overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; background: light-dark(#f3f4f6, #111316); border-radius: .4rem; padding: .75rem 1rem; font-size: .88rem; }
code { font-size: .92em; overflow-wrap: anywhere; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); margin: 1rem 0; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1rem .75rem; min-width: 0; }
figcaption { margin-top: .35rem; }
svg { width: 100%; height: auto; display: block; overflow: visible; }
.legend { position: sticky; top: 0; z-index: 1; background: var(--paper); display: flex; flex-wrap: wrap; gap: .35rem 1.1rem;
  padding: .5rem 0; border-bottom: 1px solid var(--line); font-size: .9rem; }
.legend span { display: inline-flex; align-items: center; gap: .35rem; }
.legend svg { width: 16px; height: 16px; }
.grid { stroke: var(--line); } .tick, .axis, .figure { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.name { fill: var(--ink); font-size: 12.5px; }
.line { fill: none; stroke: var(--series); stroke-width: 2; } .spread { stroke: var(--series); stroke-width: 1.5; opacity: .55; }
.mark { fill: var(--series); } .bar { fill: var(--series); } .bar.cpu { fill: var(--cpu); } .bar.wait { fill: var(--wait); }
.s0 { --series: light-dark(#0072b2, #56b4e9); } .s1 { --series: light-dark(#56799e, #9cb8d8); } .s2 { --series: light-dark(#c2570c, #f59e4b); }
.s3 { --series: light-dark(#047857, #34d399); } .s4 { --series: light-dark(#a3348a, #e58fd0); } .s5 { --series: light-dark(#7a6a00, #e3cf3d); }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .35rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 500; color: var(--soft); }
tr.best td { font-weight: 600; }
.kind { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; border: 1px solid currentColor; font-size: .85rem; vertical-align: middle; margin-left: .5rem; font-weight: 500; }
.kind.cpu { color: var(--cpu); } .kind.waiting { color: light-dark(#0369a1, #7dd3fc); } .kind.light, .kind.mixed, .kind.unknown { color: var(--soft); }
@media (max-width: 40rem) { .tick, .axis, .figure, .name { font-size: 15px; } figure { padding: .75rem .75rem .5rem; } }
@media print { body { max-width: none; } .legend { position: static; } figure { break-inside: avoid; } }
`;
