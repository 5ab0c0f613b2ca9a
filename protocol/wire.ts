/**
 * The paths, headers and bodies of messages between processes.
 *
 * @module
 */

import { type ByteView, latin1Of } from "../base/byte_view.ts";
import type { PeerValue } from "../base/peers.ts";
import { crc32OfText } from "./consistent_hash.ts";

/** The headers between processes of this library. */
export const HEADER = {
  /** On a request: the asker's own origin. */
  peer: "Geecache-Peer",
  /** On a request: the milliseconds after which the asker accepts "pending". */
  wait: "Geecache-Wait",
  /** On a request: a fingerprint of the asker's ring. */
  ring: "Geecache-Ring",
  /** On a request: the pool's secret. */
  secret: "Geecache-Secret",
  /** On a request and on every answer: the name of the sender's cluster, if it has one. */
  cluster: "Geecache-Cluster",
  /** On a request: the asker wants only a value in memory. */
  peek: "Geecache-Peek",
  /** On a request: how often the asker's last copy of the key was used since it came. */
  served: "Geecache-Served",
  /** On a question: what it is to the asker's tracing, by W3C Trace Context. */
  traceparent: "traceparent",
  /** On a request, and on its answer: the {@linkcode markOf} of what the URL names. */
  target: "Geecache-Target",
  /**
   * On an answer to a write: the number of the newest write there, or a ticket. With a
   * value to store: what the process was told last.
   */
  write: "Geecache-Write",
  /** On a POST: the method that it stands for. Its body is then framed. */
  method: "Geecache-Method",
  /** On every answer: its {@linkcode Result}. */
  result: "Geecache-Result",
  /**
   * On a request: it opens a link of that version. On every other answer: the newest
   * version of links that the process speaks.
   */
  link: "Geecache-Link",
  /** On an answer: the process is about to close. */
  draining: "Geecache-Draining",
  /** Beside a value: the milliseconds that it has left. */
  ttl: "Geecache-Ttl",
  /** Beside a value that is answered although it is stale: for how many milliseconds. */
  stale: "Geecache-Stale",
  /**
   * Beside a value: for how many milliseconds it may be answered after it went stale,
   * while it is loaded again and if it cannot be loaded.
   */
  windows: "Geecache-Windows",
  /** Beside a value: the key is asked for so often that the asker should keep a copy. */
  hot: "Geecache-Hot",
  /** Beside a value in an answer: how many bytes it has. By it, one cut short is seen. */
  length: "Geecache-Length",
} as const;

/** The meaning of an answer; see docs/PROTOCOL.md. */
export type Result =
  | "value"
  | "link"
  | "not-found"
  | "failed"
  | "no-group"
  | "pending"
  | "busy"
  | "done"
  | "outdated"
  | "bad-request"
  | "refused"
  | "draining";

const MAX_SMALL_BYTES = 256 * 1024;

/** A longer message of a failed getter is not read. */
export const MAX_MESSAGE_BYTES: number = 64 * 1024;

/** A longer path is sent as a POST with the key in its body. */
export const MAX_PATH_LENGTH = 4096;

/**
 * The keys that travel in a path. Between two processes there may be a proxy that
 * decodes paths, merges slashes, resolves dots, cuts off what is behind a semicolon, and
 * encodes again. It can read these keys in one way only.
 */
const PLAIN_KEY = /^[\w~:@=,-][\w~:@=,.-]*(?:\/[\w~:@=,-][\w~:@=,.-]*)*$/;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The target of a request, as its URL names it. */
export interface Target {
  readonly group: string;
  /** `undefined` if the URL names no key. */
  readonly key: string | undefined;
  /** The part of the group that a `DELETE` drops, or `undefined` if it drops the key. */
  readonly clear: "all" | "copies" | undefined;
}

/** The path and query of a request's URL, or `undefined` if it is not absolute. */
export function pathOf(url: string): string | undefined {
  // Parsing a `URL` would cost five times as much.
  const scheme = url.indexOf("://");
  // A path may hold the same characters.
  if (scheme < 1 || url.indexOf("/") < scheme) return undefined;
  const start = url.indexOf("/", scheme + 3);
  if (start < 0) return undefined;
  const end = url.indexOf("#", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}

/**
 * Reads the target as Go's servers do: the whole path is decoded once, then split
 * at its first slash. A `?key=` counts only if the path names no key.
 */
export function readTarget(
  path: string,
  basePath: string,
  native = true,
): Target | "outside" | "malformed" {
  if (!path.startsWith(basePath)) return "outside";
  const question = path.indexOf("?");
  const end = question < 0 ? path.length : question;
  const rest = decode(path.slice(basePath.length, end));
  if (rest === undefined) return "malformed";
  const slash = rest.indexOf("/");
  if (slash >= 0) {
    const group = rest.slice(0, slash);
    return { group, key: rest.slice(slash + 1), clear: undefined };
  }
  // Go ignores the query.
  if (question < 0 || !native) {
    return { group: rest, key: undefined, clear: undefined };
  }
  for (const part of path.slice(question + 1).split("&")) {
    if (part === "clear" || part === "clear=copies") {
      const clear = part === "clear" ? "all" : "copies";
      return { group: rest, key: undefined, clear };
    }
    if (!part.startsWith("key=")) continue;
    const key = decode(part.slice(4));
    return key === undefined
      ? "malformed"
      : { group: rest, key, clear: undefined };
  }
  return { group: rest, key: undefined, clear: undefined };
}

/** Percent-decodes once, or gives `undefined` for bad escapes and bad UTF-8. */
function decode(text: string): string | undefined {
  // A lone surrogate has no UTF-8 either.
  if (!text.isWellFormed()) return undefined;
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
 * The path of a key, or `undefined` if the key has to travel in a body: its path would
 * be too long, or could be read in two ways.
 *
 * Go knows no such bodies. URLs drop segments of one or two dots, even percent-encoded
 * ones, so to Go such a key is sent behind an encoded slash, since Go decodes first and
 * splits then.
 */
export function keyPath(
  basePath: string,
  group: string,
  key: string,
  native = true,
): string | undefined {
  if (key.length > MAX_PATH_LENGTH) return undefined;
  if (native && !PLAIN_KEY.test(key)) return undefined;
  const name = encodeURIComponent(key);
  const before = name === "." || name === ".." ? "%2F" : "/";
  const path = groupPath(basePath, group) + before + name;
  return path.length > MAX_PATH_LENGTH ? undefined : path;
}

/** What our own processes write behind the base path to name a target. */
export function writeTarget({ group, key, clear }: Target): string {
  const name = encodeURIComponent(group);
  if (key !== undefined) return `${name}/${encodeURIComponent(key)}`;
  if (clear === undefined) return name;
  return clear === "all" ? `${name}?clear` : `${name}?clear=${clear}`;
}

/**
 * A mark of what a URL names behind the base path, in 16 hexadecimal digits: the CRC-32
 * and the FNV-1a hash of its characters. By it a server sees that a path was not changed
 * on its way, and an asker that an answer is about what it asked for.
 */
export function markOf(target: string): string {
  let fnv = 0x811c9dc5;
  for (let i = 0; i < target.length; i++) {
    fnv = Math.imul(fnv ^ target.charCodeAt(i), 0x01000193);
  }
  return hexOf(crc32OfText(target)) + hexOf(fnv >>> 0);
}

function hexOf(number: number): string {
  return number.toString(16).padStart(8, "0");
}

/** The bytes of a key, for a body. */
export function encodeKey(key: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(key);
}

/** For a text up to this length, a call into the runtime costs more than a loop. */
const MAX_LOOPED = 64;

/** Writes the UTF-8 of `text` to `target` at `at` and returns where it ends. */
export function writeText(
  target: Uint8Array,
  at: number,
  text: string,
): number {
  const { length } = text;
  let i = 0;
  if (length <= MAX_LOOPED) {
    for (; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) break;
      target[at + i] = code;
    }
  }
  return i === length
    ? at + length
    : at + encoder.encodeInto(text, target.subarray(at)).written;
}

/** The key whose UTF-8 is `bytes`, or `undefined` if they are not UTF-8. */
export function decodeKey(bytes: Uint8Array): string | undefined {
  if (bytes.length <= MAX_LOOPED && isAscii(bytes)) {
    return latin1Of(bytes, 0, bytes.length);
  }
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! > 0x7f) return false;
  return true;
}

/** Adds the headers that say how long a value lives. Without a limit there are none. */
export function writeLife(
  headers: Record<string, string>,
  { ttlMs, staleWhileRevalidateMs, staleIfErrorMs }: PeerValue,
): void {
  if (ttlMs === undefined || ttlMs > Number.MAX_SAFE_INTEGER) return;
  if (ttlMs >= 0) headers[HEADER.ttl] = msOf(ttlMs);
  else headers[HEADER.stale] = msOf(Math.ceil(-ttlMs));
  if (staleWhileRevalidateMs === undefined || staleIfErrorMs === undefined) {
    return;
  }
  headers[HEADER.windows] = `${msOf(staleWhileRevalidateMs)} ${
    msOf(staleIfErrorMs)
  }`;
}

function msOf(ms: number): string {
  return String(Math.min(Math.floor(ms), Number.MAX_SAFE_INTEGER));
}

/** Reads a header of whole milliseconds, or gives `undefined` if it is malformed. */
export function decodeMs(text: string): number | undefined {
  return /^\d{1,16}$/.test(text) ? Number(text) : undefined;
}

/** Reads a header of a whole number. Without one, or if it is malformed, that is 0. */
export function decodeCount(header: string | null): number {
  return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : 0;
}

/** Two numbers of whole milliseconds. */
const WINDOWS = /^(\d{1,16}) (\d{1,16})$/;

/**
 * Adds what headers say of how long a value lives, or gives `undefined` if they are
 * malformed.
 *
 * @param ms How long ago the headers came.
 */
export function readLife(
  value: ByteView,
  headers: Pick<Headers, "get">,
  ms: number,
): PeerValue | undefined {
  const stale = headers.get(HEADER.stale);
  const time = stale ?? headers.get(HEADER.ttl);
  if (time === null) return { value };
  const timeMs = decodeMs(time);
  if (timeMs === undefined) return undefined;
  const found: PeerValue = { value, ttlMs: stale === null ? timeMs : -timeMs };
  const windows = headers.get(HEADER.windows);
  if (windows !== null) {
    const [, whileRevalidate, ifError] = WINDOWS.exec(windows) ?? [];
    if (whileRevalidate === undefined) return undefined;
    found.staleWhileRevalidateMs = windowOf(whileRevalidate);
    found.staleIfErrorMs = windowOf(ifError!);
  }
  return aged(found, ms);
}

/** The largest number stands for a window without an end. */
function windowOf(digits: string): number {
  const ms = Number(digits);
  return ms >= Number.MAX_SAFE_INTEGER ? Infinity : ms;
}

/** A value as it is `ms` later: it has less time left, or has been stale for longer. */
export function aged(found: PeerValue, ms: number): PeerValue {
  const { ttlMs, staleIfErrorMs } = found;
  if (ttlMs === undefined) return found;
  const left = ttlMs - ms;
  const canStale = ttlMs < 0 || staleIfErrorMs !== undefined;
  return { ...found, ttlMs: canStale ? left : Math.max(0, left) };
}

/** The facts about a body that its headers state. */
export interface BodyHead {
  /** The number of bytes on the wire, or `undefined` if it is not stated. */
  readonly length: number | undefined;
  /** Whether the body is decoded on arrival, so that its length differs. */
  readonly encoded: boolean;
}

/** Reads the facts about a body. Call it once, because each lookup takes a while. */
export function bodyHeadOf(headers: Headers): BodyHead {
  const length = headers.get("Content-Length");
  return length === null
    ? { length: undefined, encoded: false }
    : { length: Number(length), encoded: headers.has("Content-Encoding") };
}

/**
 * Reads a body of at most `limit` bytes. A larger one is cancelled, and the result
 * is `undefined`. Calls `onChunk` for each part that arrives.
 *
 * @throws The reason of `signal`, if it fires. A stream is then cancelled.
 */
export async function readBody(
  message: Request | Response,
  head: BodyHead,
  limit: number,
  signal?: AbortSignal,
  onChunk?: () => void,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if ((head.length ?? 0) > limit) {
    // Nothing waits for that: it may take as long as somebody reads a copy of the body.
    message.body?.cancel().catch(() => {});
    return undefined;
  }
  if (isSmall(head)) {
    const bytes = await untilAborted(message.arrayBuffer(), signal);
    return bytes.byteLength > limit ? undefined : new Uint8Array(bytes);
  }
  // Not read earlier, because reading it may make a stream.
  const { body } = message;
  if (body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunksOf(body, signal)) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
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

/**
 * Whether a body is said to be so small that it is read whole, which takes a third
 * of the time of reading a stream.
 */
export function isSmall({ length, encoded }: BodyHead): boolean {
  return length !== undefined && length <= MAX_SMALL_BYTES && !encoded;
}

async function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await promise;
  let leave!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

/**
 * The parts of a body as they arrive. A caller that stops early cancels the body.
 *
 * @throws The reason of `signal`, if it fires. The body is then cancelled.
 */
export async function* chunksOf(
  body: ReadableStream<Uint8Array>,
  signal?: AbortSignal,
): AsyncIterableIterator<Uint8Array> {
  // By hand, because not every runtime can iterate a stream. A read that waits must
  // also end with the signal, even if the source of the stream ignores it.
  const reader = body.getReader();
  const cancel = (): void => {
    reader.cancel(signal?.reason).catch(() => {});
  };
  signal?.addEventListener("abort", cancel, { once: true });
  if (signal?.aborted) cancel();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    signal?.removeEventListener("abort", cancel);
    if (!ended) cancel();
  }
}
