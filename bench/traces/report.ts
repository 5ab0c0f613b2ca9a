/**
 * What a replay says: a table, and one sentence of advice.
 *
 * @module
 */

import type { Results } from "./replay.ts";
import { roomForAll } from "./trace.ts";

/** A room, in entries or bytes, with its share of all keys. */
export function roomText(results: Results, room: number): string {
  const { trace } = results;
  const share = 100 * room / roomForAll(trace);
  return `${size(results, room)} (${Number(share.toPrecision(2))} %)`;
}

/** A room as text. */
function size({ trace }: Results, room: number): string {
  if (trace.sizes === undefined) {
    return `${grouped(room)} ${room === 1 ? "entry" : "entries"}`;
  }
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const unit = Math.min(
    units.length - 1,
    Math.floor(Math.log2(room) / 10),
  );
  return `${Number((room / 1024 ** unit).toPrecision(3))} ${units[unit]}`;
}

function grouped(count: number): string {
  return `${count}`.replace(/\B(?=(\d{3})+$)/g, ",");
}

function percent(ratio: number): string {
  return (100 * ratio).toFixed(1);
}

/** The table: a row for each room, and below it one for each phase. */
export function tableOf(results: Results): string {
  const { trace, policies, rows } = results;
  const requests = grouped(trace.keys.length);
  const head = ["room", ...policies];
  const body = rows.flatMap(({ room, ratios, phases }) => [
    [roomText(results, room), ...ratios.map(percent)],
    ...phases.map((phase) => [
      `- ${phase.name}`,
      ...phase.ratios.map(percent),
    ]),
  ]);
  const widths = head.map((name, i) =>
    Math.max(name.length, ...body.map((row) => row[i]!.length))
  );
  const line = (cells: string[]): string =>
    `| ${
      cells.map((cell, i) =>
        i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
      ).join(" | ")
    } |`;
  const rule = widths.map((width, i) =>
    i === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`
  );
  return [
    `${trace.name}: ${requests} requests for ${
      grouped(trace.distinct)
    } keys; hits in %`,
    "",
    line(head),
    `|${rule.join("|")}|`,
    ...body.map(line),
  ].join("\n");
}

/** A larger room must give this much more for each doubling to be worth it. */
const WORTH_A_DOUBLING = 0.03;

/** Below this hit ratio, a cache is not worth its room. */
const OF_USE = 0.01;

/** The policies that the advice is about, by name. */
export interface Advised {
  /** The one that is advised. */
  readonly ours: string;
  /** The usual one, which it is compared with. */
  readonly usual: string;
  /** What no policy can exceed. */
  readonly best: string;
}

/** One sentence: which of the rooms is a good size, and what `ours` reaches there. */
export function adviceOf(
  results: Results,
  { ours, usual, best }: Advised,
): string {
  const { policies, rows } = results;
  const at = (name: string, row: number): number =>
    rows[row]!.ratios[policies.indexOf(name)]!;
  const last = rows.length - 1;
  if (at(best, last) < OF_USE) {
    return "A cache of these sizes is of no use here, whatever its policy: keys are not asked for again soon enough.";
  }
  const first = rows.findIndex((_, row) => at(ours, row) >= OF_USE);
  let chosen = first === -1 ? last : first;
  for (let row = chosen + 1; row < rows.length; row++) {
    const doublings = Math.log2(rows[row]!.room / rows[chosen]!.room);
    const more = at(ours, row) - at(ours, chosen);
    if (more >= WORTH_A_DOUBLING * doublings) chosen = row;
  }
  const beyond = chosen === last
    ? rows[last]!.room < roomForAll(results.trace)
      ? "more room than was tried may be worth it"
      : "all keys fit in there"
    : `room for ${size(results, rows[last]!.room)} would add ${
      percent(at(ours, last) - at(ours, chosen))
    } points`;
  return [
    `Give it room for ${size(results, rows[chosen]!.room)}:`,
    `there ${percent(at(ours, chosen))} % of the requests are hits,`,
    `${percent(at(usual, chosen))} % with ${usual},`,
    `${percent(at(best, chosen))} % at best; ${beyond}.`,
  ].join(" ");
}
