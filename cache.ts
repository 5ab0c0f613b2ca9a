/**
 * The memory of a group: two stores with byte accounting, expiry and hit counters,
 * under one budget.
 *
 * All entries are bytes in an arena. Those that are used most have an object in front
 * of it, too, so that a hit makes nothing.
 *
 * @module
 */

import type { ByteView } from "./base/byte_view.ts";
import type { Clock } from "./base/clock.ts";
import { utf8 } from "./base/keys.ts";
import { Arena } from "./memory/arena.ts";
import {
  type Change,
  Changes,
  COPIES_DROPPED,
  type Standing,
} from "./memory/changes.ts";
import {
  type Entries,
  type EntryMeta,
  EPOCH_MASK,
  EPOCH_SHIFT,
  FRONT_FLAG,
  HOT_FLAG,
} from "./memory/entries.ts";
import { type FrontObject, FrontObjects } from "./memory/front.ts";
import {
  type Bequest,
  Lives,
  OVER,
  STALE,
  type Use,
  USES,
} from "./memory/lives.ts";
import { HOT, MAIN } from "./memory/logs.ts";
import { flagsOf, type Source, sourceIn } from "./memory/source.ts";
import { Cache } from "./memory/store.ts";

export type { CacheStats } from "./memory/store.ts";
export type { Source } from "./memory/source.ts";

/** What is known of a value that is to be kept. */
export interface KeepOptions {
  /** How long it would live if it were not a copy; default: as long as it does. */
  ownTtlMs?: number;
  /** Default: `"loaded"` in main, `"mirrored"` in hot. */
  source?: Source;
  /**
   * How long it is fresh, if it may be answered after that; below 0: it has been stale
   * for so long.
   */
  freshMs?: number;
  /**
   * How long it may be answered while it is loaded again. Default: not at all. Of a
   * mirrored value that says nothing: another process loads it.
   */
  refreshedMs?: number;
}

/** What memory has of a key. */
export interface Kept {
  readonly view: ByteView;
  readonly store: "main" | "hot";
  readonly use: Use;
  /** The time that it has left; `Infinity`: no end; below 0: it has been stale for so long. */
  readonly ttlMs: number;
}

/** The stores, by their numbers. */
const STORES = ["main", "hot"] as const;

/** With so few entries, all see a change at once. */
const FEW_ENTRIES = 4096;

/**
 * The two stores of a group under one budget. `main` holds the keys that this
 * process owns, and `hot` holds copies of keys that others own. A key is in at
 * most one of them. When room is needed, `hot` evicts first while it is larger
 * than an eighth of `main`, as in golang/groupcache.
 */
export class CachePair {
  readonly main: Cache;
  readonly hot: Cache;
  /** Reads what `find()` found. */
  readonly entries: Entries;
  readonly #clock: Clock;
  readonly #onEvict: (store: "main" | "hot") => void;
  readonly #arena: Arena;
  readonly #front: FrontObjects;
  readonly #lives: Lives;
  readonly #changes = new Changes();
  /** The number of the last change, where entries have it. */
  #epoch = 0;
  /** Of which entries it is known that they have seen all changes: by their hashes. */
  #seenUntil = 0;
  #cancelWork: (() => void) | undefined;
  /** How many times entries were added or dropped: locations are others then. */
  #moves = 0;
  /** Set if what was found last is to be loaded again. Whoever looks at it takes that back. */
  foundStale = false;
  /** The evictions that `#onEvict` has heard of. */
  readonly #told: [main: number, hot: number] = [0, 0];

  /** @param onEvict Hears from which store an entry left to make room. */
  constructor(
    maxBytes: number,
    clock: Clock,
    onEvict: (store: "main" | "hot") => void = () => {},
  ) {
    this.#clock = clock;
    this.#onEvict = onEvict;
    this.#front = new FrontObjects(maxBytes);
    this.#arena = new Arena({
      maxBytes,
      now: () => clock.now(),
      front: this.#front,
    });
    this.entries = this.#arena.entries;
    this.#lives = new Lives(this.entries, clock);
    this.main = new Cache(MAIN, this.#arena, () => this.#keysOf(MAIN));
    this.hot = new Cache(HOT, this.#arena, () => this.#keysOf(HOT));
  }

  /** The memory that is held: never more than the budget, once that has room for anything. */
  get bytes(): number {
    return this.#arena.bytes;
  }

  /**
   * The live value under `key`. Counts as a use.
   *
   * @param onCopy Hears if the value is in hot.
   * @param isPeer Whether another process asks, to which this one is the owner.
   */
  get(
    key: string,
    onCopy?: (key: string) => void,
    isPeer = false,
  ): ByteView | undefined {
    const object = this.#front.get(key);
    if (object !== undefined && this.#isLive(object)) {
      object.isUsed = true;
      this.main.gets++;
      if (!object.isHot) this.main.hits++;
      else {
        this.hot.gets++;
        this.hot.hits++;
        onCopy?.(key);
      }
      return object.view;
    }
    const found = this.#arena.findText(key);
    const location = this.#use(found, onCopy, isPeer, key);
    if (location < 0) return undefined;
    const view = this.entries.view(location);
    this.entries.touch(location);
    if (
      object === undefined && !this.foundStale &&
      this.#front.hit(this.#arena, location)
    ) {
      this.#moves++;
      this.#front.add(this.#arena, key, view, location);
      this.#tellEvictions();
    }
    return view;
  }

  /**
   * As `get()`, for a key whose UTF-8 are the bytes from `from` up to `end`: returns
   * where its entry is, for `entries`, until something is set; -1: there is none. It
   * makes neither a string nor a view.
   */
  find(
    bytes: Uint8Array,
    from: number,
    end: number,
    onCopy?: (key: string) => void,
  ): number {
    const hash = this.#arena.hashOf(bytes, from, end);
    const found = this.#arena.find(bytes, from, end, hash);
    const location = this.#use(found, onCopy, true);
    if (location >= 0) this.entries.touch(location);
    return location;
  }

  /** A hash of a key, of 32 bits: another one in each process. */
  hashOf(key: string): number {
    const bytes = utf8(key);
    return this.#arena.hashOf(bytes, 0, bytes.length);
  }

  /** The live value under `key`. Neither a use nor counted. */
  peek(key: string): ByteView | undefined {
    const object = this.#front.get(key);
    if (object !== undefined && this.#isLive(object)) return object.view;
    const location = this.#look(key);
    return location >= 0 && this.#lives.use(location, false) >= STALE
      ? this.entries.view(location)
      : undefined;
  }

  /**
   * What memory has of `key`, for a process that owns it or stands in for its owner.
   * Neither a use nor counted.
   */
  inspect(key: string): Kept | undefined {
    const location = this.#look(key);
    if (location < 0) return undefined;
    const isHot = (this.entries.flags(location) & HOT_FLAG) !== 0;
    return {
      view: this.entries.view(location),
      store: isHot ? "hot" : "main",
      use: USES[this.#lives.use(location, true)]!,
      ttlMs: this.#lives.ttl(location),
    };
  }

  /**
   * What of the value under `key` is handed on: all of its life, even if it is a copy
   * here. A stale answer of another process is not.
   */
  bequest(key: string): Bequest | undefined {
    const location = this.#look(key);
    return location < 0 ? undefined : this.#lives.bequest(location);
  }

  /** The time that the value under `key` has left, as `Kept` has it. */
  ttlOf(key: string): number {
    const location = this.#look(key);
    return location < 0 ? Infinity : this.#lives.ttl(location);
  }

  /** The time that what `find()` found has left, as `Kept` has it. */
  ttlAt(location: number): number {
    return this.#lives.ttl(location);
  }

  /** When the value under `key` expires, by the group's clock, or `Infinity` if never. */
  expiresAt(key: string): number {
    const location = this.#look(key);
    return location < 0 ? Infinity : this.entries.expiresAt(location);
  }

  /** When the value would end if it were not a copy; `Infinity`: never. */
  ownExpiresAt(key: string): number {
    const location = this.#look(key);
    return location < 0 ? Infinity : this.entries.ownExpiresAt(location);
  }

  /** Where the value under `key` came from, even if it has expired; `undefined`: there is none. */
  sourceOf(key: string): Source | undefined {
    const location = this.#look(key);
    return location < 0 ? undefined : sourceIn(this.entries.flags(location));
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
    { ownTtlMs = ttlMs, source, freshMs, refreshedMs = -Infinity }:
      KeepOptions = {},
  ): void {
    if (ttlMs <= 0) return this.delete(key);
    const now = this.#clock.now();
    const bytes = utf8(key);
    const isHot = where === "hot";
    const from = source ?? (isHot ? "mirrored" : "loaded");
    this.#moves++;
    this.#arena.set(bytes, 0, bytes.length, view, {
      flags: (isHot ? HOT_FLAG : 0) | flagsOf(from) |
        this.#epoch,
      expiresAt: now + ttlMs,
      ownExpiresAt: now + ownTtlMs,
      staleAt: freshMs === undefined ? undefined : now + freshMs,
      staleUntil: now + refreshedMs,
    });
    this.#tellEvictions();
  }

  delete(key: string): void {
    this.#drop(this.#arena.findText(key));
  }

  clear(): void {
    this.#moves++;
    this.#front.clear();
    this.#arena.clear();
    this.#endWork();
  }

  /** Drops a copy, and what this process inherited. What it loaded as owner stays. */
  deleteCopy(key: string): void {
    const location = this.#look(key);
    if (location < 0) return;
    const flags = this.entries.flags(location);
    const isCopy = (flags & HOT_FLAG) !== 0 || sourceIn(flags) === "inherited";
    if (isCopy) this.#drop(location);
  }

  /** Drops all of them, as `deleteCopy()` does. */
  clearCopies(): void {
    this.#change(COPIES_DROPPED);
  }

  /**
   * The list of peers has changed. Main takes from hot what this process held in
   * place of an owner that it is now itself. What main holds of others' keys becomes
   * copies, which live for `ttlMs` at most.
   *
   * @param owns By the new list. It is called later, too, until the next change.
   * @param wasTold Whether this process was told of writes until now. If not, main
   *   takes nothing from hot.
   */
  ringChanged(
    owns: (key: string) => boolean,
    ttlMs: number,
    wasTold: boolean,
  ): void {
    const copiesUntil = ttlMs > 0 ? this.#clock.now() + ttlMs : -Infinity;
    this.#change({ dropsCopies: false, owns, copiesUntil, wasTold });
  }

  /** The keys of all live values. */
  *keys(): IterableIterator<string> {
    yield* this.#keysOf(undefined);
  }

  /** Nothing goes on in the background any more. */
  close(): void {
    this.#cancelWork?.();
    this.#cancelWork = undefined;
  }

  *#keysOf(store: 0 | 1 | undefined): IterableIterator<string> {
    for (const key of this.#arena.keys()) {
      const location = this.#look(key);
      if (location < 0 || this.#lives.isOver(location)) continue;
      const isHot = (this.entries.flags(location) & HOT_FLAG) !== 0;
      if (store === undefined || isHot === (store === HOT)) yield key;
    }
  }

  /** Whether the object of an entry says all that there is to say. */
  #isLive({ epoch, freshUntil }: FrontObject): boolean {
    return epoch === this.#epoch &&
      (freshUntil === Infinity || freshUntil > this.#clock.now());
  }

  /** Where the entry of a key is, or -1, once it has seen all changes. */
  #look(key: string): number {
    const location = this.#front.get(key)?.location ??
      this.#arena.findText(key);
    return location < 0 ? -1 : this.#catchUp(location);
  }

  /** A counted use of what was found; -1: there is nothing that lives. */
  #use(
    found: number,
    onCopy: ((key: string) => void) | undefined,
    isPeer: boolean,
    key?: string,
  ): number {
    const { main, hot } = this;
    main.gets++;
    const location = found < 0 ? -1 : this.#catchUp(found);
    if (location >= 0) {
      const isHot = (this.entries.flags(location) & HOT_FLAG) !== 0;
      const use = this.#lives.use(location, isPeer);
      if (use >= STALE) {
        if (use === STALE) this.foundStale = true;
        if (!isHot) main.hits++;
        else {
          hot.gets++;
          hot.hits++;
          onCopy?.(key ?? this.entries.key(location));
        }
        return location;
      }
      if (use === OVER) this.#drop(location);
    }
    hot.gets++;
    return -1;
  }

  #drop(location: number): void {
    if (location < 0) return;
    this.#moves++;
    this.#arena.delete(location);
  }

  #change(change: Change): void {
    if (this.#changes.isFull) this.#see(Infinity);
    this.#changes.add(change);
    this.#epoch = this.#changes.number << EPOCH_SHIFT;
    this.#seenUntil = 0;
    if (this.#arena.size <= FEW_ENTRIES) this.#see(Infinity);
    else this.#workLater();
  }

  /** The others see the changes in the background, a part of the index at a time. */
  #workLater(): void {
    this.#cancelWork ??= this.#clock.after(0, () => {
      this.#cancelWork = undefined;
      this.#see(1);
      if (this.#changes.areMissed) this.#workLater();
    }, true);
  }

  /** Shows entries the changes, of so many parts of the index. */
  #see(parts: number): void {
    const keys: string[] = [];
    for (let i = 0; i < parts && this.#seenUntil < 2 ** 32; i++) {
      keys.length = 0;
      this.#seenUntil = this.#arena.keysFrom(this.#seenUntil, keys);
      for (const key of keys) this.#look(key);
    }
    if (this.#seenUntil === 2 ** 32) this.#endWork();
  }

  #endWork(): void {
    this.#changes.seen();
    this.close();
  }

  /** Shows an entry the changes that it has missed. Returns where it is; -1: it goes. */
  #catchUp(location: number): number {
    const entries = this.entries;
    const flags = entries.flags(location);
    if ((flags & EPOCH_MASK) === this.#epoch) return location;
    const moves = this.#moves;
    const standing: Standing = {
      isHot: (flags & HOT_FLAG) !== 0,
      source: sourceIn(flags),
      expiresAt: entries.expiresAt(location),
      ownExpiresAt: entries.ownExpiresAt(location),
    };
    const key = entries.key(location);
    const now = this.#clock.now();
    const seen = (flags & EPOCH_MASK) >>> EPOCH_SHIFT;
    const stays = this.#changes.apply(seen, key, standing, now);
    if (this.#moves !== moves) {
      // Whoever was asked whose key it is did something here.
      location = this.#arena.findText(key);
      const isSame = location >= 0 &&
        ((entries.flags(location) ^ flags) & EPOCH_MASK) === 0;
      if (!isSame) return location;
    }
    if (!stays) {
      this.#arena.delete(location);
      return -1;
    }
    const { expiresAt, ownExpiresAt } = standing;
    const becomes = this.#epoch | (standing.isHot ? HOT_FLAG : 0) |
      flagsOf(standing.source);
    if (!entries.setTimes(location, expiresAt, ownExpiresAt)) {
      const meta = { flags: becomes, expiresAt, ownExpiresAt };
      return this.#rewrite(key, entries.view(location), meta);
    }
    this.#arena.setFlags(location, becomes);
    if ((flags & FRONT_FLAG) !== 0) {
      const object = this.#front.get(key)!;
      object.freshUntil = Math.min(
        expiresAt,
        entries.staleAt(location),
      );
      object.isHot = standing.isHot;
      object.epoch = this.#epoch;
    }
    return location;
  }

  /** Writes an entry anew that has no room for its times. Returns where it is. */
  #rewrite(key: string, view: ByteView, meta: EntryMeta): number {
    const bytes = utf8(key);
    this.#moves++;
    this.#arena.set(bytes, 0, bytes.length, view, meta);
    const location = this.#arena.findText(key);
    this.#tellEvictions();
    return location;
  }

  #tellEvictions(): void {
    const { evictions } = this.#arena;
    for (const store of [MAIN, HOT] as const) {
      while (this.#told[store] < evictions[store]) {
        this.#told[store]++;
        this.#onEvict(STORES[store]);
      }
    }
  }
}
