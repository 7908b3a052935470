// The figures at the top: what there is to know at a glance.

import type { ComponentChildren } from "preact";
import type { Sample } from "server/control/dashboard/history.ts";
import type { SeenStatus } from "server/control/dashboard/seen.ts";
import { bytes, count, duration, perSecond, plural } from "./format.ts";
import { inFlight, queueOf, readiness, residentBytes } from "./view.ts";

interface FigureProps {
  readonly name: string;
  readonly value: string;
  readonly detail?: ComponentChildren;
  readonly tone?: "bad" | "warn" | undefined;
}

function Figure({ name, value, detail, tone }: FigureProps) {
  return (
    <div class={tone === undefined ? "figure" : `figure ${tone}`}>
      <dt>{name}</dt>
      <dd>{value}</dd>
      {detail !== undefined && <dd class="detail">{detail}</dd>}
    </div>
  );
}

export function Figures({ status, latest }: { status: SeenStatus; latest: Sample | null }) {
  const { totals } = status;
  const queue = queueOf(status);
  const { ready, wanted } = readiness(status);
  return (
    <dl class="figures" aria-label="Key figures">
      <Figure
        name="Requests a second"
        value={latest === null ? "–" : perSecond(latest.answeredPerS + latest.failedPerS)}
        detail={`${count(totals.answered + totals.failed)} since start`}
      />
      <Figure name="In flight" value={count(inFlight(status))} detail="in workers now" />
      {queue !== null && (
        <Figure
          name="Waiting"
          value={count(queue.length)}
          detail={
            queue.refused > 0 ? `${count(queue.refused)} refused, queue full` : `of ${count(queue.limit)} that may`
          }
          tone={queue.length >= queue.limit && queue.limit > 0 ? "bad" : queue.length > 0 ? "warn" : undefined}
        />
      )}
      {latest !== null && latest.p99Ms !== null && (
        <Figure
          name="Latency, p99"
          value={duration(latest.p99Ms)}
          detail={latest.p50Ms === null ? undefined : `p50 ${duration(latest.p50Ms)}`}
        />
      )}
      {latest !== null && latest.loopDelayMs !== null && (
        <Figure name="Loop delay, p99" value={duration(latest.loopDelayMs)} detail="the worst worker" />
      )}
      <Figure
        name="Failed"
        value={latest === null ? "–" : `${perSecond(latest.failedPerS)}/s`}
        detail={`${count(totals.failed)} failed, ${count(totals.refused)} refused, ${count(totals.aborted)} aborted`}
        tone={latest !== null && latest.failedPerS > 0 ? "bad" : undefined}
      />
      <Figure
        name="Workers ready"
        value={`${ready} of ${wanted}`}
        detail={status.restarts === 0 ? "none replaced" : `${plural(status.restarts, "replacement")} so far`}
        tone={ready === 0 ? "bad" : ready < wanted ? "warn" : undefined}
      />
      <Figure name="Memory" value={bytes(residentBytes(status))} detail="of all workers' processes" />
    </dl>
  );
}
