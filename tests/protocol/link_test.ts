/** The frames of links: they are read as they were written, however they are cut, and lies are refused. */

import fc from "fast-check";
import { ByteView } from "../../base/byte_view.ts";
import {
  ANSWER,
  ASK,
  float64,
  FrameError,
  FrameReader,
  FrameWriter,
  HEAD_BYTES,
  HOT,
  MAX_ANSWER_BYTES,
  MAX_ASK_BYTES,
  MAX_KEY_BYTES,
  MAX_VALUE_BYTES,
  QUESTION_BYTES,
  uint16,
  uint32,
  WINDOWED_BYTES,
} from "../../protocol/link.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { CHARACTER } from "../support/text.ts";

const MAX_BYTES = 300;

/** A frame as a test compares it. */
interface Frame {
  kind: number;
  id: number;
  bytes: number[];
}

const anyId = fc.oneof(
  fc.constantFrom(0, 1, 255, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
  fc.nat(2_000),
);

const anyFrame: fc.Arbitrary<Frame> = fc.record({
  kind: fc.nat(255),
  id: anyId,
  bytes: fc.oneof(
    fc.constant<number[]>([]),
    fc.array(fc.nat(255), { maxLength: 20 }),
    fc.array(fc.nat(255), { minLength: MAX_BYTES - 4, maxLength: MAX_BYTES }),
  ),
});

/** The bytes of a frame, also of one that lies about its length. */
function frame(
  { kind, id, bytes }: Frame,
  length: number = bytes.length,
): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(HEAD_BYTES + bytes.length);
  const numbers = new DataView(frame.buffer);
  numbers.setUint32(0, length);
  frame[4] = kind;
  numbers.setUint32(5, id);
  frame.set(bytes, HEAD_BYTES);
  return frame;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
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

/** What a reader reads from chunks before it fails, its error, and whether it may end. */
function read(
  chunks: readonly Uint8Array[],
  maxBytes = MAX_BYTES,
): { frames: Frame[]; error: unknown; mayEnd: boolean } {
  const frames: Frame[] = [];
  const reader = new FrameReader(maxBytes);
  let error: unknown;
  try {
    for (const chunk of chunks) {
      const read = reader.push(chunk, (kind, id, bytes, from, end) => {
        frames.push({ kind, id, bytes: [...bytes.subarray(from, end)] });
        return true;
      });
      assertEquals(read, chunk.length);
    }
  } catch (thrown) {
    error = thrown;
  }
  return { frames, error, mayEnd: reader.isBetweenFrames };
}

/** The same from whole bytes, read in the plainest way. */
function readPlainly(
  bytes: Uint8Array,
  maxBytes = MAX_BYTES,
): { frames: Frame[]; isTooLong: boolean; mayEnd: boolean } {
  const numbers = new DataView(bytes.buffer, bytes.byteOffset);
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= HEAD_BYTES) {
    const length = numbers.getUint32(at);
    if (length > maxBytes) return { frames, isTooLong: true, mayEnd: false };
    const from = at + HEAD_BYTES;
    if (from + length > bytes.length) break;
    frames.push({
      kind: bytes[at + 4]!,
      id: numbers.getUint32(at + 5),
      bytes: [...bytes.subarray(from, from + length)],
    });
    at = from + length;
  }
  return { frames, isTooLong: false, mayEnd: at === bytes.length };
}

/** The bytes that `write` makes. */
function written(write: (writer: FrameWriter) => void): number[] {
  const writer = new FrameWriter();
  write(writer);
  return [...writer.take()];
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

// ---- writing

Deno.test("A frame is the length of what follows, its kind and its number, highest first", () => {
  assertEquals(
    written((to) => to.head(ASK.cancel, 0x01020304)),
    [0, 0, 0, 0, 4, 1, 2, 3, 4],
  );
  assertEquals(
    written((to) => to.text(ASK.group, 1, "日")),
    [0, 0, 0, 3, 1, 0, 0, 0, 1, 0xe6, 0x97, 0xa5],
  );
  assertEquals(
    written((to) => to.question(ASK.get, 2, 0x0102, 0x0304, "ab")),
    [0, 0, 0, 6, 2, 0, 0, 0, 2, 1, 2, 3, 4, 97, 98],
  );
  assertEquals(
    written((to) => to.value(ANSWER.value | HOT, 3, ByteView.from("v"))),
    [0, 0, 0, 1, 0x81, 0, 0, 0, 3, 118],
  );
  assertEquals(
    written((to) =>
      to.expiring(ANSWER.expiringValue, 4, ByteView.from("v"), 1, 258)
    ),
    [
      ...[0, 0, 0, 13, 2, 0, 0, 0, 4],
      ...[0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 118],
    ],
  );
});

Deno.test("A writer gives its frames once, in the order in which they were written, in memory of their own", () => {
  const writer = new FrameWriter();
  assertEquals([...writer.take()], []);
  writer.head(5, 0);
  writer.head(4, 1);
  assertEquals(writer.size, 18);
  const first = writer.take();
  const copy = first.slice();
  assertEquals(writer.size, 0);
  writer.text(1, 9, "another");
  assertEquals(first, copy);
  assertEquals(readPlainly(first).frames.map(({ kind }) => kind), [5, 4]);
  assertEquals(readPlainly(writer.take()).frames.length, 1);
});

Deno.test("Any values, texts and questions are read as they were written", () => {
  const anyText = fc.string({ unit: CHARACTER, maxLength: 400 });
  const anyBytes = fc.uint8Array({ maxLength: 3_000 });
  fc.assert(fc.property(
    fc.array(fc.tuple(anyId, anyText, anyBytes, fc.nat(0xffff)), {
      maxLength: 8,
    }),
    (all) => {
      const writer = new FrameWriter();
      const expected: Frame[] = [];
      for (const [id, text, bytes, number] of all) {
        const value = ByteView.from(bytes);
        const utf8 = [...new TextEncoder().encode(text)];
        const two = [number >> 8, number & 255];
        writer.question(ASK.get, id, number, number, text);
        expected.push({ kind: 2, id, bytes: [...two, ...two, ...utf8] });
        writer.text(ANSWER.failed, id, text);
        expected.push({ kind: 4, id, bytes: utf8 });
        writer.value(ANSWER.value, id, value);
        expected.push({ kind: 1, id, bytes: [...bytes] });
        writer.head(ANSWER.pong, id);
        expected.push({ kind: 10, id, bytes: [] });
      }
      const out = read([writer.take()], MAX_ANSWER_BYTES);
      assertEquals(out, { frames: expected, error: undefined, mayEnd: true });
    },
  ));
});

Deno.test("Numbers beyond what a frame can hold are written as the largest", () => {
  const [question] = readPlainly(
    new Uint8Array(written((to) => to.question(2, 1, 0, 1e9, "k"))),
  ).frames;
  assertEquals(question!.bytes.slice(2, 4), [255, 255]);
  const [value] = readPlainly(
    new Uint8Array(
      written((to) => to.expiring(2, 1, ByteView.from(""), 1, 1e12)),
    ),
  ).frames;
  assertEquals(value!.bytes.slice(8), [255, 255, 255, 255]);
});

Deno.test("A long message is cut, and stays within what a frame may have", () => {
  for (const unit of ["x", "日", "😀"]) {
    const bytes = new Uint8Array(
      written((to) => to.text(ANSWER.failed, 1, unit.repeat(100_000))),
    );
    const { frames } = readPlainly(bytes, MAX_ANSWER_BYTES);
    const text = new TextDecoder().decode(new Uint8Array(frames[0]!.bytes));
    assertEquals(text.length, 16_384);
    assert(text.startsWith(unit.repeat(1_000)));
  }
});

Deno.test("The longest keys and the largest values fit into a frame, and nothing more does", () => {
  const question = written((to) =>
    to.question(ASK.get, 1, 0, 0, "k".repeat(MAX_KEY_BYTES))
  );
  assertEquals(question.length, HEAD_BYTES + MAX_ASK_BYTES);
  assertEquals(MAX_ASK_BYTES, QUESTION_BYTES + MAX_KEY_BYTES);
  const value = ByteView.from(new Uint8Array(MAX_VALUE_BYTES));
  const life = { ttlMs: -1, staleWhileRevalidateMs: 2, staleIfErrorMs: 3 };
  const answer = written((to) => to.windowed(12, 1, { value, ...life }, 1));
  assertEquals(answer.length, HEAD_BYTES + MAX_ANSWER_BYTES);
  assertEquals(MAX_ANSWER_BYTES, WINDOWED_BYTES + MAX_VALUE_BYTES);
  for (
    const [bytes, max] of [[question, MAX_ASK_BYTES], [
      answer,
      MAX_ANSWER_BYTES,
    ]] as const
  ) {
    const whole = new Uint8Array(bytes);
    assertEquals(read([whole], max).frames.length, 1);
    assert(read([whole], max - 1).error instanceof FrameError);
  }
});

Deno.test("A writer does not keep the memory of a large value", () => {
  const writer = new FrameWriter();
  writer.value(1, 1, ByteView.from(new Uint8Array(1_000_000)));
  writer.take();
  // So what follows needs memory again, and gets it.
  const value = ByteView.from(new Uint8Array(5_000));
  assert(allocated(() => writer.value(1, 1, value)) >= 5_000);
  assertEquals(writer.take().length, HEAD_BYTES + 5_000);
});

// ---- reading

Deno.test("Frames are read in the same way, wherever their bytes are cut into chunks", () => {
  fc.assert(fc.property(
    fc.array(anyFrame, { maxLength: 8 }),
    fc.array(fc.nat()),
    (frames, cuts) => {
      const bytes = concat(frames.map((one) => frame(one)));
      const out = read(chunked(bytes, cuts));
      assertEquals(out, { frames, error: undefined, mayEnd: true });
    },
  ));
});

Deno.test("Frames are read in the same way whichever two bytes they are cut between", () => {
  const frames: Frame[] = [
    { kind: 5, id: 0, bytes: [] },
    { kind: 1, id: 7, bytes: [1, 2, 3] },
    { kind: 2, id: 2 ** 32 - 1, bytes: new Array(100).fill(9) },
    { kind: 10, id: 1, bytes: [] },
    { kind: 3, id: 2, bytes: [4] },
  ];
  const bytes = concat(frames.map((one) => frame(one)));
  for (let a = 0; a <= bytes.length; a++) {
    assertEquals(read(chunked(bytes, [a])).frames, frames, `${a}`);
    for (let b = a; b <= bytes.length; b += 7) {
      assertEquals(read(chunked(bytes, [a, b])).frames, frames, `${a}, ${b}`);
    }
  }
});

Deno.test("A frame that comes byte by byte is given out with its last byte", () => {
  fc.assert(fc.property(fc.array(anyFrame, { maxLength: 4 }), (frames) => {
    const reader = new FrameReader(MAX_BYTES);
    for (const one of frames) {
      const bytes = frame(one);
      for (const at of bytes.keys()) {
        const out: Frame[] = [];
        reader.push(bytes.subarray(at, at + 1), (kind, id, all, from, end) => {
          out.push({ kind, id, bytes: [...all.subarray(from, end)] });
          return true;
        });
        const isWhole = at === bytes.length - 1;
        assertEquals(out, isWhole ? [one] : []);
        assertEquals(reader.isBetweenFrames, isWhole);
      }
    }
  }));
});

Deno.test("Any bytes, cut anywhere, are read as a plain reader reads them whole", () => {
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => new Uint8Array(bytes)),
    fc.tuple(fc.array(anyFrame, { maxLength: 6 }), flips, fc.nat()).map(
      ([frames, flips, cut]) => {
        const bytes = concat(frames.map((one) => frame(one)));
        for (const [at, byte] of flips) {
          if (bytes.length > 0) bytes[at % bytes.length] = byte;
        }
        return cut % 2 ? bytes : bytes.slice(0, cut % (bytes.length + 1));
      },
    ),
  );
  fc.assert(
    fc.property(anyBytes, fc.array(fc.nat()), (bytes, cuts) => {
      const plain = readPlainly(bytes);
      const { frames, error, mayEnd } = read(chunked(bytes, cuts));
      assertEquals(frames, plain.frames);
      assertEquals(error instanceof FrameError, plain.isTooLong, `${error}`);
      if (error === undefined) assertEquals(mayEnd, plain.mayEnd);
    }),
    { numRuns: 500 },
  );
});

Deno.test("A reader that is told to stop says where, and goes on from there", () => {
  fc.assert(fc.property(
    fc.array(anyFrame, { maxLength: 8 }),
    fc.array(fc.nat()),
    fc.infiniteStream(fc.boolean()),
    (frames, cuts, goesOn) => {
      const bytes = concat(frames.map((one) => frame(one)));
      const reader = new FrameReader(MAX_BYTES);
      const out: Frame[] = [];
      let stops = 0;
      for (let chunk of chunked(bytes, cuts)) {
        for (;;) {
          const before = out.length;
          let mayGoOn = true;
          const at = reader.push(chunk, (kind, id, all, from, end) => {
            assert(mayGoOn, "a frame was given after a stop");
            out.push({ kind, id, bytes: [...all.subarray(from, end)] });
            return mayGoOn = goesOn.next().value!;
          });
          if (mayGoOn) {
            assertEquals(at, chunk.length);
            break;
          }
          assert(out.length > before);
          stops++;
          chunk = chunk.subarray(at);
        }
      }
      assertEquals(out, frames);
      assert(stops <= frames.length);
      assert(reader.isBetweenFrames);
    },
  ));
});

Deno.test("A head that claims more than is allowed is refused at once, and no memory is allocated for it", () => {
  const lie = fc.tuple(
    fc.oneof(
      fc.constantFrom(MAX_BYTES + 1, 2 ** 31, 2 ** 32 - 1),
      fc.integer({ min: MAX_BYTES + 1, max: 2 ** 32 - 1 }),
    ),
    fc.array(fc.nat(255), { maxLength: 20 }),
  );
  fc.assert(fc.property(lie, fc.array(fc.nat()), ([length, bytes], cuts) => {
    const chunks = chunked(frame({ kind: 1, id: 1, bytes }, length), cuts);
    let out!: ReturnType<typeof read>;
    const memory = allocated(() => out = read(chunks));
    assert(out.error instanceof FrameError);
    const { message } = out.error;
    assertEquals(
      message,
      `a frame claims ${length} bytes, more than ${MAX_BYTES}`,
    );
    assertEquals(out.frames, []);
    assert(memory <= 200, `${memory}`);
  }));
});

Deno.test("A frame that has not arrived takes the memory of what has arrived, not of what its head claims", () => {
  const max = 2 ** 30;
  const bytes = frame({ kind: 1, id: 1, bytes: new Array(1_000).fill(1) }, max);
  const chunks = Array.from(bytes, (byte) => new Uint8Array([byte]));
  const memory = allocated(() => {
    const { frames, error, mayEnd } = read(chunks, max);
    assertEquals([frames, error, mayEnd], [[], undefined, false]);
  });
  assert(memory <= 5 * bytes.length, `${memory}`);
});

Deno.test("The memory of a large frame that came in parts is not kept", () => {
  const large = frame({ kind: 1, id: 1, bytes: new Array(50_000).fill(1) });
  const reader = new FrameReader(MAX_ANSWER_BYTES);
  reader.push(large.subarray(0, 30_000), () => true);
  let room = 0;
  reader.push(large.subarray(30_000), (_kind, _id, bytes) => {
    room = bytes.buffer.byteLength;
    return true;
  });
  assert(room >= 50_000);
  const small = frame({ kind: 1, id: 1, bytes: [1, 2, 3] });
  reader.push(small.subarray(0, 10), () => true);
  reader.push(small.subarray(10), (_kind, _id, bytes) => {
    room = bytes.buffer.byteLength;
    return true;
  });
  assert(room <= 1_000, `${room}`);
});

Deno.test("Only a frame that is said to be the taker's own is kept as it is, and nothing changes it later", () => {
  const sizes = [20, 20_000, 3, 50_000, 16_384, 16_383, 100_000, 9, 40_000];
  const frames = sizes.map((size, i): Frame => ({
    kind: 1,
    id: i,
    bytes: Array.from({ length: size }, (_, at) => (at + i) % 256),
  }));
  const bytes = concat(frames.map((one) => frame(one)));
  for (const step of [1_000, 7_777, 30_000, 1_000_000]) {
    const reader = new FrameReader(MAX_ANSWER_BYTES);
    const kept: Uint8Array[] = [];
    let owned = 0;
    for (let at = 0; at < bytes.length; at += step) {
      const chunk = bytes.slice(at, at + step);
      reader.push(chunk, (_kind, _id, all, from, end, isOwn) => {
        const part = all.subarray(from, end);
        if (isOwn) owned++;
        kept.push(isOwn ? part : part.slice());
        // It holds no more memory than what it is.
        if (isOwn) assert(all.buffer.byteLength <= end - from + 2 * HEAD_BYTES);
        return true;
      });
      chunk.fill(0);
    }
    assertEquals(
      kept.map((part) => [...part]),
      frames.map(({ bytes }) => bytes),
    );
    assertEquals(owned > 0, step < 100_000, `${step}`);
  }
});

Deno.test("What a writer has given out is not changed by what it writes later, however large it is", () => {
  const writer = new FrameWriter();
  const given: [Uint8Array, Uint8Array][] = [];
  for (const size of [10, 17_000, 200, 100_000, 16_000, 30, 262_000, 5]) {
    writer.value(1, size, ByteView.from(new Uint8Array(size).fill(size % 251)));
    const bytes = writer.take();
    assertEquals(bytes.length, HEAD_BYTES + size);
    given.push([bytes, bytes.slice()]);
  }
  for (const [bytes, copy] of given) assertEquals(bytes, copy);
});

Deno.test("What a taker throws reaches whoever pushed the bytes", () => {
  const bytes = frame({ kind: 1, id: 1, bytes: [1] });
  for (const chunks of [[bytes], chunked(bytes, [4])]) {
    const reader = new FrameReader(MAX_BYTES);
    const take = () => {
      throw new FrameError("no such kind");
    };
    assertThrows(
      () => {
        for (const chunk of chunks) reader.push(chunk, take);
      },
      FrameError,
      "no such kind",
    );
  }
});

Deno.test("Numbers are read from anywhere in a buffer, also the largest", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 40 }), (bytes) => {
      const numbers = new DataView(bytes.buffer, bytes.byteOffset);
      for (let at = 0; at <= bytes.length - 8; at++) {
        assertEquals(uint16(bytes, at), numbers.getUint16(at));
        assertEquals(uint32(bytes, at), numbers.getUint32(at));
        assertEquals(float64(bytes, at), numbers.getFloat64(at));
      }
    }),
  );
  assertEquals(uint32(new Uint8Array(4).fill(255), 0), 2 ** 32 - 1);
});
