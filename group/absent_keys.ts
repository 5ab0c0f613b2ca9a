/**
 * Keys of which the getter said a moment ago that there are none.
 *
 * They have a share of a group's memory to themselves, so that however many absent keys
 * are asked for, no value leaves for them. Only a key's owner remembers, and only until
 * the list of peers changes.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { detach } from "../base/keys.ts";

/** The share of `maxBytes` that they have, if they are kept at all. */
export const ABSENT_SHARE: number = 1 / 16;

/** What a key takes beside its characters: V8 was measured to take 62 on average. */
const KEY_BYTES = 96;
const CHARACTER_BYTES = 2;

/** However much memory there is, V8's collector has to look at these keys. */
const MAX_KEYS = 100_000;

/** The keys that one group knows to be absent. */
export class AbsentKeys {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  /** When each may be asked for again; the one that came first is first. */
  readonly #until = new Map<string, number>();
  #bytes = 0;

  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  /** How many there are, with those whose time is over and nobody asked for. */
  get size(): number {
    return this.#until.size;
  }

  /** What they take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** There is no such key, and that is known for `ms`. */
  add(key: string, ms: number): void {
    this.delete(key);
    const bytes = bytesOf(key);
    if (bytes > this.#maxBytes) return;
    this.#until.set(detach(key), this.#clock.now() + ms);
    this.#bytes += bytes;
    for (const oldest of this.#until.keys()) {
      const isMuch = this.#bytes > this.#maxBytes ||
        this.#until.size > MAX_KEYS;
      if (!isMuch) return;
      this.delete(oldest);
    }
  }

  has(key: string): boolean {
    if (this.#until.size === 0) return false;
    const until = this.#until.get(key);
    if (until === undefined) return false;
    if (this.#clock.now() < until) return true;
    this.delete(key);
    return false;
  }

  delete(key: string): void {
    if (this.#until.size === 0) return;
    if (this.#until.delete(key)) this.#bytes -= bytesOf(key);
  }

  clear(): void {
    this.#until.clear();
    this.#bytes = 0;
  }
}

function bytesOf(key: string): number {
  return KEY_BYTES + CHARACTER_BYTES * key.length;
}
