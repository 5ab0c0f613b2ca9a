/**
 * How often the copies were used that are kept here because their owner said so.
 *
 * The owner does not see these uses. It is told of them when it is asked for the key
 * again, or a key that is hot everywhere would look cold to it.
 *
 * @module
 */

import { detach } from "../base/keys.ts";

/** The keys that are remembered, by their number and by their characters. */
const MAX_KEYS = 10_000;
const MAX_CHARACTERS = 1024 * 1024;

/** The copies of one group that its keys' owners wanted to be kept. */
export class Copies {
  /**
   * How often each was used since it came; the oldest first. A copy may be gone, because
   * its life was over or the key was written: what is counted is demand.
   */
  readonly #served = new Map<string, { count: number }>();
  #characters = 0;
  readonly #maxKeys: number;

  constructor(maxKeys: number = MAX_KEYS) {
    this.#maxKeys = maxKeys;
  }

  /** A copy of `key` is kept from now on. */
  add(key: string): void {
    this.#forget(key);
    this.#served.set(detach(key), { count: 0 });
    this.#characters += key.length;
    for (const oldest of this.#served.keys()) {
      const isMuch = this.#served.size > this.#maxKeys ||
        this.#characters > MAX_CHARACTERS;
      if (!isMuch) return;
      this.#forget(oldest);
    }
  }

  /** A copy of `key` was used. It may be one that is not counted. */
  used(key: string): void {
    if (this.#served.size === 0) return;
    const served = this.#served.get(key);
    if (served !== undefined) served.count++;
  }

  /**
   * How often the last copy of `key` was used, for its owner, which is asked for it now.
   * That is told once: after this it is 0.
   */
  take(key: string): number {
    if (this.#served.size === 0) return 0;
    const count = this.#served.get(key)?.count ?? 0;
    this.#forget(key);
    return count;
  }

  #forget(key: string): void {
    if (this.#served.delete(key)) this.#characters -= key.length;
  }
}
