/**
 * How often the copies were used that are kept here because their owner said so.
 *
 * The owner does not see these uses. It is told of them when it is asked for the key
 * again, or a key that is hot everywhere would look cold to it.
 *
 * @module
 */

import { detach } from "../base/keys.ts";

/** The keys that are remembered. */
const MAX_KEYS = 10_000;

/** The copies of one group that its keys' owners wanted to be kept. */
export class Copies {
  /** How often each was used since it came; the oldest first. */
  readonly #served = new Map<string, { count: number }>();
  readonly #maxKeys: number;

  constructor(maxKeys: number = MAX_KEYS) {
    this.#maxKeys = maxKeys;
  }

  /** A copy of `key` is kept from now on. */
  add(key: string): void {
    const served = this.#served;
    served.delete(key);
    served.set(detach(key), { count: 0 });
    if (served.size <= this.#maxKeys) return;
    for (const oldest of served.keys()) {
      served.delete(oldest);
      return;
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
    this.#served.delete(key);
    return count;
  }

  /** Forgets all of them. */
  clear(): void {
    this.#served.clear();
  }
}
