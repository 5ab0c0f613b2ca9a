/**
 * The entries of a group as bytes: what V8's collector need not look at.
 *
 * New entries go to the newest segment of a log. When room is needed, the oldest
 * segment is walked: what was used since it came is copied on, and the rest goes. So a
 * use writes a counter of two bits and nothing else, and nothing takes longer because
 * there are many entries. This is S3-FIFO with segments in place of entries: each store
 * has a log on trial for what is new, and a log for what has proved its worth.
 *
 * `bytes` is all memory that is held, and never more than the budget.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import { utf8 } from "../base/keys.ts";
import {
  DEAD,
  Entries,
  type EntryMeta,
  FLAGS,
  FRONT_FLAG,
  GIVEN,
  HEAD_BYTES,
  headFor,
  HOT_FLAG,
  ROOM_SHIFT,
  USED,
} from "./entries.ts";
import { hashAscii, hashBytes, randomSeed, type Seed } from "./hash.ts";
import { homeOf, Index } from "./index.ts";
import { type Front, HOT, Logs, MAIN } from "./logs.ts";
import { type Log, SEGMENT_BYTES, Segments, sizeOf } from "./segments.ts";

/** What an arena takes before it holds anything. */
const EMPTY_BYTES: number = new Index().bytes;

const NO_FRONT: Front = {
  moved: () => {},
  left: () => {},
  wasUsed: () => false,
};

/** What an arena is made of. Tests inject a seed. */
export interface ArenaOptions {
  readonly maxBytes: number;
  /** The time by which entries expire. */
  readonly now: () => number;
  readonly front?: Front;
  readonly hash?: Hash;
}

/** Hashes keys. A string and its UTF-8 must have the same hash. */
export interface Hash {
  /** -1: the text is not ASCII. */
  ofAscii(text: string): number;
  ofBytes(bytes: Uint8Array, from: number, end: number): number;
}

let seed: Seed | undefined;

/** The hash of this process. */
function seededHash(): Hash {
  const its = seed ??= randomSeed();
  return {
    ofAscii: (text) => hashAscii(its, text),
    ofBytes: (bytes, from, end) => hashBytes(its, bytes, from, end),
  };
}

/** The entries of a group. Where one is, is a number that is valid until the next change. */
export class Arena {
  readonly #maxBytes: number;
  readonly #front: Front;
  readonly #hash: Hash;
  readonly #segments: Segments;
  readonly #logs: Logs;
  readonly #index: Index;
  readonly #shift: number;
  /** Reads entries. What changes more than their flags goes by the arena. */
  readonly entries: Entries;

  constructor({ maxBytes, now, front, hash }: ArenaOptions) {
    this.#maxBytes = maxBytes;
    this.#front = front ?? NO_FRONT;
    this.#hash = hash ?? seededHash();
    this.#segments = new Segments(maxBytes);
    this.#shift = this.#segments.geometry.shift;
    this.entries = new Entries(this.#segments);
    this.#logs = new Logs(
      maxBytes,
      now,
      this.#front,
      this.#segments,
      this.entries,
    );
    this.#index = this.#logs.index;
  }

  /** All memory that is held, with what others reserved. */
  get bytes(): number {
    return this.#logs.bytes;
  }

  /** How many entries each store has: main, hot. */
  get items(): readonly [number, number] {
    return this.#logs.items;
  }

  /** What the entries of each store take. */
  get stored(): readonly [number, number] {
    return this.#logs.stored;
  }

  /** How many entries of each store left to make room. */
  get evictions(): readonly [number, number] {
    return this.#logs.evictions;
  }

  /** How many entries there are. */
  get size(): number {
    return this.#index.size;
  }

  /** The hash of a key's UTF-8. */
  hashOf(bytes: Uint8Array, from: number, end: number): number {
    return this.#hash.ofBytes(bytes, from, end);
  }

  /** Where the entry is whose key is the bytes from `from` up to `end`, or -1. */
  find(bytes: Uint8Array, from: number, end: number, hash: number): number {
    const { table, slots } = this.#index.partOf(hash);
    let slot = homeOf(hash, slots);
    for (;;) {
      const location = table[2 * slot + 1]!;
      if (location === 0) return -1;
      if (
        table[2 * slot] === hash &&
        this.entries.hasKey(location, bytes, from, end)
      ) return location;
      slot = slot + 1 === slots ? 0 : slot + 1;
    }
  }

  /** Where the entry of `key` is, or -1. What is no key has none. */
  findText(key: string): number {
    if (typeof key !== "string") return -1;
    const hash = this.#hash.ofAscii(key);
    if (hash < 0) {
      // Its UTF-8 would be that of another key.
      if (!key.isWellFormed()) return -1;
      const bytes = utf8(key);
      const { length } = bytes;
      return this.find(bytes, 0, length, this.#hash.ofBytes(bytes, 0, length));
    }
    const { table, slots } = this.#index.partOf(hash);
    let slot = homeOf(hash, slots);
    for (;;) {
      const location = table[2 * slot + 1]!;
      if (location === 0) return -1;
      if (table[2 * slot] === hash && this.entries.hasAscii(location, key)) {
        return location;
      }
      slot = slot + 1 === slots ? 0 : slot + 1;
    }
  }

  /** Moves an entry to the other store, or stays. `flags` as `GIVEN` has them. */
  setFlags(location: number, flags: number): void {
    const size = this.sizeAt(location);
    const old = this.entries.flags(location);
    this.entries.setFlags(location, flags, GIVEN);
    if (((old ^ flags) & HOT_FLAG) === 0) return;
    const { items, stored } = this.#logs;
    const [to, from] = (flags & HOT_FLAG) === 0
      ? [MAIN, HOT] as const
      : [HOT, MAIN] as const;
    items[from]--;
    items[to]++;
    stored[from] -= size;
    stored[to] += size;
  }

  /** What an entry takes of the memory. */
  sizeAt(location: number): number {
    return this.entries.sizeAt(this.#segments.at(location), location);
  }

  /** Whether an entry would be kept if there were nothing else. */
  fits(
    keyLength: number,
    valueLength: number,
    headLength: number = HEAD_BYTES,
  ): boolean {
    const size = this.entries.sizeFor(keyLength, valueLength, headLength);
    const left = this.#maxBytes - EMPTY_BYTES - SEGMENT_BYTES -
      this.#logs.perEntry;
    return size <= this.#segments.geometry.maxShared
      ? size <= Math.floor(left / 16) * 16
      : this.entries.sizeFor(keyLength, 0, headLength) + valueLength <= left;
  }

  /**
   * Keeps a value, and returns whether it did. An older one under the key goes in any
   * case. A value for which there can be no room evicts nothing.
   *
   * @param view If it is large, it is kept as it is.
   */
  set(
    key: Uint8Array,
    from: number,
    end: number,
    view: ByteView,
    meta: EntryMeta,
  ): boolean {
    const hash = this.#hash.ofBytes(key, from, end);
    const { byteLength } = view;
    const head = headFor(meta);
    const size = this.entries.sizeFor(end - from, byteLength, head);
    const old = this.find(key, from, end, hash);
    const store = (meta.flags & HOT_FLAG) === 0 ? MAIN : HOT;
    let used = 0;
    let log: Log | undefined;
    if (old >= 0) {
      const flags = this.entries.flags(old);
      const room = (flags >>> ROOM_SHIFT) << this.#shift;
      const isSameStore = ((flags ^ meta.flags) & HOT_FLAG) === 0;
      if (isSameStore && size <= room && 2 * size > room) {
        if ((flags & FRONT_FLAG) !== 0) this.#front.left(old);
        this.entries.write(
          old,
          hash,
          key,
          from,
          end,
          view,
          meta,
          flags & USED,
          room,
        );
        return true;
      }
      // A set is no use, but what was used before still counts.
      used = flags & USED;
      if (isSameStore) log = this.#segments.at(old).log;
      this.delete(old);
    }
    if (!this.fits(end - from, byteLength, head)) return false;
    const logs = this.#logs;
    const isShared = size <= this.#segments.geometry.maxShared;
    log ??= logs.logFor(store, hash, size);
    if (!this.#growIndex(hash)) return false;
    const segment = isShared
      ? logs.segmentFor(log, store, size)
      : logs.ownSegment(
        log,
        store,
        this.entries.sizeFor(end - from, 0, head),
        // A slice would keep all of a larger buffer alive.
        view.compact(),
      );
    if (segment === undefined) return false;
    const location = this.entries.locationOf(segment, segment.used);
    const room = isShared ? size : 0;
    segment.used += isShared ? size : segment.bytes.length;
    this.entries.write(location, hash, key, from, end, view, meta, used, room);
    logs.added(
      segment,
      store,
      hash,
      location,
      isShared ? size : sizeOf(segment),
    );
    return true;
  }

  /** Drops an entry. */
  delete(location: number): void {
    const segment = this.#segments.at(location);
    const at = this.entries.wordAt(location);
    this.#logs.forget(segment, location, at);
    segment.words[at + FLAGS] = segment.words[at + FLAGS]! | DEAD;
    if (segment.live > 0) return;
    if (segment.log!.open === segment) segment.used = 0;
    else {
      segment.log!.remove(segment);
      this.#segments.free(segment);
    }
  }

  /** Drops all, and keeps the segments for what comes. Nobody hears of it. */
  clear(): void {
    this.#logs.clear();
  }

  /** Somebody else holds so many bytes more under the same budget. */
  reserve(bytes: number): void {
    this.#logs.reserved += bytes;
  }

  /** Makes room for so many bytes that are to be reserved. Returns whether there is. */
  makeRoom(bytes: number): boolean {
    return this.#logs.makeRoom(bytes);
  }

  /**
   * Adds the keys of some entries to `keys`, from those on whose hashes are at least
   * `hash`. Returns the hash for the next call; 2^32: there are no more. See
   * `Index.locationsFrom()`.
   */
  keysFrom(hash: number, keys: string[]): number {
    const locations: number[] = [];
    const next = this.#index.locationsFrom(hash, locations);
    // As strings, because the entries may move before their turn.
    for (const location of locations) keys.push(this.entries.key(location));
    return next;
  }

  /** The keys of entries that are there from now until their turn. */
  *keys(): IterableIterator<string> {
    const keys: string[] = [];
    for (let hash = 0; hash < 2 ** 32;) {
      keys.length = 0;
      hash = this.keysFrom(hash, keys);
      for (const key of keys) if (this.findText(key) >= 0) yield key;
    }
  }

  /** Whether there is room in the index for one more. */
  #growIndex(hash: number): boolean {
    const growth = this.#index.growthFor(hash);
    if (!this.#logs.makeRoom(growth + this.#logs.perEntry)) return false;
    if (growth > 0) this.#index.growFor(hash);
    return true;
  }
}
