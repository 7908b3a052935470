// The dashboard's HTML: what loads the rest. It names every file that the page needs, all from this server, and holds the
// token that a request to change something must bring.

import { createHash } from "node:crypto";

/** What the modules of the page import by name, and where this server has it. */
const imports = JSON.stringify({
  imports: {
    preact: "/assets/preact.js",
    "preact/hooks": "/assets/preact-hooks.js",
    "preact/jsx-runtime": "/assets/preact-jsx.js",
    uplot: "/assets/uplot.js",
  },
});

const importsHash = createHash("sha256").update(imports).digest("base64");

/** The page has its own scripts and styles only, speaks to its own server only, and nobody may put it into a frame. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  `script-src 'self' 'sha256-${importsHash}'`,
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export function dashboardPage({ token }: { token: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="switchyard-token" content="${token}">
<title>Switchyard</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/uplot.css">
<link rel="stylesheet" href="/assets/dashboard.css">
<script type="importmap">${imports}</script>
<script type="module" src="/assets/main.js"></script>
</head>
<body>
<div id="dashboard"><p class="boot">Waiting for the first report.</p></div>
<noscript><p class="boot">This page needs JavaScript; <a href="/status">/status</a> has the same as JSON.</p></noscript>
</body>
</html>
`;
}
