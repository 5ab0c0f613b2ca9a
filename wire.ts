/**
 * Bytes on the wire: paths, headers and bodies.
 *
 * @module
 */

import { ByteView } from "./byte_view.ts";
import type { PeerValue } from "./peers.ts";

/** The headers between processes of this library. */
export const HEADER = {
  /** On a request: the asker's own origin. */
  peer: "Geecache-Peer",
  /** On a request: the asker takes "pending" for an answer after so many milliseconds. */
  wait: "Geecache-Wait",
  /** On a POST: the method that it stands for; its body is framed then. */
  method: "Geecache-Method",
  /** On every answer: what it means. */
  result: "Geecache-Result",
  /** Beside a value: the milliseconds that it has left. */
  ttl: "Geecache-Ttl",
} as const;

/** What an answer means; see docs/PROTOCOL.md. */
export type Result =
  | "value"
  | "not-found"
  | "failed"
  | "no-group"
  | "pending"
  | "busy"
  | "done"
  | "bad-request";

/** Longer paths travel as a POST with the key in its body. */
export const MAX_PATH_LENGTH = 4096;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a request's URL asks for. */
export interface Target {
  readonly group: string;
  /** `undefined`: the path has no second segment. */
  readonly key: string | undefined;
  /** `DELETE <base><group>?clear`. */
  readonly clear: boolean;
}

/** The path and query of a URL. */
export function pathOf(url: string): string {
  // No `URL` is built: it would cost a fifth of a cached answer.
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("#", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}

/**
 * Reads what is asked for, as Go's servers do: the whole path decoded once, then
 * split at its first slash. A `?key=` counts where the path names no key.
 */
export function readTarget(
  path: string,
  basePath: string,
): Target | "outside" | "malformed" {
  if (!path.startsWith(basePath)) return "outside";
  const question = path.indexOf("?", basePath.length);
  const end = question < 0 ? path.length : question;
  const rest = decode(path.slice(basePath.length, end));
  if (rest === undefined) return "malformed";
  const slash = rest.indexOf("/");
  if (slash >= 0) {
    const group = rest.slice(0, slash);
    return { group, key: rest.slice(slash + 1), clear: false };
  }
  if (question < 0) return { group: rest, key: undefined, clear: false };
  for (const part of path.slice(question + 1).split("&")) {
    if (part === "clear") return { group: rest, key: undefined, clear: true };
    if (!part.startsWith("key=")) continue;
    const key = decode(part.slice(4));
    return key === undefined ? "malformed" : { group: rest, key, clear: false };
  }
  return { group: rest, key: undefined, clear: false };
}

/** Percent-decodes once; `undefined`: bad escapes, or bytes that are no UTF-8. */
function decode(text: string): string | undefined {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** The path of a group, with nothing after its name. */
export function groupPath(basePath: string, group: string): string {
  return basePath + encodeURIComponent(group);
}

/**
 * The path of a key; `undefined`: it would be too long.
 *
 * URLs drop segments of one or two dots even where they are percent-encoded, so
 * a key with one travels as `?key=`.
 */
export function keyPath(
  basePath: string,
  group: string,
  key: string,
): string | undefined {
  if (key.length > MAX_PATH_LENGTH) return undefined;
  const name = encodeURIComponent(key);
  const dots = name === "." || name === "..";
  const path = groupPath(basePath, group) + (dots ? "?key=" : "/") + name;
  return path.length > MAX_PATH_LENGTH ? undefined : path;
}

/** The bytes of a key, for a body. */
export function encodeKey(key: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(key);
}

/** The key that `bytes` are; `undefined`: they are no UTF-8. */
export function decodeKey(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Time left, for its header; `undefined`: for ever, and so no header. */
export function encodeTtl(ttlMs: number | undefined): string | undefined {
  return ttlMs === undefined || ttlMs > Number.MAX_SAFE_INTEGER
    ? undefined
    : String(Math.max(0, Math.floor(ttlMs)));
}

/** Reads a header of whole milliseconds; `undefined`: it is something else. */
export function decodeMs(text: string): number | undefined {
  return /^\d{1,16}$/.test(text) ? Number(text) : undefined;
}

/**
 * Frames for the body of a POST that stands for another method: each key as its
 * length in 4 bytes, big-endian, and its UTF-8. For PUT, one key and after it
 * the value as it is.
 */
export function encodeFrames(
  keys: readonly string[],
  value?: ByteView,
): Uint8Array<ArrayBuffer> {
  const encoded = keys.map(encodeKey);
  let length = value?.byteLength ?? 0;
  for (const key of encoded) length += 4 + key.length;
  const body = new Uint8Array(length);
  const sizes = new DataView(body.buffer);
  let at = 0;
  for (const key of encoded) {
    sizes.setUint32(at, key.length);
    body.set(key, at + 4);
    at += 4 + key.length;
  }
  value?.copyTo(body.subarray(at));
  return body;
}

/** Reads one frame at `at`; `undefined`: it is cut short or no UTF-8. */
function decodeFrame(
  body: Uint8Array,
  at: number,
): { key: string; end: number } | undefined {
  if (body.length - at < 4) return undefined;
  const view = new DataView(body.buffer, body.byteOffset + at, 4);
  const end = at + 4 + view.getUint32(0);
  if (end > body.length) return undefined;
  const key = decodeKey(body.subarray(at + 4, end));
  return key === undefined ? undefined : { key, end };
}

/** Reads a body of keys; `undefined`: it is malformed. */
export function decodeKeys(body: Uint8Array): string[] | undefined {
  const keys: string[] = [];
  for (let at = 0; at < body.length;) {
    const frame = decodeFrame(body, at);
    if (frame === undefined) return undefined;
    keys.push(frame.key);
    at = frame.end;
  }
  return keys;
}

/** Reads a body of one key and its value; `undefined`: it is malformed. */
export function decodeKeyAndValue(
  body: Uint8Array,
): { key: string; value: ByteView } | undefined {
  const frame = decodeFrame(body, 0);
  if (frame === undefined) return undefined;
  return { key: frame.key, value: ByteView.from(body.subarray(frame.end)) };
}

/** Reads a value's time left from its header; `undefined`: the header is malformed. */
export function withTtl(
  value: ByteView,
  header: string | null,
): PeerValue | undefined {
  if (header === null) return { value };
  const ttlMs = decodeMs(header);
  return ttlMs === undefined ? undefined : { value, ttlMs };
}

/**
 * Reads a body of at most `limit` bytes; `undefined`: it is larger, and was
 * cancelled. Calls `onChunk` for each part of it that arrives.
 */
export async function readBody(
  message: Request | Response,
  limit: number,
  onChunk?: () => void,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { body, headers } = message;
  if (Number(headers.get("Content-Length") ?? 0) > limit) {
    await body?.cancel();
    return undefined;
  }
  if (body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Not `for await`: Safari and older Bun cannot iterate a stream.
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > limit) {
      await reader.cancel();
      return undefined;
    }
    chunks.push(value);
    onChunk?.();
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
