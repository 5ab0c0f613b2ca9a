/**
 * One of the two stores of a group, as its counters see it.
 *
 * @module
 */

import type { Arena } from "./arena.ts";

/** The contents and the counters of one store of a group, at one moment. */
export interface CacheStats {
  /** The bytes that its entries take; see `GroupOptions.maxBytes`. */
  bytes: number;
  /** How many entries it holds, including expired ones that nobody has asked for since. */
  items: number;
  /** How often it was asked. */
  gets: number;
  /** How often it had a live value. */
  hits: number;
  /** How many entries it dropped to make room. */
  evictions: number;
}

/** One store of a group. */
export class Cache {
  readonly #store: 0 | 1;
  readonly #arena: Arena;
  readonly #keys: () => IterableIterator<string>;
  /** How often it was asked. The pair counts. */
  gets = 0;
  hits = 0;

  constructor(
    store: 0 | 1,
    arena: Arena,
    keys: () => IterableIterator<string>,
  ) {
    this.#store = store;
    this.#arena = arena;
    this.#keys = keys;
  }

  get bytes(): number {
    return this.#arena.stored[this.#store];
  }

  get size(): number {
    return this.#arena.items[this.#store];
  }

  /** The keys of its live values. */
  keys(): IterableIterator<string> {
    return this.#keys();
  }

  stats(): CacheStats {
    return {
      bytes: this.bytes,
      items: this.size,
      gets: this.gets,
      hits: this.hits,
      evictions: this.#arena.evictions[this.#store],
    };
  }
}
