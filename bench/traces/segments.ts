/**
 * The policy of the arena, without its bytes: two logs of segments, one bit an entry,
 * two tables of what left, and a share that adapts. `docs/decisions/memory.md` says
 * why it is so.
 *
 * @module
 */

import { type Cache, online, type Policy } from "./policy.ts";

/** The numbers that decide, so that others can be tried. */
export interface SegmentOptions {
  /** How many segments the room is cut into. */
  segments: number;
  /** What the small log may hold at first, at least and at most, as shares of the room. */
  firstShare: number;
  leastShare: number;
  mostShare: number;
  /** How many slots each table of what left has for an entry that is held. */
  ghosts: number;
  /** How many segments of the main log may be walked for one entry that needs room. */
  walks: number;
}

export const SEGMENTS: SegmentOptions = {
  segments: 64,
  firstShare: 0.2,
  leastShare: 0.02,
  mostShare: 0.9,
  ghosts: 0.25,
  walks: 8,
};

const NOWHERE = 0;
const SMALL = 1;
const MAIN = 2;

/** Spreads whole numbers over 32 bits: the finalizer of MurmurHash3. */
function hashOf(key: number): number {
  let hash = key + 1;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * Hashes of keys that left. Each has one slot, and the next that falls there takes its
 * place. So it forgets by chance: of a loop that is too long for it, it knows a part.
 */
class Ghosts {
  #slots: Uint32Array<ArrayBuffer> = new Uint32Array(1);

  /** Sees to it that there are about `count` slots, and forgets nothing. */
  resize(count: number): void {
    const wanted = 2 ** Math.round(Math.log2(Math.max(1, count)));
    if (wanted <= this.#slots.length) return;
    const old = this.#slots;
    this.#slots = new Uint32Array(wanted);
    for (const hash of old) if (hash !== 0) this.add(hash);
  }

  add(hash: number): void {
    this.#slots[hash & (this.#slots.length - 1)] = hash;
  }

  /** Whether `hash` is known. It is forgotten by that. */
  take(hash: number): boolean {
    const slot = hash & (this.#slots.length - 1);
    if (hash === 0 || this.#slots[slot] !== hash) return false;
    this.#slots[slot] = 0;
    return true;
  }
}

/** A piece of a log: entries that come one by one and leave together. */
interface Segment {
  readonly room: number;
  readonly keys: number[];
  /** What its entries take. */
  held: number;
}

/** Segments, of which the oldest leaves first. */
class Log {
  readonly id: number;
  /** What its segments take. */
  room = 0;
  readonly #closed: Segment[] = [];
  /** The segment that entries are appended to. */
  #head: Segment | undefined;

  constructor(id: number) {
    this.id = id;
  }

  /** Whether its head has room for `size` more. */
  fits(size: number): boolean {
    const head = this.#head;
    return head !== undefined && head.held + size <= head.room;
  }

  begin(room: number): void {
    if (this.#head !== undefined) this.#closed.push(this.#head);
    this.#head = { room, keys: [], held: 0 };
    this.room += room;
  }

  append(key: number, size: number): void {
    const head = this.#head!;
    head.keys.push(key);
    head.held += size;
  }

  /** Gives `key` a segment of its own. The head stays open. */
  appendAlone(key: number, size: number): void {
    this.#closed.push({ room: size, keys: [key], held: size });
    this.room += size;
  }

  takeOldest(): Segment {
    let oldest = this.#closed.shift();
    if (oldest === undefined) {
      oldest = this.#head!;
      this.#head = undefined;
    }
    this.room -= oldest.room;
    return oldest;
  }
}

class Segments implements Cache {
  readonly #options: SegmentOptions;
  readonly #segment: number;
  readonly #room: number;
  #free: number;
  /** For each key: the log that it is in. */
  readonly #log: Uint8Array;
  readonly #used: Uint8Array;
  readonly #sizes: Float64Array;
  readonly #small = new Log(SMALL);
  readonly #main = new Log(MAIN);
  readonly #fromSmall = new Ghosts();
  readonly #fromMain = new Ghosts();
  #entries = 0;
  /** How much the small log may hold. */
  #target: number;

  constructor(room: number, distinct: number, options: SegmentOptions) {
    this.#options = options;
    this.#segment = Math.max(1, Math.floor(room / options.segments));
    this.#room = Math.floor(room / this.#segment) * this.#segment;
    this.#free = this.#room;
    this.#target = room * options.firstShare;
    this.#log = new Uint8Array(distinct);
    this.#used = new Uint8Array(distinct);
    this.#sizes = new Float64Array(distinct);
  }

  request(key: number, size: number): boolean {
    if (this.#log[key] !== NOWHERE) {
      this.#used[key] = 1;
      return true;
    }
    if (size > this.#room) return false;
    this.#sizes[key] = size;
    const log = this.#logFor(hashOf(key), size);
    if (size > this.#segment) this.#makeRoom(size);
    else if (!log.fits(size)) this.#makeRoom(this.#segment);
    this.#put(log, key);
    this.#entries++;
    this.#fromSmall.resize(this.#entries * this.#options.ghosts);
    this.#fromMain.resize(this.#entries * this.#options.ghosts);
    return false;
  }

  #logFor(hash: number, size: number): Log {
    const { leastShare, mostShare } = this.#options;
    if (this.#fromSmall.take(hash)) {
      const most = this.#room * mostShare;
      this.#target = Math.min(this.#target + size, most);
      return this.#main;
    }
    if (this.#fromMain.take(hash)) {
      const least = Math.max(this.#segment, this.#room * leastShare);
      this.#target = Math.max(this.#target - size, least);
      return this.#main;
    }
    // While nothing has to leave, the main log takes what comes after the small one is full.
    const isSmallFull = this.#small.room >= this.#smallRoom() &&
      !this.#small.fits(size);
    return isSmallFull && this.#free >= this.#segment
      ? this.#main
      : this.#small;
  }

  /** The target in whole segments. */
  #smallRoom(): number {
    const segments = Math.round(this.#target / this.#segment);
    return Math.max(1, segments) * this.#segment;
  }

  #put(log: Log, key: number): void {
    const size = this.#sizes[key]!;
    if (size > this.#segment) {
      log.appendAlone(key, size);
      this.#free -= size;
    } else {
      if (!log.fits(size)) {
        log.begin(this.#segment);
        this.#free -= this.#segment;
      }
      log.append(key, size);
    }
    this.#log[key] = log.id;
    this.#used[key] = 0;
  }

  #makeRoom(room: number): void {
    let walks = 0;
    while (this.#free < room) {
      const isSmallFull = this.#small.room >= this.#smallRoom();
      if (this.#main.room === 0 || isSmallFull) {
        this.#walk(this.#small, this.#fromSmall, true);
      } else {
        const keepsUsed = walks++ < this.#options.walks;
        this.#walk(this.#main, this.#fromMain, keepsUsed);
      }
    }
  }

  /** Gives up the oldest segment. What was used since it came goes to the main log. */
  #walk(log: Log, ghosts: Ghosts, keepsUsed: boolean): void {
    const { room, keys } = log.takeOldest();
    this.#free += room;
    for (const key of keys) {
      if (keepsUsed && this.#used[key] === 1) {
        this.#put(this.#main, key);
        continue;
      }
      this.#log[key] = NOWHERE;
      this.#entries--;
      ghosts.add(hashOf(key));
    }
  }
}

/** The arena's policy, with other numbers than its own if `options` has some. */
export function segments(
  name: string,
  options: Partial<SegmentOptions> = {},
): Policy {
  return online(
    name,
    (room, distinct) =>
      new Segments(room, distinct, { ...SEGMENTS, ...options }),
  );
}

export const ARENA: Policy = segments("arena");

/** The arena with other numbers, each of which was tried for it. */
export const VARIANTS: readonly Policy[] = [
  segments("fixed tenth", {
    firstShare: 0.1,
    leastShare: 0.1,
    mostShare: 0.1,
  }),
  segments("first 0.1", { firstShare: 0.1 }),
  segments("first 0.4", { firstShare: 0.4 }),
  segments("least 0.1", { leastShare: 0.1 }),
  segments("ghosts 1", { ghosts: 1 }),
  segments("16 segments", { segments: 16 }),
  segments("256 segments", { segments: 256 }),
  segments("2 walks", { walks: 2 }),
];
