/**
 * Answers, as responses: status, headers and body.
 *
 * @module
 */

import { BusyError, messageOf, NotFoundError } from "../base/errors.ts";
import { GetterFailure } from "../group/getter.ts";
import type { LocalGroup } from "../group/local_group.ts";
import type { PeerValue } from "../base/peers.ts";
import { LINK_VERSION } from "../protocol/link.ts";
import type { Protocol } from "../protocol/protocols.ts";
import { HEADER, type Result, writeLife } from "../protocol/wire.ts";

/** A body that is complete. A string is ASCII: one character for each byte. */
type Body = Uint8Array<ArrayBuffer> | string;

/** Under this symbol a request may bring a cheaper way to answer; see `node/request.ts`. */
const RESPOND = Symbol.for("geecache.respond");
type Respond = (
  status: number,
  headers: Record<string, string>,
  body: Body | null,
) => Response;

/** Under this symbol an answer may bring a cheaper way to add a header; see `node/lazy.ts`. */
const ADD_HEADER = Symbol.for("geecache.addHeader");
type AddHeader = (name: string, value: string) => void;

function respond(
  request: Request,
  status: number,
  headers: Record<string, string>,
  whole: Body,
): Response {
  addTarget(headers, request);
  const body = request.method === "HEAD" ? null : whole;
  if (body === null) headers["Content-Length"] = String(whole.length);
  const own = (request as { [RESPOND]?: Respond })[RESPOND];
  return own === undefined
    ? new Response(body, { status, headers })
    : own(status, headers, body);
}

/** Says what an answer is about, in the asker's own words. */
function addTarget(headers: Record<string, string>, request: Request): void {
  const mark = request.headers.get(HEADER.target);
  if (mark !== null) headers[HEADER.target] = mark;
}

/** A value, with its time left, and a word on whether its key is hot. */
export function value(
  request: Request,
  found: PeerValue,
  { contentType, native, encode }: Protocol,
): Response {
  const headers: Record<string, string> = {
    "Content-Type": contentType,
    "Cache-Control": "no-store",
    "Geecache-Result": "value",
  };
  const body = encode(found.value);
  if (native) {
    headers[HEADER.link] = LINK_VERSION;
    headers[HEADER.length] = String(body.length);
    if (found.isHot) headers[HEADER.hot] = "1";
  }
  writeLife(headers, found);
  return respond(request, 200, headers, body);
}

/** A link, whose answers come out of `body`. */
export function link(
  request: Request,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): Response {
  const headers: Record<string, string> = {
    "Content-Type": "application/octet-stream",
    "Cache-Control": "no-store, no-transform",
    "Geecache-Result": "link",
    "Geecache-Link": LINK_VERSION,
    // nginx and others would gather answers.
    "X-Accel-Buffering": "no",
  };
  addTarget(headers, request);
  return new Response(body, { headers });
}

/** A write was carried out here. */
export function done(request: Request, local: LocalGroup): Response {
  const headers: Record<string, string> = {
    "Cache-Control": "no-store",
    "Geecache-Result": "done",
    "Geecache-Link": LINK_VERSION,
    "Geecache-Write": local.latestWrite(),
  };
  addTarget(headers, request);
  return new Response(null, { status: 204, headers });
}

/** The answer to a value that came too late, or from a process that has to catch up. */
export function outdated(request: Request, ticket: string): Response {
  const message = "the key may have been written since: send the value again";
  return text(request, 409, message, "outdated", { [HEADER.write]: ticket });
}

/** The answer to an asker whose load failed. */
export function failure(
  request: Request,
  group: LocalGroup,
  error: unknown,
  { native }: Protocol,
): Response {
  if (request.signal.aborted) return text(request, 499, "the client left");
  // Nothing failed: the asker should ask the next node.
  if (group.closed) return noGroup(request, group.name);
  // Whatever a getter threw is a failed load, even a `BusyError`.
  if (error instanceof GetterFailure) {
    return text(request, 500, messageOf(error.error), "failed");
  }
  const message = messageOf(error);
  // Go knows no "busy" and would load the key itself, so it gets an ordinary failure.
  if (error instanceof BusyError && native) return busy(request, message);
  return error instanceof NotFoundError
    ? text(request, native ? 404 : 500, message, "not-found")
    : text(request, 500, message, "failed");
}

/** A text in the form of Go's `http.Error`. */
export function text(
  request: Request,
  status: number,
  message: string,
  result?: Result,
  more?: Record<string, string>,
): Response {
  const body = new TextEncoder().encode(message + "\n");
  const headers: Record<string, string> = {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    ...more,
  };
  if (result !== undefined) {
    headers[HEADER.result] = result;
    headers[HEADER.link] = LINK_VERSION;
  }
  return respond(request, status, headers, body);
}

/** The answer to a request that is at fault. */
export function badRequest(
  request: Request,
  status: 400 | 405 | 408 | 413,
  message: string,
  more?: Record<string, string>,
): Response {
  return text(request, status, message, "bad-request", more);
}

/** The answer where nothing is at fault, and the next node should be asked. */
export function noGroup(request: Request, name: string): Response {
  return text(request, 404, `no such group: ${name}`, "no-group");
}

/** The answer while there is no time; there will be soon. */
export function busy(request: Request, message: string): Response {
  return text(request, 429, message, "busy", { "Retry-After": "1" });
}

/** Adds a header to an answer, also to one that is still being made. */
export function addHeader(
  answer: Promise<Response> | Response,
  name: string,
  value: string,
): Promise<Response> | Response {
  if (answer instanceof Promise) {
    return answer.then((response) => addHeader(response, name, value));
  }
  const own = (answer as { [ADD_HEADER]?: AddHeader })[ADD_HEADER];
  if (own === undefined) answer.headers.set(name, value);
  else own.call(answer, name, value);
  return answer;
}
