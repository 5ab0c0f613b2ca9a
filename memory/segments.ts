/**
 * The memory of an arena: segments, and the logs that they form.
 *
 * A segment is one `ArrayBuffer`, which is made when it is first needed and used again
 * later. Its size never changes. A log is a list of segments in the order in which they
 * were begun. The last words that this file knows of an entry are its bytes.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";

/** What the objects of a segment were measured to take, beside its bytes. */
export const SEGMENT_BYTES = 640;

/** The smallest segment that is worth its objects. */
const MIN_CAPACITY = 1024;

/** The first segment of a large arena has so many bytes. */
const FIRST_CAPACITY = 4096;

/** The largest segment, unless the arena is so large that it would have too many. */
const MAX_CAPACITY = 256 * 1024;

/** A larger arena has larger segments, and begins entries at larger steps. */
const LARGE_ARENA = 4 * 2 ** 30;

/** An arena has about so many segments. */
const SEGMENTS = 64;

/** One piece of memory, and its place in a log. */
export interface Segment {
  /** At least 1, so that no location is 0. */
  readonly number: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Uint32Array;
  readonly floats: Float64Array;
  /** The value, if this is the segment of one large entry. */
  view: ByteView | undefined;
  /** Where the next entry begins. */
  used: number;
  /** The bytes of entries that can be found. */
  live: number;
  log: Log | undefined;
  older: Segment | undefined;
  newer: Segment | undefined;
}

/** Segments in the order of their age. */
export class Log {
  oldest: Segment | undefined;
  newest: Segment | undefined;
  /** The segment that is being filled. */
  open: Segment | undefined;
  /** The memory of its segments. */
  bytes = 0;

  /** Adds a segment as the newest. */
  add(segment: Segment): void {
    segment.log = this;
    segment.older = this.newest;
    segment.newer = undefined;
    if (this.newest === undefined) this.oldest = segment;
    else this.newest.newer = segment;
    this.newest = segment;
    this.bytes += sizeOf(segment);
  }

  /** Takes a segment out. */
  remove(segment: Segment): void {
    const { older, newer } = segment;
    if (older === undefined) this.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.newest = older;
    else newer.older = older;
    if (this.open === segment) this.open = undefined;
    segment.log = segment.older = segment.newer = undefined;
    this.bytes -= sizeOf(segment);
  }

  clear(): void {
    this.oldest = this.newest = this.open = undefined;
    this.bytes = 0;
  }
}

/** The memory that a segment takes. */
export function sizeOf({ bytes, view }: Segment): number {
  return SEGMENT_BYTES + bytes.length + (view?.byteLength ?? 0);
}

/** How segments are cut for a budget. */
export interface Geometry {
  /** Entries begin at multiples of 2 to this power. */
  readonly shift: number;
  /** A segment's numbers of such steps have so many bits. */
  readonly bits: number;
  /** The bytes of a segment. */
  readonly capacity: number;
  /** A larger entry has a segment of its own. */
  readonly maxShared: number;
}

export function geometryFor(maxBytes: number): Geometry {
  const isLarge = maxBytes > LARGE_ARENA;
  const shift = isLarge ? 4 : 3;
  const limit = isLarge ? 4 * MAX_CAPACITY : MAX_CAPACITY;
  const wanted = Math.min(Math.max(maxBytes / SEGMENTS, MIN_CAPACITY), limit);
  const power = Math.floor(Math.log2(wanted));
  const capacity = 2 ** power;
  return {
    shift,
    bits: power - shift,
    capacity,
    maxShared: Math.max(
      capacity / 8,
      Math.min(capacity / 2, MIN_CAPACITY),
    ),
  };
}

/** Makes segments and keeps those that are free, within a budget that others share. */
export class Segments {
  readonly geometry: Geometry;
  /** By their numbers. */
  readonly #all: (Segment | undefined)[] = [undefined];
  /** Numbers that are free again. */
  readonly #numbers: number[] = [];
  readonly #free: Segment[] = [];
  readonly #maxNumber: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.geometry = geometryFor(maxBytes);
    this.#maxNumber = 2 ** (32 - this.geometry.bits) - 1;
  }

  /** The memory of all segments, of the free ones, too. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The segment of a location. */
  at(location: number): Segment {
    return this.#all[location >>> this.geometry.bits]!;
  }

  /** A free segment with room for `size` bytes, if there is one. */
  reuse(size: number): Segment | undefined {
    const segment = this.#free.at(-1);
    if (segment === undefined || segment.bytes.length < size) return undefined;
    this.#free.pop();
    return segment;
  }

  /**
   * The bytes of the next segment, for small entries of which the first has `size`, if
   * `left` bytes may be taken; 0: there can be none.
   */
  nextCapacity(size: number, left: number): number {
    const { capacity } = this.geometry;
    // A group of ten values needs no large segment.
    const first = Math.max(FIRST_CAPACITY, this.#bytes, size);
    const wanted = Math.min(capacity, Math.ceil(first / 16) * 16);
    const most = Math.floor((left - SEGMENT_BYTES) / 16) * 16;
    if (most >= wanted) return wanted;
    // What is left of a budget makes a last segment, unless that is tiny.
    const isWorth = most >= capacity / 4 || this.#bytes === 0;
    if (most < size || !isWorth) return 0;
    // The index will grow, too.
    const least = Math.ceil(size / 16) * 16;
    return Math.max(least, Math.floor(most * 7 / 8 / 16) * 16);
  }

  /**
   * Makes a segment; `undefined`: there are as many as locations can name.
   *
   * @param view The value, of one large entry. What else it needs is in `capacity`.
   */
  make(capacity: number, view?: ByteView): Segment | undefined {
    const number = this.#numbers.at(-1) ?? this.#all.length;
    if (number > this.#maxNumber) return undefined;
    // This may throw. Nothing has changed then.
    const buffer = new ArrayBuffer(capacity);
    this.#numbers.pop();
    const segment: Segment = {
      number,
      bytes: new Uint8Array(buffer),
      words: new Uint32Array(buffer),
      floats: new Float64Array(buffer),
      view,
      used: 0,
      live: 0,
      log: undefined,
      older: undefined,
      newer: undefined,
    };
    this.#all[number] = segment;
    this.#bytes += sizeOf(segment);
    return segment;
  }

  /** A segment is needed no more. It is in no log. */
  free(segment: Segment): void {
    segment.used = 0;
    segment.live = 0;
    if (segment.bytes.length === this.geometry.capacity) {
      this.#free.push(segment);
    } else this.#release(segment);
  }

  /** All segments of a log are needed no more. */
  freeAll(log: Log): void {
    let segment = log.oldest;
    log.clear();
    while (segment !== undefined) {
      const { newer } = segment;
      segment.log = segment.older = segment.newer = undefined;
      this.free(segment);
      segment = newer;
    }
  }

  /** Gives the memory of a free segment back. Returns whether there was one. */
  release(): boolean {
    const segment = this.#free.pop();
    if (segment !== undefined) this.#release(segment);
    return segment !== undefined;
  }

  #release(segment: Segment): void {
    this.#bytes -= sizeOf(segment);
    segment.view = undefined;
    this.#all[segment.number] = undefined;
    this.#numbers.push(segment.number);
  }
}
