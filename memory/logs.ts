/**
 * Which segment goes for what comes, and what of it stays.
 *
 * Each store has two logs: one on trial for what is new, and one for what was used
 * there, or came back soon after it had left. The oldest segment of a log is walked when
 * room is needed. What was used is copied to the newest segment of those that are kept,
 * or moves together in place if there is no room: so a walk never needs memory. It looks
 * at one segment, however many there are.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import {
  DEAD,
  type Entries,
  FLAGS,
  FRONT_FLAG,
  HASH,
  HOT_FLAG,
  ROOM_SHIFT,
  USED,
} from "./entries.ts";
import { Ghost } from "./ghost.ts";
import { Index } from "./index.ts";
import { Log, type Segment, SEGMENT_BYTES, type Segments } from "./segments.ts";

/** With fewer segments, all entries are in one log. */
const MIN_SEGMENTS = 24;

/**
 * Charged for each entry, unless all are in one log: V8 lets garbage gather while entries
 * are set and read, and the more of them there are, the faster.
 */
const GARBAGE_BYTES = 24;

/**
 * The share of a store's memory that the log on trial may have: at first, at least and at
 * most. It grows when a key comes back that left from there, since it should have had
 * more time, and shrinks when one comes back that was kept before.
 */
const FIRST_SHARE = 0.2;
const LEAST_SHARE = 0.02;
const MOST_SHARE = 0.9;

/** After so many walks of what is kept for one entry, a segment goes whatever was used. */
const MAX_WALKS = 8;

/** The same if all entries are in one log, of small segments. */
const MAX_SMALL_WALKS = 64;

/** Walking an entry with a segment of its own takes this part of a walk. */
const OWN_WALK = 1 / 32;

/** Walking what is on trial does not count: it makes room soon. */
const TRIAL_WALK = 1 / 1024;

/** The stores, by the numbers under which an arena counts them. */
export const MAIN = 0;
export const HOT = 1;

/** Hears of entries for which the front has an object. */
export interface Front {
  /** The entry at `from` is at `to` now. */
  moved(from: number, to: number): void;
  /** The entry is about to leave. */
  left(location: number): void;
  /** Whether its object was used since this was asked last. */
  wasUsed(location: number): boolean;
}

/** The logs of a store. */
interface Store {
  readonly trial: Log;
  /** The same one, if there is only one. */
  readonly kept: Log;
  /** The share of `trial`. */
  share: number;
}

/** The segments of an arena in use, and the entries that can be found in them. */
export class Logs {
  readonly index: Index = new Index();
  readonly #fromTrial = new Ghost();
  readonly #fromKept = new Ghost();
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #front: Front;
  readonly #segments: Segments;
  readonly #entries: Entries;
  readonly #shift: number;
  readonly #capacity: number;
  readonly #maxWalks: number;
  readonly #perEntry: number;
  /** Main and hot, or one for both. */
  readonly #stores: readonly Store[];
  /** Whether something had to make room since it was empty. */
  #isFull = false;
  /** How many entries each store has. */
  readonly items: [main: number, hot: number] = [0, 0];
  /** What the entries of each store take. */
  readonly stored: [main: number, hot: number] = [0, 0];
  /** How many entries of each store left to make room. */
  readonly evictions: [main: number, hot: number] = [0, 0];
  /** Memory under the same budget that somebody else holds. */
  reserved = 0;
  /** The time of the last walk, and whether it spares what is no copy. */
  #walkedAt = 0;
  #spares = false;

  constructor(
    maxBytes: number,
    now: () => number,
    front: Front,
    segments: Segments,
    entries: Entries,
  ) {
    this.#maxBytes = maxBytes;
    this.#now = now;
    this.#front = front;
    this.#segments = segments;
    this.#entries = entries;
    const { shift, capacity } = segments.geometry;
    this.#shift = shift;
    this.#capacity = capacity;
    const isSmall = maxBytes < MIN_SEGMENTS * capacity;
    this.#perEntry = isSmall ? 0 : GARBAGE_BYTES;
    this.#maxWalks = isSmall ? MAX_SMALL_WALKS : MAX_WALKS;
    this.#stores = Array.from({ length: isSmall ? 1 : 2 }, () => {
      const trial = new Log();
      const kept = isSmall ? trial : new Log();
      return { trial, kept, share: FIRST_SHARE };
    });
  }

  /** All memory that is held, and what is reserved. */
  get bytes(): number {
    return this.#segments.bytes + this.index.bytes + this.reserved +
      this.#fromTrial.bytes + this.#fromKept.bytes +
      this.#perEntry * this.index.size;
  }

  /** The log for a new entry. */
  logFor(store: number, hash: number, size: number): Log {
    if (this.#stores.length === 1) return this.#stores[0]!.trial;
    const its = this.#stores[store]!;
    const { trial, kept } = its;
    const step = size / (trial.bytes + kept.bytes + size);
    if (this.#fromTrial.take(hash)) {
      its.share = Math.min(MOST_SHARE, its.share + step);
      return kept;
    }
    if (this.#fromKept.take(hash)) {
      its.share = Math.max(LEAST_SHARE, its.share - step);
      return kept;
    }
    // What comes first is kept, or a loop over more than there is room for would never
    // find anything.
    const isEnough = !this.#isFull && !hasRoom(trial.open, size) &&
      trial.bytes >= its.share * this.#maxBytes;
    return isEnough ? kept : trial;
  }

  /** What an entry is charged beside what it takes, the index, and its segment. */
  get perEntry(): number {
    return this.#perEntry;
  }

  /** Makes room for `bytes` that somebody else will hold. Returns whether there is. */
  makeRoom(bytes: number): boolean {
    for (let walks = 0; this.bytes + bytes > this.#maxBytes;) {
      if (this.#segments.release()) continue;
      const walk = this.#evict(MAIN, 0, walks);
      if (walk === 0) return false;
      walks += walk;
    }
    return true;
  }

  /** Drops everything, and keeps the segments for what comes. */
  clear(): void {
    for (const { trial, kept } of this.#stores) {
      this.#segments.freeAll(trial);
      this.#segments.freeAll(kept);
    }
    this.#forgetAll();
    this.items.fill(0);
    this.stored.fill(0);
  }

  /** Counts an entry that was written to `segment`. */
  added(
    segment: Segment,
    store: number,
    hash: number,
    location: number,
    size: number,
  ): void {
    segment.live += size;
    this.index.add(hash, location);
    this.items[store]!++;
    this.stored[store]! += size;
    this.#growGhosts();
  }

  /** Takes an entry out of all but its segment's bytes. */
  forget(segment: Segment, location: number, at: number): void {
    const flags = segment.words[at + FLAGS]!;
    if ((flags & FRONT_FLAG) !== 0) this.#front.left(location);
    const size = this.#entries.sizeAt(segment, location);
    const store = (flags & HOT_FLAG) === 0 ? MAIN : HOT;
    this.items[store]--;
    this.stored[store] -= size;
    segment.live -= size;
    this.index.remove(segment.words[at + HASH]!, location);
  }

  #forgetAll(): void {
    this.index.clear();
    this.#fromTrial.resize(0);
    this.#fromKept.resize(0);
    this.#isFull = false;
    for (const store of this.#stores) store.share = FIRST_SHARE;
  }

  /** A segment of a log with room for `size` bytes. */
  segmentFor(log: Log, store: number, size: number): Segment | undefined {
    for (let walks = 0;;) {
      const { open } = log;
      if (hasRoom(open, size)) return open;
      const segment = this.#segments.reuse(size) ?? this.#newSegment(size);
      if (segment !== undefined) {
        log.add(segment);
        log.open = segment;
        return segment;
      }
      const walk = this.#evict(store, size, walks);
      if (walk === 0) return undefined;
      walks += walk;
    }
  }

  #newSegment(size: number): Segment | undefined {
    const left = this.#maxBytes - this.bytes - this.#perEntry;
    const capacity = this.#segments.nextCapacity(size, left);
    return capacity === 0 ? undefined : this.#segments.make(capacity);
  }

  /** A segment for one large entry; `capacity` is what it needs beside its value. */
  ownSegment(
    log: Log,
    store: number,
    capacity: number,
    view: ByteView,
  ): Segment | undefined {
    const size = SEGMENT_BYTES + capacity + view.byteLength + this.#perEntry;
    for (let walks = 0;;) {
      if (this.bytes + size <= this.#maxBytes) {
        const segment = this.#segments.make(capacity, view);
        if (segment !== undefined) {
          log.add(segment);
          return segment;
        }
      } else if (this.#segments.release()) continue;
      const walk = this.#evict(store, size, walks);
      if (walk === 0) return undefined;
      walks += walk;
    }
  }

  /** The store whose oldest segment goes for an entry of `store`. */
  #victim(store: number, size: number): Store {
    const [first, second] = this.#stores;
    if (second === undefined) return first!;
    const main = first!.trial.bytes + first!.kept.bytes;
    const hot = second.trial.bytes + second.kept.bytes;
    const toHot = store === HOT ? size : 0;
    const hotFirst = hot + toHot > (main + size - toHot) / 8;
    return main === 0 || (hotFirst && hot > 0) ? second : first!;
  }

  /** The log of a store that is walked. */
  #walked({ trial, kept, share }: Store): Log {
    if (kept.bytes === 0) return trial;
    const target = share * (trial.bytes + kept.bytes);
    const isOver = trial.bytes + this.#capacity / 2 >
      Math.max(target, this.#capacity);
    return trial.bytes > 0 && isOver ? trial : kept;
  }

  /**
   * Walks the oldest segment of a log. Returns how much of a walk that took; 0: there is
   * no segment.
   *
   * @param walks How much was walked for the same entry.
   */
  #evict(store: number, size: number, walks: number): number {
    const victim = this.#victim(store, size);
    const log = this.#walked(victim);
    const segment = log.oldest;
    if (segment === undefined) {
      // What is left of earlier entries.
      const { bytes } = this;
      this.#forgetAll();
      return this.bytes < bytes ? OWN_WALK : 0;
    }
    this.#isFull = true;
    this.#walkedAt = this.#now();
    log.remove(segment);
    const all = walks >= this.#maxWalks;
    const isOwn = segment.view !== undefined;
    const isTrial = log !== victim.kept;
    // With one log for both stores, only copies go while there are too many.
    this.#spares = victim.trial === victim.kept && !all &&
      this.#areCopiesMany(store, size);
    if (isOwn) this.#walkOwn(victim, segment, isTrial, all);
    else this.#walk(victim, segment, isTrial, size, all);
    if (this.index.size === 0) this.#forgetAll();
    return isTrial ? TRIAL_WALK : isOwn ? OWN_WALK : 1;
  }

  #walkOwn(
    { kept }: Store,
    segment: Segment,
    isTrial: boolean,
    all: boolean,
  ): void {
    const { words } = segment;
    const location = this.#entries.locationOf(segment, 0);
    const flags = words[FLAGS]!;
    const isOwned = this.#spares && (flags & HOT_FLAG) === 0;
    if ((isTrial || !all) && (isOwned || this.#stays(location, flags))) {
      words[FLAGS] = flags & ~USED;
      kept.add(segment);
      return;
    }
    this.#drop(segment, location, 0, isTrial);
    this.#segments.free(segment);
  }

  #walk(
    { trial, kept }: Store,
    segment: Segment,
    isTrial: boolean,
    size: number,
    all: boolean,
  ): void {
    const { words, bytes } = segment;
    const end = segment.used;
    const isSingle = trial === kept;
    const dropsAll = all && !isTrial;
    // Half of it is dead: nothing that lives has to go.
    const isSparse = !dropsAll && !isSingle &&
      2 * (end - segment.live) >= bytes.length;
    // Of few segments, none is emptied at once.
    const isFew = isSingle && !all && trial.bytes < 4 * bytes.length;
    const goal = isFew ? Math.max(size, bytes.length >> 3) : Infinity;
    const same = isTrial ? trial : kept;
    let gone = 0;
    let written = 0;
    for (let at = 0; at < end;) {
      const word = at >> 2;
      const flags = words[word + FLAGS]!;
      const room = (flags >>> ROOM_SHIFT) << this.#shift;
      const from = this.#entries.locationOf(segment, at);
      at += room;
      if ((flags & DEAD) !== 0) {
        gone += room;
        continue;
      }
      const isSpared = isSparse || gone >= goal;
      const isOwned = this.#spares && (flags & HOT_FLAG) === 0;
      const stays = !dropsAll &&
        (isSpared || isOwned ? !this.#isOver(from) : this.#stays(from, flags));
      if (!stays) {
        gone += room;
        this.#drop(segment, from, word, isTrial);
        continue;
      }
      if (!isSpared && !isOwned) words[word + FLAGS] = flags & ~USED;
      const { open } = isSpared ? same : kept;
      if (hasRoom(open, room)) {
        this.#entries.copy(segment, word, open, open.used >> 2, room >> 2);
        this.#moved(segment, from, open, open.used, room);
        open.used += room;
        continue;
      }
      if (written !== at - room) {
        this.#entries.copy(segment, word, segment, written >> 2, room >> 2);
        this.#moved(segment, from, segment, written, room);
      }
      written += room;
    }
    if (written === 0) return this.#segments.free(segment);
    segment.used = written;
    const target = isSparse ? same : kept;
    target.add(segment);
    const left = bytes.length - written;
    if (!hasRoom(target.open, left + 1)) target.open = segment;
  }

  /** Whether an entry whose turn has come is worth its room. */
  #stays(location: number, flags: number): boolean {
    const isUsed = (flags & USED) !== 0 ||
      (flags & FRONT_FLAG) !== 0 && this.#front.wasUsed(location);
    return isUsed && !this.#isOver(location) && !this.#isCrowding(flags);
  }

  #isOver(location: number): boolean {
    return this.#entries.expiresAt(location) <= this.#walkedAt;
  }

  /** Whether an entry is a copy while there are too many. */
  #isCrowding(flags: number): boolean {
    return (flags & HOT_FLAG) !== 0 && this.items[MAIN] > 0 &&
      this.#areCopiesMany(MAIN, 0);
  }

  /** Whether copies have more than an eighth of main, with an entry of `store`. */
  #areCopiesMany(store: number, size: number): boolean {
    const toHot = store === HOT ? size : 0;
    return this.items[HOT] > 0 &&
      this.stored[HOT] + toHot > (this.stored[MAIN] + size - toHot) / 8;
  }

  /** An entry leaves to make room. */
  #drop(
    segment: Segment,
    location: number,
    at: number,
    isTrial: boolean,
  ): void {
    const flags = segment.words[at + FLAGS]!;
    this.evictions[(flags & HOT_FLAG) === 0 ? MAIN : HOT]++;
    const ghost = isTrial ? this.#fromTrial : this.#fromKept;
    if (!this.#isOver(location)) ghost.add(segment.words[at + HASH]!);
    this.forget(segment, location, at);
  }

  #moved(
    segment: Segment,
    from: number,
    target: Segment,
    at: number,
    room: number,
  ): void {
    const to = this.#entries.locationOf(target, at);
    segment.live -= room;
    target.live += room;
    const word = at >> 2;
    this.index.move(target.words[word + HASH]!, from, to);
    const isInFront = (target.words[word + FLAGS]! & FRONT_FLAG) !== 0;
    if (isInFront) this.#front.moved(from, to);
  }

  /**
   * Sees to it that so many hashes can be remembered as is right for the entries that
   * there are. Nothing is evicted for it.
   */
  #growGhosts(): void {
    if (this.#stores.length === 1) return;
    const bytes = this.#fromTrial.bytesFor(this.index.size);
    const more = 2 * (bytes - this.#fromTrial.bytes);
    if (more === 0 || this.bytes + more > this.#maxBytes) return;
    this.#fromTrial.resize(bytes);
    this.#fromKept.resize(bytes);
  }
}

/** Whether a segment has room for so many bytes. */
function hasRoom(
  segment: Segment | undefined,
  size: number,
): segment is Segment {
  return segment !== undefined && segment.bytes.length - segment.used >= size;
}
