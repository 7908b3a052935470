// The server drawn as it is: clients on the left, tracks to each lane, the lane's queue, its workers.

import type { Sample } from "server/control/dashboard/history.ts";
import type { SeenStatus } from "server/control/dashboard/seen.ts";
import { count, duration, perSecond, plural } from "./format.ts";
import { Slots } from "./slots.tsx";
import type { Lane } from "./view.ts";

export interface Steering {
  /** Null where the server takes no orders. */
  readonly scale: ((lane: string, workers: number) => void) | null;
}

interface YardProps extends Steering {
  readonly status: SeenStatus;
  readonly lanes: readonly Lane[];
  readonly latest: Sample | null;
}

export function Yard({ status, lanes, latest, scale }: YardProps) {
  const rate = latest === null ? 0 : latest.answeredPerS + latest.failedPerS;
  const isSync = status.model === "sync";
  return (
    <section class="yard" aria-labelledby="yard-title">
      <h2 id="yard-title" class="hidden">
        The server now
      </h2>
      <div class={rate > 0 ? "source flowing" : "source"}>
        <div class="node">
          <span class="node-name">Clients</span>
          <span class="node-figure">
            {perSecond(rate)}
            <small>/s</small>
          </span>
        </div>
        {isSync && (
          <div class="node">
            <span class="node-name">Balancer</span>
            <span class="node-note">one queue, oldest first</span>
          </div>
        )}
        {!isSync && (
          <div class="node">
            <span class="node-name">Socket</span>
            <span class="node-note">whoever is free accepts</span>
          </div>
        )}
        <p class="legend" aria-hidden="true">
          <span>
            <i class="wagon-running" /> in a worker
          </span>
          {lanes.some(({ queue }) => queue !== null) && (
            <span>
              <i class="wagon-waiting" /> waiting
            </span>
          )}
        </p>
      </div>
      <div class="lanes">
        {lanes.map((lane) => (
          <LaneRow key={lane.name} lane={lane} isFlowing={rate > 0} isOnly={lanes.length === 1} scale={scale} />
        ))}
      </div>
    </section>
  );
}

function LaneRow({ lane, isFlowing, isOnly, scale }: { lane: Lane; isFlowing: boolean; isOnly: boolean } & Steering) {
  const isDefault = lane.origin === "default";
  return (
    <article class={isFlowing ? "lane flowing" : "lane"} data-lane={lane.name} aria-label={`Lane ${lane.name}`}>
      <header class="lane-head">
        <h3>{isDefault ? (isOnly ? "All requests" : "All other requests") : lane.name}</h3>
        {!isDefault && <code>{lane.serves}</code>}
        <span class="badge">{lane.model}</span>
        {lane.origin === "auto" && <span class="badge auto">moved by itself</span>}
        {lane.latency !== null && lane.latency.runP99Ms !== null && (
          <span class="lane-latency">p99 {duration(lane.latency.runP99Ms + (lane.latency.waitP99Ms ?? 0))}</span>
        )}
        <span class="lane-workers">{plural(lane.wanted, "worker")}</span>
        {scale !== null && <Stepper lane={lane} scale={scale} />}
      </header>
      {lane.queue !== null && <QueueBar lane={lane} queue={lane.queue} />}
      {lane.slots.length > 0 ? (
        <Slots lane={lane} />
      ) : (
        <p class="nothing">Runs in the workers of all other requests.</p>
      )}
    </article>
  );
}

function Stepper({ lane, scale }: { lane: Lane; scale: NonNullable<Steering["scale"]> }) {
  return (
    <fieldset class="stepper" aria-label={`Number of workers of lane ${lane.name}`}>
      <button
        type="button"
        aria-label={`One worker fewer for lane ${lane.name}`}
        disabled={lane.wanted <= 1}
        onClick={() => scale(lane.name, lane.wanted - 1)}
      >
        −
      </button>
      <output>{lane.wanted}</output>
      <button
        type="button"
        aria-label={`One worker more for lane ${lane.name}`}
        onClick={() => scale(lane.name, lane.wanted + 1)}
      >
        +
      </button>
    </fieldset>
  );
}

/** Waiting requests that are drawn; the rest is a number. */
const drawnWaiting = 60;

function QueueBar({ lane, queue }: { lane: Lane; queue: NonNullable<Lane["queue"]> }) {
  const { length, limit } = queue;
  const share = limit === 0 ? 0 : Math.min(1, length / limit);
  const text = length === 0 ? "Nothing waits" : `${plural(length, "request")} waiting`;
  return (
    <div class={length === 0 ? "queue" : share < 1 ? "queue some" : "queue some full"}>
      <span class="queue-text">
        <b>Queue</b> {text}
        <span class="queue-limit">limit {count(limit)}</span>
      </span>
      {/* biome-ignore lint/a11y/useSemanticElements: a <meter> can't hold what waits, drawn */}
      <span
        class="queue-bar"
        role="meter"
        aria-label={`Queue of lane ${lane.name}`}
        aria-valuenow={length}
        aria-valuemin={0}
        aria-valuemax={limit}
        aria-valuetext={`${text}, the limit is ${count(limit)}`}
      >
        <span class="queue-share" style={{ width: `${share * 100}%` }} />
        <span class="queue-wagons" aria-hidden="true">
          {Array.from({ length: Math.min(length, drawnWaiting) }, (_, index) => (
            <i key={index} />
          ))}
        </span>
      </span>
    </div>
  );
}
