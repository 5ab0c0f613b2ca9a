/**
 * Order of use and total weight.
 *
 * An {@linkcode LRU} is a map with a budget: what was used least recently goes
 * first when a new entry does not fit. Reading, writing and evicting take
 * constant time: entries hang in a doubly linked list beside the map, so a use
 * moves links and never touches the map. The links are numbers in typed arrays.
 * An object for each entry would take three times the room, and V8 would be slow
 * to collect it once the entry has left.
 *
 * @example A budget in characters, and the entry that had to go
 * ```ts
 * import { LRU } from "@geecache/geecache/lru";
 * import { assertEquals } from "@std/assert";
 *
 * const gone: string[] = [];
 * const pages = new LRU<string, string>({
 *   maxWeight: 10,
 *   weigh: (_path, text) => text.length,
 *   onEvict: (path, _text, reason) => gone.push(`${path}: ${reason}`),
 * });
 *
 * pages.set("/", "hello").set("/a", "world").set("/b", "!");
 * assertEquals(pages.get("/"), undefined);
 * assertEquals([pages.weight, gone], [6, ["/: capacity"]]);
 * ```
 *
 * @module
 */

import {
  checkFunctions,
  checkNumbers,
  checkOptions,
  type Names,
} from "./base/checks.ts";

/**
 * Why an entry left.
 *
 * - `"capacity"`: it was the least recently used one when room was needed, or
 *   {@linkcode LRU.evictOldest} was called.
 * - `"replaced"`: its key was set again.
 * - `"deleted"`: its key was deleted.
 * - `"cleared"`: all entries were dropped.
 */
export type EvictionReason = "capacity" | "replaced" | "deleted" | "cleared";

/** Options for an {@linkcode LRU}. */
export interface LRUOptions<K, V> {
  /**
   * The most that all entries together may weigh, in the units of `weigh`. More
   * than 0.
   *
   * @default {Infinity}
   */
  maxWeight?: number;
  /**
   * The weight of an entry: a whole number of at least 0, so that sums stay exact.
   * It is called once for each `set`, before anything changes. What it throws
   * reaches the caller of `set`.
   *
   * @default {() => 1} so that `maxWeight` counts entries
   */
  weigh?: (key: K, value: V) => number;
  /**
   * Called for each entry that left, after the LRU is consistent again, so it may
   * call back in. When several leave in one operation, each is reported even if
   * a report throws. The first error then reaches the caller of the operation.
   */
  onEvict?: (key: K, value: V, reason: EvictionReason) => void;
}

const ACTION = "Cannot create LRU";

/** The names of all options. */
const OPTIONS: Names<LRUOptions<unknown, unknown>> = {
  maxWeight: true,
  weigh: true,
  onEvict: true,
};

/** How many slots an empty LRU has. */
const FIRST_SLOTS = 16;

/**
 * A map that keeps what was used most recently, within a budget of weight.
 *
 * Keys are compared as in a `Map`. There are at most as many as a `Map` holds, in V8
 * 16.7 million: past that, the least recently used go. An entry that alone is heavier
 * than the budget is not kept and evicts nothing else. An older value under its key
 * goes all the same, since it is no longer true. `onEvict` does not hear of entries
 * that were never kept.
 *
 * @example The two used last of three
 * ```ts
 * import { LRU } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const lru = new LRU<string, number>({ maxWeight: 2 });
 * lru.set("a", 1).set("b", 2);
 * lru.get("a");
 * lru.set("c", 3);
 * assertEquals([...lru], [["a", 1], ["c", 3]]);
 * ```
 */
export class LRU<K, V> implements Iterable<[K, V]> {
  // The slot of each key. Slot 0 is the end of the ring: `#newer[0]` is the oldest
  // entry, `#older[0]` the newest.
  #map = new Map<K, number>();
  /** How many entries were put into the map since it was made, those that left, too. */
  #put = 0;
  /** What left to make room in the map, until it is reported. */
  #squeezed: [K, V, EvictionReason][] | undefined;
  #keys: (K | undefined)[] = [undefined];
  #values: (V | undefined)[] = [undefined];
  #weights: Float64Array = new Float64Array(FIRST_SLOTS);
  #older: Uint32Array = new Uint32Array(FIRST_SLOTS);
  #newer: Uint32Array = new Uint32Array(FIRST_SLOTS);
  // The first free slot. Each free slot has the next one in `#newer`.
  #free = 0;
  readonly #maxWeight: number;
  readonly #weigh: ((key: K, value: V) => number) | undefined;
  readonly #onEvict: LRUOptions<K, V>["onEvict"];
  #weight = 0;

  /**
   * Makes an empty LRU.
   *
   * @throws {TypeError} If an option is of the wrong kind, or there is no such option.
   * @throws {RangeError} If `maxWeight` is not more than 0.
   */
  constructor(options: LRUOptions<K, V> = {}) {
    checkOptions<LRUOptions<K, V>>(ACTION, options, OPTIONS);
    const { maxWeight = Infinity, weigh, onEvict } = options;
    checkFunctions(ACTION, { weigh, onEvict });
    checkNumbers(ACTION, "a number greater than 0", { maxWeight });
    this.#maxWeight = maxWeight;
    this.#weigh = weigh;
    this.#onEvict = onEvict;
  }

  /** How many entries there are. */
  get size(): number {
    return this.#map.size;
  }

  /** The weight of all entries together. Never more than `maxWeight`. */
  get weight(): number {
    return this.#weight;
  }

  /** The value under `key`, which becomes the most recently used. */
  get(key: K): V | undefined {
    const slot = this.#map.get(key);
    if (slot === undefined) return undefined;
    if (this.#older[0] !== slot) {
      this.#unlink(slot);
      this.#link(slot);
    }
    return this.#values[slot];
  }

  /** The value under `key`, without counting as a use. */
  peek(key: K): V | undefined {
    const slot = this.#map.get(key);
    return slot === undefined ? undefined : this.#values[slot];
  }

  /** Whether there is an entry under `key`, without counting as a use. */
  has(key: K): boolean {
    return this.#map.has(key);
  }

  /**
   * Keeps `value` under `key` as the most recently used entry, weighed anew, and
   * evicts from the least recently used end what no longer fits.
   *
   * @throws {RangeError} If `weigh` returns anything but a whole number of at
   *   least 0. Nothing has changed then.
   */
  set(key: K, value: V): this {
    const weight = this.#weigh === undefined ? 1 : this.#weigh(key, value);
    if (!Number.isSafeInteger(weight) || weight < 0) {
      throw new RangeError(
        `Cannot set an entry in LRU: weigh() must give a whole number of at least 0: received ${weight}`,
      );
    }
    const old = this.#map.get(key);
    const replaced = old === undefined ? undefined : this.#values[old];
    if (weight > this.#maxWeight) {
      if (old !== undefined) {
        this.#take(old);
        this.#onEvict?.(key, replaced as V, "replaced");
      }
      return this;
    }
    const slot = old ?? this.#add(key);
    if (old !== undefined) {
      this.#weight -= this.#weights[slot]!;
      this.#unlink(slot);
    }
    this.#values[slot] = value;
    this.#weights[slot] = weight;
    this.#link(slot);
    this.#weight += weight;
    const isDone = old === undefined && this.#weight <= this.#maxWeight &&
      this.#squeezed === undefined;
    if (isDone) return this;
    this.#shrink(old !== undefined, key, replaced);
    return this;
  }

  /** Evicts until the budget holds, then reports, the replaced value first. */
  #shrink(replacing: boolean, key: K, replaced: V | undefined): void {
    const left = this.#squeezed ?? [];
    this.#squeezed = undefined;
    if (this.#onEvict === undefined) {
      while (this.#weight > this.#maxWeight) this.#take(this.#newer[0]!);
      return;
    }
    if (replacing) left.push([key, replaced as V, "replaced"]);
    while (this.#weight > this.#maxWeight) {
      left.push([...this.#take(this.#newer[0]!), "capacity"]);
    }
    this.#report(left);
  }

  /** Drops the entry under `key`. Returns whether there was one. */
  delete(key: K): boolean {
    const slot = this.#map.get(key);
    if (slot === undefined) return false;
    const left = this.#take(slot);
    this.#onEvict?.(...left, "deleted");
    return true;
  }

  /** Drops the least recently used entry and returns it. */
  evictOldest(): [K, V] | undefined {
    const slot = this.#newer[0]!;
    if (slot === 0) return undefined;
    const left = this.#take(slot);
    this.#onEvict?.(...left, "capacity");
    return left;
  }

  /** Drops every entry. */
  clear(): void {
    const left: [K, V, EvictionReason][] = [];
    if (this.#onEvict !== undefined) {
      for (const [key, value] of this) left.push([key, value, "cleared"]);
    }
    this.#map.clear();
    this.#put = 0;
    this.#keys = [undefined];
    this.#values = [undefined];
    this.#weights = new Float64Array(FIRST_SLOTS);
    this.#older = new Uint32Array(FIRST_SLOTS);
    this.#newer = new Uint32Array(FIRST_SLOTS);
    this.#free = 0;
    this.#weight = 0;
    this.#report(left);
  }

  /**
   * The entries, least recently used first, without counting as uses. The keys are
   * those of the moment at which the iteration begins. Each comes with the value
   * that it has at its turn, and a key that is gone by then is left out.
   */
  *[Symbol.iterator](): IterableIterator<[K, V]> {
    const keys: K[] = [];
    for (let s = this.#newer[0]!; s !== 0; s = this.#newer[s]!) {
      keys.push(this.#keys[s] as K);
    }
    for (const key of keys) {
      const slot = this.#map.get(key);
      if (slot !== undefined) yield [key, this.#values[slot] as V];
    }
  }

  /** Gives `key` a slot that is not in the list yet. */
  #add(key: K): number {
    try {
      return this.#place(key);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // A map of V8 has room for 2^24 entries. Those that left count, too, until it
      // tidies itself up, which it does only if fewer than half live. A copy has only
      // those that live. It must have room for many more, or each of them would need
      // another copy.
      const { size } = this.#map;
      if (this.#put - size <= size / 16) this.#squeeze(Math.ceil(size / 16));
      this.#map = new Map(this.#map);
      this.#put = this.#map.size;
      return this.#place(key);
    }
  }

  /** As `#add()`. If the map or memory is full, nothing has changed. */
  #place(key: K): number {
    const isNew = this.#free === 0;
    const slot = isNew ? this.#keys.length : this.#free;
    if (slot === this.#newer.length) this.#grow(slot * 2);
    this.#map.set(key, slot);
    this.#put++;
    if (!isNew) this.#free = this.#newer[slot]!;
    this.#keys[slot] = key;
    return slot;
  }

  /** Evicts so many entries. */
  #squeeze(entries: number): void {
    const squeezed = this.#squeezed ??= [];
    for (let i = 0; i < entries; i++) {
      const left = this.#take(this.#newer[0]!);
      if (this.#onEvict !== undefined) {
        squeezed.push([...left, "capacity"]);
      }
    }
  }

  #grow(slots: number): void {
    const enlarge = (links: Uint32Array): Uint32Array => {
      const enlarged = new Uint32Array(slots);
      enlarged.set(links);
      return enlarged;
    };
    const older = enlarge(this.#older);
    const newer = enlarge(this.#newer);
    const weights = new Float64Array(slots);
    weights.set(this.#weights);
    this.#older = older;
    this.#newer = newer;
    this.#weights = weights;
  }

  /** Takes an entry out of the map, the list and the sum, and frees its slot. */
  #take(slot: number): [K, V] {
    const key = this.#keys[slot] as K;
    const value = this.#values[slot] as V;
    this.#map.delete(key);
    this.#unlink(slot);
    this.#weight -= this.#weights[slot]!;
    this.#keys[slot] = this.#values[slot] = undefined;
    this.#newer[slot] = this.#free;
    this.#free = slot;
    return [key, value];
  }

  #unlink(slot: number): void {
    const older = this.#older[slot]!;
    const newer = this.#newer[slot]!;
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }

  /** Puts `slot` in the newest place. */
  #link(slot: number): void {
    const newest = this.#older[0]!;
    this.#older[slot] = newest;
    this.#newer[slot] = 0;
    this.#newer[newest] = slot;
    this.#older[0] = slot;
  }

  #report(left: readonly [K, V, EvictionReason][]): void {
    if (this.#onEvict === undefined) return;
    let failed = false;
    let failure: unknown;
    for (const [key, value, reason] of left) {
      try {
        this.#onEvict(key, value, reason);
      } catch (error) {
        if (!failed) [failed, failure] = [true, error];
      }
    }
    if (failed) throw failure;
  }
}
