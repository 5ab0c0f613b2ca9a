/**
 * Comparisons that survive a noisy machine.
 *
 * The two sides take turns in one process, so that noise slows both down alike:
 * read the ratio, not the nanoseconds.
 *
 * @module
 */

import type { Logger } from "../mod.ts";

/** Does `ops` operations and returns something that depends on all of them. */
export type Side = () => number | Promise<number>;

// It is read after each comparison, so that no result is dead code.
let sink = 0;

async function nsPerOp(side: Side, ops: number): Promise<number> {
  const start = performance.now();
  const result = side();
  // A side that is synchronous must not pay for an await.
  sink ^= typeof result === "number" ? result : await result;
  return (performance.now() - start) * 1e6 / ops;
}

/** The middle of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Prints the head of the table whose lines {@linkcode compare} prints. */
export function head(ours: string, theirs: string): void {
  console.log(
    `what | ${ours} ns | ${theirs} ns | ratio (median, min–max; below 1: ${ours} is faster)`,
  );
}

/** What two sides gave, and the ratios `ours / theirs` of the rounds. */
export interface Turns {
  /** Medians, like `theirs` and `ratio`. */
  ours: number;
  theirs: number;
  ratio: number;
  /** The lowest and the highest ratio. */
  low: number;
  high: number;
}

/** Measures two sides in turns: a warm-up, then `rounds` rounds. */
export async function takeTurns(
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
  rounds = 5,
): Promise<Turns> {
  await ours();
  await theirs();
  const a: number[] = [];
  const b: number[] = [];
  for (let round = 0; round < rounds; round++) {
    // The first side changes: the second finds other caches, and other garbage.
    if (round % 2 === 0) a.push(await ours());
    b.push(await theirs());
    if (round % 2 === 1) a.push(await ours());
  }
  const ratios = a.map((number, round) => number / b[round]!);
  return {
    ours: median(a),
    theirs: median(b),
    ratio: median(ratios),
    low: Math.min(...ratios),
    high: Math.max(...ratios),
  };
}

/** Measures any number of sides in turns, and returns the median of each. */
export async function medians(
  sides: readonly (() => Promise<number>)[],
  rounds = 5,
): Promise<number[]> {
  const results: number[][] = sides.map(() => []);
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const [i, side] of sides.entries()) {
      const result = await side();
      if (round > 0) results[i]!.push(result);
    }
  }
  return results.map(median);
}

/** Measures in turns how long `ours` takes beside `theirs`, and prints it. */
export async function compare(
  what: string,
  ops: number,
  ours: Side,
  theirs: Side,
  rounds = 5,
): Promise<void> {
  const turns = await takeTurns(
    () => nsPerOp(ours, ops),
    () => nsPerOp(theirs, ops),
    rounds,
  );
  console.log(
    `${what} | ${turns.ours.toFixed(1)} | ${turns.theirs.toFixed(1)} | ` +
      `${turns.ratio.toFixed(2)} (${turns.low.toFixed(2)}–${
        turns.high.toFixed(2)
      })`,
  );
  if (Number.isNaN(sink)) throw new Error(`${what}: a side gave no number`);
}

/** Marsaglia's xorshift: the same numbers in every run, 0 to below 1. */
export function random(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A logger that drops every message: a server here is not in the list of who asks it. */
export const SILENT: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
