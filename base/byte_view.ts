/**
 * Bytes that nobody can change.
 *
 * A {@linkcode ByteView} copies what it is made from and hands out copies, so
 * what a cache holds cannot be altered from outside. A small value is kept as a
 * string with one character per byte, because an `ArrayBuffer` would cost a value
 * of 64 bytes about 400 bytes more.
 *
 * @module
 */

/** Anything that can be read as bytes. A string is read as its UTF-8. */
export type BytesLike = string | Uint8Array | ByteView;

/** The size of the largest value that is packed into a string. */
export const MAX_PACKED_BYTES = 256;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const scratch = new Uint8Array(MAX_PACKED_BYTES * 3);
// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/** Node, Deno and Bun all ask under this symbol how a console shows an object. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** A console shows at most so many characters of a text, and half as many bytes. */
const MAX_SHOWN = 100;

/** Whether `data` is a `Uint8Array`, from any realm. */
function isUint8Array(data: unknown): data is Uint8Array {
  return ArrayBuffer.isView(data) &&
    (data as Uint8Array)[Symbol.toStringTag] === "Uint8Array";
}

/**
 * Whether `data` is a `Uint8Array` that has lost its bytes: its buffer was transferred,
 * or shrunk from under it. Its length is 0 then, as if it were empty.
 */
export function isDetached(data: unknown): boolean {
  if (!isUint8Array(data) || data.length > 0) return false;
  try {
    Uint8Array.prototype.at.call(data, 0);
    return false;
  } catch {
    return true;
  }
}

/** The mark of views, by which several copies of this package know each other's. */
const VIEW = Symbol.for("geecache.ByteView");

function isView(data: unknown): data is ByteView {
  return typeof data === "object" && data !== null && VIEW in data;
}

/** What Node, Deno and Bun have in `Buffer`: it takes a quarter of the time. */
const latin1Slice = (globalThis as {
  Buffer?: {
    prototype: {
      latin1Slice?(this: Uint8Array, from: number, end: number): string;
    };
  };
}).Buffer?.prototype.latin1Slice;

/** The bytes from `from` up to `end`, at most a few hundred, as one character each. */
export function latin1Of(bytes: Uint8Array, from: number, end: number): string {
  if (latin1Slice !== undefined) return latin1Slice.call(bytes, from, end);
  const part = bytes.subarray(from, end);
  return String.fromCharCode.apply(null, part as unknown as number[]);
}

function pack(bytes: Uint8Array): string {
  return latin1Of(bytes, 0, bytes.length);
}

function unpackTo(target: Uint8Array, packed: string, length: number): void {
  for (let i = 0; i < length; i++) target[i] = packed.charCodeAt(i);
}

/** Copies `bytes`, into a packed string or into a buffer of their own. */
function hold(bytes: Uint8Array): Uint8Array<ArrayBuffer> | string {
  return bytes.length <= MAX_PACKED_BYTES ? pack(bytes) : new Uint8Array(bytes);
}

function holdText(text: string): Uint8Array<ArrayBuffer> | string {
  if (text.length > MAX_PACKED_BYTES) return encoder.encode(text);
  // Always through bytes, because a string that was cut from a longer one would
  // keep all of the longer one in memory.
  return hold(scratch.subarray(0, encoder.encodeInto(text, scratch).written));
}

/**
 * A promise of `view`. It is made on first use and then shared, so that a cache
 * hit need not make one.
 */
export let promiseOf: (view: ByteView) => Promise<ByteView>;

/** Copies the bytes of `view` to `target` at `at`, where there must be room. Returns how many. */
export let copyAt: (view: ByteView, target: Uint8Array, at: number) => number;

/**
 * A view of the bytes from `from` up to `end`: of a copy, or of `bytes` themselves if
 * nobody else has them.
 */
export let viewOf: (
  bytes: Uint8Array,
  from: number,
  end: number,
  isOwn: boolean,
) => ByteView;

/**
 * The cheapest form of `view` for an HTTP body: its packed string if that is
 * ASCII, otherwise its bytes. Servers write such a string faster than an array
 * that is made for it.
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
    Object.defineProperty(this.prototype, VIEW, { value: true });
    promiseOf = (view) => view.#promise ??= Promise.resolve(view);
    copyAt = (view, target, at) => {
      const data = view.#data;
      const { length } = data;
      if (typeof data === "string") {
        for (let i = 0; i < length; i++) target[at + i] = data.charCodeAt(i);
      } else target.set(data, at);
      return length;
    };
    viewOf = (bytes, from, end, isOwn) =>
      new ByteView(
        end - from <= MAX_PACKED_BYTES
          ? latin1Of(bytes, from, end)
          : isOwn
          ? bytes.subarray(from, end) as Uint8Array<ArrayBuffer>
          : new Uint8Array(bytes.subarray(from, end)),
      );
    bodyOf = (view) =>
      typeof view.#data === "string" && ASCII.test(view.#data)
        ? view.#data
        : view.bytes();
    // Not a member of the class: nobody but a console should call it.
    Object.defineProperty(ByteView.prototype, INSPECT, {
      value(this: ByteView): unknown {
        // A console may also be given the prototype, which has no bytes.
        return #data in this ? this.#shown() : this;
      },
    });
  }

  // A string holds one byte per character, 0 to 255.
  readonly #data: Uint8Array<ArrayBuffer> | string;
  #promise: Promise<ByteView> | undefined;

  private constructor(data: Uint8Array<ArrayBuffer> | string) {
    this.#data = data;
  }

  /**
   * Makes a view of a copy of `data`. A `ByteView` is returned as it is.
   *
   * @param data Bytes, or a string to be encoded as UTF-8. A lone surrogate
   *   becomes U+FFFD, as in `TextEncoder`.
   * @throws {TypeError} If `data` is none of these, or its buffer was transferred.
   */
  static from(data: BytesLike): ByteView {
    if (data instanceof ByteView) return data;
    if (typeof data === "string") return new ByteView(holdText(data));
    // A view of another copy of this package.
    if (isView(data)) return new ByteView(hold(data.bytes()));
    if (isUint8Array(data) && !isDetached(data)) {
      return new ByteView(hold(data));
    }
    const received = isDetached(data)
      ? "a Uint8Array whose buffer was transferred"
      : data === null
      ? "null"
      : typeof data;
    throw new TypeError(
      "Cannot make a ByteView: data must be a string, a Uint8Array or a ByteView: " +
        `received ${received}`,
    );
  }

  /** The number of bytes. */
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
   * The bytes as UTF-8 text. A byte order mark is kept. Bytes that are not UTF-8
   * become U+FFFD.
   */
  text(): string {
    const data = this.#data;
    if (typeof data !== "string") return decoder.decode(data);
    return ASCII.test(data) ? data : decoder.decode(this.bytes());
  }

  /** The same as {@linkcode text}, so that `String(view)` shows the value. */
  toString(): string {
    return this.text();
  }

  /**
   * The same as {@linkcode text}, so that `JSON.stringify` shows the value. Bytes
   * that are not UTF-8 do not survive this.
   */
  toJSON(): string {
    return this.text();
  }

  /**
   * The bytes as JSON. The type is the caller's claim; nothing checks it.
   *
   * @throws {SyntaxError} If the bytes are not JSON.
   */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }

  /**
   * The bytes from `start` up to, but not including, `end`. Both indexes work as
   * in `Uint8Array.prototype.slice()`. The new view shares this one's memory and
   * keeps all of it alive, unless the new view is small.
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
   * @returns The number of bytes copied.
   */
  copyTo(target: Uint8Array): number {
    const data = this.#data;
    const length = Math.min(data.length, target.length);
    if (typeof data === "string") unpackTo(target, data, length);
    else target.set(data.subarray(0, length));
    return length;
  }

  /** Whether `other` has the same bytes. */
  equals(other: BytesLike): boolean {
    const a = this.#data;
    const b = ByteView.from(other).#data;
    if (typeof a === "string" || typeof b === "string") return a === b;
    if (a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  }

  /**
   * This view, or a copy of it if it is a slice that keeps a larger buffer alive.
   * Call this before you keep a view for a long time.
   */
  compact(): ByteView {
    const data = this.#data;
    return typeof data === "string" || data.length === data.buffer.byteLength
      ? this
      : new ByteView(new Uint8Array(data));
  }

  /** What a console shows: `ByteView(3) "630"`, or `ByteView(2) <ff 00>`. */
  #shown(): string {
    const { byteLength } = this;
    const head = `ByteView(${byteLength})`;
    // No character has more than 4 bytes. The last one may be cut in two.
    const part = this.slice(0, MAX_SHOWN * 4).bytes();
    try {
      const isWhole = part.length === byteLength;
      const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      const text = strict.decode(part, { stream: !isWhole });
      const shown = [...text].slice(0, MAX_SHOWN).join("");
      const isCut = shown.length < text.length || !isWhole;
      return `${head} ${JSON.stringify(isCut ? shown + "…" : shown)}`;
    } catch {
      const bytes = [...part.subarray(0, MAX_SHOWN / 2)];
      const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0"));
      if (bytes.length < byteLength) hex.push("…");
      return `${head} <${hex.join(" ")}>`;
    }
  }
}
