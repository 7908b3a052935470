// Tables for a terminal: columns as wide as their widest cell, text at the left, numbers at the right.

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string | number;
}

export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
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
