// Tables for a terminal: columns as wide as their widest cell, text at the left, numbers at the right.

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string | number;
  /** Left out where the table is too wide: when all its cells are 0, or always. */
  readonly isSpare?: "zeros" | "always";
}

/** @param width that the table has; spare columns are left out, the last one first, until it fits. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
): string {
  const text = wholeTable(columns, rows);
  if (text.split("\n").every(({ length }) => length <= width)) return text;
  const spare =
    columns.findLast(({ isSpare, cell }) => isSpare === "zeros" && rows.every((row) => cell(row) === 0)) ??
    columns.findLast(({ isSpare }) => isSpare === "always");
  return spare === undefined
    ? text
    : table(
        columns.filter((column) => column !== spare),
        rows,
        width,
      );
}

function wholeTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row)));
  const widths = columns.map(({ head }, index) =>
    Math.max(head.length, ...cells.map((line) => textOf(line[index] ?? "").length)),
  );
  const line = (texts: readonly (string | number)[], isRight: (index: number) => boolean) =>
    texts
      .map((cell, index) => {
        const text = textOf(cell);
        return isRight(index) ? text.padStart(widths[index]!) : text.padEnd(widths[index]!);
      })
      .join("  ")
      .trimEnd();
  const isNumber = (index: number) => cells.length > 0 && cells.every((each) => typeof each[index] === "number");
  const head = line(
    columns.map((column) => column.head),
    isNumber,
  );
  return [head, ...cells.map((each) => line(each, isNumber)), ""].join("\n");
}

function textOf(cell: string | number): string {
  return typeof cell === "number" ? cell.toLocaleString("en-US") : cell;
}
