// Charts as SVG text: lines over steps, and bars. Calculations.
//
// Own code, since two kinds of chart are all that the report has: no script in the page, a file that can be kept for years, and
// colours that follow the reader's light or dark (docs/decisions/report.md). Series have a colour and a shape each, so that
// nobody needs to tell colours apart, and every point says its figure when it is pointed at.

export interface Series {
  readonly name: string;
  /** The class that gives it its colour, and with its shape: s0, s1 ... */
  readonly place: number;
  /** In the order of the steps; null where nothing was measured. */
  readonly points: readonly (Point | null)[];
}

export interface Point {
  readonly value: number;
  readonly min: number;
  readonly max: number;
  /** What is shown when it is pointed at. */
  readonly said: string;
}

export interface LineChart {
  readonly title: string;
  /** Below the x axis. */
  readonly stepsName: string;
  readonly steps: readonly string[];
  readonly series: readonly Series[];
  readonly scale: "linear" | "log";
  readonly format: (value: number) => string;
}

const width = 460;
const height = 270;
const plot = { left: 64, right: 16, top: 12, bottom: 44 };

export function lineChart(chart: LineChart): string {
  const { steps, series, stepsName, title } = chart;
  const values = series.flatMap(({ points }) =>
    points.flatMap((point) => (point === null ? [] : [point.min, point.max])),
  );
  const axis = axisFor(values, chart.scale);
  const x = (step: number) =>
    plot.left + (steps.length === 1 ? 0.5 : (step + 0.1) / (steps.length - 0.8)) * (width - plot.left - plot.right);
  const y = (value: number) => height - plot.bottom - axis.place(value) * (height - plot.top - plot.bottom);
  const grid = axis.ticks.map(
    (tick) =>
      `<line class="grid" x1="${plot.left}" x2="${width - plot.right}" y1="${round(y(tick))}" y2="${round(y(tick))}"/>` +
      `<text class="tick" text-anchor="end" x="${plot.left - 8}" y="${round(y(tick) + 4)}">${escaped(chart.format(tick))}</text>`,
  );
  const labels = steps.map(
    (step, index) =>
      `<text class="tick" text-anchor="middle" x="${round(x(index))}" y="${height - plot.bottom + 18}">${escaped(step)}</text>`,
  );
  const lines = series.map((each) => lineOf(each, x, y));
  return svg(
    title,
    `${grid.join("")}${labels.join("")}<text class="axis" text-anchor="middle" x="${(plot.left + width - plot.right) / 2}" y="${height - 6}">${escaped(stepsName)}</text>${lines.join("")}`,
    height,
  );
}

function lineOf({ points, place, name }: Series, x: (step: number) => number, y: (value: number) => number): string {
  const known = points.flatMap((point, step) => (point === null ? [] : [{ ...point, step }]));
  const path = known.map(({ step, value }, index) => `${index === 0 ? "M" : "L"}${round(x(step))} ${round(y(value))}`);
  const spreads = known
    .filter(({ min, max }) => max > min)
    .map(
      ({ step, min, max }) =>
        `<line class="spread" x1="${round(x(step))}" x2="${round(x(step))}" y1="${round(y(min))}" y2="${round(y(max))}"/>`,
    );
  const marks = known.map(
    ({ step, value, said }) =>
      `<g transform="translate(${round(x(step))} ${round(y(value))})">${shape(place)}<title>${escaped(`${name}: ${said}`)}</title></g>`,
  );
  return `<g class="s${place}"><path class="line" d="${path.join("")}"/>${spreads.join("")}${marks.join("")}</g>`;
}

export interface Bar {
  readonly name: string;
  readonly place: number;
  /** Parts one after another, each with a class of its own. */
  readonly parts: readonly { readonly value: number; readonly kind: string }[];
  readonly said: string;
}

/** Bars from left to right, a name before each and its figure behind it. */
export function barChart({ title, bars }: { title: string; bars: readonly Bar[] }): string {
  const rowHeight = 30;
  const most = Math.max(...bars.map((bar) => sumOf(bar)), Number.MIN_VALUE);
  const nameWidth = 124;
  const room = width - nameWidth - 150;
  const rows = bars.map((bar, index) => {
    const top = index * rowHeight + 4;
    let at = nameWidth;
    const parts = bar.parts.map(({ value, kind }) => {
      const length = (value / most) * room;
      const rect = `<rect class="bar ${kind}" x="${round(at)}" y="${top}" width="${round(Math.max(length, 0.5))}" height="18" rx="2"/>`;
      at += length;
      return rect;
    });
    return (
      `<g class="s${bar.place}"><text class="name" text-anchor="end" x="${nameWidth - 8}" y="${top + 14}">${escaped(bar.name)}</text>` +
      `${parts.join("")}<text class="figure" x="${round(at + 8)}" y="${top + 14}">${escaped(bar.said)}</text></g>`
    );
  });
  return svg(title, rows.join(""), bars.length * rowHeight + 4);
}

function sumOf({ parts }: Bar): number {
  return parts.reduce((sum, { value }) => sum + value, 0);
}

/** The mark of a series, for its points and the legend. */
export function shape(place: number): string {
  switch (place % 6) {
    case 0:
      return '<circle class="mark" r="4.5"/>';
    case 1:
      return '<rect class="mark" x="-4" y="-4" width="8" height="8"/>';
    case 2:
      return '<path class="mark" d="M0-5.5L5 4H-5Z"/>';
    case 3:
      return '<path class="mark" d="M0-5.5L5.5 0L0 5.5L-5.5 0Z"/>';
    case 4:
      return '<path class="mark" d="M0 5.5L5-4H-5Z"/>';
    default:
      return '<path class="mark" d="M-5-1.5H-1.5V-5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5Z"/>';
  }
}

interface Axis {
  readonly ticks: readonly number[];
  /** From 0, at the bottom, to 1. */
  readonly place: (value: number) => number;
}

function axisFor(values: readonly number[], scale: LineChart["scale"]): Axis {
  const most = Math.max(...values, Number.MIN_VALUE);
  if (scale === "linear") {
    const step = niceStep(most / 4);
    const top = Math.ceil(most / step) * step;
    const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step);
    return { ticks, place: (value) => value / top };
  }
  const least = Math.min(...values.filter((value) => value > 0), most);
  const from = Math.floor(Math.log10(least));
  const to = Math.max(from + 1, Math.ceil(Math.log10(most)));
  const ticks = Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
  return { ticks, place: (value) => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from) };
}

/** 1, 2 or 5 times a power of ten, at least as large. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 5, 10].find((each) => each * power >= step) ?? 10;
  return factor * power;
}

function svg(title: string, content: string, tall: number): string {
  return `<svg viewBox="0 0 ${width} ${tall}" role="img" aria-label="${escaped(title)}">${content}</svg>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Text for HTML: paths and messages come from outside. */
export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
