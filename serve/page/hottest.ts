/**
 * The keys that were asked for most during the last minute, in bounded memory.
 *
 * @module
 */

import { SpaceSaving } from "./space_saving.ts";

/** A key, and how often it was asked for during the last minute. */
export interface HotKey {
  readonly group: string;
  readonly key: string;
  readonly count: number;
}

/** A minute consists of so many parts, of which the oldest is dropped as time passes. */
const PARTS = 6;
const PART_MS = 10_000;
/** How many keys each part counts. */
const CAPACITY = 128;
/** A longer key is not counted: the counts of such keys could fill memory. */
export const MAX_KEY_LENGTH = 256;

/** Counts gets by group and key. */
export class Hottest {
  readonly #now: () => number;
  #parts: SpaceSaving[] = [new SpaceSaving(CAPACITY)];
  #partUntil: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#partUntil = now() + PART_MS;
  }

  /** Somebody asks for a key. */
  add(group: string, key: string): void {
    if (key.length > MAX_KEY_LENGTH) return;
    this.#turn();
    // The name of a group has no slash.
    this.#parts[0]!.add(`${group}/${key}`);
  }

  /** The `count` keys that were asked for most. */
  top(count: number): HotKey[] {
    this.#turn();
    const sums = new Map<string, number>();
    for (const part of this.#parts) {
      for (const { item, count, error } of part.top()) {
        // What is certain: a key that took the place of others was not hot for that.
        sums.set(item, (sums.get(item) ?? 0) + count - error);
      }
    }
    return [...sums].sort((a, b) => b[1] - a[1]).slice(0, count)
      .map(([item, count]) => {
        const slash = item.indexOf("/");
        return {
          group: item.slice(0, slash),
          key: item.slice(slash + 1),
          count,
        };
      });
  }

  #turn(): void {
    const late = this.#now() - this.#partUntil;
    if (late < 0) return;
    const turns = Math.floor(late / PART_MS) + 1;
    this.#partUntil += turns * PART_MS;
    const fresh = Array.from(
      { length: Math.min(turns, PARTS) },
      () => new SpaceSaving(CAPACITY),
    );
    this.#parts = [...fresh, ...this.#parts].slice(0, PARTS);
  }
}
