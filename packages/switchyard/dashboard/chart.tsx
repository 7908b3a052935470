// One chart over the last minutes, drawn by uPlot, as wide as its place and in the colours of the page.

import { useEffect, useRef } from "preact/hooks";
import type { Sample } from "server/control/dashboard/history.ts";
import uPlot from "uplot";

export interface Series {
  readonly label: string;
  /** A custom property of the style sheet. */
  readonly colour: string;
  readonly value: (sample: Sample) => number | null;
  readonly isFilled?: boolean;
}

interface ChartProps {
  readonly title: string;
  readonly samples: readonly Sample[];
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  /** The least that the scale reaches up to. */
  readonly atLeast?: number;
  /** Whether what is shown is counted, so that its scale has whole numbers alone. */
  readonly isWhole?: boolean;
}

const heightPx = 168;

export function Chart({ title, samples, series, format, atLeast = 0, isWhole = false }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);

  useEffect(() => {
    const element = place.current!;
    const build = () => {
      plot.current?.destroy();
      plot.current = new uPlot(
        optionsFor(element, { series, format, atLeast, isWhole }),
        [[], ...series.map(() => [])],
        element,
      );
    };
    build();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: heightPx }));
    resized.observe(element);
    // Colours are read when a chart is made.
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", build);
    return () => {
      scheme.removeEventListener("change", build);
      resized.disconnect();
      plot.current?.destroy();
    };
  }, []);

  useEffect(() => {
    const last = samples.at(-1)?.atMs ?? 0;
    const times = samples.map(({ atMs }) => (atMs - last) / 1000);
    plot.current?.setData([times, ...series.map(({ value }) => samples.map(value))]);
  }, [samples]);

  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <ul>
          {series.map((each) => (
            <li key={each.label}>
              <i class={`key ${each.colour}`} />
              {each.label} <b>{lastOf(samples, each, format)}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={place} role="img" aria-label={inWords({ title, samples, series, format })} />
    </figure>
  );
}

function lastOf(samples: readonly Sample[], { value }: Series, format: ChartProps["format"]): string {
  const last = samples.at(-1);
  const figure = last === undefined ? null : value(last);
  return figure === null ? "–" : format(figure);
}

function inWords({ title, samples, series, format }: Omit<ChartProps, "atLeast" | "isWhole">): string {
  const parts = series.map((each) => {
    const highest = samples.reduce((most, sample) => Math.max(most, each.value(sample) ?? 0), 0);
    return `${each.label}: now ${lastOf(samples, each, format)}, at most ${format(highest)}`;
  });
  return `${title} over the last five minutes. ${parts.join("; ")}.`;
}

/** Steps of an axis of things that are counted: a line at 2.5 would be called 3. */
const wholeSteps = [1, 10, 100, 1_000, 10_000, 100_000].flatMap((power) => [power, 2 * power, 5 * power]);

function optionsFor(
  place: HTMLElement,
  { series, format, atLeast, isWhole }: Pick<ChartProps, "series" | "format"> & { atLeast: number; isWhole: boolean },
): uPlot.Options {
  const styles = getComputedStyle(document.documentElement);
  const colourOf = (name: string) => resolved(place, styles.getPropertyValue(`--${name}`));
  const [soft, line] = [colourOf("soft"), colourOf("line")];
  const font = `11px ${styles.fontFamily}`;
  const axis = { stroke: soft, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  return {
    width: place.clientWidth,
    height: heightPx,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    padding: [8, 18, 0, 0],
    scales: {
      x: { time: false, range: (plot) => [oldestShown(plot.data[0][0]), 0] },
      y: { range: (_plot, _low, high) => [0, Math.max(atLeast, roomAbove(high))] },
    },
    axes: [
      {
        ...axis,
        size: 28,
        grid: { show: false },
        splits: (plot) => minutesFrom(oldestShown(plot.data[0][0])),
        values: (_plot, splits) => splits.map(timeText),
      },
      {
        ...axis,
        size: 58,
        values: (_plot, splits) => splits.map(format),
        ...(isWhole ? { incrs: wholeSteps } : {}),
      },
    ],
    series: [
      {},
      ...series.map(({ label, colour, isFilled }) => {
        const stroke = colourOf(colour);
        return {
          label,
          stroke,
          width: 1.75,
          points: { show: false },
          ...(isFilled === true ? { fill: faded(stroke) } : {}),
        };
      }),
    ],
  };
}

/** The canvas knows neither custom properties nor light-dark(), so the browser is asked what they come to. */
function resolved(place: HTMLElement, value: string): string {
  const probe = document.createElement("span");
  probe.style.color = value;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function faded(colour: string): string {
  return colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.14)");
}

function roomAbove(high: number | null): number {
  return high === null || high <= 0 ? 1 : high * 1.15;
}

/** From where time is shown, in seconds before now: the whole minutes that there are samples of. */
function oldestShown(first: number | undefined): number {
  return -60 * Math.max(1, Math.ceil(-(first ?? 0) / 60));
}

function minutesFrom(oldest: number): number[] {
  // A single minute gets a mark in its middle.
  const step = oldest === -60 ? 30 : 60;
  return Array.from({ length: -oldest / step + 1 }, (_, index) => oldest + index * step);
}

function timeText(seconds: number): string {
  if (seconds === 0) return "now";
  return seconds % 60 === 0 ? `−${-seconds / 60} min` : `−${-seconds} s`;
}
