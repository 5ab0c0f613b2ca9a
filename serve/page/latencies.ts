/**
 * How long things took during the last seconds, so that those of several processes can
 * be added up.
 *
 * @module
 */

/** The upper end of the first bucket; each further one ends a fifth higher. */
const FIRST_MS = 0.01;
const STEP = 1.2;
const BUCKETS = 110;
/** For how many seconds a time counts. */
const SECONDS = 10;

/** Counts by the index of their bucket, as pairs: most are 0. */
export type Counts = readonly (readonly [bucket: number, count: number])[];

/** The times of the last ten seconds. */
export class Latencies {
  readonly #now: () => number;
  readonly #seconds = Array.from(
    { length: SECONDS },
    () => ({ second: -Infinity, counts: new Uint32Array(BUCKETS) }),
  );

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Something took `ms`. */
  add(ms: number): void {
    const second = Math.floor(this.#now() / 1000);
    const slot = this.#seconds[second % SECONDS]!;
    if (slot.second !== second) {
      slot.second = second;
      slot.counts.fill(0);
    }
    slot.counts[bucketOf(ms)]!++;
  }

  /** What was added within the last ten seconds. */
  counts(): Counts {
    const oldest = Math.floor(this.#now() / 1000) - SECONDS;
    const sums = new Uint32Array(BUCKETS);
    for (const { second, counts } of this.#seconds) {
      if (second <= oldest) continue;
      for (const [i, count] of counts.entries()) sums[i]! += count;
    }
    return [...sums.entries()].filter(([, count]) => count > 0);
  }
}

function bucketOf(ms: number): number {
  const bucket = Math.ceil(Math.log(ms / FIRST_MS) / Math.log(STEP));
  // Not a number where `ms` is 0 or below.
  return bucket > 0 ? Math.min(bucket, BUCKETS - 1) : 0;
}

/**
 * The time within which a part `q` of everything was done, to within a fifth;
 * `undefined`: there was nothing.
 */
export function quantile(
  all: readonly Counts[],
  q: number,
): number | undefined {
  const sums = new Float64Array(BUCKETS);
  let total = 0;
  for (const [bucket, count] of all.flat()) {
    if (!(bucket in sums)) continue;
    sums[bucket]! += count;
    total += count;
  }
  if (total === 0) return undefined;
  let left = total * q;
  for (const [bucket, count] of sums.entries()) {
    left -= count;
    if (left <= 1e-9) return FIRST_MS * STEP ** bucket;
  }
  return undefined;
}
