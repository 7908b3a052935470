// Every worker with all of its figures, as a table.

import type { SeenStatus, SeenWorker } from "server/control/dashboard/seen.ts";
import { bytes, count, duration } from "./format.ts";
import { loopDelayOf } from "./view.ts";

interface WorkersProps {
  readonly status: SeenStatus;
  /** Null where the server takes no orders. */
  readonly restart: ((worker: number) => void) | null;
}

export function Workers({ status, restart }: WorkersProps) {
  const hasVitals = status.workers.some(({ vitals }) => (vitals ?? null) !== null);
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
              {hasVitals && (
                <>
                  <th scope="col" class="number">
                    Heap
                  </th>
                  <th scope="col" class="number">
                    Loop delay
                  </th>
                  <th scope="col" class="number">
                    Busy
                  </th>
                </>
              )}
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
              <Row key={`${worker.worker}-${worker.pid}`} worker={worker} restart={restart} hasVitals={hasVitals} />
            ))}
          </tbody>
        </table>
      </section>
    </section>
  );
}

interface RowProps {
  readonly worker: SeenWorker;
  readonly restart: WorkersProps["restart"];
  readonly hasVitals: boolean;
}

function Row({ worker, restart, hasVitals }: RowProps) {
  const { requests } = worker;
  const vitals = worker.vitals ?? null;
  const delay = loopDelayOf(worker);
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
      {hasVitals && (
        <>
          <td class="number">{vitals === null ? "–" : bytes(vitals.heapUsedBytes)}</td>
          <td class="number">{delay === null ? "–" : duration(delay)}</td>
          <td class="number">{vitals === null ? "–" : `${Math.round(vitals.loop.utilization * 100)} %`}</td>
        </>
      )}
      <td class="number">{worker.pid}</td>
      {restart !== null && (
        <td class="actions">
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
