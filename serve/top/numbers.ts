/**
 * The numbers of the whole cluster, each with what it was during the last two minutes.
 *
 * @module
 */

import { count, percent, time } from "../page/assets/format.js";
import type { Point } from "../page/view.ts";
import { spark } from "./draw.ts";
import type { Paint } from "./paint.ts";
import { fit, plain } from "./plain_text.ts";

interface Number {
  readonly name: string;
  readonly of: Exclude<keyof Point, "at">;
  readonly format: (value: number | null) => string;
  /** What is the height of the drawing, where it is not the highest value. */
  readonly maximum?: number;
}

/** With a decimal place, so that it stands still. */
function ratio(part: number | null): string {
  return percent(part, true);
}

/** In rows of two. */
const NUMBERS: readonly Number[] = [
  { name: "Gets/s", of: "gets", format: count },
  { name: "Load p50", of: "loadP50", format: time },
  { name: "Hit ratio", of: "hitRatio", format: ratio, maximum: 1 },
  { name: "Load p99", of: "loadP99", format: time },
  { name: "Loads/s", of: "loads", format: count },
  { name: "Peer p50", of: "peerP50", format: time },
  { name: "Peer req/s", of: "questions", format: count },
  { name: "Peer p99", of: "peerP99", format: time },
];

const NAME_COLUMNS = 11;
const VALUE_COLUMNS = 8;
/** More than one column a second says nothing new. */
const MAX_SPARK = 60;

/** The numbers as lines. */
export function numbersOf(
  point: Point,
  points: readonly Point[],
  columns: number,
  paint: Paint,
): string[] {
  const half = Math.floor((columns - 4) / 2);
  const sparks = Math.min(MAX_SPARK, half - NAME_COLUMNS - VALUE_COLUMNS - 2);
  const cells = NUMBERS.map(({ name, of, format, maximum }) => {
    const value = fit(plain(format(point[of])), VALUE_COLUMNS, {
      align: "right",
    });
    const drawing = spark(points, of, Math.max(0, sparks), maximum);
    return `${fit(name, NAME_COLUMNS)}${paint.strong(value)}  ${
      paint.drawn(drawing)
    }`;
  });
  const lines: string[] = [];
  for (let i = 0; i < cells.length; i += 2) {
    lines.push(` ${cells[i]}   ${cells[i + 1]}`);
  }
  return lines;
}
