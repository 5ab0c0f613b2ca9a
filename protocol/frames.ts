/**
 * The bodies of a batch: many keys in a request, many results in its answer.
 *
 * A request's body is a row of keys. Each has the length of its UTF-8 in 4 bytes,
 * then the UTF-8. An answer's body is a row of results, in any order. Each has its
 * kind in 1 byte, the place of its key in the request in 4, the length of what
 * follows in 4, then that. All numbers are big-endian.
 *
 * @module
 */

import { ByteView } from "../base/byte_view.ts";
import type { PeerValue } from "../base/peers.ts";
import { decodeKey, writeText } from "./wire.ts";

/** The kinds of result, and what follows the head of each. */
export const KIND = {
  /** The bytes of a value that does not expire. */
  value: 0,
  /** The milliseconds that a value has left, as 8 bytes of floating point, and its bytes. */
  expiringValue: 1,
  /** Nothing: there is no such key. */
  notFound: 2,
  /** The message of the getter that failed. */
  failed: 3,
  /** Nothing: the key is still loading, so ask again. */
  pending: 4,
  /** A message that says what is wrong with the key. */
  badKey: 5,
  /** Nothing: too much is under way, so ask again or load the key yourself. */
  busy: 6,
} as const;

/** Only a reader reports this kind: it skipped a result that is too long. */
export const TOO_LONG = 255;

/** The kind of a result. */
export type Kind = typeof KIND[keyof typeof KIND] | typeof TOO_LONG;

/** The result for one key. */
export interface ResultFrame {
  kind: Kind;
  /** The key's place in the request. */
  index: number;
  /** A value with its time left, or a message. */
  value: PeerValue;
}

/** The longest message that is written or read. */
export const MAX_MESSAGE_BYTES: number = 64 * 1024;

/** A result that claims to be longer is malformed, so nobody waits for it. */
const MAX_LENGTH = 2 ** 30;

const NOTHING = ByteView.from("");
const LENGTH_BYTES = 4;
const HEAD_BYTES = 9;
const TTL_BYTES = 8;

/** Encodes keys as a body. For a PUT of one key, its value follows. */
export function encodeKeys(
  keys: readonly string[],
  value?: ByteView,
): Uint8Array<ArrayBuffer> {
  let room = value?.byteLength ?? 0;
  for (const key of keys) room += maxKeyBytes(key);
  const body = new Uint8Array(room);
  const numbers = new DataView(body.buffer);
  let at = 0;
  for (const key of keys) {
    const end = writeText(body, at + LENGTH_BYTES, key);
    numbers.setUint32(at, end - at - LENGTH_BYTES);
    at = end;
  }
  if (value !== undefined) at += value.copyTo(body.subarray(at));
  return body.slice(0, at);
}

/** The most bytes that a key can take in a body. */
export function maxKeyBytes(key: string): number {
  return LENGTH_BYTES + 3 * key.length;
}

/** Reads one key at `at`, or gives `undefined` if it is cut short or not UTF-8. */
function decodeOne(
  body: Uint8Array,
  at: number,
): { key: string; end: number } | undefined {
  if (body.length - at < LENGTH_BYTES) return undefined;
  // By hand, because a DataView for each key would cost more than the key.
  const length = (body[at]! * 2 ** 24) + (body[at + 1]! << 16) +
    (body[at + 2]! << 8) + body[at + 3]!;
  const end = at + LENGTH_BYTES + length;
  if (end > body.length) return undefined;
  const key = decodeKey(body.subarray(at + LENGTH_BYTES, end));
  return key === undefined ? undefined : { key, end };
}

/** Reads a body of keys, or gives `undefined` if it is malformed or has over `limit`. */
export function decodeKeys(
  body: Uint8Array,
  limit: number = Infinity,
): string[] | undefined {
  const keys: string[] = [];
  for (let at = 0; at < body.length;) {
    const one = keys.length < limit ? decodeOne(body, at) : undefined;
    if (one === undefined) return undefined;
    keys.push(one.key);
    at = one.end;
  }
  return keys;
}

/** Reads a body of one key and its value, or gives `undefined` if it is malformed. */
export function decodeKeyAndValue(
  body: Uint8Array,
): { key: string; value: ByteView } | undefined {
  const one = decodeOne(body, 0);
  if (one === undefined) return undefined;
  return { key: one.key, value: ByteView.from(body.subarray(one.end)) };
}

/** The number of bytes that a result takes. */
function sizeOf({ kind, value }: ResultFrame): number {
  const ttl = kind === KIND.expiringValue ? TTL_BYTES : 0;
  return HEAD_BYTES + ttl + value.value.byteLength;
}

/** Encodes results as a body, or as a part of one. */
export function encodeResults(
  frames: readonly ResultFrame[],
): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const frame of frames) length += sizeOf(frame);
  const body = new Uint8Array(length);
  const numbers = new DataView(body.buffer);
  let at = 0;
  for (const frame of frames) {
    const { kind, index, value: { value, ttlMs } } = frame;
    const end = at + sizeOf(frame);
    body[at] = kind;
    numbers.setUint32(at + 1, index);
    numbers.setUint32(at + 5, end - at - HEAD_BYTES);
    at += HEAD_BYTES;
    if (kind === KIND.expiringValue) {
      numbers.setFloat64(at, ttlMs!);
      at += TTL_BYTES;
    }
    value.copyTo(body.subarray(at));
    at = end;
  }
  return body;
}

/** A body of results is malformed. The message says how and where. */
export class FrameError extends Error {}

/**
 * Reads results as their bytes arrive, cut anywhere.
 *
 * Only bytes that have arrived take memory; a length that a head claims takes
 * none. A result that is too long is skipped and spoils no other.
 */
export class ResultReader {
  readonly #expected: number;
  readonly #maxBytes: number;
  /** 1 for each key that has its result. */
  readonly #seen: Uint8Array;
  #chunks: Uint8Array[] = [];
  /** How many bytes `#chunks` hold. */
  #size = 0;
  /** How many bytes the next step needs. */
  #need: number = HEAD_BYTES;
  /** How many bytes of a skipped result are still to come. */
  #toSkip = 0;
  /** Where the bytes in `#chunks` begin in the body. */
  #at = 0;

  /**
   * @param expected How many keys were asked for.
   * @param maxBytes How many bytes one value may have.
   */
  constructor(expected: number, maxBytes: number) {
    this.#expected = expected;
    this.#maxBytes = maxBytes;
    this.#seen = new Uint8Array(expected);
  }

  /**
   * The results that `chunk` completes.
   *
   * @throws {FrameError} If the body is not a row of results for the keys asked for.
   */
  *push(chunk: Uint8Array): IterableIterator<ResultFrame> {
    const skipped = Math.min(this.#toSkip, chunk.length);
    this.#toSkip -= skipped;
    this.#at += skipped;
    this.#chunks.push(chunk.subarray(skipped));
    this.#size += chunk.length - skipped;
    if (this.#size < this.#need) return;
    const bytes = this.#join();
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const length = this.#readHead(bytes, at);
      const end = at + HEAD_BYTES + length;
      if (length > this.#limitOf(bytes[at]!)) {
        yield this.#skip(bytes, at);
        this.#toSkip = Math.max(0, end - bytes.length);
        at = Math.min(end, bytes.length);
        continue;
      }
      if (end > bytes.length) {
        this.#need = HEAD_BYTES + length;
        break;
      }
      yield this.#readFrame(bytes, at, length);
      this.#need = HEAD_BYTES;
      at = end;
    }
    this.#at += at;
    this.#chunks = [bytes.subarray(at)];
    this.#size = bytes.length - at;
  }

  /**
   * Ends the body.
   *
   * @throws {FrameError} If the body ends within a result, or a result is missing.
   */
  end(): void {
    const missing = this.#seen.indexOf(0);
    if (this.#size > 0 || this.#toSkip > 0) {
      this.#fail(0, "the body ends within a result");
    }
    if (missing >= 0) this.#fail(0, `there is no result for key ${missing}`);
  }

  #join(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0]!;
    const bytes = new Uint8Array(this.#size);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  #readHead(bytes: Uint8Array, at: number): number {
    const kind = bytes[at]!;
    const index = uint32(bytes, at + 1);
    const length = uint32(bytes, at + 5);
    if (kind > KIND.busy) this.#fail(at, `${kind} is not a kind of result`);
    if (index >= this.#expected) {
      this.#fail(at, `there is no key ${index}`);
    }
    if (this.#seen[index] !== 0) {
      this.#fail(at, `a second result for key ${index}`);
    }
    if (length > MAX_LENGTH) {
      this.#fail(at, `${length} bytes are more than ${MAX_LENGTH}`);
    }
    if (kind === KIND.expiringValue && length < TTL_BYTES) {
      this.#fail(at, "an expiring value without its time left");
    }
    return length;
  }

  #limitOf(kind: number): number {
    switch (kind) {
      case KIND.value:
        return this.#maxBytes;
      case KIND.expiringValue:
        return this.#maxBytes + TTL_BYTES;
      default:
        return MAX_MESSAGE_BYTES;
    }
  }

  /** A result that is too long. A failed getter still counts, without its message. */
  #skip(bytes: Uint8Array, at: number): ResultFrame {
    const index = uint32(bytes, at + 1);
    this.#seen[index] = 1;
    this.#need = HEAD_BYTES;
    return bytes[at] === KIND.failed
      ? {
        kind: KIND.failed,
        index,
        value: {
          value: ByteView.from(`(more than ${MAX_MESSAGE_BYTES} bytes)`),
        },
      }
      : { kind: TOO_LONG, index, value: { value: NOTHING } };
  }

  #readFrame(bytes: Uint8Array, at: number, length: number): ResultFrame {
    const kind = bytes[at] as Kind;
    const index = uint32(bytes, at + 1);
    this.#seen[index] = 1;
    let from = at + HEAD_BYTES;
    const end = from + length;
    if (kind !== KIND.expiringValue) {
      return {
        kind,
        index,
        value: { value: ByteView.from(bytes.subarray(from, end)) },
      };
    }
    const offset = bytes.byteOffset + from;
    const ttlMs = new DataView(bytes.buffer, offset, TTL_BYTES).getFloat64(0);
    if (!(ttlMs >= 0)) this.#fail(at, `${ttlMs} ms is not a time left`);
    from += TTL_BYTES;
    const value = ByteView.from(bytes.subarray(from, end));
    return { kind, index, value: { value, ttlMs } };
  }

  #fail(at: number, what: string): never {
    throw new FrameError(`${what}, at byte ${this.#at + at}`);
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! * 2 ** 24) + (bytes[at + 1]! << 16) +
    (bytes[at + 2]! << 8) + bytes[at + 3]!;
}
