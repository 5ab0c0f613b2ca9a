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

/** The times of one part of a run. */
export class Latencies {
  readonly #windowMs: number;
  readonly #begin = performance.now();
  /** All times by window, each by kind. */
  readonly #windows: Record<Kind, number[]>[] = [];

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  add(kind: Kind, ms: number): void {
    const i = Math.floor((performance.now() - this.#begin) / this.#windowMs);
    while (this.#windows.length <= i) {
      this.#windows.push({ get: [], many: [], front: [], write: [] });
    }
    this.#windows[i]![kind].push(ms);
  }

  /** The median over all windows of the time below which so many percent lie. */
  percentile(percent: number, kinds: readonly Kind[] = KINDS): number {
    return median(this.#windows.map((window) => {
      const all = kinds.flatMap((kind) => window[kind]);
      return percentile(all.sort((a, b) => a - b), percent);
    }));
  }

  /** The same over the last window that is complete. */
  last(percent: number): number {
    const window = this.#windows.at(-2) ?? this.#windows.at(-1);
    const all = window === undefined
      ? []
      : KINDS.flatMap((kind) => window[kind]);
    return percentile(all.sort((a, b) => a - b), percent);
  }
}
