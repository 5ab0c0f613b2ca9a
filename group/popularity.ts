/**
 * How often the keys of this process are asked for, and which of them are worth a copy
 * where they are asked.
 *
 * A count-min sketch counts (Cormode and Muthukrishnan, 2005): it takes 16 KiB for
 * however many keys, and never counts too little. By how much it counts too much is
 * taken off, as in count-mean-min (Deng and Rafiei, 2007). Theirs is the mean of what
 * other keys left in a counter. Here it is their median and spread, since a few keys
 * that are asked for very often raise a mean and hide each other.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";

const ROWS = 4;
/** A power of two. */
const WIDTH = 1024;

/** A key whose count is less is never hot: a copy would save too little. */
export const MIN_ASKS = 12;

/** How often the average asker has to use a copy in its life to be given the first one. */
export const MIN_USES = 4;

/** An asker that used its last copy so often gets another one. */
export const MIN_SERVED = 3;

/**
 * The most uses of a copy that count with one ask. More would say nothing new about
 * this key, and fill the counters of others.
 */
const MAX_SERVED = 15;

/**
 * Counts are halved after each third of a copy's life. If all processes ask for a key
 * once in each life, even at the same instant, they count less than 8/7 each. That is
 * too little for a first copy: it takes at least `MIN_USES / 3` each.
 */
const PERIODS_IN_LIFE = 3;
/** For longer lives the counts would be old news, and the noise would grow. */
const MAX_PERIOD_MS = 20_000;
/** For shorter lives the halving would cost more than the counting. */
const MIN_PERIOD_MS = 100;

/** After so many asks the time is looked at, which costs more than the counting. */
const ASKS_BETWEEN_TIMES = 8;

/** How many times the spread a key's count has to be above the median of all counters. */
const SPREADS = 3;
/** As many counters are below the median and the spread, if they are spread normally. */
const ONE_SPREAD_UP = Math.round(0.8413 * WIDTH);

/** Counts how often other processes ask for keys. */
export class Popularity {
  readonly #clock: Clock;
  readonly #lifeMs: number;
  readonly #periodMs: number;
  /** How many processes may ask. With none, nothing is counted. */
  askers = 0;
  /** All rows, one after the other. Made when a peer first asks. */
  #counts: Uint32Array | undefined;
  /** The sum of a row. */
  #total = 0;
  /** When the last period ended that the counts were halved for. */
  #since = 0;
  /** How long ago that was, when the time was last looked at. */
  #elapsedMs = 0;
  /** How many asks may come until the time is looked at. */
  #left = ASKS_BETWEEN_TIMES;
  /** What other keys put into a counter, at most, when the sum was `#totalThen`. */
  #noise = 0;
  #totalThen = WIDTH / 2;

  /** @param lifeMs How long a copy lives. */
  constructor(clock: Clock, lifeMs: number) {
    this.#clock = clock;
    this.#lifeMs = lifeMs;
    this.#periodMs = Math.min(
      Math.max(lifeMs / PERIODS_IN_LIFE, MIN_PERIOD_MS),
      MAX_PERIOD_MS,
    );
  }

  /**
   * Counts that a process asked for a key, and says whether a copy there is worth its
   * memory.
   *
   * @param hash A hash of the key, of 32 bits.
   * @param served How often its last copy was used since it came.
   * @param ttlMs How long the value lives.
   */
  isHot(hash: number, served: number, ttlMs: number = Infinity): boolean {
    const lifeMs = Math.min(this.#lifeMs, ttlMs);
    if (this.askers === 0 || lifeMs <= 0) return false;
    const counts = this.#counts ??= this.#begin();
    if (--this.#left < 0) this.#age(counts);
    const least = this.#add(counts, hash, 1 + Math.min(served, MAX_SERVED));
    if (served >= MIN_SERVED) return true;
    if (this.#total > 2 * this.#totalThen) this.#look(counts);
    // Halving would not make it more.
    if (this.#above(least) < MIN_ASKS) return false;
    const asks = this.#above(least >>> this.#age(counts));
    // A steady count is that of one period before the last halving, and of the time
    // since.
    const worthwhile = MIN_USES * this.askers *
      (this.#periodMs + this.#elapsedMs) / lifeMs;
    return asks >= Math.max(MIN_ASKS, worthwhile);
  }

  /** How much of a count is the key's own. */
  #above(count: number): number {
    return count - this.#noise * this.#total / this.#totalThen;
  }

  #begin(): Uint32Array {
    this.#since = this.#clock.now();
    return new Uint32Array(ROWS * WIDTH);
  }

  /** Adds to the key's counters and returns the least of them. */
  #add(counts: Uint32Array, hash: number, weight: number): number {
    this.#total += weight;
    const one = mix(hash);
    const other = mix(~hash);
    const a = one & (WIDTH - 1);
    const b = WIDTH + ((one >>> 10) & (WIDTH - 1));
    const c = 2 * WIDTH + ((one >>> 20) & (WIDTH - 1));
    const d = 3 * WIDTH + (other & (WIDTH - 1));
    return Math.min(
      counts[a]! += weight,
      counts[b]! += weight,
      counts[c]! += weight,
      counts[d]! += weight,
    );
  }

  /**
   * Halves all counts, once for each period that is over. There is no timer.
   *
   * @returns How many bits the counts lost.
   */
  #age(counts: Uint32Array): number {
    this.#left = ASKS_BETWEEN_TIMES;
    this.#elapsedMs = this.#clock.now() - this.#since;
    if (this.#elapsedMs < this.#periodMs) return 0;
    const periods = Math.floor(this.#elapsedMs / this.#periodMs);
    this.#since += periods * this.#periodMs;
    this.#elapsedMs -= periods * this.#periodMs;
    // A shift by 32 would be one by 0.
    const shift = Math.min(periods, 31);
    this.#total = 0;
    for (let i = 0; i < counts.length; i++) {
      counts[i]! >>>= shift;
      if (i < WIDTH) this.#total += counts[i]!;
    }
    this.#look(counts);
    return shift;
  }

  /** Looks how much a counter has that is nobody's in particular. */
  #look(counts: Uint32Array): void {
    const row = counts.slice(0, WIDTH).sort();
    const median = row[WIDTH / 2]!;
    this.#noise = median + SPREADS * (row[ONE_SPREAD_UP]! - median);
    this.#totalThen = Math.max(this.#total, WIDTH / 2);
  }
}

/** MurmurHash3's finalizer: every bit of the input moves half the bits of the output. */
function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
