#!/usr/bin/env node
// The command. This file alone must run on any Node, to say which one is needed.
if (Number(process.versions.node.split(".")[0]) >= 24) {
  await import("../dist/cli/main.js");
} else {
  console.error(`error SY_NODE_VERSION: This is Node ${process.versions.node}, and Switchyard needs Node 24 or later.
  Install Node 24 or later (https://nodejs.org) and run the command again.`);
  process.exitCode = 80;
}
