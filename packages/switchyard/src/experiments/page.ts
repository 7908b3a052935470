// The experiments that were run as one HTML page: a picture and what it shows for each. No script, nothing from elsewhere.

import { style } from "../compare/report/style.ts";
import { barChart, escaped } from "../compare/report/svg.ts";
import type { Experiment, Finding } from "./experiment.ts";

export function experimentsHtml(
  machine: string,
  findings: readonly { experiment: Experiment; finding: Finding }[],
): string {
  const sections = findings.map(({ experiment, finding }) => {
    const pictures = finding.pictures.map(
      ({ title, bars }) =>
        `<figure><h3>${escaped(title)}</h3>${barChart({ title: `${experiment.title}: ${title}`, bars })}</figure>`,
    );
    const seen = finding.seen.map((sentence) => `<p>${escaped(sentence)}</p>`);
    return `<section><h2>${escaped(experiment.title)}</h2><p class="soft">${escaped(finding.done)}</p><div class="charts">${pictures.join("")}<div>${seen.join("")}</div></div></section>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Experiments with Switchyard's models</title>
<style>${style}</style>
</head>
<body>
<h1>Experiments with Switchyard's models</h1>
<p class="soft">${escaped(machine)}</p>
${sections.join("\n")}
</body>
</html>
`;
}
