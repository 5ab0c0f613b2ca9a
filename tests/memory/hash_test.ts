import fc from "fast-check";
import { hashAscii, hashBytes, randomSeed } from "../../memory/hash.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { CHARACTER } from "../support/text.ts";

const encoder = new TextEncoder();
const seed = { a: 0x03020100, b: 0x07060504 };

Deno.test("A text and its UTF-8 have the same hash, wherever the bytes are", () => {
  const text = fc.oneof(
    fc.string({ unit: "grapheme-ascii", maxLength: 40 }),
    fc.string({ unit: CHARACTER, maxLength: 40 }),
  );
  fc.assert(fc.property(text, fc.nat(5), (text, offset) => {
    const bytes = encoder.encode(text);
    const moved = new Uint8Array(offset + bytes.length + 3).fill(7);
    moved.set(bytes, offset);
    const hash = hashBytes(seed, moved, offset, offset + bytes.length);
    assertEquals(hash, hashBytes(seed, bytes, 0, bytes.length));
    const isAscii = bytes.length === text.length;
    assertEquals(hashAscii(seed, text), isAscii ? hash : -1);
    assert(Number.isInteger(hash) && hash >= 0 && hash < 2 ** 32);
  }));
});

Deno.test("A seed decides on the hashes, and each process has its own", () => {
  const other = { a: seed.a, b: seed.b + 1 };
  assert(hashAscii(seed, "key") !== hashAscii(other, "key"));
  const seeds = Array.from({ length: 4 }, () => JSON.stringify(randomSeed()));
  assert(new Set(seeds).size > 1);
});

Deno.test("Hashes of keys that look alike are spread over all bits", () => {
  const ones = new Array(32).fill(0);
  const count = 20_000;
  const low = new Set<number>();
  for (let i = 0; i < count; i++) {
    const hash = hashAscii(seed, `user:${i}`);
    low.add(hash & 0xffff);
    for (let bit = 0; bit < 32; bit++) ones[bit] += hash >>> bit & 1;
  }
  for (const n of ones) assert(Math.abs(n - count / 2) < count / 30, `${n}`);
  // Of 65,536 places, chance fills 26 % with so many.
  assert(Math.abs(low.size - 17_235) < 400, `${low.size}`);
});
