import { inspect } from "node:util";
import fc from "fast-check";
import {
  bodyOf,
  type BytesLike,
  ByteView,
  MAX_PACKED_BYTES,
  promiseOf,
} from "../../base/byte_view.ts";
import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { CHARACTER } from "../support/text.ts";

/** Lengths on both sides of each limit at which bytes are held in another way. */
const LENGTHS = [
  0,
  1,
  64,
  MAX_PACKED_BYTES - 1,
  MAX_PACKED_BYTES,
  MAX_PACKED_BYTES + 1,
  1000,
];

const bytes = fc.constantFrom(...LENGTHS).chain((length) =>
  fc.uint8Array({ minLength: length, maxLength: length })
);
const index = fc.oneof(
  fc.integer({ min: -1010, max: 1010 }),
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(NaN, Infinity, -Infinity, -0, 0.9, -1.5, 2 ** 32, 2 ** 53),
);
const bound = fc.option(index, { nil: undefined });

function filled(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => i * 7 + 1);
}

Deno.test("ByteView.from() and bytes() give back the same bytes", () => {
  fc.assert(fc.property(bytes, (bytes) => {
    const view = ByteView.from(bytes);
    assertEquals(view.bytes(), new Uint8Array(bytes));
    assertEquals(view.byteLength, bytes.length);
  }));
});

Deno.test("ByteView does not change with the buffer that it was made from", () => {
  for (const length of LENGTHS) {
    const larger = filled(length + 20);
    const shared = new Uint8Array(new SharedArrayBuffer(length));
    shared.set(filled(length));
    class Buffer extends Uint8Array<ArrayBuffer> {
      // As Node's Buffer does: what looks like a copy is the same memory.
      override slice(start?: number, end?: number): Buffer {
        return super.subarray(start, end) as Buffer;
      }
    }
    for (
      const source of [
        filled(length),
        larger.subarray(10, 10 + length),
        new Buffer(filled(length + 20).buffer, 10, length),
        shared,
      ]
    ) {
      const before = Uint8Array.from(source);
      const view = ByteView.from(source);
      const text = view.text();
      source.fill(0xff);
      assertEquals(view.bytes(), before);
      assertEquals(view.text(), text);
    }
  }
});

Deno.test("ByteView hands out bytes that the caller may change", () => {
  for (const length of LENGTHS) {
    const view = ByteView.from(filled(length));
    for (const one of [view, view.slice(), view.slice(1).slice(0, -1)]) {
      const expected = one.bytes();
      const taken = one.bytes();
      // A view into something larger would expose the rest through `buffer`.
      assertEquals(taken.buffer.byteLength, one.byteLength);
      taken.fill(0);
      const copy = new Uint8Array(length);
      one.copyTo(copy);
      copy.fill(0);
      assertEquals(one.bytes(), expected);
    }
  }
});

Deno.test("ByteView.from() returns a view as it is", () => {
  for (const length of LENGTHS) {
    const view = ByteView.from(filled(length));
    assertStrictEquals(ByteView.from(view), view);
  }
});

Deno.test("ByteView.from() refuses other values than bytes and text, and shows what it received", () => {
  const refused: [unknown, string][] = [
    [null, "null"],
    [undefined, "undefined"],
    [1, "number"],
    [true, "boolean"],
    [() => {}, "function"],
    [new ArrayBuffer(1), "object"],
    [new Uint8ClampedArray(1), "object"],
    [new Uint16Array(1), "object"],
    [new DataView(new ArrayBuffer(1)), "object"],
    [[1], "object"],
    [{ length: 1, 0: 1 }, "object"],
    [{ [Symbol.toStringTag]: "Uint8Array" }, "object"],
  ];
  for (const [data, received] of refused) {
    const error = assertThrows(
      () => ByteView.from(data as BytesLike),
      TypeError,
      "must be a string, a Uint8Array or a ByteView",
    );
    assertEquals(error.message.split("received ")[1], received);
  }
});

Deno.test("ByteView.text() gives back any well-formed string", () => {
  const text = fc.string({ unit: CHARACTER, maxLength: 300, size: "max" });
  fc.assert(fc.property(text, (text) => {
    const view = ByteView.from(text);
    assertEquals(view.text(), text);
    assertEquals(view.bytes(), new TextEncoder().encode(text));
  }));
  // The scratch buffer must hold the longest encoding that a short string has.
  for (const unit of ["a", "é", "\uffff", "😀"]) {
    const longest = unit.repeat(MAX_PACKED_BYTES / unit.length);
    assertEquals(ByteView.from(longest).text(), longest);
    assertEquals(ByteView.from(longest + unit).text(), longest + unit);
  }
});

Deno.test("ByteView.text() reads any bytes as a TextDecoder does", () => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  fc.assert(fc.property(bytes, (bytes) => {
    assertEquals(ByteView.from(bytes).text(), decoder.decode(bytes));
  }));
});

Deno.test("ByteView keeps a byte order mark", () => {
  for (const rest of ["", "k", "k".repeat(MAX_PACKED_BYTES)]) {
    const text = "\ufeff" + rest;
    assertEquals(ByteView.from(text).text(), text);
    assertEquals(ByteView.from(new TextEncoder().encode(text)).text(), text);
  }
});

Deno.test("ByteView reads a lone surrogate as U+FFFD", () => {
  for (const rest of ["", "x".repeat(MAX_PACKED_BYTES)]) {
    assertEquals(ByteView.from("\ud83d" + rest).text(), "\ufffd" + rest);
    assertEquals(ByteView.from(rest + "\ude00").text(), rest + "\ufffd");
  }
});

Deno.test("ByteView.at() finds what Uint8Array's at() finds", () => {
  fc.assert(fc.property(bytes, index, (bytes, index) => {
    assertEquals(ByteView.from(bytes).at(index), bytes.at(index));
  }));
});

Deno.test("ByteView.slice() cuts where Uint8Array's slice() cuts, slices of slices too", () => {
  fc.assert(
    fc.property(bytes, bound, bound, bound, bound, (bytes, a, b, c, d) => {
      const view = ByteView.from(bytes).slice(a, b);
      const expected = bytes.slice(a, b);
      assertEquals(view.bytes(), expected);
      assertEquals(view.byteLength, expected.length);
      assertEquals(view.at(-1), expected.at(-1));
      assertEquals(view.slice(c, d).bytes(), expected.slice(c, d));
    }),
  );
});

Deno.test("ByteView.copyTo() copies as much as fits and leaves the rest alone", () => {
  for (const length of LENGTHS) {
    const source = filled(length);
    for (const room of LENGTHS) {
      const memory = new Uint8Array(room + 2).fill(0xee);
      const count = ByteView.from(source).copyTo(memory.subarray(1, 1 + room));
      assertEquals(count, Math.min(length, room));
      const expected = new Uint8Array(room + 2).fill(0xee);
      expected.set(source.subarray(0, count), 1);
      assertEquals(memory, expected);
    }
  }
});

Deno.test("ByteView.equals() compares bytes, however they come and are held", () => {
  for (const length of LENGTHS) {
    // ASCII, so that each of these bytes can also be written as a string.
    const ascii = filled(length).map((byte) => byte & 0x7f);
    const text = new TextDecoder().decode(ascii);
    const larger = new Uint8Array(length + 600);
    larger.set(ascii, 300);
    const same: BytesLike[] = [
      text,
      ascii,
      ByteView.from(ascii),
      ByteView.from(larger).slice(300, 300 + length),
    ];
    const other: BytesLike[] = [text + "x", larger];
    if (length > 0) {
      other.push(text.slice(1), text.slice(0, -1));
      for (const at of [0, length >> 1, length - 1]) {
        const changed = ascii.slice();
        changed[at]! ^= 1;
        other.push(changed);
      }
    }
    for (const view of same.map(ByteView.from)) {
      for (const one of same) assertEquals(view.equals(one), true);
      for (const one of other) {
        assertEquals(view.equals(one), false);
        assertEquals(ByteView.from(one).equals(view), false);
      }
    }
  }
});

Deno.test("ByteView.json() parses the text, and throws a SyntaxError if it is not JSON", () => {
  for (const value of [null, 1, "é", { a: [1, "x".repeat(1000)] }]) {
    assertEquals(ByteView.from(JSON.stringify(value)).json(), value);
  }
  for (const text of ["", "{", "\ufeff1"]) {
    assertThrows(() => ByteView.from(text).json(), SyntaxError);
  }
});

Deno.test("A value shows what it is: as a string, as JSON, and in the console of each runtime", () => {
  const shown = (data: BytesLike) => inspect(ByteView.from(data));
  const view = ByteView.from("630");
  assertEquals(String(view), "630");
  assertEquals(`${view}`, "630");
  assertEquals(JSON.stringify({ Tom: view }), '{"Tom":"630"}');
  assertEquals(shown("630"), 'ByteView(3) "630"');
  assertEquals(shown(""), 'ByteView(0) ""');
  assertEquals(shown('a\n"é'), 'ByteView(5) "a\\n\\"é"');
  assertEquals(inspect([view]), '[ ByteView(3) "630" ]');
  assertEquals(shown("x".repeat(100)), `ByteView(100) "${"x".repeat(100)}"`);
  assertEquals(shown("x".repeat(101)), `ByteView(101) "${"x".repeat(100)}…"`);
  assertEquals(
    shown("x" + "😀".repeat(1000)),
    `ByteView(4001) "x${"😀".repeat(99)}…"`,
  );
  assertEquals(shown(Uint8Array.of(0xff, 0)), "ByteView(2) <ff 00>");
  assertEquals(
    shown(filled(1000).fill(0xfe)),
    `ByteView(1000) <${"fe ".repeat(50)}…>`,
  );
  assert(inspect(ByteView.prototype) !== "");
});

Deno.test("ByteView.compact() copies only a view that keeps a larger buffer alive", () => {
  const large = ByteView.from(filled(1000));
  const small = large.slice(1, 2);
  for (const view of [large, small, large.slice(), ByteView.from("")]) {
    assertStrictEquals(view.compact(), view);
  }
  const slice = large.slice(100, 900);
  const compact = slice.compact();
  assertNotStrictEquals(compact, slice);
  assertEquals(compact.bytes(), slice.bytes());
  // It would be copied again if it had kept the larger buffer.
  assertStrictEquals(compact.compact(), compact);
});

Deno.test("promiseOf() makes only one promise for a view", async () => {
  const view = ByteView.from("a");
  assertStrictEquals(promiseOf(view), promiseOf(view));
  assertStrictEquals(await promiseOf(view), view);
});

Deno.test("bodyOf() gives a string only for short ASCII, and always the same bytes", async () => {
  const short = (length: number, byte: number) =>
    new Uint8Array(length).fill(byte);
  const values: [BytesLike, string][] = [
    ["", "string"],
    ["630\r\n\0\x7f", "string"],
    [short(256, 0x41), "string"],
    [short(257, 0x41), "object"],
    ["é", "object"],
    [short(3, 0x80), "object"],
    [Uint8Array.of(0x41, 0xff), "object"],
  ];
  for (const [value, type] of values) {
    const view = ByteView.from(value);
    const body = bodyOf(view);
    assertEquals(typeof body, type);
    const bytes = await new Response(body).arrayBuffer();
    assertEquals(new Uint8Array(bytes), view.bytes());
    // No caller gets hold of the memory that the view keeps.
    if (typeof body !== "string") body.fill(0);
    assertEquals(view.equals(value), true);
  }
});
