/**
 * The frames of a link: questions in the body of one long request, answers in the body
 * of its answer.
 *
 * A frame has the length of what follows its head in 4 bytes, its kind in 1, the number
 * of its question in 4, and then what its kind needs. All numbers are big-endian. See
 * docs/PROTOCOL.md.
 *
 * @module
 */

import { type ByteView, copyAt } from "../base/byte_view.ts";
import type { PeerValue } from "../base/peers.ts";
import { writeText } from "./wire.ts";

/** The version of links that this process speaks. */
export const LINK_VERSION = "1";

/** What an asker sends. */
export const ASK = {
  /** The name of a group, for which the frame's number stands from now on. */
  group: 1,
  /** A key's value: the group's number, how often a copy was served, the key. */
  get: 2,
  /** A key's value if it is in memory; as `get`. */
  peek: 3,
  /** Nobody waits for that question any more. */
  cancel: 4,
  /** To be answered with `pong`. The first frame of a link is one. */
  ping: 5,
  /** The fingerprint of the asker's list of nodes, once it has changed. */
  list: 6,
  /** The `traceparent` of the question with that number, which comes next. */
  trace: 7,
} as const;

/** What a server sends. */
export const ANSWER = {
  /** The bytes of a value that does not expire. */
  value: 1,
  /** How long the value has left and how long the question waited, then its bytes. */
  expiringValue: 2,
  /** There is no such key, or for a peek: it is not in memory. */
  notFound: 3,
  /** The message of the getter that failed. */
  failed: 4,
  /** What is wrong with the key. */
  badKey: 5,
  /** Too much is under way: ask again, or load the key yourself. */
  busy: 6,
  /** The server has no group of that name: ask the next node. */
  noGroup: 7,
  /** The server is about to close and loads nothing more: ask the next node. */
  draining: 8,
  /** The value is too large for a link, or too much waits to be read: ask by a GET. */
  alone: 9,
  pong: 10,
  /** The answer to no question: the server is about to close. */
  closing: 11,
  /**
   * As `expiringValue`, with the windows in which the value may be answered after its time
   * left, which is below 0 if it is stale.
   */
  windowedValue: 12,
} as const;

/** Added to the kind of a value that many ask for: a copy of it is worth keeping. */
export const HOT = 0x80;

/** The kind, its question and the length before them. */
export const HEAD_BYTES = 9;

/** What stands before the key of a question. */
export const QUESTION_BYTES = 4;

/** What stands before a value that expires: milliseconds as floating point, then as a whole number. */
export const EXPIRY_BYTES = 12;

/** What stands before a value with windows: the same, and two more of floating point. */
export const WINDOWED_BYTES: number = EXPIRY_BYTES + 16;

/** A longer key, or name of a group, is asked for by a request of its own. */
export const MAX_KEY_BYTES: number = 16 * 1024;

/** A larger value comes by a request of its own, since it would hold up others. */
export const MAX_VALUE_BYTES: number = 256 * 1024;

/** A longer message is cut. In characters: no character has more than 3 bytes. */
const MAX_MESSAGE = 16 * 1024;

/** The most that may follow the head of a frame of an asker. */
export const MAX_ASK_BYTES: number = QUESTION_BYTES + MAX_KEY_BYTES;

/** The most that may follow the head of a frame of a server. */
export const MAX_ANSWER_BYTES: number = WINDOWED_BYTES + MAX_VALUE_BYTES;

/** The groups that have numbers on a link at a time. */
export const MAX_GROUPS = 1024;

/**
 * How many characters the names of a link's groups may have in all. Askers begin again
 * with the first number at half of that: what the old numbers stand for still counts.
 */
export const MAX_NAME_CHARACTERS: number = 2 * 1024 * 1024;

/** A value with its time left and its windows. */
export type Windowed = Required<Omit<PeerValue, "isHot">>;

const MAX_UINT16 = 0xffff;
const MAX_UINT32 = 0xffffffff;

/** A stream of frames is malformed. The message says how. */
export class FrameError extends Error {}

const FIRST_BYTES = 1024;
const FIRST_PART = 64;

/** More bytes are handed on, not copied. */
const MAX_COPIED_BYTES = 16 * 1024;

/** Writes frames one after the other, until they are taken. */
export class FrameWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #numbers = new DataView(this.#bytes.buffer);
  #size = 0;
  /** How many bytes may come, after as many that were taken. */
  #expected = 0;

  /** How many bytes wait to be taken. */
  get size(): number {
    return this.#size;
  }

  /** The frames so far, in memory of their own. */
  take(): Uint8Array<ArrayBuffer> {
    const size = this.#size;
    this.#size = 0;
    if (size <= MAX_COPIED_BYTES) return this.#bytes.slice(0, size);
    // To copy so many bytes costs more than new memory, which grows as it is needed.
    const bytes = this.#bytes.subarray(0, size);
    // As much may follow. It is not made before that: a link that is idle keeps little.
    this.#expected = size + size / 4;
    this.#replace(new Uint8Array(FIRST_BYTES));
    return bytes;
  }

  /** A frame of a head alone. */
  head(kind: number, id: number): void {
    this.#begin(kind, id, 0);
    this.#end(this.#size + HEAD_BYTES);
  }

  /** A frame with a text: a message, which may be cut, a name or a fingerprint. */
  text(kind: number, id: number, text: string): void {
    const cut = text.length > MAX_MESSAGE ? text.slice(0, MAX_MESSAGE) : text;
    const at = this.#begin(kind, id, 3 * cut.length);
    this.#end(writeText(this.#bytes, at, cut));
  }

  /** A question. */
  question(
    kind: number,
    id: number,
    group: number,
    served: number,
    key: string,
  ): void {
    const at = this.#begin(kind, id, QUESTION_BYTES + 3 * key.length);
    this.#numbers.setUint16(at, group);
    this.#numbers.setUint16(at + 2, Math.min(served, MAX_UINT16));
    this.#end(writeText(this.#bytes, at + QUESTION_BYTES, key));
  }

  /** A value that does not expire. */
  value(kind: number, id: number, value: ByteView): void {
    const at = this.valueOf(kind, id, value.byteLength);
    copyAt(value, this.#bytes, at);
  }

  /**
   * A value of `length` bytes that does not expire, to be copied to `bytes` at the place
   * that is returned, before anything else is written.
   */
  valueOf(kind: number, id: number, length: number): number {
    const at = this.#begin(kind, id, length);
    this.#end(at + length);
    return at;
  }

  /** Where values are copied to. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** A value that expires in `ttlMs`, to a question that has waited for `waitedMs`. */
  expiring(
    kind: number,
    id: number,
    value: ByteView,
    ttlMs: number,
    waitedMs: number,
  ): void {
    const { byteLength } = value;
    const at = this.expiringOf(kind, id, byteLength, ttlMs, waitedMs);
    copyAt(value, this.#bytes, at);
  }

  /** As `valueOf()`, for a value that expires. */
  expiringOf(
    kind: number,
    id: number,
    length: number,
    ttlMs: number,
    waitedMs: number,
  ): number {
    const at = this.#begin(kind, id, EXPIRY_BYTES + length);
    this.#numbers.setFloat64(at, ttlMs);
    this.#numbers.setUint32(at + 8, Math.min(waitedMs, MAX_UINT32));
    this.#end(at + EXPIRY_BYTES + length);
    return at + EXPIRY_BYTES;
  }

  /** As `expiring()`, for a value that may be answered after it went stale. */
  windowed(
    kind: number,
    id: number,
    { value, ttlMs, staleWhileRevalidateMs, staleIfErrorMs }: Windowed,
    waitedMs: number,
  ): void {
    const { byteLength } = value;
    const at = this.#begin(kind, id, WINDOWED_BYTES + byteLength);
    this.#numbers.setFloat64(at, ttlMs);
    this.#numbers.setUint32(at + 8, Math.min(waitedMs, MAX_UINT32));
    this.#numbers.setFloat64(at + EXPIRY_BYTES, staleWhileRevalidateMs);
    this.#numbers.setFloat64(at + EXPIRY_BYTES + 8, staleIfErrorMs);
    this.#end(at + WINDOWED_BYTES + byteLength);
    copyAt(value, this.#bytes, at + WINDOWED_BYTES);
  }

  /** Writes a head without its length, and makes room for `length` more bytes. */
  #begin(kind: number, id: number, length: number): number {
    const at = this.#size;
    const needed = at + HEAD_BYTES + length;
    if (needed > this.#bytes.length) {
      const bytes = new Uint8Array(
        Math.max(needed, 4 * this.#bytes.length, this.#expected),
      );
      this.#expected = 0;
      bytes.set(this.#bytes.subarray(0, at));
      this.#replace(bytes);
    }
    this.#bytes[at + 4] = kind;
    this.#numbers.setUint32(at + 5, id);
    return at + HEAD_BYTES;
  }

  /** Ends the frame whose last byte is before `end`. */
  #end(end: number): void {
    this.#numbers.setUint32(this.#size, end - this.#size - HEAD_BYTES);
    this.#size = end;
  }

  #replace(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#numbers = new DataView(bytes.buffer);
  }
}

/**
 * Takes a frame: what follows its head are the bytes from `from` up to `end`, which are
 * there only until it returns, unless they are its own. Returns whether it takes another
 * one now.
 */
export type TakeFrame = (
  kind: number,
  id: number,
  bytes: Uint8Array,
  from: number,
  end: number,
  isOwn: boolean,
) => boolean;

/** Reads frames as their bytes arrive, cut anywhere. */
export class FrameReader {
  readonly #maxBytes: number;
  /** The begin of a frame that has not arrived whole. */
  #part = new Uint8Array(FIRST_PART);
  #held = 0;

  /** @param maxBytes What follows a head may not have more. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether the stream may end here. */
  get isBetweenFrames(): boolean {
    return this.#held === 0;
  }

  /**
   * Gives each frame that `chunk` completes to `take`, until that takes no more. Returns
   * how many bytes were read.
   *
   * @throws {FrameError} If a frame is too long. What `take` throws ends the reading, too.
   */
  push(chunk: Uint8Array, take: TakeFrame): number {
    let at = 0;
    while (this.#held > 0 && at < chunk.length) {
      at = this.#fill(chunk, at);
      if (this.#isWhole && !this.#takePart(take)) return at;
    }
    while (chunk.length - at >= HEAD_BYTES) {
      const from = at + HEAD_BYTES;
      const end = at + this.#lengthOf(chunk, at);
      if (end > chunk.length) break;
      const kind = chunk[at + 4]!;
      const id = uint32(chunk, at + 5);
      at = end;
      if (!take(kind, id, chunk, from, end, false)) return at;
    }
    if (at < chunk.length) this.#hold(chunk, at, chunk.length);
    return chunk.length;
  }

  /** Whether the frame that has begun is here. */
  get #isWhole(): boolean {
    return this.#held >= HEAD_BYTES &&
      this.#held === this.#lengthOf(this.#part, 0);
  }

  /** Adds to the frame that has begun. Returns where its bytes end in `chunk`. */
  #fill(chunk: Uint8Array, at: number): number {
    const needed = this.#held < HEAD_BYTES
      ? HEAD_BYTES
      : this.#lengthOf(this.#part, 0);
    const end = Math.min(chunk.length, at + needed - this.#held);
    this.#hold(chunk, at, end);
    return end;
  }

  #takePart(take: TakeFrame): boolean {
    const part = this.#part;
    const length = this.#held;
    this.#held = 0;
    // A large frame's memory is not kept for the next small one.
    const isOwn = length > MAX_COPIED_BYTES;
    if (isOwn) this.#part = new Uint8Array(FIRST_PART);
    return take(part[4]!, uint32(part, 5), part, HEAD_BYTES, length, isOwn);
  }

  #hold(chunk: Uint8Array, from: number, end: number): void {
    const held = this.#held + end - from;
    if (held > this.#part.length) {
      // As much as has arrived or a few times that, whatever a head claims.
      const claimed = this.#held === 0
        ? this.#lengthOf(chunk, from)
        : this.#lengthOf(this.#part, 0);
      const part = new Uint8Array(Math.max(held, Math.min(claimed, 4 * held)));
      part.set(this.#part.subarray(0, this.#held));
      this.#part = part;
    }
    this.#part.set(chunk.subarray(from, end), this.#held);
    this.#held = held;
  }

  /** How long the frame at `at` is with its head. */
  #lengthOf(bytes: Uint8Array, at: number): number {
    const length = uint32(bytes, at);
    if (length <= this.#maxBytes) return HEAD_BYTES + length;
    throw new FrameError(
      `a frame claims ${length} bytes, more than ${this.#maxBytes}`,
    );
  }
}

/** A number of 4 bytes. */
export function uint32(bytes: Uint8Array, at: number): number {
  // By hand, because a DataView for each chunk would cost more than the frame.
  return bytes[at]! * 2 ** 24 + (bytes[at + 1]! << 16) +
    (bytes[at + 2]! << 8) + bytes[at + 3]!;
}

/** A number of 2 bytes. */
export function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) + bytes[at + 1]!;
}

const eight = new Uint8Array(8);
const float = new DataView(eight.buffer);

/** A number of 8 bytes of floating point. */
export function float64(bytes: Uint8Array, at: number): number {
  eight.set(bytes.subarray(at, at + 8));
  return float.getFloat64(0);
}

/**
 * For how long a value may be answered after it went stale.
 *
 * @throws {FrameError} If that is no such time.
 */
export function windowAt(bytes: Uint8Array, at: number): number {
  const ms = float64(bytes, at);
  if (ms >= 0) return ms;
  throw new FrameError(`${ms} ms is no window`);
}
