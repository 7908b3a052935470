// A city's neighbours and the sky over each, in straight lines: no callback, no `async`, no `await`.
//
// `wait(promise)` gives what the promise resolves to, where it is called. Under the greenlet model it parks this request's
// greenlet and others run meanwhile; under the sync model the worker waits, as it may. It also works where `await` can't:
// here, inside the callback of `map`.

import { wait } from "@switchyard/greenlet";
import type { City } from "./cities.ts";
import { closeBy, distanceKm } from "./nearest.ts";
import { type Sky, skyOf } from "./sky.ts";

export interface PlaceWithSky {
  readonly city: City;
  readonly distanceKm: number;
  readonly sky: Sky;
}

/** The city and its `count` neighbours, asked about one after another: (count + 1) times the upstream's delay. */
export function nearby(city: City, count: number): PlaceWithSky[] {
  const here = { city, distanceKm: 0, sky: wait(skyOf(city)) };
  const around = closeBy(city, count).map((neighbour) => ({
    city: neighbour,
    distanceKm: distanceKm(city, neighbour),
    sky: wait(skyOf(neighbour)),
  }));
  return [here, ...around];
}
