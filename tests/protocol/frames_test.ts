/** Keys and results as frames: they are read as they were written, and damage is refused. */

import fc from "fast-check";
import { ByteView } from "../../base/byte_view.ts";
import {
  decodeKeyAndValue,
  decodeKeys,
  encodeKeys,
  encodeResults,
  FrameError,
  KIND,
  type Kind,
  maxKeyBytes,
  type ResultFrame,
  ResultReader,
  TOO_LONG,
} from "../../protocol/frames.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { CHARACTER } from "../support/text.ts";

const MAX_BYTES = 1_000;

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

/** A frame without its index. */
const anyResult = fc.record({
  kind: fc.constantFrom(...Object.values(KIND)),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.uint8Array({ minLength: 250, maxLength: 300 }),
  ),
  ttlMs: fc.oneof(
    fc.constantFrom(0, 0.5, 1e300, Infinity),
    fc.double({ min: 0, noNaN: true }),
  ),
});

/** Frames for all keys of a request, in any order. */
const anyFrames: fc.Arbitrary<ResultFrame[]> = fc.array(anyResult, {
  maxLength: 12,
}).chain((results) => {
  const frames = results.map(({ kind, bytes, ttlMs }, index): ResultFrame => {
    const value = ByteView.from(bytes);
    return {
      kind,
      index,
      value: kind === KIND.expiringValue ? { value, ttlMs } : { value },
    };
  });
  return fc.shuffledSubarray(frames, {
    minLength: frames.length,
    maxLength: frames.length,
  });
});

/** The bytes of one frame, correct or not. */
function frame(
  kind: number,
  index: number,
  length: number,
  payload: Uint8Array = new Uint8Array(),
): Uint8Array {
  const bytes = new Uint8Array(9 + payload.length);
  const numbers = new DataView(bytes.buffer);
  bytes[0] = kind;
  numbers.setUint32(1, index);
  numbers.setUint32(5, length);
  bytes.set(payload, 9);
  return bytes;
}

function float64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return bytes;
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** `bytes` in chunks that end at `cuts`, each a part of a larger buffer. */
function chunked(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = cuts.map((cut) => cut % (bytes.length + 1));
  const ends = [...places.sort((a, b) => a - b), bytes.length];
  return ends.map((end, i) => {
    const part = bytes.subarray(ends[i - 1] ?? 0, end);
    const buffer = new Uint8Array(part.length + 5).fill(0xff);
    buffer.set(part, 3);
    return buffer.subarray(3, 3 + part.length);
  });
}

/** The frames that a reader reads from chunks before it fails, and its error. */
function read(
  chunks: readonly Uint8Array[],
  expected: number,
  maxBytes = MAX_BYTES,
): { frames: ResultFrame[]; error: unknown } {
  const frames: ResultFrame[] = [];
  try {
    const reader = new ResultReader(expected, maxBytes);
    for (const chunk of chunks) frames.push(...pushed(reader, chunk, frames));
    reader.end();
    return { frames, error: undefined };
  } catch (error) {
    return { frames, error };
  }
}

/** Puts each frame into `frames` as it comes, so that none is lost when one fails. */
function pushed(
  reader: ResultReader,
  chunk: Uint8Array,
  frames: ResultFrame[],
): ResultFrame[] {
  for (const one of reader.push(chunk)) frames.push(one);
  return [];
}

/** Frames in a form that can be compared. */
function shown(frames: readonly ResultFrame[]): unknown[] {
  return frames.map(({ kind, index, value: { value, ttlMs } }) => [
    kind,
    index,
    [...value.bytes()],
    ttlMs,
  ]);
}

/** Checks the rules that hold for every reading, whatever the bytes. */
function check(
  { frames, error }: { frames: ResultFrame[]; error: unknown },
  expected: number,
): void {
  assert(error === undefined || error instanceof FrameError, `${error}`);
  const kinds: readonly Kind[] = [...Object.values(KIND), TOO_LONG];
  const places = new Set<number>();
  for (const { kind, index, value: { value, ttlMs } } of frames) {
    assert(kinds.includes(kind), `${kind}`);
    assert(index < expected && !places.has(index), `${index}`);
    places.add(index);
    assert(value.byteLength <= (kind <= 1 ? MAX_BYTES : 65536));
    assertEquals(ttlMs !== undefined, kind === KIND.expiringValue);
    assert(ttlMs === undefined || ttlMs >= 0, `${ttlMs}`);
  }
  if (error === undefined) assertEquals(places.size, expected);
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

// ---- keys

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

// ---- results

Deno.test("Results are read as they were written, wherever they are cut into chunks", () => {
  fc.assert(fc.property(anyFrames, fc.array(fc.nat()), (frames, cuts) => {
    const chunks = chunked(encodeResults(frames), cuts);
    const { frames: out, error } = read(chunks, frames.length);
    assertEquals(error, undefined);
    assertEquals(shown(out), shown(frames));
  }));
});

Deno.test("Results that come byte by byte are given out as soon as they are whole", () => {
  fc.assert(fc.property(anyFrames, (frames) => {
    const reader = new ResultReader(frames.length, MAX_BYTES);
    for (const one of frames) {
      const bytes = encodeResults([one]);
      for (const [at] of bytes.entries()) {
        const out = [...reader.push(bytes.subarray(at, at + 1))];
        const whole = at === bytes.length - 1;
        assertEquals(shown(out), whole ? shown([one]) : []);
      }
    }
    reader.end();
  }));
});

Deno.test("A body of results is kind, place and length, then time left and bytes", () => {
  const value = ByteView.from("v");
  assertEquals([
    ...encodeResults([
      { kind: KIND.value, index: 0x01020304, value: { value } },
      { kind: KIND.expiringValue, index: 1, value: { value, ttlMs: 1 } },
      {
        kind: KIND.pending,
        index: 2,
        value: { value: ByteView.from("") },
      },
    ]),
  ], [
    ...[0, 1, 2, 3, 4, 0, 0, 0, 1, 118],
    ...[1, 0, 0, 0, 1, 0, 0, 0, 9, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 118],
    ...[4, 0, 0, 0, 2, 0, 0, 0, 0],
  ]);
  assertEquals(Object.values(KIND), [0, 1, 2, 3, 4, 5, 6]);
});

Deno.test("A value shares no memory with the chunk that it came in", () => {
  for (const size of [3, 500]) {
    const value = ByteView.from(new Uint8Array(size).fill(7));
    const chunk = encodeResults([{
      kind: KIND.value,
      index: 0,
      value: { value },
    }]);
    const [out] = [...new ResultReader(1, MAX_BYTES).push(chunk)];
    chunk.fill(0);
    assert(out!.value.value.equals(value));
  }
});

Deno.test("Results that are cut off give those before the cut and a FrameError", () => {
  const cut = fc.tuple(anyFrames, fc.nat(), fc.array(fc.nat()));
  fc.assert(fc.property(cut, ([frames, at, cuts]) => {
    const whole = encodeResults(frames);
    fc.pre(whole.length > 0);
    const part = whole.slice(0, at % whole.length);
    const out = read(chunked(part, cuts), frames.length);
    check(out, frames.length);
    assert(out.error instanceof FrameError);
    assertEquals(
      shown(out.frames),
      shown(frames.slice(0, out.frames.length)),
    );
    const used = encodeResults(frames.slice(0, out.frames.length)).length;
    const next = frames[out.frames.length]!;
    assert(part.length < used + encodeResults([next]).length, "one was kept");
  }));
});

Deno.test("Results that are damaged give a FrameError, or results that keep every rule", () => {
  const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })));
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.tuple(anyFrames, flips).map(([frames, flips]) => {
      const body = encodeResults(frames);
      for (const [at, bits] of flips) {
        if (body.length > 0) body[at % body.length]! ^= bits;
      }
      return body;
    }),
    // Heads, each with a body of any length.
    fc.array(
      fc.tuple(fc.nat(7), fc.nat(5), anyUint32, fc.uint8Array()),
      { maxLength: 5 },
    ).map((heads) =>
      concat(
        ...heads.map(([kind, index, length, payload]) =>
          frame(kind, index, length % 3 ? payload.length : length, payload)
        ),
      )
    ),
  );
  fc.assert(
    fc.property(
      bodies,
      fc.nat(8),
      fc.array(fc.nat()),
      (body, expected, cuts) => {
        const out = read(chunked(body, cuts), expected);
        check(out, expected);
        // The places of the cuts make no difference.
        const again = read([body], expected);
        assertEquals(shown(out.frames), shown(again.frames));
        assertEquals(`${out.error}`, `${again.error}`);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("A result with a wrong length is refused or waited for, and no memory is allocated for it", () => {
  const lie = fc.tuple(fc.nat(5), anyUint32, fc.uint8Array({ maxLength: 40 }));
  for (const maxBytes of [MAX_BYTES, Infinity]) {
    fc.assert(
      fc.property(lie, fc.array(fc.nat()), ([kind, length, rest], cuts) => {
        fc.pre(length > rest.length);
        const body = frame(kind, 0, length, rest);
        const chunks = chunked(body, cuts);
        let out: ReturnType<typeof read> | undefined;
        const bytes = allocated(() => out = read(chunks, 1, maxBytes));
        for (const { kind } of out!.frames) {
          assert(kind === TOO_LONG || kind === KIND.failed);
        }
        assert(out!.error instanceof FrameError, `${out!.error}`);
        assert(bytes <= 2 * body.length + 1, `${bytes}`);
      }),
    );
  }
});

Deno.test("A result that is longer than allowed is skipped, wherever it is cut", () => {
  const long = new Uint8Array(MAX_BYTES + 1);
  const words = new Uint8Array(65537);
  const body = concat(
    frame(KIND.value, 0, long.length, long),
    frame(KIND.failed, 1, words.length, words),
    frame(KIND.value, 2, 3, new Uint8Array([54, 51, 48])),
  );
  for (const cuts of [[], [5], [9], [500], [1010], [1011, 66_000]]) {
    const { frames, error } = read(chunked(body, cuts), 3);
    assertEquals(error, undefined);
    assertEquals(
      frames.map(({ kind, value }) => [kind, value.value.text()]),
      [[TOO_LONG, ""], [KIND.failed, "(more than 65536 bytes)"], [0, "630"]],
    );
  }
  const allowed = frame(KIND.value, 0, MAX_BYTES, new Uint8Array(MAX_BYTES));
  const { frames, error } = read([allowed], 1);
  assertEquals([frames[0]!.value.value.byteLength, error], [
    MAX_BYTES,
    undefined,
  ]);
});

Deno.test("A large result that comes in many chunks is joined once", () => {
  const size = 100_000;
  const value = ByteView.from(new Uint8Array(size).fill(1));
  const body = encodeResults([{
    kind: KIND.value,
    index: 0,
    value: { value },
  }]);
  const chunks = chunked(body, Array.from({ length: 999 }, (_, i) => i * 100));
  let out: ReturnType<typeof read> | undefined;
  const bytes = allocated(() => out = read(chunks, 1, size));
  assert(out!.frames[0]!.value.value.equals(value));
  assert(bytes < 2.1 * size, `${bytes}`);
});

Deno.test("A FrameError says what is wrong with a result and where", () => {
  const good = frame(KIND.value, 0, 1, new Uint8Array([7]));
  const ttl = (ms: number) => frame(KIND.expiringValue, 1, 8, float64(ms));
  const cases: [Uint8Array, string][] = [
    [frame(KIND.value, 0, 0), "a second result for key 0, at byte 10"],
    [frame(KIND.pending, 2, 0), "there is no key 2, at byte 10"],
    [frame(0, 2 ** 32 - 1, 0), "there is no key 4294967295, at byte 10"],
    [frame(7, 1, 0), "7 is not a kind of result, at byte 10"],
    [frame(255, 1, 0), "255 is not a kind of result, at byte 10"],
    [frame(0, 1, 2 ** 32 - 1), "4294967295 bytes are more than 1073741824"],
    [frame(1, 1, 7, new Uint8Array(7)), "without its time left, at byte 10"],
    [ttl(-1), "-1 ms is not a time left, at byte 10"],
    [ttl(-Infinity), "-Infinity ms is not a time left, at byte 10"],
    [ttl(NaN), "NaN ms is not a time left, at byte 10"],
    [new Uint8Array(), "there is no result for key 1, at byte 10"],
    [frame(KIND.value, 1, 1), "the body ends within a result, at byte 10"],
    [new Uint8Array([0]), "the body ends within a result, at byte 10"],
  ];
  for (const [bad, message] of cases) {
    for (const chunks of [[concat(good, bad)], [good, bad]]) {
      const { frames, error } = read(chunks, 2);
      assertEquals(frames.length, 1, message);
      assert(error instanceof FrameError);
      assert(error.message.includes(message), error.message);
    }
  }
});

Deno.test("A time left may be 0 ms or more", () => {
  for (const ttlMs of [0, -0, 5e-324, 0.5, 1e308, Infinity]) {
    const { frames, error } = read([frame(1, 0, 8, float64(ttlMs))], 1);
    assertEquals([frames[0]?.value.ttlMs, error], [ttlMs, undefined]);
  }
});

Deno.test("A body without results is accepted only if no key was asked for", () => {
  assertEquals(read([], 0).error, undefined);
  assertEquals(read([new Uint8Array()], 0).error, undefined);
  assert(read([], 1).error instanceof FrameError);
  assert(read([frame(KIND.value, 0, 0)], 0).error instanceof FrameError);
});
