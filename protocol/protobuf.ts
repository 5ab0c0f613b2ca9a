/**
 * The one protobuf message that Go peers answer with.
 *
 * It is `GetResponse { bytes value = 1; double minute_qps = 2; }` in groupcache and
 * `Response { bytes value = 1; }` in GeeCache. A reader takes the last field 1 and
 * skips the rest.
 *
 * @module
 */

import { ByteView } from "../base/byte_view.ts";

/** The tag of field 1, length-delimited. */
const VALUE_TAG = 0x0a;

/** A message is malformed. The error says how and where. */
export class ProtobufError extends Error {}

/** Encodes a value. An empty value is written, too, because it is not an absent one. */
export function encodeResponse(value: ByteView): Uint8Array<ArrayBuffer> {
  const length = value.byteLength;
  const head = [VALUE_TAG];
  let rest = length;
  // Seven bits per byte, the lowest first. The eighth says that more follow.
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
 * Reads the value of a message. It is empty if the message has none.
 *
 * @throws {ProtobufError} If the message is malformed.
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
      // Above 2^53 the sum is inexact, but no length or tag is valid up there.
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
    if (tag < 8 || tag >= 2 ** 32) fail(`${tag} is not a field`);
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
        fail(`${tag % 8} is not a type of field`);
    }
  }
  return ByteView.from(value);
}
