/**
 * The options of a pool, and how they are checked.
 *
 * @module
 */

import { type Clock, systemClock } from "../base/clock.ts";
import { describe, quote } from "../base/errors.ts";
import { type Logger, type SafeLogger, safeLogger } from "../base/logger.ts";
import { originOf } from "../base/names.ts";
import {
  checkFunctions,
  checkMethods,
  checkNumbers,
  checkOptions,
  checkUnreachable,
  type Names,
  safeRandom,
  type Unreachable,
} from "../base/checks.ts";
import {
  type Protocol,
  type ProtocolName,
  PROTOCOLS,
} from "../protocol/protocols.ts";
import { secretsOf } from "../protocol/secret.ts";
import type { OpenStream } from "../peer/transport.ts";
import { runtimeFetch } from "./direct_fetch.ts";
import {
  type BeginRequest,
  runtimeStreams,
  streamsOfNode,
  streamsOver,
} from "./streams.ts";

/** Options for an `HTTPPool`. */
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
   * How peers are reached. For TLS, proxies and tests. The default goes around proxies
   * that variables name, such as `HTTP_PROXY`, or `setPeers` says that it cannot.
   *
   * @default {fetch} the runtime's
   */
  fetch?: (request: Request) => Promise<Response>;
  /**
   * How long a peer may give no sign of life before the next node is asked, in
   * milliseconds; more than 0. A getter may take longer: a peer whose getter runs
   * says so. The body of a request may be silent for as long, too.
   *
   * @default {5000}
   */
  timeoutMs?: number;
  /**
   * The largest body of a request, or of a peer's answer, that is read, in bytes. A
   * larger request is refused with 413. A peer with a larger answer is passed over.
   *
   * @default {67108864} 64 MiB
   */
  maxBodyBytes?: number;
  /**
   * How many keys of peers may wait for loads here at a time; at least 1.
   * Past that, peers are told to ask again a little later. What is in memory is
   * always answered.
   *
   * @default {10000}
   */
  maxPeerRequests?: number;
  /**
   * For how long after a change of the list of peers a new owner asks a key's
   * last owner for its copy before it loads, in milliseconds; 0: not at all.
   *
   * @default {30000}
   */
  handoverMs?: number;
  /**
   * What the processes of the pool know and others do not. Every request to a peer
   * carries it; a request without it is refused with 401. Visible ASCII, at least 16
   * characters. Of several, the first is sent and any is accepted, so that it can be
   * changed one process at a time. Only in protocol `"native"`.
   *
   * Default: none. Anybody who reaches the port may read every key then. Leave the
   * option out to have none: `undefined` is a `TypeError`, since a variable that is not
   * set has this value.
   */
  secret?: string | readonly string[];
  /**
   * The name of the cluster: 1 to 100 visible ASCII characters, the same in all
   * processes. It keeps services apart if one gets the address of another and has a
   * group of the same name. Peers say it with each request and each answer. Those of
   * another cluster are refused, and their answers count as none. Only in protocol
   * `"native"`.
   *
   * Default: none. Such processes are a cluster of their own.
   */
  cluster?: string;
  /**
   * What writes of its groups do that could not reach some processes: they reject and
   * name them, or resolve once all others were told. Those processes are told later in
   * both cases. A group's options, or a call's, may say otherwise.
   *
   * @default {"reject"}
   */
  unreachable?: Unreachable;
  /**
   * Where time comes from, for the pool and its groups.
   *
   * @default {Clock} the runtime's
   */
  clock?: Clock;
  /**
   * A number from 0 to less than 1, for the jitter of waits. If it throws or gives
   * anything else, `Math.random` takes its place.
   *
   * @default {Math.random}
   */
  random?: () => number;
  /**
   * Where messages go. Each request is a `debug` line, which `console` does not get. A
   * peer that is given up, has another list or lacks a group is a `warn`, and so is the
   * first list without this process; a peer that is back is an `info`. What the logger
   * throws is dropped. Default: `console`, for `warn` and `error` alone. Methods that do
   * nothing silence it.
   */
  logger?: Logger;
}

/** Options for `HTTPPool.drain`. */
export interface DrainOptions {
  /**
   * How long the others have to notice and to take over what is in memory, in
   * milliseconds.
   *
   * @default {5000}
   */
  timeoutMs?: number;
  /**
   * Whether the pool closes then, which ends every wait for a value. If not, it still
   * drains, and you close it.
   *
   * @default {true}
   */
  close?: boolean;
}

/** Options for `HTTPPool.follow`. */
export interface FollowOptions {
  /** Ends it. */
  signal?: AbortSignal;
  /**
   * How many answers in a row must be without a process before it leaves the list; at
   * least 1. Empty and failed ones do not count.
   *
   * @default {2}
   */
  leaveAfter?: number;
}

/** The names of all options of a pool. */
const POOL_OPTIONS: Names<HTTPPoolOptions> = {
  protocol: true,
  basePath: true,
  fetch: true,
  timeoutMs: true,
  maxBodyBytes: true,
  maxPeerRequests: true,
  handoverMs: true,
  secret: true,
  cluster: true,
  unreachable: true,
  random: true,
  clock: true,
  logger: true,
};

/** The names of all options of a drain. */
export const DRAIN_OPTIONS: Names<DrainOptions> = {
  timeoutMs: true,
  close: true,
};

/** The names of all options of following. */
export const FOLLOW_OPTIONS: Names<FollowOptions> = {
  signal: true,
  leaveAfter: true,
};

/** Options that were checked, with the defaults filled in. */
export interface Settings {
  self: string;
  protocol: Protocol;
  basePath: string;
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  openStream: OpenStream;
  timeoutMs: number;
  maxBodyBytes: number;
  maxPeerRequests: number;
  handoverMs: number;
  secrets: readonly string[] | undefined;
  cluster: string | undefined;
  unreachable: Unreachable;
  clock: Clock;
  random: () => number;
  logger: SafeLogger;
}

/** Under this symbol a `fetch` may bring a form that takes no `Request`; see `node/fetch.ts`. */
const DIRECT = Symbol.for("geecache.fetch");
/** Under this symbol it may bring Node's own way to begin a stream. */
const STREAM = Symbol.for("geecache.stream");
type Direct = { [DIRECT]?: Settings["fetch"]; [STREAM]?: BeginRequest };

const ACTION = "Cannot create HTTPPool";

/**
 * Checks the options of a pool.
 *
 * @throws {TypeError} If `self` is no http or https origin, or an option is of
 *   the wrong kind.
 * @throws {RangeError} If a number is out of range.
 */
export function settingsOf(self: string, options: HTTPPoolOptions): Settings {
  checkOptions(ACTION, options, POOL_OPTIONS);
  const {
    protocol: name = "native",
    fetch,
    timeoutMs = 5_000,
    maxBodyBytes = 64 * 1024 * 1024,
    maxPeerRequests = 10_000,
    handoverMs = 30_000,
    secret,
    cluster,
    unreachable = "reject",
    clock = systemClock,
    random = Math.random,
    logger,
  } = options;
  if (!Object.hasOwn(PROTOCOLS, name)) {
    const names = Object.keys(PROTOCOLS).join(", ");
    throw new TypeError(
      `${ACTION}: protocol must be one of ${names}: received ${describe(name)}`,
    );
  }
  const protocol = PROTOCOLS[name];
  const { basePath = protocol.basePath } = options;
  const origin = originOf(self, `${ACTION}: self`);
  checkBasePath(basePath);
  checkNumbers(ACTION, "a number greater than 0", { timeoutMs });
  checkNumbers(ACTION, "a non-negative number", { maxBodyBytes, handoverMs });
  checkNumbers(ACTION, "a number of at least 1", { maxPeerRequests });
  checkFunctions(ACTION, { fetch, random });
  checkUnreachable(ACTION, unreachable);
  checkMethods(ACTION, "clock", clock, ["now", "after"]);
  checkMethods(ACTION, "logger", logger, ["debug", "info", "warn", "error"]);
  checkForPeers(options, protocol, ["secret", "cluster"]);
  checkCluster(cluster);
  const send = fetch === undefined ? runtimeFetch : (fetch as Direct)[DIRECT] ??
    ((url: string, init: RequestInit) => fetch(new Request(url, init)));
  return {
    self: origin,
    protocol,
    basePath,
    fetch: send,
    openStream: openStreamOf(fetch as Direct | undefined, send),
    timeoutMs,
    maxBodyBytes,
    maxPeerRequests,
    handoverMs,
    secrets: secret === undefined ? undefined : secretsOf(secret),
    cluster,
    unreachable,
    clock,
    random: safeRandom(random),
    logger: safeLogger(logger),
  };
}

/** How links are opened: as the option `fetch` does it, if that says how. */
function openStreamOf(
  given: Direct | undefined,
  send: Settings["fetch"],
): OpenStream {
  if (given === undefined) return runtimeStreams(send);
  const begin = given[STREAM];
  return begin === undefined ? streamsOver(send) : streamsOfNode(begin);
}

function checkBasePath(basePath: unknown): void {
  const url = `http://localhost${basePath}`;
  const fits = typeof basePath === "string" && basePath.endsWith("/") &&
    URL.canParse(url) && new URL(url).pathname === basePath;
  if (!fits) {
    throw new TypeError(
      `${ACTION}: basePath must be a URL path that begins and ends with "/": ` +
        `received ${describe(basePath)}`,
    );
  }
}

/**
 * Checks what peers prove to each other. The value of a variable that is not set would
 * let in everybody.
 */
function checkForPeers(
  options: HTTPPoolOptions,
  { native, name }: Protocol,
  proofs: readonly ("secret" | "cluster")[],
): void {
  for (const proof of proofs) {
    if (!(proof in options)) continue;
    if (options[proof] === undefined) {
      throw new TypeError(
        `${ACTION}: ${proof} must have a value (is its variable set?) or be left out: received undefined`,
      );
    }
    if (native) continue;
    throw new TypeError(
      `${ACTION}: ${proof} is for protocol native alone: received protocol ${
        quote(name)
      }`,
    );
  }
}

function checkCluster(cluster: unknown): void {
  if (cluster === undefined) return;
  // A header carries only these characters unharmed.
  if (typeof cluster === "string" && /^[!-~]{1,100}$/.test(cluster)) return;
  throw new TypeError(
    `${ACTION}: cluster must be a name of 1 to 100 visible ASCII characters: ` +
      `received ${describe(cluster)}`,
  );
}
