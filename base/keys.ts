/**
 * Keys that are kept: their bytes, and copies that keep nothing else alive.
 *
 * @module
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const scratch = new Uint8Array(3 * 256);

/** The UTF-8 of `key`, valid until the next call. */
export function utf8(key: string): Uint8Array {
  return key.length * 3 <= scratch.length
    ? scratch.subarray(0, encoder.encodeInto(key, scratch).written)
    : encoder.encode(key);
}

/**
 * A copy of `key` that shares no memory with the string it may have been cut
 * from, such as a whole URL.
 */
export function detach(key: string): string {
  return decoder.decode(utf8(key));
}
