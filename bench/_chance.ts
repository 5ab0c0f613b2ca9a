/**
 * Random numbers that are the same for the same seed.
 *
 * @module
 */

import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** Numbers from 0 to less than 1. */
export type Chance = () => number;

/**
 * Makes independent sources of chance, one for each call: what one part of a run
 * draws does not change what another draws.
 */
export function chances(seed: number): () => Chance {
  const root = xoroshiro128plus(seed);
  return () => {
    const generator = root.clone();
    // The next source starts 2^64 numbers further on in the same sequence.
    root.jump();
    return () => uniformFloat64(generator);
  };
}

/** One of `all`. */
export function oneOf<T>(all: readonly T[], chance: Chance): T {
  return all[Math.floor(chance() * all.length)]!;
}

/**
 * Draws from `all` by Zipf's law: the second is drawn half as often as the first,
 * the third a third as often, and so on.
 */
export function zipf<T>(all: readonly T[], chance: Chance): () => T {
  const rank = zipfRanks(all.length, chance);
  return () => all[rank()]!;
}

/**
 * Draws from 0 to less than `count` by Zipf's law, 0 most often. The smaller the
 * exponent, the more often the rest.
 */
export function zipfRanks(
  count: number,
  chance: Chance,
  exponent = 1,
): () => number {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let rank = 1; rank <= count; rank++) {
    sum += 1 / rank ** exponent;
    sums[rank - 1] = sum;
  }
  return () => {
    const drawn = chance() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** As many different origins as `count` says. */
export function originsOf(count: number, chance: Chance): string[] {
  const byte = (): number => Math.floor(chance() * 256);
  const origins = new Set<string>();
  while (origins.size < count) {
    origins.add(`http://10.${byte()}.${byte()}.${byte()}:8080`);
  }
  return [...origins];
}
