/**
 * Tables: columns that are as wide as what they hold, and one that takes what is left.
 *
 * @module
 */

import { cut, fit, width } from "./plain_text.ts";

/** Columns further apart would not look like a row. */
const MAX_GAP = 3;

/** A column of rows. */
export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  readonly align?: "left" | "right";
  /** It is at least so wide, so that it does not move with what it holds. */
  readonly least?: number;
  /** How the text is painted once it has its width. */
  readonly paint?: (text: string, row: Row) => string;
  /** It takes what is left, of which it needs at least {@linkcode least}. */
  readonly takesRest?: true;
  /** Where there is no room, those with the highest number are left out first. */
  readonly dispensable?: number;
}

/** A table as lines: its head, and each row. */
export interface Table {
  readonly head: string;
  readonly rows: readonly string[];
}

/**
 * Lays rows out.
 *
 * @param all Rows that decide about the widths, of which `rows` are shown.
 */
export function tableOf<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { columns: available, all = rows, most = Infinity }: {
    columns: number;
    all?: readonly Row[];
    /** The column that takes the rest takes no more than that. */
    most?: number;
  },
): Table {
  const natural = (column: Column<Row>): number =>
    Math.max(
      column.least ?? 0,
      width(column.title),
      ...all.map((row) => width(column.text(row))),
    );
  let shown = columns.map((column) => ({
    column,
    size: column.takesRest ? column.least ?? 0 : natural(column),
  }));
  const needed = (): number =>
    shown.reduce((sum, { size }) => sum + size, 0) + shown.length - 1;
  while (needed() > available) {
    const worst = Math.max(
      ...shown.map(({ column }) => column.dispensable ?? 0),
    );
    if (worst === 0) break;
    shown = shown.filter(({ column }) => (column.dispensable ?? 0) !== worst);
  }
  const rest = shown.find(({ column }) => column.takesRest);
  if (rest !== undefined) {
    const free = available - needed();
    const wanted = Math.min(natural(rest.column), most);
    rest.size += Math.max(0, Math.min(free, wanted - rest.size));
  }
  // What is left then lies between the columns.
  const gaps = Math.max(1, shown.length - 1);
  const gap = Math.max(
    1,
    Math.min(MAX_GAP, 1 + Math.floor((available - needed()) / gaps)),
  );
  const line = (cell: (column: Column<Row>, size: number) => string): string =>
    shown.map(({ column, size }) => cell(column, size)).join(" ".repeat(gap));
  return {
    head: line(({ title, align = "left" }, size) =>
      fit(title, size, { align })
    ),
    rows: rows.map((row) =>
      cut(
        line((column, size) => {
          const { text, align = "left", paint, takesRest } = column;
          const position = takesRest ? "middle" : "end";
          const cell = fit(text(row), size, { align, position });
          return paint === undefined ? cell : paint(cell, row);
        }),
        available,
      )
    ),
  };
}
