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
  USES,
} from "./entries.ts";
import { Ghost } from "./ghost.ts";
import { Index } from "./index.ts";
import {
  Log,
  type Segment,
  SEGMENT_BYTES,
  type Segments,
  sizeOf,
} from "./segments.ts";

/** Who has been used so often on trial is kept. */
const PROVEN = 1;
/** The log on trial has this share of a store's memory. */
const TRIAL_SHARE = 0.1;
/** At most this share of a segment is copied on. */
const SURVIVING_SHARE = 0.75;
/** With fewer segments, all entries are in one log. */
const MIN_SEGMENTS = 24;
/** Segments are walked so often for one entry; then one goes whatever was used. */
const MAX_WALKS = 8;
/** Walking an entry with a segment of its own takes this part of a walk. */
const OWN_WALK = 1 / 32;
/** The stores, by the numbers under which an arena counts them. */
export const MAIN = 0;
export const HOT = 1;

/** Hears of entries for which the front has an object. */
export interface Front {
  /** The entry at `from` is at `to` now. */
  moved(from: number, to: number): void;
  /** The entry is about to leave. */
  left(location: number): void;
}

/** The segments of an arena in use, and the entries that can be found in them. */
export class Logs {
  readonly index: Index = new Index();
  readonly #ghost = new Ghost();
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #front: Front;
  readonly #segments: Segments;
  readonly #entries: Entries;
  readonly #shift: number;
  /** On trial and kept, of main and of hot; or one for all. */
  readonly #logs: readonly Log[];
  /** How many entries each store has. */
  readonly items: [main: number, hot: number] = [0, 0];
  /** What the entries of each store take. */
  readonly stored: [main: number, hot: number] = [0, 0];
  /** How many entries of each store left to make room. */
  readonly evictions: [main: number, hot: number] = [0, 0];
  /** Memory under the same budget that somebody else holds. */
  reserved = 0;
  /** The time of the last walk. */
  #walkedAt = 0;

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
    const isSmall = maxBytes < MIN_SEGMENTS * capacity;
    this.#logs = Array.from({ length: isSmall ? 1 : 4 }, () => new Log());
  }

  /** All memory that is held, and what is reserved. */
  get bytes(): number {
    return this.#segments.bytes + this.index.bytes + this.#ghost.bytes +
      this.reserved;
  }

  /**
   * The log for a new entry.
   *
   * @param uses How often the value was used that it replaces.
   */
  logFor(store: number, hash: number, uses: number): Log {
    if (this.#logs.length === 1) return this.#logs[0]!;
    const isProven = this.#ghost.take(hash) || uses >= PROVEN;
    return this.#logs[2 * store + (isProven ? 1 : 0)]!;
  }

  /** Makes room for `bytes` that somebody else will hold. Returns whether there is. */
  makeRoom(bytes: number): boolean {
    for (let walks = 0; this.bytes + bytes > this.#maxBytes;) {
      if (this.#segments.release()) continue;
      const walk = this.#evict(MAIN, 0, walks >= MAX_WALKS);
      if (walk === 0) return false;
      walks += walk;
    }
    return true;
  }

  /** Drops everything, and keeps the segments for what comes. */
  clear(): void {
    for (const log of this.#logs) this.#segments.freeAll(log);
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
    this.#growGhost();
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
    this.#ghost.resize(0);
  }

  /** A segment of a log with room for `size` bytes. */
  segmentFor(log: Log, store: number, size: number): Segment | undefined {
    for (let walks = 0;;) {
      const { open } = log;
      if (open !== undefined && open.bytes.length - open.used >= size) {
        return open;
      }
      const segment = this.#segments.reuse(size) ?? this.#newSegment(size);
      if (segment !== undefined) {
        log.add(segment);
        log.open = segment;
        return segment;
      }
      const walk = this.#evict(store, size, walks >= MAX_WALKS);
      if (walk === 0) return undefined;
      walks += walk;
    }
  }

  #newSegment(size: number): Segment | undefined {
    const left = this.#maxBytes - this.bytes;
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
    const size = SEGMENT_BYTES + capacity + view.byteLength;
    for (let walks = 0;;) {
      if (this.bytes + size <= this.#maxBytes) {
        const segment = this.#segments.make(capacity, view);
        if (segment !== undefined) {
          log.add(segment);
          return segment;
        }
      } else if (this.#segments.release()) continue;
      const walk = this.#evict(store, size, walks >= MAX_WALKS);
      if (walk === 0) return undefined;
      walks += walk;
    }
  }

  /** The log whose oldest segment goes for an entry of `store`. */
  #victim(store: number, size: number): Log | undefined {
    const logs = this.#logs;
    if (logs.length === 1) return logs[0]!.oldest && logs[0];
    const main = logs[0]!.bytes + logs[1]!.bytes;
    const hot = logs[2]!.bytes + logs[3]!.bytes;
    const toHot = store === HOT ? size : 0;
    const hotFirst = hot + toHot > (main + size - toHot) / 8;
    const first = main === 0 || (hotFirst && hot > 0) ? 2 : 0;
    const trial = logs[first]!, kept = logs[first + 1]!;
    const isTrial = kept.bytes === 0 ||
      trial.bytes > TRIAL_SHARE * (trial.bytes + kept.bytes);
    const log = isTrial && trial.bytes > 0 ? trial : kept;
    return log.oldest && log;
  }

  /**
   * Walks the oldest segment of a log. Returns how much of a walk that took; 0: there is
   * no segment.
   *
   * @param all Whether everything in it goes.
   */
  #evict(store: number, size: number, all: boolean): number {
    const log = this.#victim(store, size);
    if (log === undefined) {
      // What is left of earlier entries.
      const { bytes } = this;
      this.#forgetAll();
      return this.bytes < bytes ? OWN_WALK : 0;
    }
    const segment = log.oldest!;
    log.remove(segment);
    this.#walkedAt = this.#now();
    const isOwn = segment.words[FLAGS]! >>> ROOM_SHIFT === 0;
    if (isOwn) this.#walkOwn(log, segment, all);
    else this.#walk(log, segment, size, all);
    if (this.index.size === 0) this.#forgetAll();
    return isOwn ? OWN_WALK : 1;
  }

  #keptOf(log: Log): Log {
    const i = this.#logs.indexOf(log);
    return this.#logs.length === 1 ? log : this.#logs[i | 1]!;
  }

  #walkOwn(log: Log, segment: Segment, all: boolean): void {
    const { words } = segment;
    const location = this.#entries.locationOf(segment, 0);
    const flags = words[FLAGS]!;
    const kept = this.#keptOf(log);
    const uses = flags & USES;
    const least = log === kept ? 1 : PROVEN;
    if (!all && uses >= least && !this.#isOver(location)) {
      words[FLAGS] = flags & ~USES | (log === kept ? uses - 1 : 0);
      kept.add(segment);
      return;
    }
    this.#drop(segment, location, 0, log !== kept);
    this.#segments.free(segment);
  }

  #walk(log: Log, segment: Segment, size: number, all: boolean): void {
    const { words, bytes } = segment;
    const end = segment.used;
    const kept = this.#keptOf(log);
    const isTrial = log !== kept;
    const isSingle = this.#logs.length === 1;
    // Much of it is dead: nothing that lives has to go.
    const isSparse = !all && !isSingle &&
      2 * (end - segment.live) >= bytes.length;
    const least = all
      ? USES + 1
      : isSparse
      ? 0
      : isTrial
      ? PROVEN
      : this.#leastUses(segment, end);
    // Of few segments, none is emptied at once.
    const isFew = isSingle && log.bytes < 4 * bytes.length;
    const goal = isFew && !all ? Math.max(size, bytes.length >> 3) : Infinity;
    const most = isTrial || isSparse
      ? Infinity
      : SURVIVING_SHARE * bytes.length;
    let gone = 0;
    let stayed = 0;
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
      const uses = flags & USES;
      const isEnough = gone >= goal;
      const stays = isEnough ||
        uses >= least && stayed + room <= most &&
          !this.#isOver(from) && !this.#isCrowding(flags);
      if (!stays) {
        gone += room;
        this.#drop(segment, from, word, isTrial);
        continue;
      }
      stayed += room;
      const isProven = isTrial && uses >= PROVEN;
      const left = isEnough || isSparse && !isProven
        ? uses
        : isTrial
        ? 0
        : uses - 1;
      const target = isSparse && !isProven ? log : kept;
      const { open } = target;
      words[word + FLAGS] = flags & ~USES | Math.max(0, left);
      if (open !== undefined && open.bytes.length - open.used >= room) {
        this.#entries.copy(segment, word, open, open.used >> 2, room >> 2);
        this.#moved(segment, from, open, open.used, room);
        open.used += room;
      } else {
        if (written !== at - room) {
          this.#entries.copy(segment, word, segment, written >> 2, room >> 2);
          this.#moved(segment, from, segment, written, room);
        }
        written += room;
      }
    }
    if (written === 0) return this.#segments.free(segment);
    segment.used = written;
    const target = isSparse ? log : kept;
    target.add(segment);
    const { open } = target;
    const isRoomier = open === undefined ||
      open.bytes.length - open.used < bytes.length - written;
    if (isRoomier) target.open = segment;
  }

  /**
   * How often an entry of a kept segment must have been used to stay, so that the rest
   * makes room.
   */
  #leastUses({ words, bytes }: Segment, end: number): number {
    const sums = [0, 0, 0, 0];
    for (let at = 0; at < end;) {
      const flags = words[(at >> 2) + FLAGS]!;
      const room = (flags >>> ROOM_SHIFT) << this.#shift;
      if ((flags & DEAD) === 0) sums[flags & USES]! += room;
      at += room;
    }
    let sum = sums[USES]!;
    let least = USES;
    while (
      least > 1 && sum + sums[least - 1]! <= SURVIVING_SHARE * bytes.length
    ) {
      sum += sums[--least]!;
    }
    return least;
  }

  #isOver(location: number): boolean {
    return this.#entries.expiresAt(location) <= this.#walkedAt;
  }

  /** Whether an entry is a copy while copies have more than an eighth of main. */
  #isCrowding(flags: number): boolean {
    return (flags & HOT_FLAG) !== 0 && this.items[MAIN] > 0 &&
      this.stored[HOT] > this.stored[MAIN] / 8;
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
    if (isTrial) this.#ghost.add(segment.words[at + HASH]!);
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
   * Sees to it that about as many hashes can be remembered as there are entries. It is
   * done while there is room: nothing is evicted for it, and nothing forgotten.
   */
  #growGhost(): void {
    if (this.#logs.length === 1 || this.index.size < this.#ghost.places) {
      return;
    }
    const bytes = Ghost.bytesFor(this.index.size);
    const more = bytes - this.#ghost.bytes;
    if (this.bytes + more <= this.#maxBytes) this.#ghost.resize(bytes);
  }
}
