/**
 * A pool: this process's place among its peers.
 *
 * @module
 */

import { type Clock, systemClock } from "./clock.ts";
import { quote } from "./errors.ts";
import { Group, type GroupOptions } from "./group.ts";
import { Handler, type Logger } from "./http_handler.ts";
import type { Getter } from "./local_group.ts";

export type { Logger } from "./http_handler.ts";

/** Options for an {@linkcode HTTPPool}. */
export interface HTTPPoolOptions {
  /**
   * The path below which the pool answers; begins and ends with `/`.
   *
   * @default {"/_geecache/"}
   */
  basePath?: string;
  /**
   * The largest body of a request that is read, in bytes; a larger one is
   * refused with 413.
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
  /** Where a line for each request goes, as `debug`. Default: nowhere. */
  logger?: Logger;
}

const DEFAULT_BASE_PATH = "/_geecache/";
const DEFAULT_MAX_BODY_BYTES = 64 * 1024 * 1024;

/**
 * The groups of this process, and the handler that answers for them over HTTP.
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
   * Answers requests below `basePath`; anything else gets a 404 that says so.
   * Bound, so that it can be handed to `Deno.serve` or a router as it is. It
   * answers from this process's memory or getters and asks no peer.
   */
  readonly handler: (request: Request) => Promise<Response> | Response;
  readonly #groups = new Map<string, Group>();
  readonly #handler: Handler;
  readonly #clock: Clock;
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
      basePath = DEFAULT_BASE_PATH,
      maxBodyBytes = DEFAULT_MAX_BODY_BYTES,
      clock = systemClock,
      logger,
    } = options;
    this.self = originOf(self, "Cannot create HTTPPool: self");
    checkBasePath(basePath);
    if (!(maxBodyBytes >= 0)) {
      throw new RangeError(
        `Cannot create HTTPPool: maxBodyBytes must be a non-negative number: received ${maxBodyBytes}`,
      );
    }
    this.#clock = clock;
    this.#handler = new Handler({
      self: this.self,
      basePath,
      maxBodyBytes,
      clock,
      logger,
      getGroup: (name) => this.#groups.get(name),
    });
    this.handler = (request) => this.#handler.handle(request);
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
    const group = new Group(name, getter, { clock: this.#clock, ...options });
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
   * Closes the pool and its groups: every wait ends with an error. It answers no
   * more, and nothing of it keeps the process alive.
   */
  close(): Promise<void> {
    this.#closed = true;
    for (const name of [...this.#groups.keys()]) this.removeGroup(name);
    this.#handler.close();
    return Promise.resolve();
  }
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
  const fits = basePath.startsWith("/") && basePath.endsWith("/") &&
    URL.canParse(url) && new URL(url).pathname === basePath;
  if (!fits) {
    throw new TypeError(
      'Cannot create HTTPPool: basePath must be a URL path that begins and ends with "/": ' +
        `received ${quote(String(basePath))}`,
    );
  }
}
