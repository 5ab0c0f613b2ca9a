/**
 * The loads of one group in one process: one for each key at a time, in the background
 * where a stale value is answered meanwhile, and none where it is known that there is no
 * such key.
 *
 * A refresh is a load like any other, which whoever comes joins, and which a write
 * forgets. It differs in that nobody waits, and in when it may begin.
 *
 * @module
 */

import { isNotFound, NotFoundError } from "../base/errors.ts";
import type { PeerRequestOptions, PeerValue } from "../base/peers.ts";
import type { CachePair } from "../cache.ts";
import { ABSENT_SHARE, AbsentKeys } from "./absent_keys.ts";
import type { GroupCounts } from "./counts.ts";
import type { Found } from "./entry.ts";
import { Flights, type OpenFlight } from "./flights.ts";
import type { Keeping } from "./keeping.ts";
import { refreshedMsOf, totalMsOf } from "./life.ts";
import type { Loader, LoaderOptions, LoadRequest } from "./loader.ts";
import type { Placement } from "./placement.ts";
import type { RecentWrites } from "./recent_writes.ts";
import { Refreshes } from "./refreshes.ts";

/** Settings of a group that its loads need. */
export interface LoadsOptions extends LoaderOptions {
  maxBytes: number;
  negativeTtlMs: number;
  ttlJitter: number;
  softTimeoutMs: number;
  random: () => number;
  placement: Placement;
}

/** What loads work with. */
export interface LoadsContext {
  readonly name: string;
  readonly caches: CachePair;
  readonly keeping: Keeping;
  readonly loader: Loader;
  readonly recentWrites: RecentWrites;
  readonly counts: GroupCounts;
}

/** Options for {@linkcode Loads.load}. */
export interface LoadOptions extends PeerRequestOptions {
  /** The caller has just found out that this process owns the key. */
  isOwner?: boolean;
  /** Skip the peek: the owner was just asked for the key and failed. */
  skipPeek?: boolean;
  /** Wait for a turn even if too many others wait already. */
  isPatient?: boolean;
}

/** The loads of one group. */
export class Loads {
  readonly #name: string;
  readonly #options: LoadsOptions;
  readonly #caches: CachePair;
  readonly #keeping: Keeping;
  readonly #loader: Loader;
  readonly #recentWrites: RecentWrites;
  readonly #counts: GroupCounts;
  readonly #loads = new Flights<string, Found>();
  readonly #refreshes: Refreshes;
  /** Keys that are to be loaded again, once what runs now has ended. */
  readonly #toRefresh = new Set<string>();
  #cancelRefresh: () => void = () => {};
  readonly #absent: AbsentKeys | undefined;
  #draining = false;
  #closed = false;

  constructor(options: LoadsOptions, context: LoadsContext) {
    this.#name = context.name;
    this.#options = options;
    this.#caches = context.caches;
    this.#keeping = context.keeping;
    this.#loader = context.loader;
    this.#recentWrites = context.recentWrites;
    this.#counts = context.counts;
    const { clock, random } = options;
    this.#refreshes = new Refreshes(clock, random);
    const bytes = absentBytesOf(options);
    if (bytes > 0) this.#absent = new AbsentKeys(clock, bytes);
  }

  /** What the keys take of which it is known that there are none. */
  get absentBytes(): number {
    return this.#absent?.bytes ?? 0;
  }

  /** A key is written: what was known of its loads is so no more. */
  forget(key: string, what: "all" | "copies"): void {
    this.#loads.forget(key);
    // Copies are dropped because of an earlier write.
    if (what === "copies") return;
    this.#refreshes.forget(key);
    this.#absent?.delete(key);
  }

  /** The same for all keys. */
  forgetAll(what: "all" | "copies"): void {
    this.#loads.forgetAll();
    if (what === "copies") return;
    this.#refreshes.forgetAll();
    this.#absent?.clear();
  }

  /** Of keys that this process owns no more, it would miss the writes. */
  ringChanged(): void {
    this.#absent?.clear();
  }

  /** Loads nothing in the background any more: the process is about to close. */
  drain(): void {
    this.#draining = true;
  }

  /** Ends every wait, now and from now on, with `reason`. */
  close(reason: unknown): void {
    this.#closed = true;
    this.#cancelRefresh();
    this.#loads.close(reason);
  }

  /**
   * Runs the getter for `key`, or joins the run that is under way. A stale value is
   * answered instead where its windows allow that.
   *
   * @throws {GetterFailure} If the getter threw, unless that says that there is no such
   *   key.
   */
  load(key: string, options?: LoadOptions): Promise<Found> {
    if (this.#absent?.has(key)) {
      this.#counts.negativeHits++;
      return Promise.reject(new NotFoundError(this.#name, key));
    }
    const kept = this.#keeping.canStale ? this.#caches.inspect(key) : undefined;
    if (kept?.use !== "stale" && kept?.use !== "spare") {
      return this.#join(key, options);
    }
    const { softTimeoutMs } = this.#options;
    if (kept.use === "stale") this.answeredStale(key);
    // The source said a moment ago that it has no answer.
    else if (this.#refreshes.isPaused(key)) this.#counts.staleAnswers++;
    else {
      return softTimeoutMs === Infinity
        ? this.#join(key, options)
        : this.#joinFor(softTimeoutMs, key, options);
    }
    return Promise.resolve(this.#keeping.foundIn(key, kept));
  }

  /** Joins the load of `key`, for so long that a value which may be stale comes later. */
  #joinFor(
    softTimeoutMs: number,
    key: string,
    options: LoadOptions | undefined,
  ): Promise<Found> {
    return new Promise((resolve, reject) => {
      const load = this.#join(key, options);
      const ms = Math.max(0, softTimeoutMs - this.#refreshes.runningMs(key));
      const cancel = this.#options.clock.after(ms, () => {
        const kept = this.#keeping.staleOf(key);
        if (kept === undefined || !this.#loads.has(key)) return;
        // The load goes on, with nobody who waits.
        this.#join(key).catch(() => {});
        this.#counts.staleAnswers++;
        resolve(this.#keeping.foundIn(key, kept));
      });
      load.then((found) => {
        cancel();
        resolve(found);
      }, (error) => {
        cancel();
        reject(error);
      });
    });
  }

  #join(key: string, options?: LoadOptions): Promise<Found> {
    return this.#loads.join(key, (flight) => {
      this.#run(key, flight, options).then(
        (found) => {
          flight.resolve(found);
          // Another process had it, and it is to be loaded again.
          if (found.from === "peer" && (found.ttlMs ?? 0) < 0) {
            this.answeredStale(key);
          }
        },
        (error) => flight.reject(error),
      );
    }, options);
  }

  /** A stale value is answered, and is to be loaded again. */
  answeredStale(key: string): void {
    this.#caches.foundStale = false;
    this.#counts.staleAnswers++;
    if (this.#closed || this.#toRefresh.has(key)) return;
    if (this.#loads.has(key) || this.#refreshes.isPaused(key)) return;
    if (this.#toRefresh.size === 0) {
      // Not at once: the caller would wait for what the getter does before its promise.
      this.#cancelRefresh = this.#options.clock.after(
        0,
        () => this.#refresh(),
        true,
      );
    }
    this.#toRefresh.add(key);
  }

  /** Loads again what was answered stale, as far as that can begin at once. */
  #refresh(): void {
    const keys = [...this.#toRefresh];
    this.#toRefresh.clear();
    for (const key of keys) {
      if (this.#draining || this.#loads.has(key)) continue;
      // It may have been written meanwhile.
      if (this.#keeping.staleOf(key) === undefined) continue;
      const isOwner = this.#keeping.owns(key);
      if (!this.#loader.hasRoom(isOwner)) continue;
      this.#counts.refreshes++;
      this.#join(key, { isOwner }).catch(() => {});
    }
  }

  async #run(
    key: string,
    flight: OpenFlight<Found>,
    { isOwner = false, skipPeek = false, isPatient = false }: LoadOptions = {},
  ): Promise<Found> {
    // A load that ended since the caller looked has left its value here.
    const kept = this.#caches.inspect(key);
    if (kept?.use === "fresh") return this.#keeping.foundIn(key, kept);
    let stale = this.#keeping.staleOf(key)?.view;
    const { placement } = this.#options;
    let owner = isOwner ? undefined : placement.ownerOf(key);
    // A refresh never peeks: it would find what is here.
    const peeks = !skipPeek && stale === undefined;
    if (peeks && !this.#recentWrites.has(key)) {
      const copy = placement.copyOf(key, owner, flight);
      if (copy !== undefined) {
        const inherited = await copy;
        if (inherited !== undefined && isOfUse(inherited)) {
          this.#counts.inherited++;
          if (flight.current) this.#keeping.keep(key, inherited, "inherited");
          if (refreshedMsOf(inherited) > 0) {
            return { ...inherited, from: "peer" };
          }
          stale = inherited.value;
        }
        // The list may have changed while the copy was waited for.
        owner = placement.ownerOf(key);
      }
    }
    this.#counts.loadsDeduped++;
    if (stale !== undefined) this.#refreshes.begin(key);
    let loaded: PeerValue;
    try {
      loaded = await this.#load(key, {
        isOwner: owner === undefined,
        isPatient,
        flight,
        stale,
      });
    } catch (error) {
      return this.#failed(key, flight, error);
    }
    // A forgotten flight began before a write and may hold the old value.
    if (flight.current) {
      this.#refreshes.forget(key);
      this.#keeping.keep(key, loaded, "loaded");
    }
    return { ...loaded, from: "load" };
  }

  /**
   * What is answered in place of a load that failed.
   *
   * @throws `error` if there is nothing.
   */
  #failed(key: string, flight: OpenFlight<Found>, error: unknown): Found {
    // There was a write, or nobody waits.
    if (!flight.current) throw error;
    if (isNotFound(error, this.#name, key)) {
      this.#refreshes.forget(key);
      this.#caches.delete(key);
      const { negativeTtlMs } = this.#options;
      if (this.#keeping.owns(key)) this.#absent?.add(key, negativeTtlMs);
      throw error;
    }
    this.#refreshes.failed(key);
    const kept = this.#keeping.staleOf(key);
    if (kept === undefined) throw error;
    this.#counts.staleAnswers++;
    return this.#keeping.foundIn(key, kept);
  }

  /** Calls the getter, and counts how it went. */
  async #load(key: string, request: LoadRequest): Promise<PeerValue> {
    try {
      const loaded = await this.#loader.load(key, request);
      this.#counts.localLoads++;
      const { ttlJitter, random } = this.#options;
      if (ttlJitter === 0 || loaded.ttlMs === undefined) return loaded;
      return { ...loaded, ttlMs: loaded.ttlMs * (1 - ttlJitter * random()) };
    } catch (error) {
      this.#counts.localLoadErrs++;
      throw error;
    }
  }
}

/** What keys that there are not may take of a group's memory. */
export function absentBytesOf(
  { maxBytes, negativeTtlMs }: Pick<LoadsOptions, "maxBytes" | "negativeTtlMs">,
): number {
  return negativeTtlMs > 0 ? maxBytes * ABSENT_SHARE : 0;
}

/** Whether a value from another process's memory may still be answered. */
function isOfUse(inherited: PeerValue): boolean {
  const { ttlMs = Infinity } = inherited;
  // One that has just expired came for those who wait now.
  return ttlMs >= 0 || totalMsOf(inherited) > 0;
}
