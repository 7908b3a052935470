// What happened, the latest first.

import { clockTime } from "./format.ts";
import type { Happening } from "./view.ts";

export function Events({ happenings }: { happenings: readonly Happening[] }) {
  return (
    <section class="panel events" aria-labelledby="events-title">
      <h2 id="events-title">Events</h2>
      {happenings.length === 0 ? (
        <p class="nothing">Nothing has happened since this page was opened.</p>
      ) : (
        <ol>
          {happenings.map(({ key, atMs, kind, text, detail }) => (
            <li key={key} class={kind}>
              <time>{clockTime(atMs)}</time>
              <span>{text}</span>
              {detail !== null && (
                <details>
                  <summary>Stack</summary>
                  <pre>{detail}</pre>
                </details>
              )}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
