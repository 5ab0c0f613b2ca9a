/**
 * Hashes of keys.
 *
 * They are seeded at random for each process, so that nobody outside can choose keys
 * that hash alike. A string and its UTF-8 have the same hash. The function is
 * HalfSipHash with one round for four bytes and three at the end. The round stands in both
 * functions, because a function could not hand back four numbers without an object.
 *
 * @module
 */

/** What all hashes of a store depend on: two numbers of 32 bits. */
export interface Seed {
  readonly a: number;
  readonly b: number;
}

/** A seed that nobody can guess. */
export function randomSeed(): Seed {
  const [a, b] = crypto.getRandomValues(new Int32Array(2));
  return { a: a!, b: b! };
}

/** The hash of the bytes from `from` up to `end`: a whole number of 32 bits. */
export function hashBytes(
  { a, b }: Seed,
  bytes: Uint8Array,
  from: number,
  end: number,
): number {
  let v0 = a, v1 = b, v2 = 0x6c796765 ^ a, v3 = 0x74656462 ^ b;
  const length = end - from;
  let at = from;
  // The last step takes what is left, and the length.
  for (let left = length >> 2; left >= 0; left--) {
    let word: number;
    if (left > 0) {
      word = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 |
        bytes[at + 3]! << 24;
      at += 4;
    } else {
      word = length << 24;
      if (at < end) word |= bytes[at]!;
      if (at + 1 < end) word |= bytes[at + 1]! << 8;
      if (at + 2 < end) word |= bytes[at + 2]! << 16;
    }
    v3 ^= word;
    v0 = v0 + v1 | 0;
    v1 = (v1 << 5 | v1 >>> 27) ^ v0;
    v0 = v0 << 16 | v0 >>> 16;
    v2 = v2 + v3 | 0;
    v3 = (v3 << 8 | v3 >>> 24) ^ v2;
    v0 = v0 + v3 | 0;
    v3 = (v3 << 7 | v3 >>> 25) ^ v0;
    v2 = v2 + v1 | 0;
    v1 = (v1 << 13 | v1 >>> 19) ^ v2;
    v2 = v2 << 16 | v2 >>> 16;
    v0 ^= word;
  }
  return finish(v0, v1, v2, v3);
}

/** The hash of the UTF-8 of `text`, or -1 if a character is not ASCII. */
export function hashAscii({ a, b }: Seed, text: string): number {
  let v0 = a, v1 = b, v2 = 0x6c796765 ^ a, v3 = 0x74656462 ^ b;
  const { length } = text;
  let at = 0;
  let all = 0;
  for (let left = length >> 2; left >= 0; left--) {
    let word: number;
    if (left > 0) {
      const c0 = text.charCodeAt(at), c1 = text.charCodeAt(at + 1);
      const c2 = text.charCodeAt(at + 2), c3 = text.charCodeAt(at + 3);
      all |= c0 | c1 | c2 | c3;
      word = c0 | c1 << 8 | c2 << 16 | c3 << 24;
      at += 4;
    } else {
      word = length << 24;
      for (let shift = 0; at < length; at++, shift += 8) {
        const c = text.charCodeAt(at);
        all |= c;
        word |= c << shift;
      }
    }
    v3 ^= word;
    v0 = v0 + v1 | 0;
    v1 = (v1 << 5 | v1 >>> 27) ^ v0;
    v0 = v0 << 16 | v0 >>> 16;
    v2 = v2 + v3 | 0;
    v3 = (v3 << 8 | v3 >>> 24) ^ v2;
    v0 = v0 + v3 | 0;
    v3 = (v3 << 7 | v3 >>> 25) ^ v0;
    v2 = v2 + v1 | 0;
    v1 = (v1 << 13 | v1 >>> 19) ^ v2;
    v2 = v2 << 16 | v2 >>> 16;
    v0 ^= word;
  }
  return all > 0x7f ? -1 : finish(v0, v1, v2, v3);
}

function finish(v0: number, v1: number, v2: number, v3: number): number {
  v2 ^= 0xff;
  for (let round = 0; round < 3; round++) {
    v0 = v0 + v1 | 0;
    v1 = (v1 << 5 | v1 >>> 27) ^ v0;
    v0 = v0 << 16 | v0 >>> 16;
    v2 = v2 + v3 | 0;
    v3 = (v3 << 8 | v3 >>> 24) ^ v2;
    v0 = v0 + v3 | 0;
    v3 = (v3 << 7 | v3 >>> 25) ^ v0;
    v2 = v2 + v1 | 0;
    v1 = (v1 << 13 | v1 >>> 19) ^ v2;
    v2 = v2 << 16 | v2 >>> 16;
  }
  return (v1 ^ v3) >>> 0;
}
