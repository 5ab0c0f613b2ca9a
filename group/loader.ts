/**
 * Calls a group's getter: in the context in which the group was made, and only a few
 * times at once for keys that others own.
 *
 * @module
 */

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
  GetterFailure,
  type Loaded,
  toPeerValue,
} from "./getter.ts";
import { Limiter } from "./limiter.ts";

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
}

/** Calls the getter of one group. */
export class Loader {
  readonly #group: string;
  readonly #getter: Getter;
  readonly #standIns: Limiter;
  /** Calls a function in the context in which the group was made. */
  readonly inContext: InContext = contextOfNow();

  /** @param maxStandInLoads How many keys that others own may be loaded at a time. */
  constructor(group: string, getter: Getter, maxStandInLoads: number) {
    this.#group = group;
    this.#getter = getter;
    this.#standIns = new Limiter({
      max: maxStandInLoads,
      maxWaiting: MAX_STAND_IN_QUEUE,
    });
  }

  /** Somebody is about to wait for a load. If a getter does, it gives up its place. */
  static beforeWait(): void {
    placeOfAsker.get()?.();
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
    { isOwner, isPatient, flight }: LoadRequest,
  ): Promise<PeerValue> {
    if (isOwner) return this.#call(key, flight);
    return this.#standIns.run(
      `Cannot load ${quote(key)} of group ${quote(this.#group)}, ` +
        "which another process owns",
      (leave) => this.#call(key, flight, leave),
      flight.signal,
      isPatient,
    );
  }

  /** @param leave Gives up the place that the load has among those of its kind. */
  async #call(
    key: string,
    flight: LoadRequest["flight"],
    leave?: () => void,
  ): Promise<PeerValue> {
    const group = this.#group;
    const context = {
      group,
      get signal() {
        return flight.signal;
      },
    };
    const get = (): Loaded | Promise<Loaded> => this.#getter(key, context);
    let loaded: Loaded;
    try {
      loaded = await this.inContext(
        leave === undefined ? get : () => placeOfAsker.during(leave, get),
      );
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
    );
  }
}
