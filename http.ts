/**
 * A pool: this process's place among its peers.
 *
 * @example Two processes, and a network of two handlers
 * ```ts
 * import { HTTPPool } from "@geecache/geecache/http";
 * import { assertEquals } from "@std/assert";
 *
 * const urls = ["http://10.0.0.1:8080", "http://10.0.0.2:8080"];
 * const fetch = async (request: Request): Promise<Response> =>
 *   await pools[urls.indexOf(new URL(request.url).origin)]!.handler(request);
 * const pools: HTTPPool[] = urls.map((url) => new HTTPPool(url, { fetch }));
 *
 * let loads = 0;
 * const groups = pools.map((pool) => {
 *   pool.setPeers(urls);
 *   return pool.group("scores", () => `${++loads}`);
 * });
 *
 * // Whichever of them owns the key loads it, once for both.
 * const values = await Promise.all(groups.map((group) => group.get("Tom")));
 * assertEquals(values.map((value) => value.text()), ["1", "1"]);
 * await Promise.all(pools.map((pool) => pool.close()));
 * ```
 *
 * @module
 */

import { type Clock, systemClock } from "./clock.ts";
import type { Ring } from "./consistent_hash.ts";
import { quote } from "./errors.ts";
import { Group, type GroupOptions } from "./group.ts";
import type { PeerStats } from "./http_client.ts";
import { Handler, type Logger } from "./http_handler.ts";
import { HTTPPeer, type HTTPPeerOptions } from "./http_peer.ts";
import type { Getter } from "./local_group.ts";
import type { Peer, PeerPicker } from "./peers.ts";
import { type Protocol, type ProtocolName, PROTOCOLS } from "./protocols.ts";

// What its users need beside it, for those who import this file alone.
export * from "./group.ts";
export type { Logger } from "./http_handler.ts";
export type { PeerStats } from "./http_client.ts";
export type { ProtocolName } from "./protocols.ts";

/** Options for an {@linkcode HTTPPool}. */
export interface HTTPPoolOptions {
  /**
   * How the processes of the pool talk and place keys: among our own, or in a
   * ring with Go programs. The same in all of them.
   *
   * @default {"native"}
   */
  protocol?: ProtocolName;
  /**
   * The path below which the pool answers; begins and ends with `/`.
   *
   * @default {"/_geecache/"} or `"/_groupcache/"`, as the protocol has it
   */
  basePath?: string;
  /**
   * How peers are reached. For TLS, proxies and tests.
   *
   * @default {fetch} the runtime's
   */
  fetch?: (request: Request) => Promise<Response>;
  /**
   * How long a peer may give no sign of life before the next node is asked, in
   * milliseconds; more than 0. A getter may take longer: a peer whose getter
   * runs says so.
   *
   * @default {5000}
   */
  timeoutMs?: number;
  /**
   * The largest body that is read, in bytes, of a request and of a peer's
   * answer. A larger request is refused with 413, a larger answer is none.
   *
   * @default {67108864} 64 MiB
   */
  maxBodyBytes?: number;
  /**
   * Where time comes from, for the pool and its groups.
   *
   * @default {Clock} the runtime's
   */
  clock?: Clock;
  /**
   * A number from 0 to less than 1, for the jitter of waits.
   *
   * @default {Math.random}
   */
  random?: () => number;
  /** Where a line for each request goes, as `debug`. Default: nowhere. */
  logger?: Logger;
}

/** What a pool knows of its cluster, at one moment. */
export interface PoolStats {
  /** The names on the ring, sorted; empty where the pool is alone. */
  nodes: readonly string[];
  /** The peers, in that order, without this process itself. */
  peers: PeerStats[];
}

/** Where a `fetch` says how it is called without a `Request`; see `node_fetch.ts`. */
const DIRECT = Symbol.for("geecache.fetch");
type Direct = { [DIRECT]?: HTTPPeerOptions["fetch"] };

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_MAX_BODY_BYTES = 64 * 1024 * 1024;

/**
 * This process among its peers: its groups, the ring that spreads their keys, and
 * the handler that answers for them over HTTP.
 *
 * Without peers it owns every key. {@linkcode HTTPPool.setPeers} tells it of
 * others.
 *
 * @example A handler that needs no listener
 * ```ts
 * import { HTTPPool } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const pool = new HTTPPool("http://localhost:9999");
 * pool.group("scores", (name) => name === "Tom" ? "630" : undefined);
 *
 * const request = new Request("http://localhost:9999/_geecache/scores/Tom");
 * const response = await pool.handler(request);
 * assertEquals(await response.text(), "630");
 * await pool.close();
 * ```
 */
export class HTTPPool implements PeerPicker {
  /** This process's own origin, as its peers reach it. */
  readonly self: string;
  /**
   * Answers requests below `basePath`; anything else gets a 404 that says so.
   * Bound, so that it can be handed to `Deno.serve` or a router as it is. It
   * answers from this process's memory or getters and asks no peer.
   */
  readonly handler: (request: Request) => Promise<Response> | Response;
  readonly #groups = new Map<string, Group>();
  readonly #handler: Handler;
  readonly #peerOptions: HTTPPeerOptions;
  readonly #clock: Clock;
  readonly #protocol: Protocol;
  readonly #peers = new Map<string, HTTPPeer>();
  #ring: Ring;
  /** The peer of each name on the ring but this process's own. */
  #byNode = new Map<string, HTTPPeer>();
  #closed = false;

  /**
   * Makes a pool without groups.
   *
   * @param self This process's origin, such as `http://10.0.0.1:8080`.
   * @throws {TypeError} If `self` is no http or https origin, or an option is of
   *   the wrong kind.
   * @throws {RangeError} If a number is out of range.
   */
  constructor(self: string, options: HTTPPoolOptions = {}) {
    const {
      protocol: protocolName = "native",
      fetch,
      timeoutMs = DEFAULT_TIMEOUT_MS,
      maxBodyBytes = DEFAULT_MAX_BODY_BYTES,
      clock = systemClock,
      random = Math.random,
      logger,
    } = options;
    if (!Object.hasOwn(PROTOCOLS, protocolName)) {
      throw new TypeError(
        `Cannot create HTTPPool: protocol must be one of ${
          Object.keys(PROTOCOLS).join(", ")
        }: received ${quote(String(protocolName))}`,
      );
    }
    const protocol = PROTOCOLS[protocolName];
    const { basePath = protocol.basePath } = options;
    this.self = originOf(self, "Cannot create HTTPPool: self");
    checkBasePath(basePath);
    this.#protocol = protocol;
    this.#ring = protocol.ring([]);
    if (!(timeoutMs > 0)) {
      throw new RangeError(
        `Cannot create HTTPPool: timeoutMs must be a number greater than 0: received ${timeoutMs}`,
      );
    }
    if (!(maxBodyBytes >= 0)) {
      throw new RangeError(
        `Cannot create HTTPPool: maxBodyBytes must be a non-negative number: received ${maxBodyBytes}`,
      );
    }
    this.#peerOptions = {
      self: this.self,
      basePath,
      fetch: fetch === undefined ? runtimeFetch : (fetch as Direct)[DIRECT] ??
        ((url, init) => fetch(new Request(url, init))),
      timeoutMs,
      maxBodyBytes,
      clock,
      random,
      protocol,
    };
    this.#clock = clock;
    this.#handler = new Handler({
      self: this.self,
      basePath,
      maxBodyBytes,
      clock,
      logger,
      protocol,
      getGroup: (name) => this.#groups.get(name),
    });
    this.handler = (request) => this.#handler.handle(request);
  }

  /**
   * Tells the pool who is in the cluster: the whole list, this process included,
   * as origins. Every process should be told the same list; the order makes no
   * difference. A pool that is not in its own list owns nothing and only asks.
   * An empty list leaves the pool alone, as it is at first.
   *
   * Peers that stay keep their connections and counts; requests to those that
   * leave end, and their keys are asked of the next node.
   *
   * @throws {TypeError} If the pool is closed or something is no http or https
   *   origin; the list before then stays.
   */
  setPeers(urls: Iterable<string>): void {
    const action = "Cannot set peers of HTTPPool";
    if (this.#closed) throw new TypeError(`${action}: the pool is closed`);
    const origins = new Map<string, string>();
    for (const url of urls) {
      const origin = originOf(url, `${action}: each`);
      // Go hashes a node as it is listed, whatever else means the same.
      origins.set(this.#protocol.native ? origin : url, origin);
    }
    this.#ring = this.#protocol.ring(origins.keys());
    const stay = new Set(origins.values());
    for (const [origin, peer] of this.#peers) {
      if (stay.has(origin)) continue;
      this.#peers.delete(origin);
      peer.close();
    }
    this.#byNode = new Map();
    for (const [node, origin] of origins) {
      if (origin === this.self) continue;
      let peer = this.#peers.get(origin);
      if (peer === undefined) {
        peer = new HTTPPeer(origin, this.#peerOptions);
        this.#peers.set(origin, peer);
      }
      this.#byNode.set(node, peer);
    }
  }

  /** The peer that owns `key`, or stands in for those in `failed`; `undefined`: this process. */
  pickPeer(key: string, failed?: ReadonlySet<Peer>): Peer | undefined {
    const byNode = this.#byNode;
    if (byNode.size === 0) return undefined;
    if (failed === undefined || failed.size === 0) {
      return byNode.get(this.#ring.get(key)!);
    }
    for (const node of this.#ring.successors(key)) {
      const peer = byNode.get(node);
      if (peer === undefined || !failed.has(peer)) return peer;
    }
    return undefined;
  }

  /** All peers, without this process itself. */
  peers(): Iterable<Peer> {
    return this.#peers.values();
  }

  /** What the pool knows of its cluster, as a snapshot. */
  stats(): PoolStats {
    const { nodes } = this.#ring;
    const peers = nodes.flatMap((node) => this.#byNode.get(node) ?? []);
    return {
      nodes,
      peers: [...new Set(peers)].map((peer) => peer.stats()),
    };
  }

  /**
   * Creates a group whose keys are spread over the pool, and registers it under
   * its name.
   *
   * @throws {TypeError} If the pool has a group of that name, or as `Group` does.
   * @throws {RangeError} As `Group` does.
   */
  group(
    name: string,
    getter: Getter,
    options?: Omit<GroupOptions, "peers">,
  ): Group {
    const action = `Cannot create Group ${quote(String(name))}`;
    if (this.#closed) throw new TypeError(`${action}: the pool is closed`);
    if (this.#groups.has(name)) {
      throw new TypeError(`${action}: the pool has a group of that name`);
    }
    const group = new Group(name, getter, {
      clock: this.#clock,
      ...options,
      peers: this,
    });
    this.#groups.set(name, group);
    return group;
  }

  /** The group of that name, if there is one. */
  getGroup(name: string): Group | undefined {
    return this.#groups.get(name);
  }

  /**
   * Takes a group out of the pool and closes it. Returns whether there was one.
   */
  removeGroup(name: string): boolean {
    this.#groups.get(name)?.close();
    return this.#groups.delete(name);
  }

  /**
   * Closes the pool and its groups: every wait ends with an error. It answers and
   * asks no more, and nothing of it keeps the process alive.
   */
  close(): Promise<void> {
    if (!this.#closed) this.setPeers([]);
    this.#closed = true;
    for (const name of [...this.#groups.keys()]) this.removeGroup(name);
    this.#handler.close();
    return Promise.resolve();
  }
}

/** Looked up at each call: a test or an agent may replace it later. */
function runtimeFetch(url: string, init: RequestInit): Promise<Response> {
  if (typeof fetch !== "function") {
    throw new TypeError(
      "this runtime has no fetch: give HTTPPool one as its option",
    );
  }
  // No `Request` is built: `fetch` would build it again.
  return fetch(url, init);
}

/**
 * The origin that a URL is, without a slash at the end: how nodes are named and
 * compared.
 *
 * @throws {TypeError} If it is more or less than an origin.
 */
function originOf(url: string, what: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const origin = parsed?.origin;
  if (
    parsed === undefined ||
    (parsed.protocol !== "http:" && parsed.protocol !== "https:") ||
    parsed.href !== `${origin}/`
  ) {
    throw new TypeError(
      `${what} must be an http or https origin such as "http://10.0.0.1:8080": received ${
        quote(String(url))
      }`,
    );
  }
  return parsed.origin;
}

function checkBasePath(basePath: string): void {
  const url = `http://localhost${basePath}`;
  const fits = basePath.endsWith("/") &&
    URL.canParse(url) && new URL(url).pathname === basePath;
  if (!fits) {
    throw new TypeError(
      'Cannot create HTTPPool: basePath must be a URL path that begins and ends with "/": ' +
        `received ${quote(String(basePath))}`,
    );
  }
}
