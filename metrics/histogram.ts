/**
 * How long things took: for each of several times, how many took at most that long.
 *
 * @module
 */

import type { MetricsText } from "./text.ts";

/**
 * The bounds of the buckets, in seconds. A key crosses between processes in a quarter of
 * a millisecond or more, a query of a database takes 1 to 100 ms, and after 10 s whoever
 * waited has mostly left. Each bound is 2 or 2.5 times the one before it, so that is how
 * wrong a quantile may be.
 */
export const BOUNDS: readonly number[] = [
  ...[0.00025, 0.0005],
  ...[0.001, 0.0025, 0.005],
  ...[0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5],
  ...[1, 2.5, 5],
  10,
];

const BUCKETS = [...BOUNDS.map(String), "+Inf"].map((le) => `,le="${le}"`);

/** The times that something took. */
export class Histogram {
  /** How many took longer than the bound before, and not longer than this one. */
  readonly #counts = new Float64Array(BUCKETS.length);
  #sum = 0;

  /** Counts a time in milliseconds. */
  add(ms: number): void {
    // A clock of the user's may go back, but a sum must not.
    const seconds = Math.max(0, ms) / 1000;
    let bucket = 0;
    while (bucket < BOUNDS.length && seconds > BOUNDS[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += seconds;
  }

  /** Writes all series of the histogram. */
  write(text: MetricsText, labels: string): void {
    let count = 0;
    for (const [bucket, bound] of BUCKETS.entries()) {
      count += this.#counts[bucket]!;
      text.sample(count, labels + bound, "_bucket");
    }
    text.sample(this.#sum, labels, "_sum");
    text.sample(count, labels, "_count");
  }
}
