// What every page has around it. Style and scripts are put into the page: it asks for nothing else, from here or elsewhere.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Html, html } from "./html.ts";

const style = asset("style.css");

/** A file of `assets`, read when the module is loaded. Ours, hence markup that needs no escaping. */
export function asset(name: string): Html {
  return new Html(readFileSync(join(import.meta.dirname, "assets", name), "utf8"));
}

export function page(title: string, { content, script = null }: { content: Html; script?: Html | null }): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<header><a href="/">Atlas</a><span>an example application of Switchyard</span></header>
<main>${content}</main>
<footer>Cities: <a href="https://www.geonames.org/">GeoNames</a>, CC BY 4.0. Countries: countries-list, MIT.</footer>
${script && html`<script type="module">${script}</script>`}
</body>
</html>`;
}

export function searchForm(text: string): Html {
  return html`<form action="/search" role="search">
<input type="search" name="q" value="${text}" placeholder="A city, or how it begins" aria-label="City" maxlength="100" required>
<button>Search</button>
</form>`;
}
