/**
 * Bytes that nobody can change.
 *
 * A {@linkcode ByteView} copies what it is made from and hands out copies, so
 * what a cache holds cannot be altered from outside. Small values are kept as a
 * string of one character a byte: an `ArrayBuffer` of its own would cost a value
 * of 64 bytes about 400 bytes more.
 *
 * @module
 */

/** What can stand for bytes. A string stands for its UTF-8 encoding. */
export type BytesLike = string | Uint8Array | ByteView;

/** Values of up to so many bytes are packed into a string. */
export const MAX_PACKED_BYTES = 256;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const scratch = new Uint8Array(MAX_PACKED_BYTES * 3);
// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/** Whether `data` is a `Uint8Array`, of whatever realm. */
function isUint8Array(data: unknown): data is Uint8Array {
  return ArrayBuffer.isView(data) &&
    (data as Uint8Array)[Symbol.toStringTag] === "Uint8Array";
}

function pack(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

function unpackTo(target: Uint8Array, packed: string, length: number): void {
  for (let i = 0; i < length; i++) target[i] = packed.charCodeAt(i);
}

/** What holds `bytes` for good: a packed string, or a copy in a buffer of its own. */
function hold(bytes: Uint8Array): Uint8Array<ArrayBuffer> | string {
  return bytes.length <= MAX_PACKED_BYTES ? pack(bytes) : new Uint8Array(bytes);
}

function holdText(text: string): Uint8Array<ArrayBuffer> | string {
  if (text.length > MAX_PACKED_BYTES) return encoder.encode(text);
  // Always through bytes: a string that was cut from a longer one would keep
  // all of the longer one in memory.
  return hold(scratch.subarray(0, encoder.encodeInto(text, scratch).written));
}

/**
 * A promise of `view`, made once, when first asked for: a cache hit hands out
 * this one instead of making its own.
 */
export let promiseOf: (view: ByteView) => Promise<ByteView>;

/**
 * What costs least to make a body of: the bytes, or a string where they are ASCII
 * and kept as one. Servers write that sooner than an array made for it.
 */
export let bodyOf: (view: ByteView) => Uint8Array<ArrayBuffer> | string;

/**
 * An immutable view of bytes.
 *
 * @example A value that its maker cannot change any more
 * ```ts
 * import { ByteView } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const buffer = new Uint8Array([54, 51, 48]);
 * const view = ByteView.from(buffer);
 * buffer.fill(0);
 * assertEquals(view.text(), "630");
 * assertEquals(view.byteLength, 3);
 * ```
 */
export class ByteView {
  static {
    promiseOf = (view) => view.#promise ??= Promise.resolve(view);
    bodyOf = (view) =>
      typeof view.#data === "string" && ASCII.test(view.#data)
        ? view.#data
        : view.bytes();
  }

  // A string holds one byte in each character, 0 to 255.
  readonly #data: Uint8Array<ArrayBuffer> | string;
  #promise: Promise<ByteView> | undefined;

  private constructor(data: Uint8Array<ArrayBuffer> | string) {
    this.#data = data;
  }

  /**
   * Makes a view of `data`, copied once. A `ByteView` is returned as it is.
   *
   * @param data Bytes, or a string to be encoded as UTF-8. A lone surrogate
   *   becomes U+FFFD, as `TextEncoder` has it.
   * @throws {TypeError} If `data` is none of these.
   */
  static from(data: BytesLike): ByteView {
    if (data instanceof ByteView) return data;
    if (typeof data === "string") return new ByteView(holdText(data));
    if (isUint8Array(data)) return new ByteView(hold(data));
    throw new TypeError(
      "Cannot make a ByteView: data must be a string, a Uint8Array or a ByteView: " +
        `received ${data === null ? "null" : typeof data}`,
    );
  }

  /** How many bytes there are. */
  get byteLength(): number {
    return this.#data.length;
  }

  /**
   * The byte at `index`, 0 to 255, or `undefined` outside the view. A negative
   * index counts from the end, as in `Array.prototype.at()`.
   */
  at(index: number): number | undefined {
    const data = this.#data;
    if (typeof data !== "string") return data.at(index);
    return data.at(index)?.charCodeAt(0);
  }

  /** A fresh copy of the bytes, in a buffer of exactly their length. */
  bytes(): Uint8Array<ArrayBuffer> {
    const data = this.#data;
    if (typeof data !== "string") return new Uint8Array(data);
    const bytes = new Uint8Array(data.length);
    unpackTo(bytes, data, data.length);
    return bytes;
  }

  /**
   * The bytes as UTF-8 text. A byte order mark is kept; what is not UTF-8
   * becomes U+FFFD.
   */
  text(): string {
    const data = this.#data;
    if (typeof data !== "string") return decoder.decode(data);
    return ASCII.test(data) ? data : decoder.decode(this.bytes());
  }

  /**
   * The bytes as JSON. The type is the caller's claim; nothing checks it.
   *
   * @throws {SyntaxError} If they are no JSON.
   */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }

  /**
   * The bytes from `start` to before `end`, which count as in
   * `Uint8Array.prototype.slice()`. The new view shares this one's memory, and
   * so keeps all of it alive, unless it is a small one.
   */
  slice(start?: number, end?: number): ByteView {
    const data = this.#data;
    if (typeof data === "string") return new ByteView(data.slice(start, end));
    const part = data.subarray(start, end);
    return new ByteView(
      part.length <= MAX_PACKED_BYTES ? pack(part) : part,
    );
  }

  /**
   * Copies as many bytes as fit to the beginning of `target`.
   *
   * @returns How many were copied.
   */
  copyTo(target: Uint8Array): number {
    const data = this.#data;
    const length = Math.min(data.length, target.length);
    if (typeof data === "string") unpackTo(target, data, length);
    else target.set(data.subarray(0, length));
    return length;
  }

  /** Whether `other` stands for the same bytes. */
  equals(other: BytesLike): boolean {
    const a = this.#data;
    const b = ByteView.from(other).#data;
    if (typeof a === "string" || typeof b === "string") return a === b;
    if (a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  }

  /**
   * This view, or a copy of it where it is a slice that keeps a larger buffer
   * alive. For whoever keeps a view for long.
   */
  compact(): ByteView {
    const data = this.#data;
    return typeof data === "string" || data.length === data.buffer.byteLength
      ? this
      : new ByteView(new Uint8Array(data));
  }
}
