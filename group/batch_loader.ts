/**
 * Gathers the keys that are missing, and loads them with as few calls as may be.
 *
 * Keys that are missing in one turn of the event loop leave together at its end. While
 * as many calls run as may run, keys gather. A key that nobody waits for any more is
 * taken out before its call.
 *
 * @module
 */

import { afterTurn } from "../base/clock.ts";
import { BusyError, describe, isError, quote } from "../base/errors.ts";
import type { Leaver, PeerValue } from "../base/peers.ts";
import {
  type BatchContext,
  type BatchGetter,
  failureOf,
  valueOf,
} from "./getter.ts";

/** How many keys a call has at most, unless the getter says otherwise. */
const MAX_KEYS = 1_000;

/** What a load runs for, as far as a loader looks at it. */
export interface LoadFlight {
  /** Fires when nobody waits for the load any more. */
  readonly signal: AbortSignal;
  /** Tells `leaver` when that is so; cheaper than the signal. */
  onLeave?(leaver: Leaver): void;
}

/** A load that is to begin. */
export interface LoadRequest {
  /** Whether this process owns the key. If not, the load waits for its turn. */
  isOwner: boolean;
  /** Wait for a turn even if too many wait already. */
  isPatient: boolean;
  /** What the load runs for. The signal is looked at only if that is needed. */
  flight: LoadFlight;
}

/** How many loads may run at a time, and wait. */
export interface LoadLimits {
  /** How many loads for keys that others own. */
  maxStandInLoads: number;
  /** How many loads in all. */
  maxConcurrentLoads: number;
  /** How many more may wait for their turn. */
  maxWaiting: number;
}

/**
 * Calls what a user wrote, in the group's context.
 *
 * @param leave Gives up the place of the call, once it waits for another load.
 */
export type Call = <T>(
  run: () => Promise<T> | T,
  leave: () => void,
) => Promise<T>;

/** A key that is to be loaded. */
class MissingKey implements Leaver {
  readonly key: string;
  /** Keys have numbers in the order in which they came. */
  readonly number: number;
  readonly isOwner: boolean;
  readonly promise: Promise<PeerValue>;
  resolve!: (value: PeerValue) => void;
  reject!: (error: unknown) => void;
  /** Where it waits, and then the call that it is in. */
  place: Set<MissingKey> | Batch;

  constructor(
    key: string,
    number: number,
    isOwner: boolean,
    queue: Set<MissingKey>,
  ) {
    this.key = key;
    this.number = number;
    this.isOwner = isOwner;
    this.place = queue;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Nobody waits for the key any more. */
  leave(reason: unknown): void {
    if (!(this.place instanceof Set)) return this.place.leave(reason);
    this.place.delete(this);
    this.reject(reason);
  }
}

/** Keys that are loaded in one call. */
class Batch implements Leaver {
  readonly missing: readonly MissingKey[];
  readonly isStandIn: boolean;
  #waiting: number;
  #onFree: (() => void) | undefined;
  // Made when first asked for: most calls never look at it.
  #controller: AbortController | undefined;
  #aborted: { reason: unknown } | undefined;

  /** @param onFree The place of the call is free, whether it has ended or not. */
  constructor(missing: readonly MissingKey[], onFree: () => void) {
    this.missing = missing;
    this.isStandIn = missing.some(({ isOwner }) => !isOwner);
    this.#waiting = missing.length;
    this.#onFree = onFree;
    for (const one of missing) one.place = this;
  }

  /** The keys, each once: one that was written meanwhile may wait twice. */
  get keys(): string[] {
    return [...new Set(this.missing.map(({ key }) => key))];
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  /** Nobody waits for one of its keys any more. */
  leave(reason: unknown): void {
    if (--this.#waiting > 0) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
    this.free();
  }

  /** Gives up its place. */
  readonly free = (): void => {
    this.#onFree?.();
    this.#onFree = undefined;
  };
}

/** Calls the batch getter of one group. */
export class BatchLoader {
  readonly #group: string;
  readonly #getter: BatchGetter;
  readonly #limits: LoadLimits;
  readonly #call: Call;
  readonly #maxKeys: number;
  /** The keys that wait: those of this process, and those of others. */
  readonly #owned = new Set<MissingKey>();
  readonly #standIns = new Set<MissingKey>();
  #came = 0;
  #running = 0;
  #runningStandIns = 0;
  #isScheduled = false;

  constructor(
    group: string,
    getter: BatchGetter,
    limits: LoadLimits,
    call: Call,
  ) {
    this.#group = group;
    this.#getter = getter;
    this.#limits = limits;
    this.#call = call;
    this.#maxKeys = getter.maxKeys ?? MAX_KEYS;
  }

  /** Whether one more key would be loaded at the end of this turn. */
  get hasRoom(): boolean {
    const waiting = this.#owned.size + this.#standIns.size;
    return waiting + 1 <= this.#free * this.#maxKeys;
  }

  /**
   * Loads a key together with others.
   *
   * @throws {GetterFailure} If the getter threw, or answered an error for the key.
   * @throws {NotFoundError} If it found no such key.
   * @throws {BusyError} If too many keys wait already.
   * @throws The reason of the flight's signal, if that fires before the key's turn.
   */
  load(
    key: string,
    { isOwner, isPatient, flight }: LoadRequest,
  ): Promise<PeerValue> {
    const queue = isOwner ? this.#owned : this.#standIns;
    const free = isOwner ? this.#free : this.#freeForStandIns;
    const room = (free + this.#limits.maxWaiting) * this.#maxKeys;
    if (!isPatient && queue.size + 1 > room) {
      return Promise.reject(this.#busy(key, isOwner));
    }
    const missing = new MissingKey(key, this.#came++, isOwner, queue);
    queue.add(missing);
    if (flight.onLeave !== undefined) flight.onLeave(missing);
    else leaveBySignal(missing, flight.signal);
    this.#schedule();
    return missing.promise;
  }

  #busy(key: string, isOwner: boolean): BusyError {
    const [who, running, { size }] = isOwner
      ? ["", this.#running, this.#owned]
      : [
        ", which another process owns",
        this.#runningStandIns,
        this.#standIns,
      ];
    return new BusyError(
      `Cannot load ${quote(key)} of group ${quote(this.#group)}${who}: ` +
        `${running} calls of loadMany run and ${size} keys wait`,
    );
  }

  /** How many more calls may run. */
  get #free(): number {
    return Math.floor(this.#limits.maxConcurrentLoads) - this.#running;
  }

  get #freeForStandIns(): number {
    const { maxStandInLoads } = this.#limits;
    const free = Math.floor(maxStandInLoads) - this.#runningStandIns;
    return Math.min(this.#free, free);
  }

  /** What else is missing in this turn leaves with the keys that wait. */
  #schedule(): void {
    const waiting = this.#owned.size + this.#standIns.size;
    if (this.#isScheduled || this.#free < 1 || waiting === 0) return;
    this.#isScheduled = true;
    afterTurn(() => {
      this.#isScheduled = false;
      while (this.#free > 0) {
        const missing = this.#take();
        if (missing.length === 0) return;
        this.#run(missing);
      }
    });
  }

  /** The keys for the next call, in the order in which they came. */
  #take(): MissingKey[] {
    const taken: MissingKey[] = [];
    const owned = this.#owned.values();
    const standIns = this.#freeForStandIns > 0
      ? this.#standIns.values()
      : [].values();
    let first = owned.next().value;
    let second = standIns.next().value;
    while (taken.length + 1 <= this.#maxKeys) {
      if (first !== undefined && !(second && second.number < first.number)) {
        taken.push(first);
        first = owned.next().value;
      } else if (second !== undefined) {
        taken.push(second);
        second = standIns.next().value;
      } else break;
    }
    for (const one of taken) (one.place as Set<MissingKey>).delete(one);
    return taken;
  }

  async #run(missing: readonly MissingKey[]): Promise<void> {
    const batch = new Batch(missing, () => {
      this.#running--;
      if (batch.isStandIn) this.#runningStandIns--;
      this.#schedule();
    });
    this.#running++;
    if (batch.isStandIn) this.#runningStandIns++;
    const group = this.#group;
    const context: BatchContext = {
      group,
      get signal() {
        return batch.signal;
      },
    };
    try {
      const found = await this.#call(
        () => this.#getter.loadMany(batch.keys, context),
        batch.free,
      );
      for (const one of missing) this.#settle(one, found);
    } catch (error) {
      for (const { key, reject } of missing) {
        reject(failureOf(group, key, error));
      }
    } finally {
      batch.free();
    }
  }

  /** Tells those who wait for a key what was found. */
  #settle(
    { key, resolve, reject }: MissingKey,
    found: Awaited<ReturnType<BatchGetter["loadMany"]>>,
  ): void {
    const group = this.#group;
    if (typeof found?.get !== "function") {
      return reject(
        new TypeError(
          `Cannot load ${quote(key)} of group ${quote(group)}: ` +
            `loadMany must answer a Map: received ${describe(found)}`,
        ),
      );
    }
    let loaded;
    try {
      loaded = found.get(key);
    } catch (error) {
      return reject(failureOf(group, key, error));
    }
    if (isError(loaded)) return reject(failureOf(group, key, loaded));
    try {
      resolve(valueOf(group, key, loaded));
    } catch (error) {
      reject(error);
    }
  }
}

/** Lets a key leave whose flight tells that by its signal alone. */
function leaveBySignal(missing: MissingKey, signal: AbortSignal): void {
  const leave = (): void => missing.leave(signal.reason);
  if (signal.aborted) return leave();
  signal.addEventListener("abort", leave, { once: true });
  const forget = (): void => signal.removeEventListener("abort", leave);
  missing.promise.then(forget, forget);
}
