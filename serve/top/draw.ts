/**
 * Numbers drawn in a line of text.
 *
 * @module
 */

import type { Point } from "../page/view.ts";

/** From the lowest to the highest. */
const TICKS = [..."▁▂▃▄▅▆▇█"];
/** How far back the node's points go. */
const HISTORY_SECONDS = 120;

/**
 * The last two minutes of a number in so many columns, the newest at the right. Each
 * column is the mean of as many whole seconds, so that it does not change once it is
 * over. A space: there was nothing.
 */
export function spark(
  points: readonly Point[],
  of: Exclude<keyof Point, "at">,
  columns: number,
  maximum?: number,
): string {
  const last = points.at(-1);
  if (last === undefined || columns < 1) return " ".repeat(columns);
  const ms = 1_000 * Math.max(1, Math.ceil(HISTORY_SECONDS / columns));
  const first = Math.floor(last.at / ms) - columns + 1;
  const sums = Array.from({ length: columns }, () => ({ sum: 0, count: 0 }));
  for (const point of points) {
    const slot = sums[Math.floor(point.at / ms) - first];
    const value = point[of];
    if (slot === undefined || value === null) continue;
    slot.sum += value;
    slot.count++;
  }
  const means = sums.map(({ sum, count }) => count === 0 ? null : sum / count);
  const top = maximum ?? Math.max(...means.map((mean) => mean ?? 0));
  return means.map((mean) => mean === null ? " " : tickOf(mean, top)).join("");
}

/** What is not nothing is higher than the line. */
function tickOf(value: number, top: number): string {
  if (!(value > 0) || !(top > 0)) return TICKS[0]!;
  const height = Math.ceil(value / top * (TICKS.length - 1));
  return TICKS[Math.min(height, TICKS.length - 1)]!;
}

/** A part of 1 as a bar: what is full, and what is not. */
export function bar(part: number, columns: number): [string, string] {
  const bounded = Math.max(0, Math.min(1, part));
  // What is not empty has a column, and what is not full lacks one.
  const full = bounded === 0
    ? 0
    : Math.max(1, Math.floor(bounded * columns + 1e-9));
  const shown = Math.min(full, columns);
  return ["█".repeat(shown), "░".repeat(columns - shown)];
}
