/**
 * The one protobuf message that Go peers answer with.
 *
 * `GetResponse { bytes value = 1; double minute_qps = 2; }` of groupcache, and
 * `Response { bytes value = 1; }` of GeeCache: a reader takes field 1, the last
 * of several, and skips the rest.
 *
 * @module
 */

import { ByteView } from "../base/byte_view.ts";

/** The tag of field 1, length-delimited. */
const VALUE_TAG = 0x0a;

/** What is wrong with a message. */
export class ProtobufError extends Error {}

/** The message for a value. An empty value is written, too: it is no absent one. */
export function encodeResponse(value: ByteView): Uint8Array<ArrayBuffer> {
  const length = value.byteLength;
  const head = [VALUE_TAG];
  let rest = length;
  // Seven bits a byte, the lowest first; the highest bit says that more follow.
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) {
    head.push((rest % 128) | 0x80);
  }
  head.push(rest);
  const message = new Uint8Array(head.length + length);
  message.set(head);
  value.copyTo(message.subarray(head.length));
  return message;
}

/**
 * The value of a message; empty where it has none.
 *
 * @throws {ProtobufError} If it is cut short or overlong, that says where.
 */
export function decodeResponse(message: Uint8Array): ByteView {
  let value = message.subarray(0, 0);
  let at = 0;
  const fail = (what: string): never => {
    throw new ProtobufError(`${what} at byte ${at} of ${message.length}`);
  };
  const varint = (): number => {
    let number = 0;
    for (let i = 0; i < 10; i++) {
      const byte = message[at] ?? fail("a number is cut short");
      at++;
      // Past 2^53 it is no length and no field that matters, only to be skipped.
      number += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return number;
    }
    return fail("a number is longer than 10 bytes");
  };
  const skip = (bytes: number): void => {
    if (bytes > message.length - at) fail(`${bytes} more bytes are missing`);
    at += bytes;
  };
  while (at < message.length) {
    const tag = varint();
    if (tag < 8 || tag >= 2 ** 32) fail(`${tag} is no field`);
    switch (tag % 8) {
      case 0:
        varint();
        break;
      case 1:
        skip(8);
        break;
      case 2: {
        const length = varint();
        const start = at;
        skip(length);
        if (tag === VALUE_TAG) value = message.subarray(start, at);
        break;
      }
      case 5:
        skip(4);
        break;
      default:
        fail(`${tag % 8} is no type of field`);
    }
  }
  return ByteView.from(value);
}
