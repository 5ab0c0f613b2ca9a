/**
 * How an entry lies in its segment, and reading and writing it there.
 *
 * Where an entry is, is one number: that of its segment, and that of the step in it at
 * which the entry begins. It is valid until the next change of the arena.
 *
 * @module
 */

import { type ByteView, copyAt, latin1Of, viewOf } from "../base/byte_view.ts";
import { type Segment, type Segments, sizeOf } from "./segments.ts";

// The head of an entry: its hash, the lengths of key and value, and its flags. If it ends
// some time, that follows, and when it would end if it were not a copy. An entry that can
// go stale has two more times. Then come the key and the value.
export const HASH = 0;
const KEY_LENGTH = 1;
const VALUE_LENGTH = 2;
export const FLAGS = 3;
const EXPIRES_AT = 2;
const OWN_EXPIRES_AT = 3;
const STALE_AT = 4;
const STALE_UNTIL = 5;
/** The bytes of a head, without times. */
export const HEAD_BYTES = 16;
/** What two times add to a head. */
const TIMES_BYTES = 16;

/** The entry was used since it came, or since its segment was last walked. */
export const USED = 1;
/** The entry is found no more. */
export const DEAD: number = 1 << 1;
/** The store: main or hot. */
export const HOT_FLAG: number = 1 << 2;
/** Where the value came from, as a number of two bits. */
export const SOURCE_SHIFT = 3;
export const SOURCE_MASK: number = 3 << SOURCE_SHIFT;
/** The entry ends some time. */
const TIMES_SHIFT = 5;
const TIMES = 1 << TIMES_SHIFT;
/** The front has an object for this entry. */
export const FRONT_FLAG: number = 1 << 6;
/** The entry goes stale before it ends. */
const STALE_SHIFT = 7;
export const STALE_FLAG: number = 1 << STALE_SHIFT;
/** A number of 8 bits for whoever keeps entries. */
export const EPOCH_SHIFT = 9;
export const EPOCH_MASK: number = 0xff << EPOCH_SHIFT;
/** The steps that an entry takes; 0: it has a segment of its own. */
export const ROOM_SHIFT = 17;

/** What `set()` takes of a caller's flags. */
export const GIVEN: number = HOT_FLAG | SOURCE_MASK | EPOCH_MASK;

/** A shorter entry is copied word by word. */
const FEW_WORDS = 128;

/** What is known of an entry beside its key and its value. */
export interface EntryMeta {
  /** Of `HOT_FLAG`, the source and the epoch. */
  readonly flags: number;
  readonly expiresAt: number;
  readonly ownExpiresAt: number;
  /** When it goes stale, and when that is over. */
  readonly staleAt?: number | undefined;
  readonly staleUntil?: number | undefined;
}

/** The bytes of the head that an entry needs. */
export function headFor(
  { expiresAt, ownExpiresAt, staleAt }: Omit<EntryMeta, "flags">,
): number {
  if (staleAt !== undefined) return HEAD_BYTES + 2 * TIMES_BYTES;
  return expiresAt === Infinity && ownExpiresAt === Infinity
    ? HEAD_BYTES
    : HEAD_BYTES + TIMES_BYTES;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
/** Reads and writes entries. */
export class Entries {
  readonly #segments: Segments;
  readonly #bits: number;
  readonly #mask: number;
  readonly #shift: number;

  constructor(segments: Segments) {
    this.#segments = segments;
    const { bits, shift } = segments.geometry;
    this.#bits = bits;
    this.#mask = 2 ** bits - 1;
    this.#shift = shift;
  }

  /** The hash of an entry's key. */
  hash(location: number): number {
    return this.#segments.at(location).words[this.#wordAt(location) + HASH]!;
  }

  /** The flags of an entry. */
  flags(location: number): number {
    return this.#segments.at(location).words[this.#wordAt(location) + FLAGS]!;
  }

  /** Marks an entry as used, and returns the flags that it had. */
  touch(location: number): number {
    const { words } = this.#segments.at(location);
    const at = this.#wordAt(location) + FLAGS;
    const flags = words[at]!;
    if ((flags & USED) === 0) words[at] = flags | USED;
    return flags;
  }

  /** Changes what is in `mask` of an entry's flags. */
  setFlags(location: number, flags: number, mask: number): void {
    const { words } = this.#segments.at(location);
    const at = this.#wordAt(location) + FLAGS;
    words[at] = words[at]! & ~mask | flags & mask;
  }

  expiresAt(location: number): number {
    return this.#timeAt(location, EXPIRES_AT, TIMES);
  }

  ownExpiresAt(location: number): number {
    return this.#timeAt(location, OWN_EXPIRES_AT, TIMES);
  }

  /** When the entry goes stale; `Infinity`: it does not, it expires. */
  staleAt(location: number): number {
    return this.#timeAt(location, STALE_AT, STALE_FLAG);
  }

  /** When the time is over in which it may be stale. */
  staleUntil(location: number): number {
    return this.#timeAt(location, STALE_UNTIL, STALE_FLAG);
  }

  /**
   * Changes when an entry ends. Returns whether it could: an entry that does not end has
   * no room for times.
   */
  setTimes(
    location: number,
    expiresAt: number,
    ownExpiresAt: number,
  ): boolean {
    if ((this.flags(location) & TIMES) === 0) {
      return expiresAt === Infinity && ownExpiresAt === Infinity;
    }
    const { floats } = this.#segments.at(location);
    const at = this.#floatAt(location);
    floats[at + EXPIRES_AT] = expiresAt;
    floats[at + OWN_EXPIRES_AT] = ownExpiresAt;
    return true;
  }

  valueLength(location: number): number {
    return this.#segments.at(location)
      .words[this.#wordAt(location) + VALUE_LENGTH]!;
  }

  /** Copies a value to `target` at `at`, where there must be room. Returns its length. */
  copyValue(location: number, target: Uint8Array, at: number): number {
    const { bytes, words, view } = this.#segments.at(location);
    if (view !== undefined) return copyAt(view, target, at);
    const length = words[this.#wordAt(location) + VALUE_LENGTH]!;
    const from = this.#valueAt(words, location);
    if (length <= FEW_WORDS) {
      for (let i = 0; i < length; i++) target[at + i] = bytes[from + i]!;
    } else target.set(bytes.subarray(from, from + length), at);
    return length;
  }

  /** A value in memory of its own. */
  view(location: number): ByteView {
    const { bytes, words, view } = this.#segments.at(location);
    if (view !== undefined) return view;
    const from = this.#valueAt(words, location);
    const length = words[this.#wordAt(location) + VALUE_LENGTH]!;
    return viewOf(bytes, from, from + length, false);
  }

  /** Whether a view of the value takes memory of its own. */
  isCopied(location: number): boolean {
    return this.#segments.at(location).view === undefined;
  }

  key(location: number): string {
    const { bytes, words } = this.#segments.at(location);
    const length = words[this.#wordAt(location) + KEY_LENGTH]!;
    const from = this.#keyAt(words, location);
    const end = from + length;
    if (length <= FEW_WORDS) {
      let all = 0;
      for (let at = from; at < end; at++) all |= bytes[at]!;
      if (all <= 0x7f) return latin1Of(bytes, from, end);
    }
    return decoder.decode(bytes.subarray(from, end));
  }

  #wordAt(location: number): number {
    return (location & this.#mask) << (this.#shift - 2);
  }

  /** Where the entry at `at` bytes of a segment is. */
  locationOf({ number }: Segment, at: number): number {
    return (number * 2 ** this.#bits + (at >>> this.#shift)) >>> 0;
  }

  /** The first word of an entry, by its place in the words of its segment. */
  wordAt(location: number): number {
    return this.#wordAt(location);
  }

  #floatAt(location: number): number {
    return (location & this.#mask) << (this.#shift - 3);
  }

  #keyAt(words: Uint32Array, location: number): number {
    const at = this.#wordAt(location);
    const flags = words[at + FLAGS]!;
    const times = (flags >>> TIMES_SHIFT & 1) + (flags >>> STALE_SHIFT & 1);
    return 4 * at + HEAD_BYTES + TIMES_BYTES * times;
  }

  /** One of the times of an entry; `Infinity` if it has not got `flag`. */
  #timeAt(location: number, time: number, flag: number): number {
    const { words, floats } = this.#segments.at(location);
    return (words[this.#wordAt(location) + FLAGS]! & flag) === 0
      ? Infinity
      : floats[this.#floatAt(location) + time]!;
  }

  #valueAt(words: Uint32Array, location: number): number {
    return this.#keyAt(words, location) +
      words[this.#wordAt(location) + KEY_LENGTH]!;
  }

  /** What an entry takes. */
  sizeAt(segment: Segment, location: number): number {
    const room = segment.words[this.#wordAt(location) + FLAGS]! >>> ROOM_SHIFT;
    return room === 0 ? sizeOf(segment) : room << this.#shift;
  }

  /** What an entry would take, in a segment that it shares. */
  sizeFor(keyLength: number, valueLength: number, headLength: number): number {
    const size = headLength + keyLength + valueLength;
    const step = 2 ** this.#shift;
    return Math.ceil(size / step) * step;
  }

  /** Whether an entry has this key. */
  hasKey(
    location: number,
    key: Uint8Array,
    from: number,
    end: number,
  ): boolean {
    const { bytes, words } = this.#segments.at(location);
    const length = end - from;
    if (words[this.#wordAt(location) + KEY_LENGTH] !== length) return false;
    const at = this.#keyAt(words, location);
    for (let i = 0; i < length; i++) {
      if (bytes[at + i] !== key[from + i]) return false;
    }
    return true;
  }

  /** Whether an entry has this key, which must be ASCII. */
  hasAscii(location: number, key: string): boolean {
    const { bytes, words } = this.#segments.at(location);
    const { length } = key;
    if (words[this.#wordAt(location) + KEY_LENGTH] !== length) return false;
    const at = this.#keyAt(words, location);
    for (let i = 0; i < length; i++) {
      if (bytes[at + i] !== key.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Writes an entry where there is room for it. */
  write(
    location: number,
    hash: number,
    key: Uint8Array,
    from: number,
    end: number,
    view: ByteView,
    { flags, expiresAt, ownExpiresAt, staleAt, staleUntil }: EntryMeta,
    used: number,
    room: number,
  ): void {
    const segment = this.#segments.at(location);
    const { bytes, words, floats } = segment;
    const at = this.#wordAt(location);
    words[at + HASH] = hash;
    words[at + KEY_LENGTH] = end - from;
    words[at + VALUE_LENGTH] = view.byteLength;
    const hasTimes = expiresAt !== Infinity || ownExpiresAt !== Infinity ||
      staleAt !== undefined;
    words[at + FLAGS] = flags & GIVEN | used | (hasTimes ? TIMES : 0) |
      (staleAt === undefined ? 0 : STALE_FLAG) |
      (room >>> this.#shift) << ROOM_SHIFT;
    if (hasTimes) {
      const time = at >> 1;
      floats[time + EXPIRES_AT] = expiresAt;
      floats[time + OWN_EXPIRES_AT] = ownExpiresAt;
      if (staleAt !== undefined) {
        floats[time + STALE_AT] = staleAt;
        floats[time + STALE_UNTIL] = staleUntil ?? staleAt;
      }
    }
    let to = this.#keyAt(words, location);
    for (let i = from; i < end; i++) bytes[to++] = key[i]!;
    if (segment.view === undefined) copyAt(view, bytes, to);
  }

  /** Copies words of one segment to another, or further to the front of the same. */
  copy(
    from: Segment,
    at: number,
    to: Segment,
    toAt: number,
    length: number,
  ): void {
    const source = from.words, target = to.words;
    if (length > FEW_WORDS) {
      return target.set(source.subarray(at, at + length), toAt);
    }
    for (let i = 0; i < length; i++) target[toAt + i] = source[at + i]!;
  }
}
