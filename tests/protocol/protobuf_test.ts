import fc from "fast-check";
import { ByteView } from "../../base/byte_view.ts";
import {
  decodeResponse,
  encodeResponse,
  ProtobufError,
} from "../../protocol/protobuf.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

const hex = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const bytes = (text: string) =>
  Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const read = (text: string) => decodeResponse(bytes(text)).text();

Deno.test("A response has the bytes that Go writes", () => {
  assertEquals(hex(encodeResponse(ByteView.from("630"))), "0a03363330");
  assertEquals(hex(encodeResponse(ByteView.from(""))), "0a00");
  const long = encodeResponse(ByteView.from("x".repeat(300)));
  assertEquals(hex(long.subarray(0, 3)), "0aac02");
  assertEquals(long.length, 303);
});

Deno.test("Every value is read as it was written", () => {
  const values = fc.oneof(
    fc.uint8Array(),
    fc.constantFrom(127, 128, 16_383, 16_384, 70_000).map((n) =>
      new Uint8Array(n).fill(7)
    ),
  );
  fc.assert(fc.property(values, (value) => {
    const message = encodeResponse(ByteView.from(value));
    assertEquals(decodeResponse(message).equals(value), true);
  }));
});

Deno.test("A reader skips unknown fields and takes the last of repeated ones", () => {
  assertEquals(read(""), "");
  assertEquals(read("0a00"), "");
  // The field minute_qps as a double, and the field expire of groupcache-go as a varint.
  assertEquals(read("11000000000000f83f0a03363330"), "630");
  assertEquals(read("0a0336333011000000000000f83f"), "630");
  assertEquals(read("0a033633301800"), "630");
  assertEquals(read("0a03363330188080d09de9ceb8fd18"), "630");
  assertEquals(read("0a03363330188080d09de9ceb8fdff01"), "630");
  assertEquals(read("0a0131120132" + "1d00000000" + "0a03363330"), "630");
  // Field 1 of another type is not the value.
  assertEquals(read("08010a03363330"), "630");
});

Deno.test("A message that is cut short or overlong is refused, and the error says where", () => {
  for (
    const [message, what] of [
      ["0a", "a number is cut short at byte 1 of 1"],
      ["0a04363330", "4 more bytes are missing at byte 2 of 5"],
      ["0a8080", "a number is cut short at byte 3 of 3"],
      ["0affffffffffffffffffff01", "a number is longer than 10 bytes"],
      ["0affffffffffffffff7f", "more bytes are missing"],
      ["1100", "8 more bytes are missing at byte 1 of 2"],
      ["1d0000", "4 more bytes are missing at byte 1 of 3"],
      ["0b", "3 is not a type of field"],
      ["0001", "0 is not a field"],
      ["ffffffffffff01", "is not a field"],
    ] as const
  ) assertThrows(() => read(message), ProtobufError, what);
});

Deno.test("No message makes the reader throw another error", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (message) => {
    try {
      decodeResponse(message);
    } catch (error) {
      assertEquals(error instanceof ProtobufError, true);
    }
  }));
});
