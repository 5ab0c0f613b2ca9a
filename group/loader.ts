/**
 * Calls a group's getter: in the context in which the group was made, and only a few
 * times at once for keys that others own.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import type { Clock } from "../base/clock.ts";
import { contextOfNow, ContextValue, type InContext } from "../base/context.ts";
import {
  describe,
  isError,
  isNotFound,
  LoadError,
  NotFoundError,
  quote,
} from "../base/errors.ts";
import type { PeerValue } from "../base/peers.ts";
import {
  type Getter,
  type GetterContext,
  GetterFailure,
  type Loaded,
  toPeerValue,
} from "./getter.ts";
import type { Life } from "./life.ts";
import { Limiter } from "./limiter.ts";
import { TimeLimit } from "./time_limit.ts";

/**
 * What gives up the place of the load whose getter asks now. A load that waits for
 * another one holds no place that the other may be waiting for, in whatever group.
 */
const placeOfAsker = new ContextValue<() => void>();

/** How many more loads in place of owners may wait for their turn. */
const MAX_STAND_IN_QUEUE = 10_000;

/** A load that is to begin. */
export interface LoadRequest {
  /** Whether this process owns the key. If not, the load waits for its turn. */
  isOwner: boolean;
  /** Wait for a turn even if too many wait already. */
  isPatient: boolean;
  /** What the load runs for. The signal is looked at only if that is needed. */
  flight: { readonly signal: AbortSignal };
  /** The stale value that the load is to replace. */
  stale?: ByteView | undefined;
}

/** Options for a {@linkcode Loader}. */
export interface LoaderOptions {
  /** How many keys that others own may be loaded at a time. */
  maxStandInLoads: number;
  /** How long a call of the getter may take; `Infinity`: as long as it likes. */
  loadTimeoutMs: number;
  clock: Clock;
  /** The life of values that do not say it. */
  life: Life;
}

/** Calls the getter of one group. */
export class Loader {
  readonly #group: string;
  readonly #getter: Getter;
  readonly #options: LoaderOptions;
  readonly #standIns: Limiter;
  /** Calls a function in the context in which the group was made. */
  readonly inContext: InContext = contextOfNow();

  constructor(group: string, getter: Getter, options: LoaderOptions) {
    this.#group = group;
    this.#getter = getter;
    this.#options = options;
    this.#standIns = new Limiter({
      max: options.maxStandInLoads,
      maxWaiting: MAX_STAND_IN_QUEUE,
    });
  }

  /** Somebody is about to wait for a load. If a getter does, it gives up its place. */
  static beforeWait(): void {
    placeOfAsker.get()?.();
  }

  /** Whether a load could begin at once. */
  hasRoom(isOwner: boolean): boolean {
    return isOwner || this.#standIns.running < this.#options.maxStandInLoads;
  }

  /**
   * Calls the getter, at once or when its turn has come.
   *
   * @throws {GetterFailure} If the getter threw, unless that says that there is no such
   *   key.
   * @throws {BusyError} If too many wait for their turn already.
   */
  load(
    key: string,
    request: LoadRequest,
  ): Promise<PeerValue> {
    const { isOwner, isPatient, flight } = request;
    if (isOwner) return this.#call(key, request);
    return this.#standIns.run(
      `Cannot load ${quote(key)} of group ${quote(this.#group)}, ` +
        "which another process owns",
      (leave) => this.#call(key, request, leave),
      flight.signal,
      isPatient,
    );
  }

  /** @param leave Gives up the place that the load has among those of its kind. */
  async #call(
    key: string,
    { flight, stale }: LoadRequest,
    leave?: () => void,
  ): Promise<PeerValue> {
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
    const get = (): Loaded | Promise<Loaded> => this.#getter(key, context);
    let loaded: Loaded;
    try {
      const run = (): Loaded | Promise<Loaded> =>
        this.inContext(
          leave === undefined ? get : () => placeOfAsker.during(leave, get),
        );
      loaded = await (limit === undefined ? run() : limit.run(
        clock,
        loadTimeoutMs,
        () => this.#tooSlow(key),
        // A getter may throw at once.
        async () => await run(),
      ));
    } catch (error) {
      if (isNotFound(error, group, key)) throw error;
      if (isError(error)) throw new GetterFailure(error);
      throw new LoadError(
        group,
        key,
        `Cannot load ${quote(key)} of group ${quote(group)}: ` +
          `the getter threw what is no Error: ${describe(error)}`,
        { cause: error },
      );
    }
    if (loaded === undefined) throw new NotFoundError(group, key);
    return toPeerValue(
      loaded,
      `Cannot load ${quote(key)} of group ${quote(group)}`,
      life,
    );
  }

  #tooSlow(key: string): LoadError {
    return new LoadError(
      this.#group,
      key,
      `Cannot load ${quote(key)} of group ${quote(this.#group)}: ` +
        `the getter took longer than ${this.#options.loadTimeoutMs} ms`,
    );
  }
}
