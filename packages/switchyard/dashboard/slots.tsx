// Workers as slots that fill and empty: each request in flight is a wagon in one of them.

import { bytes, duration } from "./format.ts";
import type { Lane, Slot } from "./view.ts";

/** Wagons that are drawn in one slot; the rest is a number. */
const drawnWagons = 24;
/** From so many workers on, slots are drawn small. */
const smallFrom = 17;

export function Slots({ lane }: { lane: Lane }) {
  const isSmall = lane.slots.length >= smallFrom;
  return (
    <ul class={isSmall ? "slots small" : "slots"} aria-label={`Workers of lane ${lane.name}`}>
      {lane.slots.map((slot) => (
        <SlotItem key={`${slot.number}-${slot.worker?.pid ?? 0}`} slot={slot} isSmall={isSmall} />
      ))}
    </ul>
  );
}

const stateWords: Record<Slot["state"], string> = {
  starting: "starting",
  ready: "ready",
  draining: "finishing",
  stopped: "stopped",
  missing: "being started",
};

function SlotItem({ slot, isSmall }: { slot: Slot; isSmall: boolean }) {
  const load = slot.inFlight === 0 ? "" : slot.isSingle ? " busy" : " running";
  const word = slot.state === "ready" ? loadWord(slot) : stateWords[slot.state];
  const memory = slot.worker === null ? null : bytes(slot.worker.rssBytes);
  const delay = slot.worker?.vitals?.loop.delayP99Ms;
  const title = `Worker ${slot.number}: ${word}${memory === null ? "" : `, ${memory}`}`;
  return (
    <li class={`slot ${slot.state}${load}`} title={title} data-worker={slot.number} data-state={slot.state}>
      <div class="slot-in">
        <span class="slot-name">
          <span class="hidden">worker </span>
          {slot.number}
        </span>
        <span class={isSmall ? "hidden" : "slot-word"}>{word}</span>
        <Wagons slot={slot} isSmall={isSmall} />
        {!isSmall && (
          <span class="slot-foot">
            {memory ?? "\u00a0"}
            {delay !== undefined && !slot.isSingle && ` · delay ${duration(delay)}`}
          </span>
        )}
      </div>
    </li>
  );
}

function loadWord(slot: Slot): string {
  if (slot.inFlight === 0) return "free";
  return slot.isSingle ? "busy" : `${slot.inFlight} in flight`;
}

function Wagons({ slot, isSmall }: { slot: Slot; isSmall: boolean }) {
  const most = slot.isSingle ? 1 : isSmall ? 4 : drawnWagons;
  const drawn = Math.min(slot.inFlight, most);
  return (
    <span class={slot.isSingle ? "wagons single" : "wagons"} aria-hidden="true">
      {Array.from({ length: drawn }, (_, index) => (
        <i key={index} />
      ))}
      {slot.inFlight > drawn && !isSmall && <b>+{slot.inFlight - drawn}</b>}
    </span>
  );
}
