/**
 * Answers the questions of peers, and of other HTTP clients.
 *
 * It answers from this process's memory or with a load here. Such a load may first look
 * for a copy in another process's memory, and never waits for a load there.
 *
 * @module
 */

import { ByteView } from "../base/byte_view.ts";
import { StreamDuplex } from "../base/duplex.ts";
import { describe } from "../base/errors.ts";
import type { SafeLogger } from "../base/logger.ts";
import { decodeKeyAndValue, decodeKeys } from "../protocol/key_lists.ts";
import { LINK_VERSION } from "../protocol/link.ts";
import {
  addHeader,
  badRequest,
  busy,
  done,
  failure,
  link,
  noGroup,
  outdated,
  text,
  value,
} from "./answers.ts";
import { Bodies, type BodiesOptions } from "./bodies.ts";
import type { Admission } from "./admission.ts";
import { Links } from "./links.ts";
import { beginServe, Waits } from "./waits.ts";
import type { LocalGroup } from "../group/local_group.ts";
import { keyRule } from "../base/names.ts";
import type { PeerValue } from "../base/peers.ts";
import { readTraceparent } from "../base/traceparent.ts";
import { resultOf, type WatchedWork, type Watchers } from "../base/watchers.ts";
import { thrownOf } from "../group/getter.ts";
import type { Protocol } from "../protocol/protocols.ts";
import {
  decodeCount,
  decodeKey,
  decodeMs,
  HEADER,
  markOf,
  pathOf,
  readLife,
  readTarget,
  type Target,
  writeTarget,
} from "../protocol/wire.ts";

/** Options for a {@linkcode Handler}. */
export interface HandlerOptions extends BodiesOptions {
  self: string;
  basePath: string;
  logger: SafeLogger;
  protocol: Protocol;
  /** The name of this process's cluster, if it has one. */
  cluster: string | undefined;
}

const READING = "GET, HEAD";
const WRITING = "PUT, DELETE, POST";

/** The most keys that one request may remove: more than the bodies that we send hold. */
const MAX_REMOVED_KEYS = 150_000;

const PENDING = Symbol("pending");

/** Answers the requests of one pool. */
export class Handler {
  readonly #options: HandlerOptions;
  readonly #admission: Admission;
  readonly #locals: ReadonlyMap<string, LocalGroup>;
  readonly #watchers: Watchers;
  readonly #waits: Waits;
  readonly #bodies: Bodies;
  readonly #links: Links;
  #warnedOfNamesake = false;
  #closed = false;

  /** @param locals The pool's groups by name, as they are at each request. */
  constructor(
    options: HandlerOptions,
    admission: Admission,
    locals: ReadonlyMap<string, LocalGroup>,
    watchers: Watchers,
  ) {
    this.#options = options;
    this.#watchers = watchers;
    this.#admission = admission;
    this.#locals = locals;
    this.#waits = new Waits(options.clock, !options.protocol.native);
    this.#bodies = new Bodies(options);
    const { clock } = options;
    const waits = this.#waits;
    this.#links = new Links({ admission, locals, waits, watchers, clock });
  }

  /** How many links of peers are open. */
  get links(): number {
    return this.#links.size;
  }

  handle(request: Request): Promise<Response> | Response {
    const { self, basePath, logger, cluster } = this.#options;
    const admission = this.#admission;
    checkRequest(request);
    const path = pathOf(request.url);
    logger.debug?.(
      `[Server ${self}] ${request.method} ${path ?? describe(request.url)}`,
    );
    // Bun gives a path alone if the client named no host.
    if (path === undefined) return badRequest(request, 400, "bad request");
    if (!path.startsWith(basePath)) {
      return text(request, 404, `${path} is outside of ${basePath}`);
    }
    const answer = admission.enter(request) ?? this.#answer(request, path);
    const named = cluster === undefined
      ? answer
      : addHeader(answer, HEADER.cluster, cluster);
    // Askers go to the next node then.
    return admission.draining ? addHeader(named, HEADER.draining, "1") : named;
  }

  #answer(request: Request, path: string): Promise<Response> | Response {
    const { self, basePath, protocol } = this.#options;
    const { method } = request;
    const target = readTarget(path, basePath, protocol.native);
    if (typeof target === "string") {
      return badRequest(request, 400, "bad request");
    }
    const about = protocol.native ? markOf(writeTarget(target)) : null;
    const given = request.headers.get(HEADER.target);
    if (about === null && given !== null) {
      // An asker in protocol native would take any body for the value itself.
      return text(request, 400, `this pool is in protocol ${protocol.name}`);
    }
    if (given !== null && given !== about) {
      const message = `${HEADER.target} is that of another path: ` +
        "something on the way changes paths";
      return badRequest(request, 400, message);
    }
    const reads = method === "GET" || method === "HEAD";
    if (reads && target.key === undefined) {
      return badRequest(request, 400, "bad request");
    }
    const writes = protocol.native &&
      (method === "PUT" || method === "DELETE" || method === "POST");
    if (!reads && !writes) {
      return badRequest(request, 405, "method not allowed", {
        Allow: protocol.native ? `${READING}, ${WRITING}` : READING,
      });
    }
    if (writes) {
      const sender = request.headers.get(HEADER.peer);
      if (sender === null) {
        return text(
          request,
          403,
          `${method} is for peers: it needs a ${HEADER.peer} header`,
          "refused",
        );
      }
      if (sender === self) this.#warnOfNamesake();
    }
    if (writes && request.headers.has(HEADER.link)) {
      return this.#link(request, target);
    }
    const local = this.#locals.get(target.group);
    if (local === undefined) return noGroup(request, target.group);
    if (writes) return this.#withBody(request, target);
    const answer = this.#get(request, local, target.key!);
    // A proxy may have dropped the asker's mark.
    return about !== null && given === null
      ? addHeader(answer, HEADER.target, about)
      : answer;
  }

  /** Tells the askers of all links that the pool is about to close. */
  drain(): void {
    this.#links.drain();
  }

  /** Ends links and the reading of bodies, and forgets the askers that are to ask again. */
  close(): void {
    this.#closed = true;
    this.#links.close();
    this.#waits.close();
    this.#bodies.close();
  }

  /** A pool asks nobody that has its own name, so a `self` or a list is wrong. */
  #warnOfNamesake(): void {
    if (this.#warnedOfNamesake) return;
    this.#warnedOfNamesake = true;
    const { self, logger } = this.#options;
    logger.warn(
      `[Pool ${self}] is asked by a process of the same name: does another one have this self, or does the list have this one under another name?`,
    );
  }

  /** Serves a link for as long as it lasts. */
  #link(request: Request, { group, key }: Target): Response {
    const { headers, body } = request;
    const version = headers.get(HEADER.link);
    if (request.method !== "POST" || group !== "" || key !== undefined) {
      return badRequest(request, 400, "a link is opened by POST <base>");
    }
    if (version !== LINK_VERSION || body === null) {
      const message = body === null
        ? "a link needs a body that goes on"
        : `links have version ${LINK_VERSION} here`;
      return badRequest(request, 400, message);
    }
    if (this.#closed) return text(request, 503, "the pool is closed");
    if (!this.#links.hasRoom) {
      return busy(request, `${this.#links.size} links are open`);
    }
    const ring = headers.get(HEADER.ring) ?? undefined;
    let answer!: Response;
    this.#links.serve(askerOf(request), ring, (listener) => {
      const duplex = new StreamDuplex(listener);
      answer = link(request, duplex.outgoing);
      duplex.read(body);
      return duplex;
    });
    return answer;
  }

  #get(
    request: Request,
    local: LocalGroup,
    key: string,
  ): Promise<Response> | Response {
    const { protocol } = this.#options;
    const rule = keyRule(key);
    if (rule !== undefined) {
      return protocol.native
        ? badRequest(request, 400, rule)
        : text(request, 500, rule, "failed");
    }
    if (protocol.native && request.headers.has(HEADER.peek)) {
      const copy = local.bequeath(key);
      return copy === undefined
        ? text(request, 404, "not in memory", "not-found")
        : value(request, copy, protocol);
    }
    const answer = local.answer(key, servedOf(request));
    if (answer !== undefined) return value(request, answer, protocol);
    return this.#admission.refuseLoad(request) ??
      this.#load(request, local, key);
  }

  async #load(
    request: Request,
    local: LocalGroup,
    key: string,
  ): Promise<Response> {
    const { protocol } = this.#options;
    const waitMs = waitOf(request);
    const { signal } = request;
    // The client left while the body came.
    if (signal.aborted) return failure(request, local, undefined, protocol);
    // Only our own peers are limited, and nobody else takes room from them.
    const onEnd = waitMs === undefined ? undefined : this.#admission.serve();
    const work = this.#beginServe(request, local.name, key);
    try {
      const answer = waitMs === undefined
        ? await local.load(key, { signal, isPatient: !protocol.native })
        : await this.#loadWithin(waitMs, askerOf(request), signal, local, key);
      if (answer !== PENDING) {
        work?.done();
        const given = local.handOut(key, answer, servedOf(request));
        return value(request, given, protocol);
      }
      work?.fail(new Error("the asker was told to ask again"), "canceled");
      return text(request, 202, "still loading: ask again", "pending");
    } catch (error) {
      work?.fail(
        thrownOf(error),
        signal.aborted ? "canceled" : resultOf(error),
      );
      return failure(request, local, error, protocol);
    } finally {
      onEnd?.();
    }
  }

  #beginServe(
    request: Request,
    group: string,
    key: string,
  ): WatchedWork | undefined {
    const watchers = this.#watchers;
    if (!watchers.hear("serve")) return undefined;
    const given = request.headers.get(HEADER.traceparent);
    const trace = readTraceparent(given);
    const { clock } = this.#options;
    return beginServe(watchers, clock, askerOf(request), group, key, trace);
  }

  /** Waits for a load for `waitMs`; past that the load goes on without the asker. */
  async #loadWithin(
    waitMs: number,
    asker: string,
    signal: AbortSignal,
    local: LocalGroup,
    key: string,
  ): Promise<PeerValue | typeof PENDING> {
    const wait = this.#waits.join(asker, local, key);
    const leave = (): void => wait.leave(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    let cancel: () => void = () => {};
    const pending = new Promise<typeof PENDING>((resolve) => {
      cancel = this.#options.clock.after(waitMs, () => resolve(PENDING));
    });
    try {
      const answer = await Promise.race([wait.load, pending]);
      if (answer === PENDING) wait.linger();
      return answer;
    } finally {
      cancel();
      signal.removeEventListener("abort", leave);
    }
  }

  async #withBody(
    request: Request,
    target: Target,
  ): Promise<Response> {
    const { clock } = this.#options;
    const begunAt = clock.now();
    const body = await this.#bodies.read(request);
    const tookMs = clock.now() - begunAt;
    if (!(body instanceof Uint8Array)) {
      return body === "closed"
        ? noGroup(request, target.group)
        : badRequest(request, body.status, body.message);
    }
    // Looked up again: the group may have been replaced while the body came.
    const local = this.#locals.get(target.group);
    if (local === undefined) return noGroup(request, target.group);
    const { key } = target;
    switch (request.method) {
      case "PUT":
        return put(request, local, key, ByteView.from(body), tookMs);
      case "DELETE":
        if (target.clear === undefined) {
          return remove(request, local, key === undefined ? key : [key]);
        }
        local.clear(target.clear);
        return done(request, local);
      default:
        return key === undefined
          ? this.#post(request, local, body, target, tookMs)
          : badRequest(request, 400, "bad request");
    }
  }

  /** A POST stands for another method and has keys in its body. */
  #post(
    request: Request,
    local: LocalGroup,
    body: Uint8Array<ArrayBuffer>,
    { clear }: Target,
    tookMs: number,
  ): Promise<Response> | Response {
    switch (request.headers.get(HEADER.method)) {
      case null: {
        const key = decodeKey(body);
        return key === undefined
          ? badRequest(request, 400, "the key is no UTF-8")
          : this.#get(request, local, key);
      }
      case "PUT": {
        const pair = decodeKeyAndValue(body);
        return put(request, local, pair?.key, pair?.value, tookMs);
      }
      case "DELETE":
        return remove(
          request,
          local,
          decodeKeys(body, MAX_REMOVED_KEYS),
          clear,
        );
      default:
        return badRequest(
          request,
          400,
          `${HEADER.method} must be PUT or DELETE`,
        );
    }
  }
}

/**
 * @throws {TypeError} If it is no `Request`. The caller then passed the request of a
 *   Node server.
 */
function checkRequest(request: Request): void {
  const { url, headers } = request;
  if (typeof url === "string" && typeof headers?.get === "function") return;
  throw new TypeError(
    "Cannot answer: a Request is needed, which toNodeHandler() makes on Node: " +
      `received one with the URL ${describe(url)}`,
  );
}

function askerOf(request: Request): string {
  return request.headers.get(HEADER.peer) ?? "";
}

/** After how long the asker wants to hear "pending"; `undefined`: never. */
function waitOf(request: Request): number | undefined {
  const header = request.headers.get(HEADER.wait);
  return header === null ? undefined : decodeMs(header);
}

/** How often the asker's last copy was used. */
function servedOf(request: Request): number {
  return decodeCount(request.headers.get(HEADER.served));
}

/** @param tookMs How long the value was on its way after the head of the request. */
function put(
  request: Request,
  local: LocalGroup,
  key: string | undefined,
  view: ByteView | undefined,
  tookMs: number,
): Response {
  const rule = keyRule(key);
  if (rule !== undefined) return badRequest(request, 400, rule);
  const stored = view && readLife(view, request.headers, tookMs);
  if (stored === undefined) {
    const names = `${HEADER.ttl} and ${HEADER.windows}`;
    return badRequest(request, 400, `${names} must be whole milliseconds`);
  }
  const given = request.headers.get(HEADER.write);
  if (given === null) local.set(key!, stored);
  else {
    const ticket = local.setAfter(given, key!, stored);
    if (ticket !== undefined) return outdated(request, ticket);
  }
  return done(request, local);
}

function remove(
  request: Request,
  local: LocalGroup,
  keys: readonly string[] | undefined,
  what?: "all" | "copies",
): Response {
  if (keys === undefined) return badRequest(request, 400, "bad request");
  for (const key of keys) {
    const rule = keyRule(key);
    if (rule !== undefined) return badRequest(request, 400, rule);
  }
  for (const key of keys) local.remove(key, what);
  return done(request, local);
}
