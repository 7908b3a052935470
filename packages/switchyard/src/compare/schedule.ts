// How long a compare run measures what: a calculation.

export interface Schedule {
  readonly rounds: number;
  /** Clients of the closed loops, rising. */
  readonly clients: readonly number[];
  /** Rates of the open loops, as shares of the most that any variant answered. */
  readonly rateShares: readonly number[];
  /** Until the speed has settled, but no longer. */
  readonly warmUpMs: number;
  readonly closedMs: number;
  readonly openMs: number;
  /** All paths at once: from the first request after a start; until what adjusts itself has done so; after that. */
  readonly atStartMs: number;
  readonly settleMs: number;
  readonly mixedMs: number;
  readonly mixedRounds: number;
  /** Stretches of `mixedMs` in each round. */
  readonly mixedStretches: number;
  /** Whether what is advised is also held against the same without its lanes. */
  readonly triesWithoutLanes: boolean;
  /** A stretch is longer for slow paths: this many times one request, but no longer than `longestMs`. */
  readonly requestsAtLeast: number;
  readonly longestMs: number;
  /** What is still on its way at the end of a stretch has this long. */
  readonly patienceMs: number;
  /** After this long nothing more is begun; null for no limit. */
  readonly deadlineMs: number | null;
}

export const fullSchedule: Schedule = {
  rounds: 3,
  clients: [1, 4, 16, 64, 256],
  rateShares: [0.5, 0.8],
  warmUpMs: 2_000,
  closedMs: 1_200,
  openMs: 3_000,
  atStartMs: 4_000,
  settleMs: 1_000,
  mixedMs: 3_000,
  mixedRounds: 3,
  mixedStretches: 1,
  triesWithoutLanes: true,
  requestsAtLeast: 10,
  longestMs: 6_000,
  patienceMs: 3_000,
  deadlineMs: null,
};

/**
 * Ends within 45 seconds for two paths and every model: the deadline leaves the servers time to stop. Without open loops, which
 * would take every server's start a second time.
 */
export const quickSchedule: Schedule = {
  rounds: 1,
  clients: [1, 8, 64],
  rateShares: [],
  warmUpMs: 400,
  closedMs: 350,
  openMs: 500,
  atStartMs: 2_000,
  settleMs: 1_000,
  mixedMs: 500,
  mixedRounds: 1,
  mixedStretches: 2,
  triesWithoutLanes: false,
  requestsAtLeast: 4,
  longestMs: 800,
  patienceMs: 500,
  deadlineMs: 40_000,
};

/** About how long it takes, for the first line that is printed. */
export function estimateMs(schedule: Schedule, { variants, paths }: { variants: number; paths: number }): number {
  const { rounds, clients, rateShares, warmUpMs, closedMs, openMs, deadlineMs } = schedule;
  // Measured: a server's start and stop, and what each stretch needs besides its length.
  const startMs = 1_500;
  const besideMs = 250;
  const closed = rounds * (startMs + paths * (warmUpMs / 2 + clients.length * (closedMs + besideMs)));
  const open =
    rateShares.length === 0 ? 0 : rounds * (startMs + paths * (warmUpMs / 2 + rateShares.length * (openMs + besideMs)));
  const sum = variants * (closed + open) + (paths < 2 ? 0 : mixedEstimateMs(schedule));
  return deadlineMs === null ? sum : Math.min(sum, deadlineMs);
}

/** About how long it takes to try the advice. */
export function mixedEstimateMs(schedule: Schedule): number {
  const { atStartMs, settleMs, mixedMs, mixedStretches, mixedRounds, triesWithoutLanes } = schedule;
  const startAndStopMs = 900;
  return (
    (triesWithoutLanes ? 3 : 2) *
    mixedRounds *
    (startAndStopMs + atStartMs + settleMs + mixedStretches * (mixedMs + 100))
  );
}

/** How long a stretch is whose requests take `requestMs` each. */
export function stretchMs(schedule: Schedule, { usualMs, requestMs }: { usualMs: number; requestMs: number }): number {
  return Math.max(usualMs, Math.min(schedule.longestMs, schedule.requestsAtLeast * requestMs));
}
