/**
 * Gathers the keys that are missing, and loads them with as few calls as may be.
 *
 * Keys that are missing in one turn of the event loop leave together at its end. While
 * as many calls run as may run, keys gather. A key that nobody waits for any more is
 * taken out before its call.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import { afterTurn, type Clock } from "../base/clock.ts";
import type { InContext } from "../base/context.ts";
import { BusyError, describe, isError, quote } from "../base/errors.ts";
import type { Leaver, PeerValue } from "../base/peers.ts";
import {
  type LoadStart,
  resultOf,
  type WatchedWork,
  type Watchers,
  type WorkResult,
} from "../base/watchers.ts";
import {
  type BatchContext,
  type BatchGetter,
  failureOf,
  GetterFailure,
  tooSlow,
  valueOf,
} from "./getter.ts";
import type { Life } from "./life.ts";

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
  /** The stale value that the load is to replace. */
  stale?: ByteView | undefined;
}

/** Why a key is loaded. */
export function reasonOf(
  { isOwner, stale }: Pick<LoadRequest, "isOwner" | "stale">,
): LoadStart["reason"] {
  if (!isOwner) return "stand-in";
  return stale === undefined ? "miss" : "refresh";
}

/** How many loads may run at a time, and wait, and what else holds for each. */
export interface BatchOptions {
  /** How many loads for keys that others own. */
  maxStandInLoads: number;
  /** How many loads in all. */
  maxConcurrentLoads: number;
  /** How many more may wait for their turn. */
  maxWaiting: number;
  /** How long a call of the getter may take; `Infinity`: as long as it likes. */
  loadTimeoutMs: number;
  clock: Clock;
  /** The life of values that do not say it. */
  life: Life;
}

/**
 * Calls what a user wrote, in the group's context.
 *
 * @param leave Gives up the place of the call, once it waits for another load.
 * @param observed Calls it as those who observe the load want it.
 */
export type Call = <T>(
  run: () => Promise<T> | T,
  leave: () => void,
  observed: InContext,
) => Promise<T>;

/** A key that is to be loaded. */
class MissingKey implements Leaver {
  readonly key: string;
  /** Keys have numbers in the order in which they came. */
  readonly number: number;
  readonly isOwner: boolean;
  readonly stale: ByteView | undefined;
  readonly promise: Promise<PeerValue>;
  resolve!: (value: PeerValue) => void;
  reject!: (error: unknown) => void;
  /** Where it waits, and then the call that it is in. */
  place: Set<MissingKey> | Batch;

  constructor(
    key: string,
    number: number,
    { isOwner, stale }: LoadRequest,
    queue: Set<MissingKey>,
  ) {
    this.key = key;
    this.number = number;
    this.isOwner = isOwner;
    this.stale = stale;
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
  #stale: Map<string, ByteView> | undefined;
  #cancelLimit: (() => void) | undefined;
  /** Whether it took longer than its limit. */
  isLate = false;

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

  /** The stale values of its keys. Of a key that waits twice, the later load decides. */
  get stale(): ReadonlyMap<string, ByteView> {
    if (this.#stale !== undefined) return this.#stale;
    this.#stale = new Map();
    for (const { key, stale } of this.missing) {
      if (stale !== undefined) this.#stale.set(key, stale);
      else this.#stale.delete(key);
    }
    return this.#stale;
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
    this.#abort(reason);
  }

  /**
   * Lets the keys that it still has leave after `ms`.
   *
   * @param late Makes the error of a key.
   */
  limit(clock: Clock, ms: number, late: (key: string) => Error): void {
    this.#cancelLimit = clock.after(ms, () => {
      this.isLate = true;
      const errors = this.missing.map(({ key }) => late(key));
      // Before the signal fires, or what the getter makes of that would come first.
      for (const [i, { reject }] of this.missing.entries()) {
        reject(new GetterFailure(errors[i]!));
      }
      this.#abort(errors[0]);
    });
  }

  /** Whether nobody waits for it any more. */
  get isOver(): boolean {
    return this.#aborted !== undefined;
  }

  /** It has ended: its limit is no matter any more, and its place is free. */
  end(): void {
    this.#cancelLimit?.();
    this.free();
  }

  #abort(reason: unknown): void {
    this.#aborted = { reason };
    this.#controller?.abort(reason);
    this.end();
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
  readonly #options: BatchOptions;
  readonly #call: Call;
  readonly #watchers: Watchers;
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
    options: BatchOptions,
    watchers: Watchers,
    call: Call,
  ) {
    this.#group = group;
    this.#watchers = watchers;
    this.#getter = getter;
    this.#options = options;
    this.#call = call;
    this.#maxKeys = getter.maxKeys ?? MAX_KEYS;
  }

  /** Whether one more key would be loaded at the end of this turn. */
  hasRoom(isOwner: boolean): boolean {
    const forStandIns = this.#roomFor(this.#freeForStandIns);
    const standIns = this.#standIns.size;
    if (!isOwner && standIns + 1 > forStandIns) return false;
    // Those that wait for a place of their kind are in nobody's way.
    const leaving = this.#owned.size + Math.min(standIns, forStandIns);
    return leaving + 1 <= this.#roomFor(this.#free);
  }

  /** How many keys so many calls have at most. */
  #roomFor(calls: number): number {
    return calls > 0 ? calls * this.#maxKeys : 0;
  }

  /**
   * Loads a key together with others.
   *
   * @throws {GetterFailure} If the getter threw, or answered an error for the key.
   * @throws {NotFoundError} If it found no such key.
   * @throws {BusyError} If too many keys wait already.
   * @throws The reason of the flight's signal, if that fires before the key's turn.
   */
  load(key: string, request: LoadRequest): Promise<PeerValue> {
    const { isOwner, isPatient, flight } = request;
    const queue = isOwner ? this.#owned : this.#standIns;
    const free = isOwner ? this.#free : this.#freeForStandIns;
    const room = this.#roomFor(free + this.#options.maxWaiting);
    if (!isPatient && queue.size + 1 > room) {
      return Promise.reject(this.#busy(key, isOwner));
    }
    const missing = new MissingKey(key, this.#came++, request, queue);
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
    return Math.floor(this.#options.maxConcurrentLoads) - this.#running;
  }

  get #freeForStandIns(): number {
    const { maxStandInLoads } = this.#options;
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
    const { loadTimeoutMs, clock } = this.#options;
    const context: BatchContext = {
      group,
      get signal() {
        return batch.signal;
      },
      get stale() {
        return batch.stale;
      },
    };
    if (loadTimeoutMs !== Infinity) {
      batch.limit(
        clock,
        loadTimeoutMs,
        (key) => tooSlow(group, key, loadTimeoutMs),
      );
    }
    let work: WatchedWork | undefined;
    let results: Map<string, WorkResult> | undefined;
    try {
      const found = await this.#call(
        () => this.#getter.loadMany(batch.keys, context),
        batch.free,
        (load) => {
          if (!this.#watchers.hear("load")) return load();
          // A list of its own: a getter may change the one that it is given.
          const { keys } = batch;
          const start = { group, keys, reason: reasonOf(missing[0]!) };
          work = this.#watchers.begin("load", start, clock);
          results = new Map();
          // A getter need not end when nobody waits any more.
          batch.signal.addEventListener("abort", () => {
            const result = batch.isLate ? "failed" : "canceled";
            work!.fail(batch.signal.reason, result);
          }, { once: true });
          return work.run(load);
        },
      );
      for (const { key, resolve, reject } of missing) {
        let result: WorkResult = "ok";
        try {
          resolve(this.#valueIn(found, key));
        } catch (error) {
          result = resultOf(error);
          reject(error);
        }
        results?.set(key, result);
      }
      work?.doneWith(results!.values());
    } catch (error) {
      for (const { key, reject } of missing) {
        reject(failureOf(group, key, error));
      }
      work?.fail(error, batch.isOver ? "canceled" : "failed");
    } finally {
      batch.end();
    }
  }

  /**
   * What was found for a key.
   *
   * @throws What those get who wait for it, if that is an error.
   */
  #valueIn(
    found: Awaited<ReturnType<BatchGetter["loadMany"]>>,
    key: string,
  ): PeerValue {
    const group = this.#group;
    if (typeof found?.get !== "function") {
      throw new TypeError(
        `Cannot load ${quote(key)} of group ${quote(group)}: ` +
          `loadMany must answer a Map: received ${describe(found)}`,
      );
    }
    let loaded;
    try {
      loaded = found.get(key);
    } catch (error) {
      throw failureOf(group, key, error);
    }
    if (isError(loaded)) throw failureOf(group, key, loaded);
    return valueOf(group, key, loaded, this.#options.life);
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
