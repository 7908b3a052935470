// Every worker with all of its figures, as a table.

import type { ServerStatus, WorkerSnapshot } from "server/metrics/snapshot.ts";
import { bytes, count } from "./format.ts";

interface WorkersProps {
  readonly status: ServerStatus;
  /** Null where the server takes no orders. */
  readonly restart: ((worker: number) => void) | null;
}

export function Workers({ status, restart }: WorkersProps) {
  return (
    <section class="panel" aria-labelledby="workers-title">
      <h2 id="workers-title">Workers</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls on a narrow screen, so it can be reached (WCAG 2.1.1) */}
      <section class="scroll" tabIndex={0} aria-label="Table of workers">
        <table>
          <thead>
            <tr>
              <th scope="col">Worker</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                In flight
              </th>
              <th scope="col" class="number">
                Answered
              </th>
              <th scope="col" class="number">
                Failed
              </th>
              <th scope="col" class="number">
                Aborted
              </th>
              <th scope="col" class="number">
                Memory
              </th>
              <th scope="col" class="number">
                Process
              </th>
              {restart !== null && (
                <th scope="col">
                  <span class="hidden">Actions</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {status.workers.map((worker) => (
              <Row key={worker.worker} worker={worker} restart={restart} />
            ))}
          </tbody>
        </table>
      </section>
    </section>
  );
}

function Row({ worker, restart }: { worker: WorkerSnapshot; restart: WorkersProps["restart"] }) {
  const { requests } = worker;
  return (
    <tr>
      <th scope="row">
        {worker.worker}{" "}
        <span class="soft">
          {worker.model}
          {worker.isolation === "thread" ? ", thread" : ""}
        </span>
      </th>
      <td>
        <span class={`dot ${worker.state}`} aria-hidden="true" /> {worker.state}
      </td>
      <td class="number">{count(requests.inFlight)}</td>
      <td class="number">{count(requests.answered)}</td>
      <td class={requests.failed > 0 ? "number bad" : "number"}>{count(requests.failed)}</td>
      <td class="number">{count(requests.aborted)}</td>
      <td class="number">{bytes(worker.rssBytes)}</td>
      <td class="number">{worker.pid}</td>
      {restart !== null && (
        <td>
          <button
            type="button"
            class="quiet"
            aria-label={`Restart worker ${worker.worker}`}
            onClick={() => restart(worker.worker)}
          >
            Restart
          </button>
        </td>
      )}
    </tr>
  );
}
