/**
 * Calls a group's getter: in the context in which the group was made, and only as many
 * times at once as it may be called.
 *
 * @module
 */

import { contextOfNow, ContextValue, type InContext } from "../base/context.ts";
import { quote } from "../base/errors.ts";
import type { PeerValue } from "../base/peers.ts";
import { resultOf, type WatchedWork, Watchers } from "../base/watchers.ts";
import {
  BatchLoader,
  type BatchOptions,
  type LoadRequest,
  reasonOf,
} from "./batch_loader.ts";
import {
  type BatchGetter,
  failureOf,
  type Getter,
  type GetterContext,
  type Loaded,
  thrownOf,
  tooSlow,
  valueOf,
} from "./getter.ts";
import { Limiter } from "./limiter.ts";
import { TimeLimit } from "./time_limit.ts";

export type { LoadRequest } from "./batch_loader.ts";

/**
 * What gives up the place of the load whose getter asks now. A load that waits for
 * another one holds no place that the other may be waiting for, in whatever group.
 */
const placeOfAsker = new ContextValue<() => void>();

/** How many more loads may wait for their turn, and as many in place of owners. */
const MAX_WAITING = 10_000;

/** Options for a {@linkcode Loader}. */
export type LoaderOptions = Omit<BatchOptions, "maxWaiting">;

/** Calls the getter of one group. */
export class Loader {
  readonly #group: string;
  readonly #getter: Getter | BatchLoader;
  readonly #options: LoaderOptions;
  readonly #watchers: Watchers;
  readonly #standIns: Limiter;
  /** `undefined`: as many may run as there are. */
  readonly #all: Limiter | undefined;
  /** Calls a function in the context in which the group was made. */
  readonly inContext: InContext = contextOfNow();

  constructor(
    group: string,
    getter: Getter | BatchGetter,
    options: LoaderOptions,
    watchers: Watchers = new Watchers(),
  ) {
    const { maxStandInLoads, maxConcurrentLoads } = options;
    const maxWaiting = MAX_WAITING;
    this.#group = group;
    this.#options = options;
    this.#watchers = watchers;
    this.#standIns = new Limiter({ max: maxStandInLoads, maxWaiting });
    this.#all = maxConcurrentLoads === Infinity
      ? undefined
      : new Limiter({ max: maxConcurrentLoads, maxWaiting });
    this.#getter = typeof getter === "function" ? getter : new BatchLoader(
      group,
      getter,
      { ...options, maxWaiting },
      watchers,
      // An observer's context may be one that was kept from before, so the place goes
      // inside it.
      (run, leave, observed) =>
        this.inContext(() => observed(() => placeOfAsker.during(leave, run))),
    );
  }

  /** Somebody is about to wait for a load. If a getter does, it gives up its place. */
  static beforeWait(): void {
    placeOfAsker.get()?.();
  }

  /** Whether one more load would begin at once, or at the end of this turn. */
  hasRoom(isOwner: boolean): boolean {
    const getter = this.#getter;
    if (typeof getter !== "function") return getter.hasRoom(isOwner);
    return (isOwner || this.#standIns.hasRoom) && (this.#all?.hasRoom ?? true);
  }

  /**
   * Calls the getter, at once or when its turn has come, for this key or for several.
   *
   * @throws {GetterFailure} If the getter threw, unless that says that there is no such
   *   key.
   * @throws {BusyError} If too many wait for their turn already.
   */
  load(key: string, request: LoadRequest): Promise<PeerValue> {
    const getter = this.#getter;
    if (typeof getter !== "function") return getter.load(key, request);
    if (request.isOwner) return this.#inTurn(getter, key, request);
    return this.#standIns.run(
      `Cannot load ${quote(key)} of group ${quote(this.#group)}, ` +
        "which another process owns",
      (leave) => this.#inTurn(getter, key, request, leave),
      request.flight.signal,
      request.isPatient,
    );
  }

  /** @param leave Gives up the place that the load has among those of its kind. */
  #inTurn(
    getter: Getter,
    key: string,
    request: LoadRequest,
    leave?: () => void,
  ): Promise<PeerValue> {
    const all = this.#all;
    if (all === undefined) return this.#call(getter, key, request, leave);
    const { isPatient, flight } = request;
    return all.run(
      `Cannot load ${quote(key)} of group ${quote(this.#group)}`,
      (leaveAll) =>
        this.#call(getter, key, request, () => {
          leaveAll();
          leave?.();
        }),
      flight.signal,
      isPatient,
    );
  }

  /** @param leave Gives up all places that the load has. */
  async #call(
    getter: Getter,
    key: string,
    request: LoadRequest,
    leave?: () => void,
  ): Promise<PeerValue> {
    const { flight, stale } = request;
    const group = this.#group;
    const { loadTimeoutMs, clock, life } = this.#options;
    const limit = loadTimeoutMs === Infinity
      ? undefined
      : new TimeLimit(flight);
    const context: GetterContext = {
      group,
      stale,
      get signal() {
        return (limit ?? flight).signal;
      },
    };
    const get = (): Loaded | Promise<Loaded> => getter(key, context);
    // As above: the place goes inside an observer's context.
    const call = leave === undefined
      ? get
      : () => placeOfAsker.during(leave, get);
    let work: WatchedWork | undefined;
    const begin = (): Loaded | Promise<Loaded> => {
      if (!this.#watchers.hear("load")) return call();
      work = this.#begin(key, request);
      return work.run(call);
    };
    const run = (): Loaded | Promise<Loaded> => this.inContext(begin);
    try {
      let loaded: Loaded;
      try {
        loaded = await (limit === undefined ? run() : limit.run(
          clock,
          loadTimeoutMs,
          () => tooSlow(group, key, loadTimeoutMs),
          // A getter may throw at once.
          async () => await run(),
        ));
      } catch (error) {
        throw failureOf(group, key, error);
      }
      const value = valueOf(group, key, loaded, life);
      work?.done();
      return value;
    } catch (error) {
      // What a getter throws is its failure, whatever it is.
      work?.fail(thrownOf(error), resultOf(error));
      throw error;
    }
  }

  /** Tells that the getter is about to be called. */
  #begin(key: string, request: LoadRequest): WatchedWork {
    const start = {
      group: this.#group,
      keys: [key],
      reason: reasonOf(request),
    };
    const work = this.#watchers.begin("load", start, this.#options.clock);
    // A getter need not end when nobody waits any more.
    const leave = (reason: unknown): void => work.fail(reason, "canceled");
    const { flight } = request;
    if (flight.onLeave !== undefined) flight.onLeave({ leave });
    else {
      const { signal } = flight;
      const onAbort = (): void => leave(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
    }
    return work;
  }
}
