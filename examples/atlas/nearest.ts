// The nearest cities by great-circle distance, by looking at every city there is.
//
// Brute force on purpose: this is the example's CPU-bound work, about ten milliseconds of it for each city asked about,
// during which an event loop can do nothing else. Pure calculations over `Points`.

import { type City, citiesInBox, type Points } from "./cities.ts";

export interface Neighbour {
  /** Where the city is in `Points`; its rank less one. */
  readonly index: number;
  readonly distanceKm: number;
}

/** The Earth's mean radius (IUGG), in kilometres. */
const earthRadiusKm = 6371.0088;
const radiansPerDegree = Math.PI / 180;

interface Place {
  readonly latitude: number;
  readonly longitude: number;
}

/** The haversine formula; exact enough on a sphere for any two places, however near. */
export function distanceKm(from: Place, to: Place): number {
  const halfLatitude = Math.sin(((to.latitude - from.latitude) * radiansPerDegree) / 2);
  const halfLongitude = Math.sin(((to.longitude - from.longitude) * radiansPerDegree) / 2);
  const chord =
    halfLatitude ** 2 +
    Math.cos(from.latitude * radiansPerDegree) * Math.cos(to.latitude * radiansPerDegree) * halfLongitude ** 2;
  return 2 * earthRadiusKm * Math.asin(Math.sqrt(Math.min(1, chord)));
}

/** The `k` cities nearest to `from` that `accepts` takes, nearest first. `from` itself is not among them. */
export function nearest(
  points: Points,
  { from, k, accepts }: { from: City; k: number; accepts: (index: number) => boolean },
): Neighbour[] {
  const found: Neighbour[] = [];
  for (let index = 0; index < points.id.length; index += 1) {
    const to = { latitude: points.latitude[index]!, longitude: points.longitude[index]! };
    const distance = distanceKm(from, to);
    if (found.length === k && distance >= found[k - 1]!.distanceKm) continue;
    if (points.id[index] === from.id || !accepts(index)) continue;
    insertSorted(found, { index, distanceKm: distance });
    if (found.length > k) found.pop();
  }
  return found;
}

function insertSorted(found: Neighbour[], neighbour: Neighbour): void {
  let at = found.length;
  while (at > 0 && found[at - 1]!.distanceKm > neighbour.distanceKm) at -= 1;
  found.splice(at, 0, neighbour);
}

/**
 * A few cities close to `from`, cheaply: from a box on the map that grows until it holds enough. A box does not reach
 * across the 180th meridian, where a nearer city may be missed; `nearest` is the exact one.
 */
export function closeBy(from: City, count: number): City[] {
  let found: City[] = [];
  for (let reach = 0.25; reach <= 360 && found.length < count; reach *= 4) {
    found = citiesInBox({
      south: from.latitude - reach,
      north: from.latitude + reach,
      west: from.longitude - reach,
      east: from.longitude + reach,
    }).filter((city) => city.id !== from.id);
  }
  return found.sort((a, b) => distanceKm(from, a) - distanceKm(from, b)).slice(0, count);
}
