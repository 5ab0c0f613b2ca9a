/**
 * Values from any HTTP source: a getter that asks for each key with a GET, and again
 * with what the source said to tell its versions apart.
 *
 * | answer     | meaning                                                       |
 * | ---------- | ------------------------------------------------------------- |
 * | 200        | the value, which lives as long as its headers say             |
 * | 304        | the value that is at hand is good for as long as that says    |
 * | 404, 410   | there is no such key                                          |
 * | any other  | the load has failed                                           |
 *
 * @module
 */

import type { ByteView, Getter, Life } from "../../mod.ts";
import { quote } from "../../base/errors.ts";
import { messageOf } from "../exit.ts";
import { KEY, MARK } from "../groups.ts";
import { lifeOf } from "./life.ts";
import { unwrap, wrap, type Wrapped } from "./wrapped.ts";

/** What a source says of a value, and clients should know. */
const KEPT = [
  "content-type",
  "content-language",
  "content-disposition",
  "etag",
  "last-modified",
];

/** The largest value, in bytes: no larger one travels between processes. */
const MAX_VALUE_BYTES = 64 << 20;

/** Options for {@linkcode httpGetter}. */
export interface HttpGetterOptions {
  /** How the source is reached. */
  fetch?: (request: Request) => Promise<Response>;
  /** The largest value, in bytes, what is kept of its headers included. */
  maxValueBytes?: number;
}

/**
 * Makes a getter.
 *
 * @param template The URL, with `{key}` in its path or its query.
 */
export function httpGetter(
  template: string,
  { fetch: ask = fetch, maxValueBytes = MAX_VALUE_BYTES }: HttpGetterOptions =
    {},
): Getter {
  const [shown] = template.split("?");
  return async (key, { signal, stale }) => {
    const url = urlOf(template, key);
    if (url === undefined) return undefined;
    const known = stale && unwrap(stale);
    const headers = conditionsOf(known?.headers);
    let reason: string;
    try {
      const response = await ask(new Request(url, { headers, signal }));
      const { status } = response;
      const life = lifeOf(response.headers);
      if (status === 200) {
        const head = headOf(response.headers, life);
        const value = await wrapped(head, response, maxValueBytes);
        if (value !== undefined) return { value, ...life };
        reason = `it has more than ${maxValueBytes} bytes`;
      } else {
        await response.body?.cancel();
        if (status === 304 && known !== undefined) {
          const head = headOf(response.headers, life);
          return { value: renewed(stale!, known, head), ...life };
        }
        if (status === 404 || status === 410) return undefined;
        reason = `it answered ${status}`;
      }
    } catch (cause) {
      signal.throwIfAborted();
      // The query may have a key to the source, and so may the message. A redirect has
      // led to another one.
      const message = saidOf(cause).replaceAll(url, shown!)
        .replace(/(https?:[^\s?]*)\?[^\s)]*/g, "$1");
      throw failure(key, shown!, message, { cause });
    }
    throw failure(key, shown!, reason);
  };
}

/** The messages of an error and its causes: `fetch` says there why it failed. */
function saidOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const said = messageOf(error);
  return cause === undefined ? said : `${said}: ${saidOf(cause)}`;
}

function failure(
  key: string,
  from: string,
  reason: string,
  options?: ErrorOptions,
): Error {
  const what = `Cannot load ${quote(key)} from ${from}`;
  return new Error(`${what}: ${reason}`, options);
}

/**
 * The URL of a key; `undefined` if no URL can have it: the segments `.` and `..` of a
 * path lead elsewhere.
 */
export function urlOf(template: string, key: string): string | undefined {
  const url = new URL(template.replaceAll(KEY, MARK)).href
    .replaceAll(MARK, encode(key));
  return new URL(url).href === url ? url : undefined;
}

/** A key as a part of a URL, with nothing left that means something there. */
function encode(key: string): string {
  return encodeURIComponent(key).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** What asks a source whether a value is still the same. */
function conditionsOf(known: Headers | undefined): Headers {
  const conditions = new Headers();
  const tag = known?.get("etag");
  const date = known?.get("last-modified");
  if (tag) conditions.set("If-None-Match", tag);
  if (date) conditions.set("If-Modified-Since", date);
  return conditions;
}

/** The headers that are kept in front of a value. */
function headOf(headers: Headers, life: Life): Headers {
  const head = new Headers();
  for (const name of KEPT) {
    const value = headers.get(name);
    if (value !== null) head.set(name, value);
  }
  const { staleWhileRevalidateMs, staleIfErrorMs } = life;
  const fields = Object.entries({
    "stale-while-revalidate": staleWhileRevalidateMs,
    "stale-if-error": staleIfErrorMs,
  }).filter(([, ms]) => ms !== undefined)
    .map(([name, ms]) => `${name}=${ms! / 1000}`);
  // A 304 that says nothing of windows ends those of the 200, too.
  if (fields.length > 0) head.set("cache-control", fields.join(", "));
  return head;
}

/** A value that has not changed, with what the source says of it now. */
function renewed(
  stale: ByteView,
  known: Wrapped,
  head: Headers,
): ByteView | Uint8Array {
  for (const name of KEPT) {
    const value = known.headers.get(name);
    if (value !== null && !head.has(name)) head.set(name, value);
  }
  const isSame = [...head].join() === [...known.headers].join();
  return isSame ? stale : wrap(head, [known.body.bytes()]);
}

/** A value with its headers; `undefined` if it is larger than `maxBytes`. */
async function wrapped(
  head: Headers,
  response: Response,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > maxBytes) return undefined;
    parts.push(part);
  }
  const value = wrap(head, parts);
  return value.length > maxBytes ? undefined : value;
}
