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
/** No head is longer. A value that is not wrapped is not searched beyond that. */
const MAX_HEAD_BYTES = 64 << 10;

/** Puts headers in front of a body. */
export function wrap(headers: Headers, body: Uint8Array): Uint8Array {
  let head = "";
  for (const [name, value] of headers) head += `${name}: ${value}\n`;
  const bytes = new TextEncoder().encode(`${head}\n`);
  const whole = new Uint8Array(bytes.length + body.length);
  whole.set(bytes);
  whole.set(body, bytes.length);
  return whole;
}

/** The headers and the body of a value; without headers if it is not wrapped. */
export function unwrap(value: ByteView): { headers: Headers; body: ByteView } {
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
