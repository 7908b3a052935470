// The pages of the routes: what their JSON says, for a reader. The first page has a file of its own.

import type { City } from "./cities.ts";
import { type Html, html } from "./html.ts";
import { asset, page, searchForm } from "./layout.ts";
import type { PlaceWithSky } from "./nearby.ts";
import type { Sky } from "./sky.ts";

export { firstPage } from "./first-page.ts";

export interface Neighbour extends City {
  readonly distanceKm: number;
}

const liveScript = asset("live.js");
const uploadScript = asset("upload.js");

export function searchPage(text: string, cities: readonly City[]): Html {
  const rows = cities.map(
    (city) =>
      html`<tr><td>${cityLink(city)}</td><td>${countryName(city)}</td><td class="number">${inhabitants(city)}</td></tr>`,
  );
  const found = html`<div class="scroll"><table>
<tr><th>City</th><th>Country</th><th class="number">Inhabitants</th></tr>${rows}</table></div>`;
  const content = html`<h1>Search</h1>${searchForm(text)}
${cities.length > 0 ? found : html`<p>No city's name begins like this. Names are in the spelling that GeoNames uses.</p>`}`;
  return page(`${text}: search in Atlas`, { content });
}

export function cityPage(city: City, sky: Sky): Html {
  const content = html`<h1>${city.name}</h1>
<p class="lead soft">${countryName(city)}</p>
<dl>
<dt>Inhabitants</dt><dd>${inhabitants(city)}</dd>
<dt>Place</dt><dd>${placeOf(city)}</dd>
<dt>Sun now</dt><dd>${sunOf(sky)}</dd>
<dt>Daylight today</dt><dd>${sky.daylightHours} hours</dd>
<dt>Sundial</dt><dd>${sky.solarTime}</dd>
</dl>
<p><a href="/cities/${city.id}/nearby">The sky over its neighbours</a> ·
<a href="/report/nearest?of=${city.id}">The ten nearest cities</a> ·
<a href="/map.svg?country=${city.country}">Map of ${city.countryName}</a> ·
<a href="/report/${city.country}">Nearest cities abroad</a></p>
<p class="soft">Sun, daylight and sundial came from a slow upstream service; this page waited for it.</p>`;
  return page(`${city.name}, ${city.countryName}`, { content });
}

export function nearbyPage(city: City, places: readonly PlaceWithSky[]): Html {
  const rows = places.map(
    (place) => html`<tr><td>${cityLink(place.city)}</td><td class="number">${kilometres(place.distanceKm)}</td>
<td>${sunOf(place.sky)}</td><td class="number">${place.sky.solarTime}</td></tr>`,
  );
  const content = html`<h1>Around ${city.name}</h1>
<p>The upstream was asked ${places.length} times, one after another, by synchronous code.</p>
<div class="scroll"><table>
<tr><th>City</th><th class="number">Distance</th><th>Sun now</th><th class="number">Sundial</th></tr>${rows}</table></div>`;
  return page(`Around ${city.name}`, { content });
}

export function nearestPage(title: string, report: readonly { city: City; neighbours: readonly Neighbour[] }[]): Html {
  const tables = report.map(
    ({ city, neighbours }) => html`<h2>${cityLink(city)}</h2><div class="scroll"><table>
<tr><th>Nearest</th><th>Country</th><th class="number">Distance</th></tr>
${neighbours.map(
  (near) =>
    html`<tr><td>${cityLink(near)}</td><td>${near.countryName}</td><td class="number">${kilometres(near.distanceKm)}</td></tr>`,
)}</table></div>`,
  );
  return page(title, { content: html`<h1>${title}</h1>${tables}` });
}

export function livePage(): Html {
  const content = html`<h1>Live</h1><p>A city each second, as server-sent events.</p><ul id="cities"></ul>`;
  return page("Live", { content, script: liveScript });
}

export function uploadPage(): Html {
  const content = html`<h1>Upload</h1>
<p>The file is counted and hashed while it arrives, a piece at a time, and kept nowhere.</p>
<form><input type="file" name="file" aria-label="File" required><button>Send</button></form><pre id="result">No file yet.</pre>`;
  return page("Upload", { content, script: uploadScript });
}

export function errorPage(status: number, message: string): Html {
  return page(`${status}`, {
    content: html`<h1>${status}</h1><p class="lead">${message}</p><p><a href="/">To the first page</a></p>`,
  });
}

function cityLink(city: City): Html {
  return html`<a href="/cities/${city.id}">${city.name}</a>`;
}

function countryName(city: City): Html {
  return html`<a href="/map.svg?country=${city.country}">${city.countryName}</a>`;
}

function inhabitants({ population }: City): string {
  return population === 0 ? "not known" : population.toLocaleString("en");
}

function kilometres(distanceKm: number): string {
  return `${distanceKm < 10 ? distanceKm.toFixed(1) : Math.round(distanceKm).toLocaleString("en")} km`;
}

function placeOf({ latitude, longitude }: City): string {
  const northOrSouth = `${Math.abs(latitude).toFixed(2)}° ${latitude < 0 ? "S" : "N"}`;
  return `${northOrSouth}, ${Math.abs(longitude).toFixed(2)}° ${longitude < 0 ? "W" : "E"}`;
}

function sunOf({ sunAltitude }: Sky): string {
  const degrees = `${Math.abs(sunAltitude).toFixed(0)}°`;
  return sunAltitude > 0 ? `up, ${degrees} above the horizon` : `down, ${degrees} below the horizon`;
}
