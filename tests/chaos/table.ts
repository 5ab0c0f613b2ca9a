/**
 * The table at the end of a run: what was seen, and whether it was as promised.
 *
 * @module
 */

/** A line of it. Without `isKept`, nothing is promised about it. */
export type Row = [what: string, seen: string, isKept?: boolean | undefined];

/** The value below which so many percent of the sorted values lie. */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.floor((sorted.length - 1) * percent / 100)] ?? 0;
}

/** Prints the rows; returns whether every promise was kept. */
export function print(rows: readonly Row[]): boolean {
  for (const [what, seen, isKept] of rows) {
    const verdict = isKept === undefined ? "" : isKept ? "ok" : "BROKEN";
    console.log(`${verdict.padEnd(7)}${what.padEnd(46)}${seen}`);
  }
  return rows.every(([, , isKept]) => isKept !== false);
}
