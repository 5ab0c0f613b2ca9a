/**
 * How long the good traffic takes, in windows of time: one hiccup spoils one window,
 * and the median of all does not see it.
 *
 * @module
 */

import { percentile } from "../chaos/table.ts";

/** What the good traffic does. */
export const KINDS = ["get", "many", "front", "write"] as const;
export type Kind = typeof KINDS[number];

export function median(values: readonly number[]): number {
  return percentile(values.toSorted((a, b) => a - b), 50);
}

type Times = Record<Kind, number[]>;

function of(times: Times | undefined, kinds: readonly Kind[]): number[] {
  return kinds.flatMap((kind) => times?.[kind] ?? []).sort((a, b) => a - b);
}

/** The times of one part of a run, or of several that are alike. */
export class Latencies {
  readonly #windowMs: number;
  /** All times by window; only the last one is still open. */
  readonly #windows: Times[] = [];
  #endsAt = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  add(kind: Kind, ms: number): void {
    const now = performance.now();
    if (now >= this.#endsAt) {
      this.#windows.push({ get: [], many: [], front: [], write: [] });
      this.#endsAt = now + this.#windowMs;
    }
    this.#windows.at(-1)![kind].push(ms);
  }

  /** How many windows there are. */
  get size(): number {
    return this.#windows.length;
  }

  /** The median over all windows of the time below which so many percent lie. */
  percentile(percent: number, kinds: readonly Kind[] = KINDS): number {
    return median(
      this.#windows.map((times) => percentile(of(times, kinds), percent)),
    );
  }

  /** The same over the last window that is complete. */
  last(percent: number): number {
    const times = this.#windows.at(-2) ?? this.#windows.at(-1);
    return percentile(of(times, KINDS), percent);
  }
}
