/**
 * A peer's question, answered.
 *
 * The handler answers from this process's memory and getter and never asks
 * another process.
 *
 * @module
 */

import { ByteView } from "./byte_view.ts";
import type { Clock } from "./clock.ts";
import { ClosedError, NotFoundError } from "./errors.ts";
import { type Group, localOf } from "./group.ts";
import type { LocalGroup } from "./local_group.ts";
import { keyRule } from "./names.ts";
import type { PeerValue } from "./peers.ts";
import {
  decodeKey,
  decodeKeyAndValue,
  decodeKeys,
  decodeMs,
  encodeTtl,
  HEADER,
  pathOf,
  readBody,
  readTarget,
  type Result,
  type Target,
  withTtl,
} from "./wire.ts";

/** Where messages go. `console` is one. */
export interface Logger {
  /** Details for whoever looks for a fault. */
  debug(message: string): void;
  /** What happens in the ordinary way. */
  info(message: string): void;
  /** What may become a fault. */
  warn(message: string): void;
  /** A fault. */
  error(message: string): void;
}

/** What a handler is made of. */
export interface HandlerOptions {
  self: string;
  basePath: string;
  maxBodyBytes: number;
  clock: Clock;
  logger: Logger | undefined;
  getGroup: (name: string) => Group | undefined;
}

const METHODS = "GET, HEAD, PUT, DELETE, POST";

/**
 * How long a load is kept going after "pending" was answered, for the asker to
 * ask again. It does so at once, unless it has died.
 */
const LINGER_MS = 5_000;

const PENDING = Symbol("pending");

/** Answers the requests of one pool. */
export class Handler {
  readonly #options: HandlerOptions;
  /** Ends the waits of askers who were answered "pending", by asker, group and key. */
  readonly #lingering = new Map<string, () => void>();

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  handle(request: Request): Promise<Response> | Response {
    const { self, basePath, logger, getGroup } = this.#options;
    const path = pathOf(request.url);
    const { method } = request;
    logger?.debug(`[Server ${self}] ${method} ${path}`);
    const target = readTarget(path, basePath);
    if (target === "outside") {
      return text(request, 404, `${path} is outside of ${basePath}`);
    }
    if (target === "malformed") return badRequest(request, 400, "bad request");
    const reads = method === "GET" || method === "HEAD";
    if (reads && target.key === undefined) {
      return badRequest(request, 400, "bad request");
    }
    const writes = method === "PUT" || method === "DELETE" || method === "POST";
    if (!reads && !writes) {
      return badRequest(request, 405, "method not allowed", {
        Allow: METHODS,
      });
    }
    if (writes && !request.headers.has(HEADER.peer)) {
      return text(
        request,
        403,
        `${method} is for peers: it needs a ${HEADER.peer} header`,
      );
    }
    const group = getGroup(target.group);
    if (group === undefined) return noGroup(request, target.group);
    const local = localOf(group);
    return reads
      ? this.#get(request, local, target.key!)
      : this.#write(request, local, target);
  }

  /** Ends what waits for askers. */
  close(): void {
    for (const leave of this.#lingering.values()) leave();
  }

  #get(
    request: Request,
    local: LocalGroup,
    key: string,
  ): Promise<Response> | Response {
    const rule = keyRule(key);
    if (rule !== undefined) return badRequest(request, 400, rule);
    const answer = local.answer(key);
    if (answer !== undefined) return value(request, answer);
    return this.#load(request, local, key);
  }

  async #load(
    request: Request,
    local: LocalGroup,
    key: string,
  ): Promise<Response> {
    try {
      const header = request.headers.get(HEADER.wait);
      const waitMs = header === null ? undefined : decodeMs(header);
      const answer = waitMs === undefined
        ? await local.load(key, { signal: request.signal })
        : await this.#loadWithin(waitMs, request, local, key);
      if (answer !== PENDING) return value(request, answer);
      return text(request, 202, "still loading: ask again", "pending");
    } catch (error) {
      if (request.signal.aborted) return text(request, 499, "the client left");
      if (error instanceof ClosedError) return noGroup(request, local.name);
      const message = error instanceof Error ? error.message : String(error);
      return error instanceof NotFoundError
        ? text(request, 404, message, "not-found")
        : text(request, 500, message, "failed");
    }
  }

  /**
   * Waits for a load for so long. Past that the asker still counts as waiting,
   * until it asks again or proves to be gone.
   */
  async #loadWithin(
    waitMs: number,
    request: Request,
    local: LocalGroup,
    key: string,
  ): Promise<PeerValue | typeof PENDING> {
    const { clock } = this.#options;
    const asker = request.headers.get(HEADER.peer) ?? "";
    const id = JSON.stringify([asker, local.name, key]);
    const waiter = new AbortController();
    const leave = (): void => waiter.abort(request.signal.reason);
    request.signal.addEventListener("abort", leave, { once: true });
    const load = local.load(key, { signal: waiter.signal });
    // From here on this request waits in place of the asker's last one.
    this.#lingering.get(id)?.();
    let callOff: () => void = () => {};
    const pending = new Promise<typeof PENDING>((resolve) => {
      callOff = clock.after(waitMs, () => resolve(PENDING));
    });
    try {
      const answer = await Promise.race([load, pending]);
      if (answer === PENDING) this.#linger(id, load, waiter);
      return answer;
    } finally {
      callOff();
      request.signal.removeEventListener("abort", leave);
    }
  }

  #linger(
    id: string,
    load: Promise<PeerValue>,
    waiter: AbortController,
  ): void {
    const end = (): void => {
      callOff();
      if (this.#lingering.get(id) === leave) this.#lingering.delete(id);
    };
    const leave = (): void => {
      end();
      waiter.abort(new Error("the asker did not ask again"));
    };
    const callOff = this.#options.clock.after(LINGER_MS, leave);
    this.#lingering.set(id, leave);
    load.then(end, end);
  }

  async #write(
    request: Request,
    local: LocalGroup,
    target: Target,
  ): Promise<Response> {
    let body: Uint8Array<ArrayBuffer> | undefined;
    try {
      body = await readBody(request, this.#options.maxBodyBytes);
    } catch {
      return badRequest(request, 400, "the body could not be read");
    }
    if (body === undefined) {
      return badRequest(
        request,
        413,
        `the body is larger than ${this.#options.maxBodyBytes} bytes`,
      );
    }
    if (request.method !== "POST") {
      const { key } = target;
      if (request.method === "PUT") {
        return put(request, local, key, ByteView.from(body));
      }
      if (!target.clear) {
        return remove(request, local, key === undefined ? key : [key]);
      }
      local.clear();
      return done();
    }
    const { key } = target;
    if (key !== undefined) return badRequest(request, 400, "bad request");
    switch (request.headers.get(HEADER.method)) {
      case null: {
        const key = decodeKey(body);
        return key === undefined
          ? badRequest(request, 400, "the key is no UTF-8")
          : this.#get(request, local, key);
      }
      case "PUT": {
        const pair = decodeKeyAndValue(body);
        return put(request, local, pair?.key, pair?.value);
      }
      case "DELETE":
        return remove(request, local, decodeKeys(body));
      default:
        return badRequest(
          request,
          400,
          `${HEADER.method} must be PUT or DELETE`,
        );
    }
  }
}

function put(
  request: Request,
  local: LocalGroup,
  key: string | undefined,
  view: ByteView | undefined,
): Response {
  const rule = keyRule(key);
  if (rule !== undefined) return badRequest(request, 400, rule);
  const stored = view && withTtl(view, request.headers.get(HEADER.ttl));
  if (stored === undefined) {
    return badRequest(request, 400, `${HEADER.ttl} must be whole milliseconds`);
  }
  local.set(key!, stored);
  return done();
}

function remove(
  request: Request,
  local: LocalGroup,
  keys: readonly string[] | undefined,
): Response {
  if (keys === undefined) return badRequest(request, 400, "bad request");
  for (const key of keys) {
    const rule = keyRule(key);
    if (rule !== undefined) return badRequest(request, 400, rule);
  }
  for (const key of keys) local.remove(key);
  return done();
}

function value(request: Request, { value, ttlMs }: PeerValue): Response {
  const headers: Record<string, string> = {
    "Content-Type": "application/octet-stream",
    "Cache-Control": "no-store",
    "Geecache-Result": "value",
  };
  const ttl = encodeTtl(ttlMs);
  if (ttl !== undefined) headers[HEADER.ttl] = ttl;
  if (request.method !== "HEAD") {
    return new Response(value.bytes(), { headers });
  }
  headers["Content-Length"] = String(value.byteLength);
  return new Response(null, { headers });
}

function done(): Response {
  return new Response(null, {
    status: 204,
    headers: { "Cache-Control": "no-store", "Geecache-Result": "done" },
  });
}

/** An answer in the form of Go's `http.Error`. */
function text(
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
  if (result !== undefined) headers[HEADER.result] = result;
  if (request.method !== "HEAD") {
    return new Response(body, { status, headers });
  }
  headers["Content-Length"] = String(body.length);
  return new Response(null, { status, headers });
}

function badRequest(
  request: Request,
  status: 400 | 405 | 413,
  message: string,
  more?: Record<string, string>,
): Response {
  return text(request, status, message, "bad-request", more);
}

function noGroup(request: Request, name: string): Response {
  return text(request, 404, `no such group: ${name}`, "no-group");
}
