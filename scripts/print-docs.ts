// Prints docs/options.md, docs/errors.md and docs/metrics.md from the records in the code. With --check it writes nothing, and fails when a
// page is not what the records say.

import { readFileSync, writeFileSync } from "node:fs";
import { flagText } from "../packages/switchyard/src/cli/help.ts";
import { laneRecords } from "../packages/switchyard/src/config/lane-options.ts";
import {
  commandFlags,
  defaultText,
  eachOption,
  type OptionGroup,
  type OptionKey,
  type OptionRecord,
} from "../packages/switchyard/src/config/options.ts";
import { errorRecords, type Fault } from "../packages/switchyard/src/errors.ts";
import { metricDefinitions } from "../packages/switchyard/src/metrics/definitions.ts";

const pages = { "options.md": optionsPage(), "errors.md": errorsPage(), "metrics.md": metricsPage() };
const isCheck = process.argv.includes("--check");

for (const [name, text] of Object.entries(pages)) {
  const file = new URL(`../docs/${name}`, import.meta.url);
  if (!isCheck) {
    writeFileSync(file, text);
  } else if (readFileSync(file, "utf8") !== text) {
    console.error(`docs/${name} is not what the code says. Run "node scripts/print-docs.ts".`);
    process.exitCode = 1;
  }
}

function optionsPage(): string {
  const groups = new Map<OptionGroup, string[]>();
  for (const { key, record } of eachOption()) {
    const entries = groups.get(record.group) ?? [];
    entries.push(optionEntry(key, record));
    groups.set(record.group, entries);
  }
  const sections = [...groups].map(([group, entries]) => `## ${group}\n\n${entries.join("\n")}`);
  return `# Options

<!-- Printed by scripts/print-docs.ts from packages/switchyard/src/config/options.ts. Change that, not this. -->

\`switchyard serve <file> [options]\` takes these options, and \`switchyard.config.ts\` these keys. A flag comes before the
config file, the config file before the environment, and that before the default. A flag given twice counts as given last.

The config file is \`switchyard.config.ts\`, \`.mts\`, \`.js\` or \`.mjs\` in the current folder, or what \`--config\` names. It
exports an object, or a function (which may be asynchronous) that returns one:

\`\`\`ts
import { defineConfig } from "switchyard";

export default defineConfig({ app: "./app.ts", model: "sync", workers: 4 });
\`\`\`

The key \`app\` names the application's file; the command's argument comes before it. Relative paths in the config file are
relative to its folder, those in flags to the current folder. Lengths of time are milliseconds and sizes are bytes; a flag
may also say \`500ms\`, \`30s\`, \`2m\`, \`1h\`, and \`16kb\`, \`10mb\`, \`1gb\` (1 kb is 1024 bytes).

${sections.join("\n")}
## A lane's keys

What a lane in the config file's \`lanes\` can be given. [lanes.md](lanes.md) says what lanes are for.

| Key | What it does | Value | Default |
|---|---|---|---|
${Object.entries(laneRecords)
  .map(([key, { kind, prose, defaultProse }]) => {
    const unit = kind.unit === null ? "" : ` (${kind.unit})`;
    return `| \`${key}\` | ${prose} | ${kind.allowedInConfig}${unit} | ${defaultProse} |`;
  })
  .join("\n")}

## Command

${Object.values(commandFlags)
  .map(({ flag, placeholder, prose }) => `### \`${`--${flag} ${placeholder}`.trim()}\`\n\n${prose}\n`)
  .join("\n")}`;
}

function optionEntry(key: OptionKey, record: OptionRecord): string {
  const { kind } = record;
  const flags = flagText(record)
    .split(", ")
    .map((flag) => `\`${flag}\``)
    .join(", ");
  const lines = [
    `- Config: \`${key}\`${kind.unit === null ? "" : ` (${kind.unit})`}, ${kind.allowedInConfig}`,
    ...(kind.placeholder === "" || kind.allowed === kind.allowedInConfig ? [] : [`- Flag: ${kind.allowed}`]),
    ...(record.env === undefined ? [] : [`- Environment: \`${record.env}\``]),
    `- Default: ${defaultText(record)}`,
  ];
  return `### ${flags}\n\n${record.prose}\n\n${lines.join("\n")}\n`;
}

function errorsPage(): string {
  const faults: Record<Fault, string> = {
    user: "the command line, the environment or the config file",
    app: "the application",
    system: "the machine, or the load on it",
    ours: "Switchyard",
  };
  const rows = Object.entries(errorRecords).map(
    ([code, { fault, exitCode, when }]) => `| \`${code}\` | ${fault} | ${exitCode} | ${when} |`,
  );
  return `# Errors

<!-- Printed by scripts/print-docs.ts from packages/switchyard/src/errors.ts. Change that, not this. -->

Every error has a code and two parts: what was seen, and what to do. On the command line it ends the command with the exit
code below and is written to stderr as

\`\`\`
error SY_PORT_IN_USE: what was seen
  what to do
\`\`\`

\`--verbose\` adds the stack of the first error. In the log, an error's line has its \`code\`. Fault says where to look:
${Object.entries(faults)
  .map(([fault, prose]) => `**${fault}** is ${prose}`)
  .join("; ")}.

| Code | Fault | Exit code | When |
|---|---|---|---|
${rows.join("\n")}
`;
}

function metricsPage(): string {
  const rows = metricDefinitions.map(({ name, type, unit, labels, help }) => {
    const labelled = labels.length === 0 ? "" : `{${labels.join(", ")}}`;
    return `| \`${name}\`${labelled} | ${type} | ${unit} | ${help} |`;
  });
  return `# Metrics

<!-- Printed by scripts/print-docs.ts from packages/switchyard/src/metrics/definitions.ts. Change that, not this. -->

\`/metrics\` on the admin port (\`--admin-port\`) is what Prometheus scrapes, in its text format. The supervisor answers it from
what the workers told it last, four times a second, and asks nobody: it answers when every worker is stuck. Beside it are
\`/status\` (the same as JSON, and more), \`/livez\` (200 as long as the supervisor runs) and \`/readyz\` (200 when each lane
has a worker that is ready, else 503).

Counters start at 0 with the supervisor and never go backwards: what a worker had counted is kept when it ends. Requests that
were in flight in it are then aborted ones. Durations are histograms, so a quantile over any time is
\`histogram_quantile(0.99, sum by (le, lane) (rate(switchyard_run_seconds_bucket[5m])))\`.

| Metric | Type | Unit | What it is |
|---|---|---|---|
${rows.join("\n")}
`;
}
