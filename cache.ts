/**
 * What a group keeps in memory: stores with byte accounting, expiry and hit
 * counters, and the budget that two of them share.
 *
 * @module
 */

import { type ByteView, MAX_PACKED_BYTES } from "./byte_view.ts";
import type { Clock } from "./clock.ts";
import { LRU } from "./lru.ts";

/** What one store of a group holds and did, at one moment. */
export interface CacheStats {
  /** What its entries are charged: see `GroupOptions.maxBytes`. */
  bytes: number;
  /** How many entries it holds, expired ones that nobody asked for since included. */
  items: number;
  /** How often it was asked. */
  gets: number;
  /** How often it had the answer. */
  hits: number;
  /** How many entries it gave up to make room. */
  evictions: number;
}

/**
 * What V8 adds to an entry whose value is packed into a string: map slot, list
 * node, entry, view, promise and string headers, and the garbage that waits for
 * its collection. Measured with `deno task bench:memory`.
 */
const PACKED_OVERHEAD = 450;
/** The same for a value in an `ArrayBuffer` of its own. */
const BUFFER_OVERHEAD = 900;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const scratch = new Uint8Array(3 * 256);

/** A value in a store. */
export interface Entry {
  readonly view: ByteView;
  /** Resolved, made once: a hit hands out this one instead of making its own. */
  readonly promise: Promise<ByteView>;
  /** By the group's clock; `Infinity`: never. */
  readonly expiresAt: number;
  readonly charge: number;
}

/** One store of a group. */
export class Cache {
  readonly #lru = new LRU<string, Entry>({
    weigh: (_key, entry) => entry.charge,
  });
  readonly #clock: Clock;
  #gets = 0;
  #hits = 0;
  #evictions = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#lru.weight;
  }

  get size(): number {
    return this.#lru.size;
  }

  /** The live entry under `key`, as a counted use. */
  get(key: string): Entry | undefined {
    this.#gets++;
    const entry = this.#lru.get(key);
    if (entry === undefined) return undefined;
    if (this.#isOver(entry)) {
      this.#lru.delete(key);
      return undefined;
    }
    this.#hits++;
    return entry;
  }

  /** The live entry under `key`; neither a use nor counted. */
  peek(key: string): Entry | undefined {
    const entry = this.#lru.peek(key);
    return entry === undefined || this.#isOver(entry) ? undefined : entry;
  }

  set(key: string, entry: Entry): void {
    this.#lru.set(key, entry);
  }

  delete(key: string): void {
    this.#lru.delete(key);
  }

  evictOldest(): void {
    if (this.#lru.evictOldest() !== undefined) this.#evictions++;
  }

  clear(): void {
    this.#lru.clear();
  }

  *keys(): IterableIterator<string> {
    for (const [key, entry] of this.#lru) if (!this.#isOver(entry)) yield key;
  }

  stats(): CacheStats {
    return {
      bytes: this.bytes,
      items: this.size,
      gets: this.#gets,
      hits: this.#hits,
      evictions: this.#evictions,
    };
  }

  #isOver(entry: Entry): boolean {
    return entry.expiresAt !== Infinity &&
      entry.expiresAt <= this.#clock.now();
  }
}

/**
 * The two stores of a group under one budget: main, for the keys that this
 * process owns, and hot, for copies of others' keys. A key is in at most one.
 * When room is needed, hot gives way while it is above an eighth of main, as in
 * golang/groupcache.
 */
export class CachePair {
  readonly main: Cache;
  readonly hot: Cache;
  readonly #maxBytes: number;
  readonly #clock: Clock;

  constructor(maxBytes: number, clock: Clock) {
    this.main = new Cache(clock);
    this.hot = new Cache(clock);
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  get(key: string): Entry | undefined {
    return this.main.get(key) ?? this.hot.get(key);
  }

  peek(key: string): Entry | undefined {
    return this.main.peek(key) ?? this.hot.peek(key);
  }

  /**
   * Keeps `view` under `key` for `ttlMs`, if it lives and fits at all. Whatever
   * was under the key is no longer true and goes in any case.
   */
  set(where: "main" | "hot", key: string, view: ByteView, ttlMs: number): void {
    this.delete(key);
    if (ttlMs <= 0) return;
    const [ownKey, keyBytes] = measure(key);
    const compact = view.compact();
    const charge = keyBytes + compact.byteLength +
      (compact.byteLength <= MAX_PACKED_BYTES
        ? PACKED_OVERHEAD
        : BUFFER_OVERHEAD);
    if (charge > this.#maxBytes) return;
    this.#makeRoom(where, charge);
    this[where].set(ownKey, {
      view: compact,
      promise: Promise.resolve(compact),
      expiresAt: ttlMs === Infinity ? Infinity : this.#clock.now() + ttlMs,
      charge,
    });
  }

  delete(key: string): void {
    this.main.delete(key);
    this.hot.delete(key);
  }

  clear(): void {
    this.main.clear();
    this.hot.clear();
  }

  *keys(): IterableIterator<string> {
    yield* this.main.keys();
    yield* this.hot.keys();
  }

  #makeRoom(where: "main" | "hot", charge: number): void {
    const { main, hot } = this;
    const toMain = where === "main" ? charge : 0;
    const toHot = charge - toMain;
    while (main.bytes + hot.bytes + charge > this.#maxBytes) {
      const hotFirst = hot.bytes + toHot > (main.bytes + toMain) / 8;
      if (main.size === 0 || (hotFirst && hot.size > 0)) hot.evictOldest();
      else main.evictOldest();
    }
  }
}

/**
 * A copy of `key` that shares no memory with the string it may have been cut
 * from, such as a whole URL, and the length of its UTF-8.
 */
function measure(key: string): [key: string, bytes: number] {
  const bytes = key.length * 3 <= scratch.length
    ? scratch.subarray(0, encoder.encodeInto(key, scratch).written)
    : encoder.encode(key);
  return [decoder.decode(bytes), bytes.length];
}
