// A row of the table: what is measured, and the figure that it is held against.

export interface Row {
  readonly id: string;
  readonly what: string;
  /** The figure's unit: "ratio", "requests/s", "MB", "ms". */
  readonly unit: string;
  readonly goal: { readonly atLeast: number } | { readonly atMost: number };
  /** Whether it is left out of a run of all rows. */
  readonly isOnlyNamed?: boolean;
  /** One round: the figure, and what it was made of. */
  readonly round: (options: RoundOptions) => Promise<RoundResult>;
}

export interface RoundOptions {
  readonly seconds: number;
}

export interface RoundResult {
  readonly figure: number;
  /** Why there is no figure; it is then NaN. */
  readonly skipped?: string;
  readonly parts: Readonly<Record<string, number>>;
}
