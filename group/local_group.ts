/**
 * One process's part of a group: its memory, its getter, and the fences between
 * them.
 *
 * Nothing here knows of other processes. A request from a peer ends here, so it
 * can never wait for a third process.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import { CachePair, type CacheStats } from "../cache.ts";
import type { Clock } from "../base/clock.ts";
import { describe, LoadError, NotFoundError, quote } from "../base/errors.ts";
import { RecentWrites } from "./recent_writes.ts";
import { Limiter } from "./limiter.ts";
import { type Getter, type Loaded, toPeerValue } from "./getter.ts";
import type { PeerRequestOptions, PeerValue } from "../base/peers.ts";
import { type Flight, SingleFlight } from "./singleflight.ts";

/** What a group did, counted since it was made; the names are groupcache's. */
export interface GroupCounts {
  /** Keys asked for, by callers here and by peers. */
  gets: number;
  /** Keys answered from memory, main or hot. */
  cacheHits: number;
  /** Keys that were not in memory. */
  loads: number;
  /** What those misses began, after joining each other: questions to an owner and calls of the getter. */
  loadsDeduped: number;
  /** Values that a peer answered. */
  peerLoads: number;
  /** Questions that a peer could not answer. */
  peerErrors: number;
  /** Calls of the getter that gave a value. */
  localLoads: number;
  /** Calls of the getter that failed or found no such key. */
  localLoadErrs: number;
  /** Values taken from the memory of a key's last owner, in place of a load. */
  inherited: number;
  /** Keys that peers, or other HTTP clients, asked of this process. */
  serverRequests: number;
}

/** What a {@linkcode LocalGroup} is made of. */
export interface LocalGroupOptions {
  maxBytes: number;
  mirrorTtlMs: number;
  clock: Clock;
  /** Whether this process owns `key`, so that what it loads goes to main. */
  owns: (key: string) => boolean;
  /** The copy of somebody who owned the key until now; `undefined`: there is nobody to ask. */
  inherit: (
    key: string,
    flight: Flight,
  ) => Promise<PeerValue | undefined> | undefined;
  /** How many keys that others own may be loaded at a time. */
  maxStandInLoads: number;
}

/** How many more such loads may wait for their turn. */
const MAX_STAND_IN_QUEUE = 10_000;

/** Options for {@linkcode LocalGroup.load}. */
export interface LoadOptions extends PeerRequestOptions {
  /** Not to ask for the owner's copy: it was just asked for more than that. */
  ownerIsGone?: boolean;
  /** To wait for its turn however many wait already. */
  isPatient?: boolean;
}

/**
 * One process's part of a group, and the receiving half of a `Peer`: what
 * another process asks of this one ends here.
 */
export class LocalGroup {
  readonly name: string;
  readonly #getter: Getter;
  readonly #options: LocalGroupOptions;
  readonly #caches: CachePair;
  // Two flights, because a peer's request must never join one that may wait for
  // a peer: two processes whose lists disagree would wait for each other.
  readonly #asks = new SingleFlight<string, ByteView>();
  readonly #loads = new SingleFlight<string, PeerValue>();
  readonly #standIns: Limiter;
  readonly #recentWrites: RecentWrites;
  #closed = false;
  /** How many writes there were: a load from before the last one may be old. */
  writes = 0;
  /** Kept here for both halves of the group. */
  readonly counts: GroupCounts = {
    gets: 0,
    cacheHits: 0,
    loads: 0,
    loadsDeduped: 0,
    peerLoads: 0,
    peerErrors: 0,
    localLoads: 0,
    localLoadErrs: 0,
    inherited: 0,
    serverRequests: 0,
  };

  constructor(name: string, getter: Getter, options: LocalGroupOptions) {
    this.name = name;
    this.#getter = getter;
    this.#options = options;
    this.#caches = new CachePair(options.maxBytes, options.clock);
    this.#recentWrites = new RecentWrites(options.clock);
    this.#standIns = new Limiter({
      max: options.maxStandInLoads,
      maxWaiting: MAX_STAND_IN_QUEUE,
    });
  }

  /** The value in memory, as a counted use. */
  hit(key: string): ByteView | undefined {
    this.counts.gets++;
    const view = this.#caches.get(key);
    if (view !== undefined) this.counts.cacheHits++;
    return view;
  }

  /** The value in memory; neither a use nor counted. */
  peek(key: string): ByteView | undefined {
    return this.#caches.peek(key);
  }

  /** A peer's question, answered from memory: `undefined` where that has no answer. */
  answer(key: string): PeerValue | undefined {
    this.counts.serverRequests++;
    const view = this.hit(key);
    if (view !== undefined) {
      return this.#asPeerValue(view, this.#caches.expiresAt(key));
    }
    this.counts.loads++;
    return undefined;
  }

  /** A caller's flight: `run` may wait for peers. */
  ask(
    key: string,
    run: (flight: Flight) => Promise<ByteView>,
    options?: PeerRequestOptions,
  ): Promise<ByteView> {
    this.counts.loads++;
    return this.#asks.do(key, run, options);
  }

  /** Runs the getter for `key`, or joins the run that is under way. */
  load(key: string, options?: LoadOptions): Promise<PeerValue> {
    return this.#loads.do(
      key,
      (flight) => this.#run(key, flight, options),
      options,
    );
  }

  /**
   * What memory has, for who owns the key from now on or stands in for this
   * process: with all the life that it has, copy or not. Nothing is counted.
   */
  bequeath(key: string): PeerValue | undefined {
    const view = this.#caches.peek(key);
    if (view === undefined) return undefined;
    return this.#asPeerValue(view, this.#caches.ownExpiresAt(key));
  }

  /**
   * The cluster has changed: what is no longer owned becomes a copy, what was had
   * in place of its owner may be owned now, and for `handoverMs` what was removed
   * or set since is not asked of its last owner.
   *
   * @param wasTold Whether this process was told of writes until now, as those are
   *   that own keys.
   */
  onChange(handoverMs: number, wasTold?: boolean): void {
    const { owns, mirrorTtlMs } = this.#options;
    this.#caches.change(owns, mirrorTtlMs, wasTold);
    this.#recentWrites.begin(handoverMs);
  }

  /**
   * Keeps a value: in main if this process owns the key, else in hot. What loads
   * under way find is not kept after it.
   */
  set(key: string, value: PeerValue): void {
    this.remove(key);
    if (!this.#options.owns(key)) return this.mirror(key, value);
    this.#caches.set("main", key, value.value, value.ttlMs ?? Infinity);
  }

  /** Keeps a copy of somebody else's key, for at most `mirrorTtlMs`. */
  mirror(key: string, { value, ttlMs = Infinity }: PeerValue): void {
    const limit = Math.min(ttlMs, this.#options.mirrorTtlMs);
    this.#caches.set("hot", key, value, limit);
  }

  /**
   * Drops a key, or only a copy or what was had in place of its owner. What loads
   * of it that are under way find is not kept, nor is it taken over.
   */
  remove(key: string, what: "all" | "copies" = "all"): void {
    this.writes++;
    this.#recentWrites.add(key);
    this.#asks.forget(key);
    this.#loads.forget(key);
    if (what === "all") this.#caches.delete(key);
    else this.#caches.deleteCopy(key);
  }

  /** The same with all keys. */
  clear(what: "all" | "copies" = "all"): void {
    this.writes++;
    this.#recentWrites.addAll();
    this.#asks.forgetAll();
    this.#loads.forgetAll();
    if (what === "all") this.#caches.clear();
    else this.#caches.clearCopies();
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Ends every wait, now and from now on, with `reason`. */
  close(reason: unknown): void {
    this.#closed = true;
    this.#asks.close(reason);
    this.#loads.close(reason);
  }

  keys(): IterableIterator<string> {
    return this.#caches.keys();
  }

  /** What main and hot hold and did. */
  stats(): { main: CacheStats; hot: CacheStats } {
    const { main, hot } = this.#caches;
    return { main: main.stats(), hot: hot.stats() };
  }

  /** Keeps what was found for a key; a copy here may be this process's own later on. */
  #keep(
    key: string,
    { value, ttlMs = Infinity }: PeerValue,
    takenOver: boolean,
  ): void {
    if (this.#options.owns(key)) {
      return this.#caches.set("main", key, value, ttlMs, { takenOver });
    }
    const limit = Math.min(ttlMs, this.#options.mirrorTtlMs);
    const copy = { ownTtlMs: ttlMs, takenOver: true };
    this.#caches.set("hot", key, value, limit, copy);
  }

  async #run(
    key: string,
    flight: Flight,
    { ownerIsGone = false, isPatient }: LoadOptions = {},
  ): Promise<PeerValue> {
    // A load that ended since the caller looked has left its value here.
    const view = this.#caches.peek(key);
    if (view !== undefined) {
      return this.#asPeerValue(view, this.#caches.expiresAt(key));
    }
    if (!ownerIsGone && !this.#recentWrites.has(key)) {
      const copy = this.#options.inherit(key, flight);
      const inherited = copy && await copy;
      if (inherited !== undefined) {
        this.counts.inherited++;
        if (flight.current) this.#keep(key, inherited, true);
        return inherited;
      }
    }
    this.counts.loadsDeduped++;
    let loaded: PeerValue;
    try {
      loaded = this.#options.owns(key)
        ? await this.#ask(key, flight)
        : await this.#standIns.run(
          `Cannot load ${quote(key)} of group ${quote(this.name)}, ` +
            "which another process owns",
          () => this.#ask(key, flight),
          flight.signal,
          isPatient,
        );
    } catch (error) {
      this.counts.localLoadErrs++;
      throw error;
    }
    this.counts.localLoads++;
    // A forgotten flight began before a write and may hold the old value.
    // What it found is new, though it be a copy here.
    if (flight.current) this.#keep(key, loaded, false);
    return loaded;
  }

  async #ask(key: string, flight: Flight): Promise<PeerValue> {
    const group = this.name;
    let loaded: Loaded;
    try {
      loaded = await this.#getter(key, {
        group,
        get signal() {
          return flight.signal;
        },
      });
    } catch (error) {
      if (error instanceof Error) throw error;
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

  #asPeerValue(view: ByteView, expiresAt: number): PeerValue {
    if (expiresAt === Infinity) return { value: view };
    // The clock may have moved on since the cache looked at it.
    const left = expiresAt - this.#options.clock.now();
    return { value: view, ttlMs: Math.max(0, left) };
  }
}

/**
 * Each `Group`'s part in this process, for those who carry peers' requests to
 * it. Here, so that `group.ts` exports what is public and nothing else.
 */
export const locals: WeakMap<object, LocalGroup> = new WeakMap();
