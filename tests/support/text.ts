/** Arbitrary text. */

import fc from "fast-check";

/**
 * Any character, as a `unit` of `fc.string()`: as many of one byte as of two or three,
 * and of all of Unicode. To make fast-check's own, `"binary"`, takes a second.
 */
export const CHARACTER: fc.Arbitrary<string> = fc.oneof(
  fc.integer({ min: 0, max: 0x7f }),
  fc.integer({ min: 0x80, max: 0xd7ff }),
  fc.integer({ min: 0xe000, max: 0x10ffff }),
).map((code) => String.fromCodePoint(code));
