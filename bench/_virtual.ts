/**
 * A virtual clock and a virtual network in one process: the same run gives the
 * same events in the same order, however busy the machine is.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Clock } from "../mod.ts";

/** Time in whole milliseconds, which passes only when nothing else is left to do. */
export class VirtualClock implements Clock {
  #now = 0;
  /** The timers that are due at each millisecond, in the order in which they were set. */
  readonly #due = new Map<number, Set<{ run: () => void }>>();

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const at = Math.max(this.#now + 1, Math.ceil(this.#now + ms));
    const timers = this.#due.get(at) ?? new Set();
    this.#due.set(at, timers);
    const timer = { run };
    timers.add(timer);
    return () => {
      timers.delete(timer);
    };
  }

  /** A promise that resolves after `ms`. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** How many timers are set. */
  get pending(): number {
    let pending = 0;
    for (const timers of this.#due.values()) pending += timers.size;
    return pending;
  }

  /** Lets `ms` pass. Whatever a timer sets off ends before the next millisecond. */
  async advance(ms: number): Promise<void> {
    await quiet();
    for (const until = this.#now + ms; this.#now < until;) {
      this.#now++;
      const timers = this.#due.get(this.#now);
      if (timers === undefined) continue;
      const isEmpty = timers.size === 0;
      for (const { run } of timers) run();
      this.#due.delete(this.#now);
      if (!isEmpty) await quiet();
    }
  }
}

/** Runs everything that waits for no timer: a macrotask comes after all microtasks. */
function quiet(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

type Handler = (request: Request) => Promise<Response> | Response;

/** How a node fails: it refuses connections, or takes requests and never answers them. */
export type Failure = "refuses" | "is silent";

/** A network on which handlers reach each other in a few milliseconds. */
export class VirtualNetwork {
  /** How many requests were sent. */
  requests = 0;
  readonly #clock: VirtualClock;
  /** From 0 to less than 1. */
  readonly #chance: () => number;
  readonly #handlers = new Map<string, Handler>();
  readonly #failures = new Map<string, Failure>();

  constructor(clock: VirtualClock, chance: () => number) {
    this.#clock = clock;
    this.#chance = chance;
  }

  /** Puts a node on the network. */
  join(origin: string, handler: Handler): void {
    this.#handlers.set(origin, handler);
  }

  /** From now on no answer of the node arrives, not even one that is under way. */
  fail(origin: string, failure: Failure): void {
    this.#failures.set(origin, failure);
  }

  /** The `fetch` of every node. */
  readonly fetch = async (request: Request): Promise<Response> => {
    this.requests++;
    const { url } = request;
    const origin = url.slice(0, url.indexOf("/", "https://".length));
    await this.#travel();
    await this.#reach(origin);
    const response = await this.#handlers.get(origin)!(request);
    await this.#travel();
    await this.#reach(origin);
    return response;
  };

  /** Takes one to three milliseconds. */
  #travel(): Promise<void> {
    return this.#clock.pause(1 + Math.floor(this.#chance() * 3));
  }

  async #reach(origin: string): Promise<void> {
    const failure = this.#failures.get(origin);
    if (failure === "is silent") await new Promise(() => {});
    if (failure !== undefined || !this.#handlers.has(origin)) {
      throw new TypeError("connection refused");
    }
  }
}
