// The world, or one country, drawn from nothing but its cities: an SVG that is rendered anew for every request.
//
// CPU-bound: each of 135,000 cities is projected, put into a cell of a fine grid, and the cells are drawn as round dots in
// layers by population. Plain latitude and longitude, the latter squeezed by the middle parallel so that a country keeps
// its shape. The colours follow the reader's light or dark setting, also when the map is an image in another page.

import type { Country, Points } from "./cities.ts";

/** Dots of one layer: cells with at least so many inhabitants, drawn so many units across. */
const layers = [
  { className: "a", inhabitants: 0, diameter: 0.7 },
  { className: "b", inhabitants: 20_000, diameter: 1.1 },
  { className: "c", inhabitants: 200_000, diameter: 2 },
  { className: "d", inhabitants: 1_000_000, diameter: 3.6 },
  { className: "e", inhabitants: 5_000_000, diameter: 6 },
] as const;

const style = `
svg{background:#f6f3ec}path{fill:none;stroke-linecap:round}.g{stroke:#d9d3c5;stroke-width:.4}
.a{stroke:#9fb3c4}.b{stroke:#5f87a8}.c{stroke:#22618f}.d{stroke:#c9622b;stroke-opacity:.85}.e{stroke:#a8330f;stroke-opacity:.8}
@media(prefers-color-scheme:dark){svg{background:#0c1420}.g{stroke:#1c2a3d}
.a{stroke:#3c5878}.b{stroke:#6d97c4}.c{stroke:#ffd591}.d{stroke:#ffb454;stroke-opacity:.9}.e{stroke:#ff8a3d;stroke-opacity:.85}}`;

const width = 1000;
/** Cells for each unit of the drawing: what is closer together than this is drawn as one dot. */
const cellsPerUnit = 2;

interface Frame {
  readonly west: number;
  readonly north: number;
  readonly unitsPerLongitude: number;
  readonly unitsPerLatitude: number;
  readonly height: number;
}

export function drawMap(points: Points, country: Country | null): string {
  const indexes = country ? indexesOf(points, country.code) : null;
  const longitude = indexes ? joinedAcrossDateLine(points.longitude, indexes) : points.longitude;
  const frame = indexes ? frameAround(points, { indexes, longitude }) : worldFrame();
  const cells = cellsOf(points, { indexes, longitude, frame });
  const title = country ? country.name : "The world's cities";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${frame.height}" role="img">`,
    `<title>${title.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</title><style>${style}</style>`,
    graticule(frame),
    ...layers.map((layer, at) => drawLayer(cells, { layer, next: layers[at + 1], magnified: country !== null })),
    "</svg>",
  ].join("");
}

function indexesOf(points: Points, code: string): number[] {
  const indexes: number[] = [];
  for (let index = 0; index < points.country.length; index += 1)
    if (points.country[index] === code) indexes.push(index);
  return indexes;
}

/** From Alaska to Patagonia; nobody lives further south, and few further north. */
function worldFrame(): Frame {
  return { west: -180, north: 78, unitsPerLongitude: width / 360, unitsPerLatitude: (width / 360) * 1.2, height: 450 };
}

/** Fiji, New Zealand and Russia lie on both sides of the 180th meridian: their west is moved past their east. */
function joinedAcrossDateLine(longitude: Float64Array, indexes: readonly number[]): Float64Array {
  const sorted = indexes.map((index) => longitude[index]!).sort((a, b) => a - b);
  const gaps = sorted.slice(1).map((east, at) => ({ width: east - sorted[at]!, east }));
  const widest = gaps.reduce((best, gap) => (gap.width > best.width ? gap : best), { width: 0, east: -180 });
  return widest.width > 180 ? longitude.map((value) => (value < widest.east ? value + 360 : value)) : longitude;
}

function frameAround(
  points: Points,
  { indexes, longitude }: { indexes: readonly number[]; longitude: Float64Array },
): Frame {
  const bounds = { west: 540, east: -180, south: 90, north: -90 };
  for (const index of indexes) {
    bounds.west = Math.min(bounds.west, longitude[index]!);
    bounds.east = Math.max(bounds.east, longitude[index]!);
    bounds.south = Math.min(bounds.south, points.latitude[index]!);
    bounds.north = Math.max(bounds.north, points.latitude[index]!);
  }
  const margin = Math.max(0.2, (bounds.east - bounds.west) * 0.04, (bounds.north - bounds.south) * 0.04);
  const shape = 1 / Math.cos((((bounds.north + bounds.south) / 2) * Math.PI) / 180);
  const spanNorth = bounds.north - bounds.south + 2 * margin;
  // A country that is tall and narrow is drawn with room at its sides rather than higher than a screen.
  const spanEast = Math.max(bounds.east - bounds.west + 2 * margin, (spanNorth * shape) / 1.2);
  const unitsPerLongitude = width / spanEast;
  return {
    west: (bounds.east + bounds.west - spanEast) / 2,
    north: bounds.north + margin,
    unitsPerLongitude,
    unitsPerLatitude: unitsPerLongitude * shape,
    height: Math.max(200, Math.round(spanNorth * unitsPerLongitude * shape)),
  };
}

/** Inhabitants of each cell of the grid that has a city; the key is row × columns + column. */
function cellsOf(
  points: Points,
  { indexes, longitude, frame }: { indexes: readonly number[] | null; longitude: Float64Array; frame: Frame },
): Map<number, number> {
  const cells = new Map<number, number>();
  const columns = width * cellsPerUnit;
  const rows = frame.height * cellsPerUnit;
  const count = indexes ? indexes.length : points.id.length;
  for (let at = 0; at < count; at += 1) {
    const index = indexes ? indexes[at]! : at;
    const column = Math.floor((longitude[index]! - frame.west) * frame.unitsPerLongitude * cellsPerUnit);
    const row = Math.floor((frame.north - points.latitude[index]!) * frame.unitsPerLatitude * cellsPerUnit);
    if (column < 0 || column >= columns || row < 0 || row >= rows) continue;
    const key = row * columns + column;
    cells.set(key, (cells.get(key) ?? 0) + points.population[index]!);
  }
  return cells;
}

/** A dot is a line of no length with round ends: the shortest way that SVG has to say it. */
function drawLayer(
  cells: ReadonlyMap<number, number>,
  {
    layer,
    next,
    magnified,
  }: { layer: (typeof layers)[number]; next: (typeof layers)[number] | undefined; magnified: boolean },
): string {
  const columns = width * cellsPerUnit;
  const below = next?.inhabitants ?? Number.POSITIVE_INFINITY;
  let path = "";
  for (const [key, inhabitants] of cells) {
    if (inhabitants < layer.inhabitants || inhabitants >= below) continue;
    path += `M${(key % columns) / cellsPerUnit} ${Math.floor(key / columns) / cellsPerUnit}h0`;
  }
  const diameter = magnified ? layer.diameter * 2.4 : layer.diameter;
  return `<path class="${layer.className}" stroke-width="${diameter}" d="${path}"/>`;
}

function graticule(frame: Frame): string {
  const stepDegrees = [30, 10, 5, 1].find((step) => width / frame.unitsPerLongitude / step >= 4) ?? 0.5;
  let path = "";
  for (let line = Math.ceil(frame.west / stepDegrees) * stepDegrees; ; line += stepDegrees) {
    const x = (line - frame.west) * frame.unitsPerLongitude;
    if (x > width) break;
    path += `M${x.toFixed(1)} 0v${frame.height}`;
  }
  for (let line = Math.floor(frame.north / stepDegrees) * stepDegrees; ; line -= stepDegrees) {
    const y = (frame.north - line) * frame.unitsPerLatitude;
    if (y > frame.height) break;
    path += `M0 ${y.toFixed(1)}h${width}`;
  }
  return `<path class="g" d="${path}"/>`;
}
