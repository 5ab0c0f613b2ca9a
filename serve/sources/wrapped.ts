/**
 * Values with headers in front of them: what an HTTP source said of a value travels
 * with its bytes, so that every process of the cluster knows its type, and the one that
 * loads it again can ask whether it has changed.
 *
 * The headers are lines as in HTTP, with an empty line behind them.
 *
 * @module
 */

import type { ByteView } from "../../mod.ts";

const NEWLINE = 10;
/** No head is longer: a value that is not wrapped is not searched beyond that. */
const MAX_HEAD_BYTES = 64 << 10;

/** A value without its headers, and these. */
export interface Wrapped {
  readonly headers: Headers;
  readonly body: ByteView;
}

/** What was unwrapped lately: a view keeps its hash, which is its tag. */
const unwrapped = new WeakMap<ByteView, Wrapped>();

/**
 * Puts headers in front of a body, which comes in parts.
 *
 * @throws {RangeError} If nobody would find their end.
 */
export function wrap(
  headers: Headers,
  parts: readonly Uint8Array[],
): Uint8Array {
  let head = "";
  for (const [name, value] of headers) head += `${name}: ${value}\n`;
  const first = new TextEncoder().encode(`${head}\n`);
  if (first.length > MAX_HEAD_BYTES) {
    throw new RangeError(
      `its headers have more than ${MAX_HEAD_BYTES} bytes: received ${first.length}`,
    );
  }
  const all = [first, ...parts];
  const length = all.reduce((sum, part) => sum + part.length, 0);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The headers and the body of a value; without headers if it is not wrapped. */
export function unwrap(value: ByteView): Wrapped {
  let found = unwrapped.get(value);
  if (found === undefined) unwrapped.set(value, found = split(value));
  return found;
}

function split(value: ByteView): Wrapped {
  const headers = new Headers();
  const limit = Math.min(value.byteLength, MAX_HEAD_BYTES);
  try {
    for (let start = 0;;) {
      let end = start;
      while (end < limit && value.at(end) !== NEWLINE) end++;
      if (end === limit) break;
      if (end === start) return { headers, body: value.slice(end + 1) };
      const line = value.slice(start, end).text();
      const colon = line.indexOf(": ");
      headers.set(line.slice(0, colon), line.slice(colon + 2));
      start = end + 1;
    }
  } catch {
    // A line is no header.
  }
  return { headers: new Headers(), body: value };
}
