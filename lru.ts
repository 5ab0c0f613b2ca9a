/**
 * Order of use and total weight.
 *
 * An {@linkcode LRU} is a map with a budget: what was used least recently goes
 * first when a new entry does not fit. Reading, writing and evicting take
 * constant time: entries hang in a doubly linked list beside the map, so a use
 * moves links and never touches the map.
 *
 * @module
 */

/**
 * Why an entry left.
 *
 * - `"capacity"`: it was the least recently used one when room was needed, or
 *   {@linkcode LRU.evictOldest} was called.
 * - `"replaced"`: its key was set again.
 * - `"deleted"`: its key was deleted.
 * - `"cleared"`: everything was.
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
   * What an entry weighs: a whole number of at least 0, so that sums stay exact.
   * Called once for each `set`, before anything changes; what it throws reaches
   * the caller of `set`.
   *
   * @default {() => 1} so that `maxWeight` counts entries
   */
  weigh?: (key: K, value: V) => number;
  /**
   * Called for each entry that left, after the LRU is consistent again: it may
   * call back in. When several leave in one operation, each is reported even if
   * a report throws; the first error then reaches the caller of the operation.
   */
  onEvict?: (key: K, value: V, reason: EvictionReason) => void;
}

/** An entry, and its place between an older and a newer one. */
interface Entry<K, V> {
  readonly key: K;
  value: V;
  weight: number;
  older: Entry<K, V>;
  newer: Entry<K, V>;
}

/**
 * A map that keeps what was used most recently, within a budget of weight.
 *
 * Keys are compared as in a `Map`. An entry that alone is heavier than the
 * budget is not kept and evicts nothing else; an older value under its key goes
 * all the same, since it is no longer true. `onEvict` does not hear of entries
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
  readonly #map = new Map<K, Entry<K, V>>();
  // The end of the ring: `#end.newer` is the oldest entry, `#end.older` the newest.
  readonly #end: Entry<K, V>;
  readonly #maxWeight: number;
  readonly #weigh: ((key: K, value: V) => number) | undefined;
  readonly #onEvict: LRUOptions<K, V>["onEvict"];
  #weight = 0;

  /**
   * Makes an empty LRU.
   *
   * @throws {RangeError} If `maxWeight` is not more than 0.
   */
  constructor(options: LRUOptions<K, V> = {}) {
    const { maxWeight = Infinity, weigh, onEvict } = options;
    if (!(maxWeight > 0)) {
      throw new RangeError(
        `Cannot create LRU: maxWeight must be a number greater than 0: received ${maxWeight}`,
      );
    }
    this.#maxWeight = maxWeight;
    this.#weigh = weigh;
    this.#onEvict = onEvict;
    this.#end = endOfRing();
  }

  /** How many entries there are. */
  get size(): number {
    return this.#map.size;
  }

  /** What all entries weigh together; never more than `maxWeight`. */
  get weight(): number {
    return this.#weight;
  }

  /** The value under `key`, which becomes the most recently used. */
  get(key: K): V | undefined {
    const entry = this.#map.get(key);
    if (entry === undefined) return undefined;
    const end = this.#end;
    if (end.older !== entry) {
      unlink(entry);
      link(entry, end);
    }
    return entry.value;
  }

  /** The value under `key`, without counting as a use. */
  peek(key: K): V | undefined {
    return this.#map.get(key)?.value;
  }

  /** Whether there is an entry under `key`, without counting as a use. */
  has(key: K): boolean {
    return this.#map.has(key);
  }

  /**
   * Keeps `value` under `key` as the most recently used entry, weighed anew, and
   * evicts from the least recently used end what no longer fits.
   *
   * @throws {RangeError} If `weigh` gives no whole number of at least 0. Nothing
   *   has changed then.
   */
  set(key: K, value: V): this {
    const weight = this.#weigh === undefined ? 1 : this.#weigh(key, value);
    if (!Number.isSafeInteger(weight) || weight < 0) {
      throw new RangeError(
        `Cannot set an entry in LRU: weigh() must give a whole number of at least 0: received ${weight}`,
      );
    }
    const old = this.#map.get(key);
    const replaced = old?.value;
    if (weight > this.#maxWeight) {
      if (old !== undefined) {
        this.#take(old);
        this.#onEvict?.(key, replaced as V, "replaced");
      }
      return this;
    }
    const end = this.#end;
    if (old === undefined) {
      const entry = { key, value, weight, older: end, newer: end };
      this.#map.set(key, entry);
      link(entry, end);
    } else {
      this.#weight -= old.weight;
      old.value = value;
      old.weight = weight;
      unlink(old);
      link(old, end);
    }
    this.#weight += weight;
    if (old === undefined && this.#weight <= this.#maxWeight) return this;
    this.#shrink(old, replaced);
    return this;
  }

  /** Evicts until the budget holds, then reports, the replaced value first. */
  #shrink(old: Entry<K, V> | undefined, replaced: V | undefined): void {
    if (this.#onEvict === undefined) {
      while (this.#weight > this.#maxWeight) this.#take(this.#end.newer);
      return;
    }
    const left: [K, V, EvictionReason][] = [];
    if (old !== undefined) left.push([old.key, replaced as V, "replaced"]);
    while (this.#weight > this.#maxWeight) {
      const oldest = this.#take(this.#end.newer);
      left.push([oldest.key, oldest.value, "capacity"]);
    }
    this.#report(left);
  }

  /** Drops the entry under `key`. Returns whether there was one. */
  delete(key: K): boolean {
    const entry = this.#map.get(key);
    if (entry === undefined) return false;
    this.#take(entry);
    this.#onEvict?.(entry.key, entry.value, "deleted");
    return true;
  }

  /** Drops the least recently used entry and returns it. */
  evictOldest(): [K, V] | undefined {
    const entry = this.#end.newer;
    if (entry === this.#end) return undefined;
    this.#take(entry);
    this.#onEvict?.(entry.key, entry.value, "capacity");
    return [entry.key, entry.value];
  }

  /** Drops every entry. */
  clear(): void {
    const left: [K, V, EvictionReason][] = [];
    if (this.#onEvict !== undefined) {
      for (const [key, value] of this) left.push([key, value, "cleared"]);
    }
    this.#map.clear();
    this.#end.older = this.#end.newer = this.#end;
    this.#weight = 0;
    this.#report(left);
  }

  /**
   * The entries, least recently used first, without counting as uses. They are
   * those of the moment at which the iteration begins, less what is dropped before
   * its turn.
   */
  *[Symbol.iterator](): IterableIterator<[K, V]> {
    const entries: Entry<K, V>[] = [];
    for (let n = this.#end.newer; n !== this.#end; n = n.newer) entries.push(n);
    for (const entry of entries) {
      if (this.#map.get(entry.key) === entry) yield [entry.key, entry.value];
    }
  }

  /** Takes an entry out of map, list and sum. */
  #take(entry: Entry<K, V>): Entry<K, V> {
    this.#map.delete(entry.key);
    unlink(entry);
    this.#weight -= entry.weight;
    return entry;
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

/** An entry that is no entry: both neighbours of itself. */
function endOfRing<K, V>(): Entry<K, V> {
  // The same fields in the same order as every entry, so that V8 gives all one shape.
  const end = {
    key: undefined,
    value: undefined,
    weight: 0,
    older: undefined,
    newer: undefined,
  } as unknown as Entry<K, V>;
  end.older = end.newer = end;
  return end;
}

function unlink<K, V>(entry: Entry<K, V>): void {
  entry.older.newer = entry.newer;
  entry.newer.older = entry.older;
}

/** Puts `entry` at the newest place, before `end`. */
function link<K, V>(entry: Entry<K, V>, end: Entry<K, V>): void {
  entry.older = end.older;
  entry.newer = end;
  end.older.newer = entry;
  end.older = entry;
}
