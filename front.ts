/**
 * The front door: the values of a group as responses for clients, and for the HTTP
 * caches on the way to them.
 *
 * A response says how long it may be kept, and carries the tag of its bytes. A client
 * that has those gets a 304. Ranges and HEAD work, too.
 *
 * @example A value, and a client that has it already
 * ```ts
 * import { entryResponse } from "@geecache/geecache/front";
 * import { ByteView } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const entry = { value: ByteView.from("630"), from: "main", ttlMs: 60_900 } as const;
 * const url = "http://localhost:8080/scores/Tom";
 *
 * const first = await entryResponse(new Request(url), entry, {
 *   headers: { "Content-Type": "text/plain" },
 *   staleWhileRevalidateMs: 30_000,
 * });
 * assertEquals(await first.text(), "630");
 * assertEquals(
 *   first.headers.get("Cache-Control"),
 *   "max-age=60, stale-while-revalidate=30",
 * );
 * assertEquals(first.headers.get("Cache-Status"), "geecache; hit; ttl=60");
 *
 * const headers = { "If-None-Match": first.headers.get("ETag")! };
 * const again = await entryResponse(new Request(url, { headers }), entry);
 * assertEquals([again.status, await again.text()], [304, ""]);
 * ```
 *
 * @module
 */

import type { ByteView } from "./base/byte_view.ts";
import { checkNumbers, checkOptions, type Names } from "./base/checks.ts";
import {
  BusyError,
  describe,
  isError,
  isNotFound,
  NotFoundError,
  PeerError,
} from "./base/errors.ts";
import {
  cacheControlOf,
  cacheStatusOf,
  negativeControlOf,
  PRINTABLE,
  secondsOf,
} from "./front/caching.ts";
import { hasStrongly, hasWeakly, isTag, tagOf } from "./front/etags.ts";
import { rangeOf } from "./front/ranges.ts";

// What its users need beside it, for those who import this file alone.
export { type BytesLike, ByteView } from "./base/byte_view.ts";
export { BusyError, NotFoundError, PeerError } from "./base/errors.ts";

/** A value, and what is known about it: what `Group.getEntry()` gives, and more. */
export interface FrontEntry {
  /** The value's bytes. */
  value: ByteView;
  /** Where it came from: memory here, another process, or a load here. */
  from: "main" | "hot" | "peer" | "load";
  /** How many milliseconds it still lives; below 0, for how long it has been stale. */
  ttlMs: number;
  /** How many milliseconds ago it was loaded, where that is known. */
  ageMs?: number | undefined;
  /** For how long it may be used stale while it is loaded again. */
  staleWhileRevalidateMs?: number | undefined;
  /** For how long it may be used stale if it cannot be loaded. */
  staleIfErrorMs?: number | undefined;
  /** Whether this process keeps it, where that is known. */
  stored?: boolean | undefined;
}

/** Headers, in any of the forms that `new Headers()` takes. */
export type HeadersLike = Headers | Record<string, string> | [string, string][];

/** Options for {@linkcode entryResponse}. */
export interface EntryResponseOptions {
  /**
   * Headers of the response, such as `Content-Type`, which is
   * `application/octet-stream` otherwise. Each takes the place of the one that would
   * be worked out. An `ETag` among them spares the hash, and is what conditions are
   * compared with.
   */
  headers?: HeadersLike;
  /**
   * `"private"` keeps the response out of shared caches; `"public"` lets them keep it
   * even if the request had an `Authorization`. Without it, they decide.
   */
  scope?: "public" | "private";
  /**
   * How long HTTP caches may keep the value, whatever longer life it has. They are not
   * told of removals. Without it, a value that never expires is `no-cache`: caches may
   * keep it, and ask each time whether it is still the same. A copy of another process's
   * value has an end in any case, after `mirrorTtlMs`.
   *
   * @default {Infinity}
   */
  maxAgeMs?: number;
  /** In place of the entry's `staleWhileRevalidateMs`. 0: no such window. */
  staleWhileRevalidateMs?: number;
  /** In place of the entry's `staleIfErrorMs`. 0: no such window. */
  staleIfErrorMs?: number;
  /**
   * What this process is called in `Cache-Status`; an owner elsewhere has `-owner`
   * behind it.
   *
   * @default {"geecache"}
   */
  cacheName?: string;
}

/** Options for {@linkcode errorResponse}. */
export interface ErrorResponseOptions {
  /** Headers of the response. Each takes the place of the one that would be worked out. */
  headers?: HeadersLike;
  /** Who may keep the answer that there is no such value. */
  scope?: "public" | "private";
  /**
   * How long HTTP caches may keep the answer that there is no such value.
   *
   * @default {0}
   */
  negativeTtlMs?: number;
  /** The group and key that were asked for. "Not found" of any other is a failed load. */
  asked?: { readonly group: string; readonly key: string };
  /**
   * The body, as plain text. Without it, the status is named and nothing of the error
   * is told: its message may have what clients should not see.
   */
  text?: string;
}

const ENTRY_OPTIONS: Names<EntryResponseOptions> = {
  headers: true,
  scope: true,
  maxAgeMs: true,
  staleWhileRevalidateMs: true,
  staleIfErrorMs: true,
  cacheName: true,
};
const ERROR_OPTIONS: Names<ErrorResponseOptions> = {
  headers: true,
  scope: true,
  negativeTtlMs: true,
  asked: true,
  text: true,
};

/** When a busy process may be asked again, in seconds. */
const RETRY_SECONDS = 1;

/** The names of the statuses that errors have. */
const STATUS_TEXTS: Readonly<Record<number, string>> = {
  404: "Not Found",
  405: "Method Not Allowed",
  412: "Precondition Failed",
  416: "Range Not Satisfiable",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/**
 * The response to a GET or a HEAD, from an entry.
 *
 * | status | when |
 * | ------ | ---- |
 * | 200    | otherwise |
 * | 206    | one range of bytes is asked for, and `If-Range` allows it |
 * | 304    | `If-None-Match` has the value's tag |
 * | 405    | another method |
 * | 412    | `If-Match` does not have the value's tag |
 * | 416    | none of the bytes asked for exist |
 *
 * Dates are not compared, since no value has one.
 *
 * @throws {TypeError} If an option is of the wrong kind.
 * @throws {RangeError} If a number is out of range.
 *
 * @example A server
 * ```ts
 * import { entryResponse, errorResponse, Group } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const db = new Map([["Tom", "630"]]);
 * const scores = new Group("scores", (name) => db.get(name), { ttlMs: 60_000 });
 *
 * async function serve(request: Request): Promise<Response> {
 *   const key = new URL(request.url).searchParams.get("key") ?? "";
 *   try {
 *     return await entryResponse(request, await scores.getEntry(key));
 *   } catch (error) {
 *     return errorResponse(request, error, { negativeTtlMs: 5000 });
 *   }
 * }
 *
 * const part = await serve(
 *   new Request("http://localhost:8080/?key=Tom", { headers: { Range: "bytes=1-" } }),
 * );
 * assertEquals([part.status, await part.text()], [206, "30"]);
 * const none = await serve(new Request("http://localhost:8080/?key=Kurt"));
 * assertEquals([none.status, none.headers.get("Cache-Control")], [404, "max-age=5"]);
 * ```
 */
export async function entryResponse(
  request: Request,
  entry: FrontEntry,
  options: EntryResponseOptions = {},
): Promise<Response> {
  const given = checkEntryOptions(entry, options);
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") {
    return plain(request, 405, { Allow: "GET, HEAD" });
  }
  const { value } = entry;
  const tag = given?.get("ETag") ?? await tagOf(value);
  // RFC 9110, section 13.2.2, says in which order these are looked at.
  const ifMatch = request.headers.get("If-Match");
  if (ifMatch !== null && !hasStrongly(ifMatch, tag)) {
    return plain(request, 412, {});
  }
  const headers = headersOf(entry, options, given, tag);
  const ifNoneMatch = request.headers.get("If-None-Match");
  if (ifNoneMatch !== null && hasWeakly(ifNoneMatch, tag)) {
    return new Response(null, { status: 304, headers: unchanged(headers) });
  }
  const { byteLength } = value;
  const range = rangeFor(request, tag, byteLength);
  if (range === "none") {
    return plain(request, 416, { "Content-Range": `bytes */${byteLength}` });
  }
  if (range !== undefined) {
    const { first, last } = range;
    headers.set("Content-Range", `bytes ${first}-${last}/${byteLength}`);
    headers.set("Content-Length", `${last + 1 - first}`);
    const part = value.slice(first, last + 1);
    return new Response(part.bytes(), { status: 206, headers });
  }
  headers.set("Content-Length", `${byteLength}`);
  const body = method === "HEAD" ? null : value.bytes();
  return new Response(body, { headers });
}

/** Checks what came, and returns the headers among it, if there are any. */
function checkEntryOptions(
  entry: FrontEntry,
  options: EntryResponseOptions,
): Headers | undefined {
  const action = "Cannot answer with an entry";
  checkOptions(action, options, ENTRY_OPTIONS);
  const { maxAgeMs, staleWhileRevalidateMs, staleIfErrorMs } = options;
  checkNumbers(
    action,
    "a non-negative number",
    defined({ maxAgeMs, staleWhileRevalidateMs, staleIfErrorMs }),
  );
  if (Number.isNaN(entry.ttlMs)) {
    throw new RangeError(`${action}: ttlMs must be a number: received NaN`);
  }
  checkScope(action, options.scope);
  const { cacheName } = options;
  if (
    cacheName !== undefined &&
    (typeof cacheName !== "string" || !PRINTABLE.test(cacheName))
  ) {
    throw new TypeError(
      `${action}: cacheName must be printable ASCII: received ${
        describe(cacheName)
      }`,
    );
  }
  if (options.headers === undefined) return undefined;
  const headers = new Headers(options.headers);
  const tag = headers.get("ETag");
  if (tag !== null && !isTag(tag)) {
    throw new TypeError(
      `${action}: the ETag must be in double quotes: received ${describe(tag)}`,
    );
  }
  return headers;
}

function checkScope(action: string, scope: unknown): void {
  if (scope === undefined || scope === "public" || scope === "private") return;
  throw new TypeError(
    `${action}: scope must be "public" or "private": received ${
      describe(scope)
    }`,
  );
}

/** The numbers among `options` that were given. */
function defined(
  options: Readonly<Record<string, number | undefined>>,
): Record<string, number> {
  const given: Record<string, number> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) given[name] = value;
  }
  return given;
}

/** The headers of a 200. */
function headersOf(
  entry: FrontEntry,
  options: EntryResponseOptions,
  given: Headers | undefined,
  tag: string,
): Headers {
  const { ttlMs, ageMs } = entry;
  const life = {
    ttlMs,
    ageMs,
    maxAgeMs: options.maxAgeMs ?? Infinity,
    staleWhileRevalidateMs: options.staleWhileRevalidateMs ??
      entry.staleWhileRevalidateMs ?? 0,
    staleIfErrorMs: options.staleIfErrorMs ?? entry.staleIfErrorMs ?? 0,
  };
  const { from, stored } = entry;
  return replaced({
    "Content-Type": "application/octet-stream",
    "Cache-Control": cacheControlOf(life, options.scope),
    "Cache-Status": cacheStatusOf(options.cacheName ?? "geecache", {
      from,
      ttlMs,
      stored,
    }),
    "ETag": tag,
    "Accept-Ranges": "bytes",
    ...(ageMs === undefined ? {} : { Age: `${secondsOf(ageMs)}` }),
  }, given);
}

/** `own`, with those of `given` in their place. */
function replaced(
  own: Record<string, string>,
  given: Headers | undefined,
): Headers {
  const headers = new Headers(own);
  for (const [name, value] of given ?? []) {
    // The only one that may be there several times.
    if (name === "set-cookie") headers.append(name, value);
    else headers.set(name, value);
  }
  return headers;
}

/** The headers of a 304: without what describes a body, RFC 9110, section 15.4.5. */
function unchanged(headers: Headers): Headers {
  for (const name of ["Type", "Encoding", "Language", "Length", "Range"]) {
    headers.delete(`Content-${name}`);
  }
  return headers;
}

/** The range that is asked for and that `If-Range` allows: RFC 9110, section 13.1.5. */
function rangeFor(
  request: Request,
  tag: string,
  length: number,
): ReturnType<typeof rangeOf> {
  const range = request.headers.get("Range");
  if (range === null || request.method !== "GET") return undefined;
  const ifRange = request.headers.get("If-Range");
  const isAllowed = ifRange === null ||
    isTag(ifRange) && hasStrongly(ifRange, tag);
  return isAllowed ? rangeOf(range, length) : undefined;
}

/**
 * The response to a request whose value could not be had.
 *
 * | status | when |
 * | ------ | ---- |
 * | 404    | a `NotFoundError`: the getter said that there is no such key |
 * | 503    | a `BusyError`: too many loads wait; with `Retry-After` |
 * | 504    | a `TimeoutError`, or an error whose cause is one |
 * | 502    | a `PeerError`: another process could not answer |
 * | 500    | anything else: the getter failed, here or in another process |
 *
 * RFC 5861 counts the last four as errors, so a cache that has the value may answer
 * with it within `stale-if-error`. They are not to be kept, nor is a 404 without
 * `negativeTtlMs`.
 *
 * @throws {TypeError} If an option is of the wrong kind.
 * @throws {RangeError} If a number is out of range.
 *
 * @example Errors as responses
 * ```ts
 * import { BusyError, errorResponse } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const request = new Request("http://localhost:8080/");
 * const busy = errorResponse(request, new BusyError("too many loads wait"));
 * assertEquals([busy.status, busy.headers.get("Retry-After")], [503, "1"]);
 * assertEquals(await busy.text(), "Service Unavailable\n");
 * ```
 */
export function errorResponse(
  request: Request,
  error: unknown,
  options: ErrorResponseOptions = {},
): Response {
  const action = "Cannot answer with an error";
  checkOptions(action, options, ERROR_OPTIONS);
  const { scope, negativeTtlMs = 0, asked, text } = options;
  checkNumbers(action, "a non-negative number", { negativeTtlMs });
  checkScope(action, scope);
  const status = statusOf(error, asked);
  const keeping = status === 404
    ? negativeControlOf(negativeTtlMs, scope)
    : "no-store";
  const more: Record<string, string> = { "Cache-Control": keeping };
  if (status === 503) more["Retry-After"] = `${RETRY_SECONDS}`;
  const given = options.headers && new Headers(options.headers);
  return plain(request, status, more, text, given);
}

function statusOf(
  error: unknown,
  asked: ErrorResponseOptions["asked"],
): number {
  const isMissing = asked === undefined
    ? error instanceof NotFoundError
    : isNotFound(error, asked.group, asked.key);
  if (isMissing) return 404;
  if (error instanceof BusyError) return 503;
  if (isTimeout(error) || isError(error) && isTimeout(error.cause)) return 504;
  return error instanceof PeerError ? 502 : 500;
}

function isTimeout(error: unknown): boolean {
  return isError(error) && error.name === "TimeoutError";
}

/** A response of plain text that no cache keeps, unless `headers` say so. */
function plain(
  request: Request,
  status: number,
  headers: Record<string, string>,
  text: string = STATUS_TEXTS[status]!,
  given?: Headers,
): Response {
  const all = replaced({
    "Cache-Control": "no-store",
    "Content-Type": "text/plain; charset=utf-8",
    ...headers,
  }, given);
  const body = request.method === "HEAD" ? null : `${text}\n`;
  return new Response(body, { status, headers: all });
}
