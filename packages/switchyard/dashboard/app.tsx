// The page: puts the parts together and holds what they show.

import { useEffect, useReducer, useState } from "preact/hooks";
import type { Sample } from "server/control/dashboard/history.ts";
import type { SeenStatus } from "server/control/dashboard/seen.ts";
import { order, token } from "./actions.ts";
import { Charts } from "./charts.tsx";
import { Events } from "./events.tsx";
import { Figures } from "./figures.tsx";
import { connect, type Line } from "./live.ts";
import { byTime, changesBetween, type Happening, lanesOf, readiness, toldBy } from "./view.ts";
import { Workers } from "./workers.tsx";
import { Yard } from "./yard.tsx";

interface Shown {
  readonly line: Line;
  readonly status: SeenStatus | null;
  readonly samples: readonly Sample[];
  readonly happenings: readonly Happening[];
}

type Change =
  | { readonly type: "line"; readonly line: Line }
  | { readonly type: "status"; readonly status: SeenStatus; readonly atMs: number }
  | { readonly type: "history"; readonly samples: readonly Sample[] }
  | { readonly type: "sample"; readonly sample: Sample }
  | { readonly type: "happened"; readonly happening: Happening };

const keptSamples = 300;
const keptHappenings = 60;

function next(shown: Shown, change: Change): Shown {
  switch (change.type) {
    case "line":
      return { ...shown, line: change.line };
    case "history":
      return { ...shown, samples: change.samples };
    case "sample":
      return { ...shown, samples: [...shown.samples, change.sample].slice(-keptSamples) };
    case "happened":
      return { ...shown, happenings: [change.happening, ...shown.happenings].slice(0, keptHappenings) };
    case "status": {
      const changes = shown.status === null ? [] : changesBetween(shown.status, change.status, change.atMs);
      const happenings = changes.length === 0 ? shown.happenings : [...changes, ...shown.happenings];
      return { ...shown, status: change.status, happenings: happenings.slice(0, keptHappenings) };
    }
  }
}

export function App() {
  const [shown, change] = useReducer(next, { line: "opening", status: null, samples: [], happenings: [] });
  const { status, samples, happenings, line } = shown;
  useEffect(() => {
    connect({
      onLine: (line) => change({ type: "line", line }),
      onStatus: (status) => change({ type: "status", status, atMs: Date.now() }),
      onHistory: (samples) => change({ type: "history", samples }),
      onSample: (sample) => change({ type: "sample", sample }),
    });
  }, []);
  const tell = (kind: Happening["kind"], text: string) => {
    const atMs = Date.now();
    change({ type: "happened", happening: { key: `told-${atMs}-${text}`, atMs, kind, text, detail: null } });
  };
  const steering = token === null ? null : steeringWith(tell);

  if (status === null)
    return <p class="boot">{line === "lost" ? "The server does not answer." : "Waiting for the first report."}</p>;
  const latest = samples.at(-1) ?? null;
  return (
    <>
      <Head status={status} line={line} reload={steering?.reload ?? null} />
      <main>
        <Yard status={status} lanes={lanesOf(status)} latest={latest} scale={steering?.scale ?? null} />
        <Figures status={status} latest={latest} />
        <Charts samples={samples} />
        <div class="columns">
          <Workers status={status} restart={steering?.restart ?? null} />
          <Events happenings={byTime([...happenings, ...toldBy(status)], keptHappenings)} />
        </div>
      </main>
      <p class="hidden" role="status">
        {line === "lost" ? "The server does not answer any more." : (happenings[0]?.text ?? "")}
      </p>
    </>
  );
}

interface HeadProps {
  readonly status: SeenStatus;
  readonly line: Line;
  readonly reload: (() => Promise<void>) | null;
}

function Head({ status, line, reload }: HeadProps) {
  const [isReloading, setReloading] = useState(false);
  const { file, description } = status.application;
  const click = async () => {
    setReloading(true);
    await reload?.();
    setReloading(false);
  };
  return (
    <header class="head">
      <img src="/assets/icon.svg" width="36" height="36" alt="" />
      <div class="head-text">
        <h1>Switchyard</h1>
        <p>
          <b>{description ?? "Loading"}</b> <span class="path">{file}</span>
        </p>
        <p>
          {status.url.startsWith("http") ? <a href={status.url}>{status.url}</a> : status.url}
          <span class="soft">
            {" "}
            · model {status.model}, {status.why}
          </span>
        </p>
      </div>
      <Condition status={status} line={line} />
      {reload !== null && (
        <button type="button" class="primary" disabled={isReloading} aria-busy={isReloading} onClick={click}>
          {isReloading ? "Reloading…" : "Reload"}
        </button>
      )}
    </header>
  );
}

const changing: Record<string, string> = { reload: "reloading", scale: "scaling", restart: "restarting" };

function Condition({ status, line }: { status: SeenStatus; line: Line }) {
  const { ready, wanted } = readiness(status);
  const [tone, text] =
    line === "lost"
      ? ["bad", "no answer"]
      : ready === 0
        ? ["bad", "no worker is ready"]
        : (status.change ?? null) !== null
          ? ["warn", changing[status.change ?? ""] ?? "changing"]
          : (status.phase ?? "serving") !== "serving" && status.phase !== "starting"
            ? ["warn", "ending"]
            : ready < wanted
              ? ["warn", `${ready} of ${wanted} ready`]
              : ["good", "serving"];
  return <span class={`condition ${tone}`}>{text}</span>;
}

function steeringWith(tell: (kind: Happening["kind"], text: string) => void) {
  const give = async (what: string, done: string, ...ordered: Parameters<typeof order>) => {
    const { isDone, text } = await order(...ordered);
    tell(isDone ? "good" : "bad", isDone ? done : `${what} failed. ${text}`);
  };
  return {
    reload: () => give("The reload", "Reloaded: every worker was replaced.", "reload"),
    scale: (lane: string, workers: number) =>
      void give("Scaling", `Lane ${lane} is to have ${workers} workers.`, "scale", { lane, workers }),
    restart: (worker: number) => void give("The restart", `Worker ${worker} was restarted.`, "restart", { worker }),
  };
}
