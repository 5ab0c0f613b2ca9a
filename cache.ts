/**
 * The memory of a group: two stores with byte accounting, expiry and hit counters,
 * under one budget.
 *
 * @module
 */

import { ByteView, MAX_PACKED_BYTES } from "./base/byte_view.ts";
import type { Clock } from "./base/clock.ts";
import { detach, utf8 } from "./base/keys.ts";
import { LRU } from "./lru.ts";

/** The contents and the counters of one store of a group, at one moment. */
export interface CacheStats {
  /** The bytes that its entries are charged; see `GroupOptions.maxBytes`. */
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

/**
 * The bytes that V8 adds to an entry. Key, map slot, view and promise take about
 * 230 while they are alive. The garbage that V8 lets gather before it collects
 * takes nearly twice as much again. Measured with `deno task bench:memory`.
 */
const ENTRY_OVERHEAD = 640;
/** Added for each byte of a packed value, which is garbage in V8's heap later. */
const PACKED_BYTE_OVERHEAD = 4;
/** Replaces both for an entry whose value has an `ArrayBuffer` of its own. */
const BUFFER_ENTRY_OVERHEAD = 1400;

/**
 * Where a value came from. It decides what becomes of it when the list of peers
 * changes, and when a peer turns out to have missed a removal.
 *
 * - `"loaded"`: in main, from the getter or from a `set`; no other process had it
 *   first. In hot, from the getter, in the owner's place: it becomes this process's own
 *   if this process is the next owner.
 * - `"inherited"`: from the memory of a process that owned the key, or held here in
 *   the owner's place until this process became the owner. It may be a value that
 *   its last owner should have dropped.
 * - `"mirrored"`: a copy of what the owner answered, of a `set` that reached this
 *   process although another one owns the key, or of what this process owned before
 *   the list changed. It never becomes this process's own.
 */
export type Source = "loaded" | "inherited" | "mirrored";

/** A value with more to it than its bytes. */
interface Annotated {
  readonly view: ByteView;
  /** By the group's clock. */
  readonly expiresAt: number;
  /** When it would end if it were not a copy; absent: when it ends. */
  readonly ownExpiresAt?: number;
  /** Absent: the usual one of its store. */
  source?: Source;
}

/** What is known of a value that is to be kept. */
export interface KeepOptions {
  /** How long it would live if it were not a copy; default: as long as it does. */
  ownTtlMs?: number;
  /** Default: `"loaded"` in main, `"mirrored"` in hot. */
  source?: Source;
}

/** Most values live for ever and came the usual way: they need no object around them. */
type Stored = ByteView | Annotated;

function viewOf(stored: Stored): ByteView {
  return stored instanceof ByteView ? stored : stored.view;
}

/** One store of a group. */
export class Cache {
  readonly #lru = new LRU<string, Stored>({
    weigh: (key, stored) => chargeOf(key, viewOf(stored)),
  });
  readonly #clock: Clock;
  readonly #usualSource: Source;
  #gets = 0;
  #hits = 0;
  #evictions = 0;

  constructor(clock: Clock, usualSource: Source) {
    this.#clock = clock;
    this.#usualSource = usualSource;
  }

  get bytes(): number {
    return this.#lru.weight;
  }

  get size(): number {
    return this.#lru.size;
  }

  /** The live value under `key`. Counts as a use. */
  get(key: string): ByteView | undefined {
    this.#gets++;
    const stored = this.#lru.get(key);
    if (stored === undefined) return undefined;
    if (this.#isOver(stored)) {
      this.#lru.delete(key);
      return undefined;
    }
    this.#hits++;
    return viewOf(stored);
  }

  /** The live value under `key`. Neither a use nor counted. */
  peek(key: string): ByteView | undefined {
    const stored = this.#lru.peek(key);
    return stored === undefined || this.#isOver(stored)
      ? undefined
      : viewOf(stored);
  }

  /** When the value under `key` expires, by the group's clock, or `Infinity` if never. */
  expiresAt(key: string): number {
    const stored = this.#lru.peek(key);
    return stored === undefined || stored instanceof ByteView
      ? Infinity
      : stored.expiresAt;
  }

  /** When the value would end if it were not a copy; `Infinity`: never. */
  ownExpiresAt(key: string): number {
    const stored = this.#lru.peek(key);
    return stored === undefined || stored instanceof ByteView
      ? Infinity
      : stored.ownExpiresAt ?? stored.expiresAt;
  }

  set(
    key: string,
    view: ByteView,
    expiresAt: number,
    ownExpiresAt: number = expiresAt,
    source: Source = this.#usualSource,
  ): void {
    if (source !== this.#usualSource) {
      this.#lru.set(key, { view, expiresAt, ownExpiresAt, source });
    } else if (expiresAt === Infinity) this.#lru.set(key, view);
    else if (ownExpiresAt <= expiresAt) this.#lru.set(key, { view, expiresAt });
    else this.#lru.set(key, { view, expiresAt, ownExpiresAt });
  }

  /** Takes what hot holds in place of an owner that this process is now. */
  inherit(hot: Cache, owns: (key: string) => boolean): void {
    for (const [key, stored] of hot.#lru) {
      if (stored instanceof ByteView) continue;
      if ((stored.source ?? hot.#usualSource) === "mirrored") continue;
      // If this process is not the owner now, it may miss writes from here on, so
      // the value must not become its own later.
      stored.source = "mirrored";
      if (hot.#isOver(stored) || !owns(key)) continue;
      const expiresAt = hot.ownExpiresAt(key);
      hot.delete(key);
      this.set(key, stored.view, expiresAt, expiresAt, "inherited");
    }
  }

  /** Moves a value here from another store, to live until `expiresAt` at most. */
  adopt(key: string, from: Cache, expiresAt: number): void {
    const view = from.peek(key);
    const ownExpiresAt = from.ownExpiresAt(key);
    from.delete(key);
    if (view === undefined) return;
    this.set(key, view, Math.min(expiresAt, ownExpiresAt), ownExpiresAt);
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

  /** Where the value under `key` came from, even if it has expired; `undefined`: there is none. */
  sourceOf(key: string): Source | undefined {
    const stored = this.#lru.peek(key);
    if (stored === undefined) return undefined;
    return stored instanceof ByteView
      ? this.#usualSource
      : stored.source ?? this.#usualSource;
  }

  *keys(): IterableIterator<string> {
    for (const [key, stored] of this.#lru) if (!this.#isOver(stored)) yield key;
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

  #isOver(stored: Stored): boolean {
    return !(stored instanceof ByteView) &&
      stored.expiresAt <= this.#clock.now();
  }
}

/**
 * The two stores of a group under one budget. `main` holds the keys that this
 * process owns, and `hot` holds copies of keys that others own. A key is in at
 * most one of them. When room is needed, `hot` evicts first while it is larger
 * than an eighth of `main`, as in golang/groupcache.
 */
export class CachePair {
  readonly main: Cache;
  readonly hot: Cache;
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #onEvict: (store: "main" | "hot") => void;

  /** @param onEvict Hears from which store an entry left to make room. */
  constructor(
    maxBytes: number,
    clock: Clock,
    onEvict: (store: "main" | "hot") => void = () => {},
  ) {
    this.main = new Cache(clock, "loaded");
    this.hot = new Cache(clock, "mirrored");
    this.#maxBytes = maxBytes;
    this.#clock = clock;
    this.#onEvict = onEvict;
  }

  /**
   * The live value under `key`. Counts as a use.
   *
   * @param onCopy Hears if the value is in hot.
   */
  get(key: string, onCopy?: (key: string) => void): ByteView | undefined {
    const own = this.main.get(key);
    if (own !== undefined) return own;
    const copy = this.hot.get(key);
    if (copy !== undefined) onCopy?.(key);
    return copy;
  }

  peek(key: string): ByteView | undefined {
    return this.main.peek(key) ?? this.hot.peek(key);
  }

  /** When the value under `key` expires, by the group's clock, or `Infinity` if never. */
  expiresAt(key: string): number {
    // A store that does not have the key answers Infinity.
    return Math.min(this.main.expiresAt(key), this.hot.expiresAt(key));
  }

  /**
   * Keeps `view` under `key` for `ttlMs`, unless that is 0 or the entry alone
   * exceeds the budget. An older value under the key is no longer true, so it goes
   * in any case.
   */
  set(
    where: "main" | "hot",
    key: string,
    view: ByteView,
    ttlMs: number,
    { ownTtlMs = ttlMs, source }: KeepOptions = {},
  ): void {
    this.delete(key);
    if (ttlMs <= 0) return;
    const compact = view.compact();
    const charge = chargeOf(key, compact);
    if (charge > this.#maxBytes) return;
    this.#makeRoom(where, charge);
    const now = this.#clock.now();
    this[where].set(
      detach(key),
      compact,
      now + ttlMs,
      now + ownTtlMs,
      source,
    );
  }

  /** When the value would end if it were not a copy; `Infinity`: never. */
  ownExpiresAt(key: string): number {
    return Math.min(this.main.ownExpiresAt(key), this.hot.ownExpiresAt(key));
  }

  /**
   * The list of peers has changed. Main takes from hot what this process held in
   * place of an owner that it is now itself. What main holds of others' keys becomes
   * copies, which live for `ttlMs` at most.
   *
   * @param wasTold Whether this process was told of writes until now. If not, main
   *   takes nothing from hot.
   */
  ringChanged(
    owns: (key: string) => boolean,
    ttlMs: number,
    wasTold: boolean,
  ): void {
    this.main.inherit(this.hot, (key) => wasTold && owns(key));
    const expiresAt = this.#clock.now() + ttlMs;
    for (const key of this.main.keys()) {
      if (owns(key)) continue;
      if (ttlMs > 0) this.hot.adopt(key, this.main, expiresAt);
      else this.main.delete(key);
    }
  }

  delete(key: string): void {
    this.main.delete(key);
    this.hot.delete(key);
  }

  clear(): void {
    this.main.clear();
    this.hot.clear();
  }

  /** Drops a copy, and what this process inherited. What it loaded as owner stays. */
  deleteCopy(key: string): void {
    this.hot.delete(key);
    if (this.main.sourceOf(key) === "inherited") this.main.delete(key);
  }

  /** Drops all of them, as `deleteCopy()` does. */
  clearCopies(): void {
    this.hot.clear();
    for (const key of this.main.keys()) this.deleteCopy(key);
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
      const store = main.size === 0 || (hotFirst && hot.size > 0)
        ? "hot"
        : "main";
      this[store].evictOldest();
      this.#onEvict(store);
    }
  }
}

function chargeOf(key: string, { byteLength }: ByteView): number {
  const overhead = byteLength <= MAX_PACKED_BYTES
    ? ENTRY_OVERHEAD + PACKED_BYTE_OVERHEAD * byteLength
    : BUFFER_ENTRY_OVERHEAD;
  return utf8(key).length + byteLength + overhead;
}
