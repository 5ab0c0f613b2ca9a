/**
 * Traces that are made instead of recorded, the same ones each time.
 *
 * @module
 */

import { type Chance, chances, zipfRanks } from "../_chance.ts";
import type { Trace } from "./trace.ts";

/** The makers of traces, by name. */
export const MADE: Readonly<Record<string, () => Trace>> = {
  zipf: () => zipf(1_000_000, 3_000_000),
  scan: () => scan(100_000, 1_000_000),
  loop: () => loop(10_000, 500_000),
  churn: () => churn(100_000, 1_000_000),
};

const EXPONENT = 0.99;

const chance = (): Chance => chances(1)();

/** Zipf's law with an exponent of 0.99: few keys are asked for very often. */
export function zipf(keys: number, requests: number): Trace {
  const rank = zipfRanks(keys, chance(), EXPONENT);
  return {
    name: "zipf",
    keys: Int32Array.from({ length: requests }, rank),
    distinct: keys,
  };
}

/**
 * Zipf's law, all the time. In the second of three stretches, between any two of its
 * requests, a scan asks for a key that nobody asks for again.
 */
export function scan(keys: number, cold: number): Trace {
  const rank = zipfRanks(keys, chance(), EXPONENT);
  const order: number[] = [];
  for (let i = 0; i < cold; i++) order.push(rank());
  for (let i = 0; i < cold; i++) order.push(rank(), keys + i);
  for (let i = 0; i < cold; i++) order.push(rank());
  return {
    name: "scan",
    keys: Int32Array.from(order),
    distinct: keys + cold,
    firstOfScan: keys,
    phases: [
      { name: "before the scan", from: cold / 2, to: cold },
      { name: "during the scan", from: cold, to: cold * 3 },
      { name: "just after it", from: cold * 3, to: cold * 3.1 },
    ],
  };
}

/** One key after the other, again and again. */
export function loop(keys: number, requests: number): Trace {
  return {
    name: "loop",
    keys: Int32Array.from({ length: requests }, (_, i) => i % keys),
    distinct: keys,
  };
}

/**
 * Zipf's law among keys that come and go: every 100 requests, the ten that were asked
 * for most are never asked for again, and ten new ones join at the other end.
 */
export function churn(keys: number, requests: number): Trace {
  const rank = zipfRanks(keys, chance(), EXPONENT);
  const gone = (i: number): number => Math.floor(i / 100) * 10;
  return {
    name: "churn",
    keys: Int32Array.from({ length: requests }, (_, i) => rank() + gone(i)),
    distinct: keys + gone(requests - 1),
  };
}
