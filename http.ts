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

import {
  checkBooleans,
  checkList,
  checkNumbers,
  checkOptions,
} from "./base/checks.ts";
import { describe } from "./base/errors.ts";
import { originOf } from "./base/names.ts";
import { Observer } from "./base/observer.ts";
import type { Peer } from "./base/peers.ts";
import { checkObserver, type PoolObserver, Watchers } from "./base/watchers.ts";
import { Group, type GroupOptions } from "./group.ts";
import type { BatchGetter, Getter } from "./group/getter.ts";
import { GROUP_OPTIONS as ALL_GROUP_OPTIONS } from "./group/group_options.ts";
import {
  type LocalGroup,
  localOf,
  type RingChange,
} from "./group/local_group.ts";
import { Admission } from "./handler/admission.ts";
import { Handler } from "./handler/handler.ts";
import { Transport } from "./peer/transport.ts";
import { AbsenceLog, logEvents } from "./pool/log.ts";
import type { PoolStats } from "./pool/pool_stats.ts";
import { ProxyCheck } from "./pool/proxies.ts";
import { Following, followSettings } from "./pool/following.ts";
import { Members } from "./pool/members.ts";
import {
  DRAIN_OPTIONS,
  type DrainOptions,
  type FollowOptions,
  type HTTPPoolOptions,
  type Settings,
  settingsOf,
} from "./pool/pool_options.ts";

// What its users need beside it, for those who import this file alone.
export type { BreakerState } from "./peer/breaker.ts";
export type { LinkState } from "./peer/questions.ts";
export * from "./group.ts";
export type { Logger } from "./base/logger.ts";
export type {
  Eviction,
  GetStart,
  LoadStart,
  PeerStart,
  PoolObserver,
  ServeStart,
  WorkEnd,
  WorkObserver,
  WorkResult,
} from "./base/watchers.ts";
export type {
  DrainOptions,
  FollowOptions,
  HTTPPoolOptions,
} from "./pool/pool_options.ts";
export type { PoolStats } from "./pool/pool_stats.ts";
export type { PeerStats } from "./peer/http_peer.ts";
export type { ProtocolName } from "./protocol/protocols.ts";

/** The options of a pool's group: the pool itself knows the peers. */
const { peers: _, ...GROUP_OPTIONS } = ALL_GROUP_OPTIONS;

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
export class HTTPPool {
  /** This process's own origin, as its peers reach it. */
  readonly self: string;
  /**
   * Answers requests below `basePath`; anything else gets a 404 that says so. It is
   * bound: hand it to `Deno.serve` or a router. It answers from this process's memory
   * or with a load here, and never waits for a load in another process.
   */
  readonly handler: (request: Request) => Promise<Response> | Response;
  readonly #settings: Settings;
  readonly #observer = new Observer();
  readonly #watchers = new Watchers();
  readonly #groups = new Map<string, Group>();
  readonly #locals = new Map<string, LocalGroup>();
  readonly #members: Members;
  readonly #admission: Admission;
  readonly #handler: Handler;
  readonly #absence: AbsenceLog;
  readonly #proxies: ProxyCheck;
  #following: Following | undefined;
  #endDrain: () => void = () => {};
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
    const settings = settingsOf(self, options);
    this.self = settings.self;
    this.#settings = settings;
    // Before the members listen: what is here goes first.
    this.#observer.on("outdated", (event) => this.#dropCopies(event));
    this.#members = new Members({
      self: settings.self,
      handoverMs: settings.handoverMs,
      random: settings.random,
      transport: new Transport(settings),
      observer: this.#observer,
      watchers: this.#watchers,
    });
    logEvents(this.#observer, settings.logger, this.self, this.#members);
    this.#absence = new AbsenceLog(settings.logger, this.self);
    this.#proxies = new ProxyCheck(settings);
    this.#admission = new Admission(settings, this.#members);
    this.#handler = new Handler(
      settings,
      this.#admission,
      this.#locals,
      this.#watchers,
    );
    this.handler = (request) => this.#handler.handle(request);
  }

  /**
   * Tells the pool which processes are in the cluster: the origins of all of them,
   * this one included. Every process should be told the same list; the order makes no
   * difference. A pool that is not in its own list owns nothing and only asks. An empty
   * list leaves the pool alone, as it is at first.
   *
   * Peers that stay keep their connections and counts. Requests to peers that leave
   * end, and the next node is asked. For `handoverMs` such peers are asked for what
   * they have in memory, and for nothing else.
   *
   * @throws {TypeError} If the pool is closed, `urls` is one string, or something in it
   *   is no http or https origin, or if a proxy would get the secret. The list then
   *   stays as it was.
   */
  setPeers(urls: Iterable<string>): void {
    const action = "Cannot set peers of HTTPPool";
    if (this.#closed) throw new TypeError(`${action}: the pool is closed`);
    checkList(action, "urls", urls);
    const origins = new Map<string, string>();
    for (const url of urls) {
      const origin = originOf(url, `${action}: each`);
      origins.set(this.#nodeOf(url, origin), origin);
    }
    this.#proxies.check(action, origins.values());
    const { fingerprint, ownsKeys } = this.#members;
    this.#members.set(origins);
    if (this.#members.fingerprint === fingerprint) return;
    this.#absence.listChanged(this.#members.nodes, this.#members.ownsKeys);
    for (const local of this.#locals.values()) {
      local.ringChanged(this.#ringChange(ownsKeys));
    }
  }

  /**
   * Calls {@linkcode HTTPPool.setPeers} for you, with what a discovery answers: each
   * answer is a list of the origins of all processes, or an error if there is no list.
   *
   * Who is new in an answer joins at once. Who is missing leaves when `leaveAfter`
   * answers in a row did not have it: answers may be partial. An answer that is empty or
   * an error leaves the list as it is. What is no origin is passed over. Each of these is
   * a warning in the log, once until it changes, and so is a list without this process.
   *
   * It goes on from the list as it is, so one that was set before holds until there is
   * an answer. It resolves when the signal fires, the pool closes or there are no more
   * answers; if `lists` throws, that is an error in the log. It does not reject then, so
   * that nobody needs to wait for it. The iterator is told to end, and what it is about
   * to answer is not used.
   *
   * @example The answers of a discovery of your own
   * ```ts
   * import { HTTPPool } from "@geecache/geecache";
   * import { assertEquals } from "@std/assert";
   *
   * async function* answers(): AsyncGenerator<string[]> {
   *   yield ["http://10.0.0.1:8080", "http://10.0.0.2:8080"];
   *   yield ["http://10.0.0.1:8080"]; // a part of the truth, or a process has left
   *   yield []; // no answer
   * }
   *
   * const pool = new HTTPPool("http://10.0.0.1:8080");
   * await pool.follow(answers());
   * assertEquals(pool.stats().nodes.length, 2);
   * await pool.close();
   * ```
   *
   * @throws {TypeError} If the pool is closed or follows others already, or an argument
   *   is of the wrong kind. Like all errors, it is a rejection.
   * @throws {RangeError} If `leaveAfter` is less than 1.
   */
  async follow(
    lists: AsyncIterable<Iterable<string> | Error>,
    options: FollowOptions = {},
  ): Promise<void> {
    const action = "Cannot follow lists of peers";
    if (this.#closed) throw new TypeError(`${action}: the pool is closed`);
    const { signal, leaveAfter } = followSettings(action, lists, options);
    if (this.#following?.active) {
      throw new TypeError(`${action}: the pool follows others already`);
    }
    if (signal?.aborted) return;
    const following = new Following({
      self: this.self,
      logger: this.#settings.logger,
      nodes: () => this.#members.nodes,
      nameOf: (url) => this.#nodeOf(url, originOf(url, "each")),
      setPeers: (nodes) => this.setPeers(nodes),
    }, leaveAfter);
    this.#following = following;
    const stop = (): void => following.stop();
    signal?.addEventListener("abort", stop);
    await following.run(lists);
    signal?.removeEventListener("abort", stop);
  }

  /** The peer that owns `key`, or is asked in place of those in `failed`; `undefined`: this process. */
  pickPeer(key: string, failed?: ReadonlySet<Peer>): Peer | undefined {
    return this.#members.pickPeer(key, failed);
  }

  /** All peers, without this process itself. */
  peers(): Iterable<Peer> {
    return this.#members.peers();
  }

  /** What the pool knows of its cluster, as a snapshot. */
  stats(): PoolStats {
    const { nodes, fingerprint, ringDisagreements } = this.#members;
    const { serving, refused, draining } = this.#admission;
    const peers = [...this.#members.peers()].map((peer) => peer.stats());
    return {
      nodes,
      peers: peers.sort((a, b) => a.id < b.id ? -1 : 1),
      ring: fingerprint,
      ringDisagreements,
      serving,
      links: this.#handler.links,
      refused,
      draining,
    };
  }

  /**
   * Creates a group whose keys are spread over the pool, and registers it under
   * its name.
   *
   * @example A key that many ask for is kept where it is asked
   * ```ts
   * import { type Group, HTTPPool } from "@geecache/geecache";
   * import { assertEquals } from "@std/assert";
   *
   * const urls = ["http://10.0.0.1:8080", "http://10.0.0.2:8080"];
   * const pools = new Map<string, HTTPPool>();
   * const fetch = async (request: Request): Promise<Response> =>
   *   await pools.get(new URL(request.url).origin)!.handler(request);
   * const groups: Group[] = urls.map((url) => {
   *   const pool = new HTTPPool(url, { fetch });
   *   pools.set(url, pool);
   *   pool.setPeers(urls);
   *   return pool.group("scores", () => "630");
   * });
   *
   * // Tom belongs to one of the two, and the other one asks for it again and again.
   * const asker = groups[pools.get(urls[0]!)!.pickPeer("Tom") === undefined ? 1 : 0]!;
   * for (let i = 0; i < 100; i++) await asker.get("Tom");
   * assertEquals(asker.stats().peerLoads, 12);
   * assertEquals(asker.stats().hot.hits, 88);
   * for (const pool of pools.values()) await pool.close();
   * ```
   *
   * @throws {TypeError} If the pool has a group of that name, or as `Group` does.
   * @throws {RangeError} As `Group` does.
   */
  group(
    name: string,
    getter: Getter | BatchGetter,
    options?: Omit<GroupOptions, "peers">,
  ): Group {
    const action = `Cannot create Group ${describe(name)}`;
    if (this.#closed) throw new TypeError(`${action}: the pool is closed`);
    if (this.#groups.has(name)) {
      throw new TypeError(`${action}: the pool has a group of that name`);
    }
    checkOptions(action, options, GROUP_OPTIONS);
    const group = new Group(name, getter, {
      ...options,
      clock: options?.clock ?? this.#settings.clock,
      unreachable: options?.unreachable ?? this.#settings.unreachable,
      random: options?.random ?? this.#settings.random,
      peers: this.#members,
    });
    const local = localOf(group);
    local.watchers.share(this.#watchers);
    local.ringChanged(this.#ringChange(true));
    if (this.#admission.draining) local.drain();
    this.#groups.set(name, group);
    this.#locals.set(name, local);
    return group;
  }

  /** The group of that name, if there is one. */
  getGroup(name: string): Group | undefined {
    return this.#groups.get(name);
  }

  /** The groups of this process, in the order in which they were made. */
  groups(): IterableIterator<Group> {
    return this.#groups.values();
  }

  /**
   * Tells `observer` of what somebody waits for from now on: gets that memory cannot
   * answer, calls of getters, questions and writes to peers, questions of peers that wait
   * for a load; and of evictions. Gets that memory answers are counted in
   * {@linkcode Group.stats} and not told. Returns a function that ends it.
   *
   * @example The loads that took longest
   * ```ts
   * import { HTTPPool } from "@geecache/geecache";
   * import { assertEquals } from "@std/assert";
   *
   * const pool = new HTTPPool("http://10.0.0.1:8080");
   * const slow: string[] = [];
   * const stop = pool.observe({
   *   load: ({ group, keys }) => ({
   *     end: ({ ms, result }) => {
   *       if (ms >= 0) slow.push(`${group}/${keys.join()}: ${result}`);
   *     },
   *   }),
   * });
   * const scores = pool.group("scores", () => "630");
   * await scores.get("Tom");
   * await scores.get("Tom");
   * assertEquals(slow, ["scores/Tom: ok"]);
   * stop();
   * await pool.close();
   * ```
   *
   * @throws {TypeError} If `observer` is no object, or something in it is no method of one.
   */
  observe(observer: PoolObserver): () => void {
    checkObserver("Cannot observe HTTPPool", observer);
    return this.#watchers.add(observer);
  }

  /**
   * Takes a group out of the pool and closes it. Returns whether there was one.
   */
  removeGroup(name: string): boolean {
    this.#groups.get(name)?.close();
    this.#locals.delete(name);
    return this.#groups.delete(name);
  }

  /**
   * Hands over what is in memory, and closes. For `timeoutMs` every answer says that
   * the pool is about to close, and nothing is loaded for peers any more: they ask the
   * next node, which takes over what is in memory here. This process's own gets go on.
   * Take the process out of the others' lists at the same time: while it answers, the
   * new owners of its keys take over what they are asked for. A pool without peers has
   * nobody to wait for. `close()` ends a drain.
   *
   * With `close: false` the pool goes on as it drains, so that you can let your clients
   * finish. Then call `close()`.
   *
   * @throws {TypeError} If `timeoutMs` is no number, or `close` neither true nor false.
   * @throws {RangeError} If `timeoutMs` is negative or NaN.
   */
  async drain(options: DrainOptions = {}): Promise<void> {
    const action = "Cannot drain HTTPPool";
    checkOptions(action, options, DRAIN_OPTIONS);
    const { timeoutMs = 5_000, close = true } = options;
    checkNumbers(action, "a non-negative number", { timeoutMs });
    checkBooleans(action, { close });
    this.#admission.drain();
    this.#handler.drain();
    for (const local of this.#locals.values()) local.drain();
    if ([...this.#members.peers()].length > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.#settings.clock.after(timeoutMs, resolve);
        const endOthers = this.#endDrain;
        this.#endDrain = () => {
          endOthers();
          cancel();
          resolve();
        };
      });
    }
    if (close) await this.close();
  }

  /**
   * Closes the pool and its groups. Every wait ends with an error. The pool answers and
   * asks no more, and does not keep the process alive.
   */
  close(): Promise<void> {
    this.#closed = true;
    this.#following?.stop();
    this.#members.close();
    this.#endDrain();
    for (const name of [...this.#groups.keys()]) this.removeGroup(name);
    this.#handler.close();
    return Promise.resolve();
  }

  /** Closes the pool, so that `await using pool = new HTTPPool(…)` does at the end of its block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The name on the ring. Go hashes a node as it is listed, whatever else means the same. */
  #nodeOf(url: string, origin: string): string {
    return this.#settings.protocol.native ? origin : url;
  }

  /** What a group is told of the list as it is now. */
  #ringChange(wasTold: boolean): RingChange {
    const { handoverMs, protocol } = this.#settings;
    // Go's protocols have no writes, and a process that is not in its own list is told
    // of none.
    const isTold = protocol.native && this.#members.ownsKeys;
    const others = isTold ? [...this.#members.peers()].length : 0;
    return { handoverMs, wasTold, others };
  }

  /**
   * Drops copies of keys whose removal a peer missed: it may have handed out the old
   * values, to a stand-in or to a new owner. What was set or loaded at its owner since
   * then is newer and stays.
   */
  #dropCopies(
    { group, keys }: { group: string; keys: readonly string[] | undefined },
  ): void {
    const local = this.#locals.get(group);
    if (keys === undefined) local?.clear("copies");
    else for (const key of keys) local?.remove(key, "copies");
  }
}
