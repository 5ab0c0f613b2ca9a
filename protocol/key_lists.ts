/**
 * Keys in a body: many to be removed, or one to be stored with its value.
 *
 * Each key has the length of its UTF-8 in 4 bytes, big-endian, then the UTF-8.
 *
 * @module
 */

import { ByteView } from "../base/byte_view.ts";
import { decodeKey, writeText } from "./wire.ts";

const LENGTH_BYTES = 4;

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
