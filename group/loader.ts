/**
 * Calls a group's getter: in the context in which the group was made, and only as many
 * times at once as it may be called.
 *
 * @module
 */

import { contextOfNow, ContextValue, type InContext } from "../base/context.ts";
import { quote } from "../base/errors.ts";
import type { PeerValue } from "../base/peers.ts";
import {
  BatchLoader,
  type LoadLimits,
  type LoadRequest,
} from "./batch_loader.ts";
import {
  type BatchGetter,
  failureOf,
  type Getter,
  type Loaded,
  valueOf,
} from "./getter.ts";
import { Limiter } from "./limiter.ts";

export type { LoadRequest } from "./batch_loader.ts";

/**
 * What gives up the place of the load whose getter asks now. A load that waits for
 * another one holds no place that the other may be waiting for, in whatever group.
 */
const placeOfAsker = new ContextValue<() => void>();

/** How many more loads may wait for their turn, and as many in place of owners. */
const MAX_WAITING = 10_000;

/** Calls the getter of one group. */
export class Loader {
  readonly #group: string;
  readonly #getter: Getter | BatchLoader;
  readonly #standIns: Limiter;
  /** `undefined`: as many may run as there are. */
  readonly #all: Limiter | undefined;
  /** Calls a function in the context in which the group was made. */
  readonly inContext: InContext = contextOfNow();

  constructor(
    group: string,
    getter: Getter | BatchGetter,
    { maxStandInLoads, maxConcurrentLoads }: Omit<LoadLimits, "maxWaiting">,
  ) {
    const maxWaiting = MAX_WAITING;
    this.#group = group;
    this.#standIns = new Limiter({ max: maxStandInLoads, maxWaiting });
    this.#all = maxConcurrentLoads === Infinity
      ? undefined
      : new Limiter({ max: maxConcurrentLoads, maxWaiting });
    const limits = { maxStandInLoads, maxConcurrentLoads, maxWaiting };
    this.#getter = typeof getter === "function"
      ? getter
      : new BatchLoader(group, getter, limits, (run, leave) =>
        this.inContext(() =>
          placeOfAsker.during(leave, run)
        ));
  }

  /** Somebody is about to wait for a load. If a getter does, it gives up its place. */
  static beforeWait(): void {
    placeOfAsker.get()?.();
  }

  /** Whether one more load of a key that this process owns would begin at once. */
  get hasRoom(): boolean {
    const getter = this.#getter;
    if (typeof getter !== "function") return getter.hasRoom;
    return this.#all?.hasRoom ?? true;
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
    { isPatient, flight }: LoadRequest,
    leave?: () => void,
  ): Promise<PeerValue> {
    const all = this.#all;
    if (all === undefined) return this.#call(getter, key, flight, leave);
    return all.run(
      `Cannot load ${quote(key)} of group ${quote(this.#group)}`,
      (leaveAll) =>
        this.#call(getter, key, flight, () => {
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
    const get = (): Loaded | Promise<Loaded> => getter(key, context);
    let loaded: Loaded;
    try {
      loaded = await this.inContext(
        leave === undefined ? get : () => placeOfAsker.during(leave, get),
      );
    } catch (error) {
      throw failureOf(group, key, error);
    }
    return valueOf(group, key, loaded);
  }
}
