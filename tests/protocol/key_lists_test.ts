/** Keys in bodies: they are read as they were written, and damage is refused. */

import fc from "fast-check";
import { ByteView } from "../../base/byte_view.ts";
import {
  decodeKeyAndValue,
  decodeKeys,
  encodeKeys,
  maxKeyBytes,
} from "../../protocol/key_lists.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { CHARACTER } from "../support/text.ts";

const anyKey = fc.oneof(
  fc.string({ unit: CHARACTER }),
  fc.string({ unit: CHARACTER, minLength: 100, maxLength: 400 }),
  fc.constantFrom(
    "",
    "\0",
    "\ufeff",
    "😀",
    "日本",
    "\uffff",
    "x".repeat(70_000),
  ),
);

const anyUint32 = fc.oneof(
  fc.constantFrom(0, 1, 8, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
  fc.nat(2_000),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
);

function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** How many bytes `run` allocates. */
function allocated(run: () => void): number {
  const { Uint8Array: Real } = globalThis;
  let bytes = 0;
  globalThis.Uint8Array = new Proxy(Real, {
    construct(target, args, newTarget) {
      const made = Reflect.construct(target, args, newTarget) as Uint8Array;
      if (!(args[0] instanceof ArrayBuffer)) bytes += made.byteLength;
      return made;
    },
  });
  try {
    run();
  } finally {
    globalThis.Uint8Array = Real;
  }
  return bytes;
}

Deno.test("Keys are read from their frames as they were written, up to the limit and not beyond it", () => {
  fc.assert(fc.property(fc.array(anyKey), (keys) => {
    const body = encodeKeys(keys);
    assertEquals(decodeKeys(body), keys);
    assertEquals(decodeKeys(body, keys.length), keys);
    if (keys.length > 0) {
      assertEquals(decodeKeys(body, keys.length - 1), undefined);
    }
  }));
});

Deno.test("A key and its value are read as they were written, also an empty value", () => {
  fc.assert(fc.property(anyKey, fc.uint8Array(), (key, bytes) => {
    const pair = decodeKeyAndValue(encodeKeys([key], ByteView.from(bytes)));
    assertEquals([pair?.key, pair?.value.equals(bytes)], [key, true]);
  }));
});

Deno.test("A body of keys is each key's length in four bytes, highest first, then its UTF-8", () => {
  assertEquals(
    [...encodeKeys(["a", "", "日"])],
    [0, 0, 0, 1, 97, 0, 0, 0, 0, 0, 0, 0, 3, 0xe6, 0x97, 0xa5],
  );
  const long = encodeKeys(["x".repeat(0x010203)]);
  assertEquals([...long.subarray(0, 4)], [0, 1, 2, 3]);
  assertEquals(decodeKeys(encodeKeys([])), []);
});

Deno.test("No key takes more bytes than maxKeyBytes() says", () => {
  fc.assert(fc.property(anyKey, (key) => {
    assert(encodeKeys([key]).length <= maxKeyBytes(key));
  }));
});

Deno.test("Keys in frames can be read from a part of a larger buffer", () => {
  const frames = encodeKeys(["a", "日本"]);
  const buffer = new Uint8Array(frames.length + 14).fill(0xff);
  buffer.set(frames, 7);
  const part = buffer.subarray(7, 7 + frames.length);
  assertEquals(decodeKeys(part), ["a", "日本"]);
  const pair = decodeKeyAndValue(part);
  assertEquals([pair?.key, pair?.value.byteLength], ["a", 10]);
});

Deno.test("Keys that are cut off are refused, unless the cut is between two of them", () => {
  const cut = fc.tuple(fc.array(anyKey, { minLength: 1 }), fc.nat());
  fc.assert(fc.property(cut, ([keys, at]) => {
    const whole = encodeKeys(keys);
    const part = whole.slice(0, at % whole.length);
    const kept = decodeKeys(part);
    if (kept === undefined) return;
    assertEquals(kept, keys.slice(0, kept.length));
    assertEquals(encodeKeys(kept).length, part.length);
  }));
});

Deno.test("Keys that are damaged are refused, unless the bytes are valid keys", () => {
  const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })));
  const damage = fc.tuple(fc.array(anyKey, { minLength: 1 }), flips);
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    damage.map(([keys, flips]) => {
      const body = encodeKeys(keys);
      for (const [at, bits] of flips) body[at % body.length]! ^= bits;
      return body;
    }),
  );
  fc.assert(fc.property(bodies, (body) => {
    const keys = decodeKeys(body);
    if (keys !== undefined) assertEquals(encodeKeys(keys), body.slice());
    const pair = decodeKeyAndValue(body);
    if (pair === undefined) return;
    assertEquals(encodeKeys([pair.key], pair.value), body.slice());
  }));
});

Deno.test("A key with a wrong length is refused, and no memory is allocated for it", () => {
  const lie = fc.tuple(anyUint32, fc.uint8Array({ maxLength: 20 }));
  fc.assert(fc.property(lie, ([length, rest]) => {
    fc.pre(length > rest.length);
    const body = new Uint8Array(4 + rest.length);
    new DataView(body.buffer).setUint32(0, length);
    body.set(rest, 4);
    const bytes = allocated(() => {
      assertEquals(decodeKeys(body), undefined);
      assertEquals(decodeKeyAndValue(body), undefined);
    });
    assert(bytes <= 2 * body.length, `${bytes}`);
  }));
});

Deno.test("Keys beyond the limit are not even decoded", () => {
  const body = encodeKeys(Array.from({ length: 5_000 }, () => ""));
  assertEquals(decodeKeys(body, 4_999), undefined);
  // The body is not refused for bad UTF-8 beyond the limit.
  const bad = concat(encodeKeys(["a"]), new Uint8Array([0, 0, 0, 1, 0xff]));
  assertEquals([decodeKeys(bad, 1), decodeKeys(bad, 2)], [
    undefined,
    undefined,
  ]);
});
