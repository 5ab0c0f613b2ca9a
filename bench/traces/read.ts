/**
 * Reads a trace from an access log: one key a line, and after white space the size
 * of its value in bytes, if the log has sizes. Plain or gzip.
 *
 * @module
 */

import type { Trace } from "./trace.ts";

/** More keys than this do not fit into a `Map`. */
const MOST_KEYS = 2 ** 24;

/** A line that is no request. */
export class BadLine extends Error {
  constructor(name: string, line: number, cause: string) {
    super(`Cannot read ${name}: line ${line}: ${cause}`);
  }
}

/**
 * Reads all lines of `bytes`.
 *
 * @throws {BadLine} If a line is empty, has a third word or a size that is not a
 * whole number of at least 1, or if only some of the lines have a size
 * @throws {Error} If there is no line, or if `bytes` are broken gzip
 */
export async function readTrace(
  name: string,
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Trace> {
  const requests = new Requests(name);
  try {
    for await (const line of lines(await unzipped(bytes))) requests.add(line);
  } catch (error) {
    if (error instanceof BadLine) throw error;
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(
      `Cannot read ${name}: after line ${requests.lines}: ${cause}`,
      { cause: error },
    );
  }
  return requests.trace();
}

/** `bytes`, unpacked if they begin as gzip does. */
async function unzipped(
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const [head, all] = bytes.tee();
  const reader = head.getReader();
  const { value } = await reader.read();
  // Without this, the other branch would keep all that it reads for this one.
  reader.cancel();
  const isGzip = value !== undefined && value[0] === 0x1f && value[1] === 0x8b;
  return isGzip ? all.pipeThrough(new DecompressionStream("gzip")) : all;
}

async function* lines(
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  // The last line needs no end.
  if (rest !== "") yield rest;
}

/** Gathers requests, and gives each key a number. */
class Requests {
  readonly #name: string;
  readonly #numbers = new Map<string, number>();
  readonly #keys: number[] = [];
  readonly #sizes: number[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  get lines(): number {
    return this.#keys.length;
  }

  add(line: string): void {
    const [key, size, ...more] = line.trim().split(/\s+/);
    if (key === "") this.#refuse("it is empty");
    if (more.length > 0) {
      this.#refuse(`it must be a key and perhaps a size: received ${line}`);
    }
    if (this.lines > 0 && (size !== undefined) !== this.#sizes.length > 0) {
      this.#refuse("all lines must have a size, or none");
    }
    if (size !== undefined) {
      if (!/^\d{1,15}$/.test(size) || Number(size) < 1) {
        this.#refuse(
          `a size must be a whole number of at least 1: received ${size}`,
        );
      }
      this.#sizes.push(Number(size));
    }
    this.#keys.push(this.#numberOf(key!));
  }

  trace(): Trace {
    if (this.lines === 0) throw new BadLine(this.#name, 1, "there is none");
    return {
      name: this.#name,
      keys: Int32Array.from(this.#keys),
      distinct: this.#numbers.size,
      ...(this.#sizes.length > 0
        ? { sizes: Float64Array.from(this.#sizes) }
        : {}),
    };
  }

  #numberOf(key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const next = this.#numbers.size;
    if (next === MOST_KEYS) {
      this.#refuse(`more than ${MOST_KEYS} different keys`);
    }
    this.#numbers.set(key, next);
    return next;
  }

  #refuse(cause: string): never {
    throw new BadLine(this.#name, this.lines + 1, cause);
  }
}
