/**
 * One process's part of a group: its memory, its getter, and what keeps the two
 * consistent.
 *
 * A request from a peer ends here. Before a load this may look into another
 * process's memory, which is answered at once; it never waits for a load there. So
 * no request can wait for a third process.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import { CachePair, type CacheStats, type Source } from "../cache.ts";
import type { Clock } from "../base/clock.ts";
import { Observer } from "../base/observer.ts";
import { Copies } from "./copies.ts";
import { type GroupCounts, noCounts } from "./counts.ts";
import { Popularity } from "./popularity.ts";
import { RecentWrites } from "./recent_writes.ts";
import { WriteOrder } from "./write_order.ts";
import { Loader, type LoadRequest } from "./loader.ts";
import { type BatchGetter, type Getter, GetterFailure } from "./getter.ts";
import type { Leaver, PeerRequestOptions, PeerValue } from "../base/peers.ts";
import type { Placement } from "./placement.ts";
import { Flights, type OpenFlight, type Waiting } from "./flights.ts";

/** What a group is told of a change of the list of peers. */
export interface RingChange {
  /** For how long the last owner of a key is asked for its copy. */
  handoverMs: number;
  /**
   * Whether this process was told of writes until now, as processes that own keys
   * are.
   */
  wasTold: boolean;
  /**
   * How many other processes may keep copies of this one's keys, and tell it of their
   * writes. With none, it keeps no copies on an owner's word.
   */
  others: number;
}

/** The entries of a group's memory, each under the number that `find()` gives. */
export type MemoryEntries = CachePair["entries"];

/** Writes answers that come straight from memory. */
export interface EntryWriter {
  /** @param ttlMs How long the value has left; `undefined`: it does not expire. */
  entry(
    entries: MemoryEntries,
    location: number,
    ttlMs: number | undefined,
    isHot: boolean,
  ): void;
}

/** Options for a {@linkcode LocalGroup}. */
export interface LocalGroupOptions {
  maxBytes: number;
  mirrorTtlMs: number;
  clock: Clock;
  /** How many keys that others own may be loaded at a time. */
  maxStandInLoads: number;
  /** How many loads may run at a time in all. */
  maxConcurrentLoads: number;
  placement: Placement;
}

/** Options for {@linkcode LocalGroup.load}. */
export interface LoadOptions extends PeerRequestOptions {
  /** The caller has just found out that this process owns the key. */
  isOwner?: boolean;
  /** Skip the peek: the owner was just asked for the key and failed. */
  skipPeek?: boolean;
  /** Wait for a turn even if too many others wait already. */
  isPatient?: boolean;
}

/**
 * One process's part of a group, and the receiving half of a `Peer`: what
 * another process asks of this one ends here.
 */
export class LocalGroup {
  readonly name: string;
  readonly #options: LocalGroupOptions;
  readonly #caches: CachePair;
  // Two sets of flights: a peer's request must never join a flight that may wait for
  // a peer, or two processes whose lists disagree would wait for each other.
  readonly #gets = new Flights<string, ByteView>();
  readonly #loads = new Flights<string, PeerValue>();
  readonly #loader: Loader;
  readonly #recentWrites: RecentWrites;
  readonly #order = new WriteOrder();
  readonly #popularity: Popularity;
  readonly #copies = new Copies();
  readonly #onCopyUsed = (key: string): void => this.#copies.used(key);
  /** Whether a copy is kept because its key's owner says that the key is hot. */
  #keepsHot = true;
  #closed = false;
  /** Hears what the group does. The groups of a pool share the pool's. */
  observer: Observer = new Observer();
  /** How many writes there were. A load from before the last one may be old. */
  writes = 0;
  /** Here, because `Group` counts, too. */
  readonly counts: GroupCounts = noCounts();

  constructor(
    name: string,
    getter: Getter | BatchGetter,
    options: LocalGroupOptions,
  ) {
    this.name = name;
    this.#options = options;
    const { maxBytes, mirrorTtlMs, clock } = options;
    this.#caches = new CachePair(maxBytes, clock, (store) => {
      if (!this.observer.hears("eviction")) return;
      this.observer.emit("eviction", { group: name, store });
    });
    this.#recentWrites = new RecentWrites(clock);
    this.#popularity = new Popularity(clock, mirrorTtlMs);
    this.#loader = new Loader(name, getter, options);
  }

  /** The value in memory, as a counted use. */
  hit(key: string): ByteView | undefined {
    this.counts.gets++;
    const view = this.#caches.get(key, this.#onCopyUsed);
    if (view !== undefined) this.counts.cacheHits++;
    return view;
  }

  /** The value in memory; neither a use nor counted. */
  peek(key: string): ByteView | undefined {
    return this.#caches.peek(key);
  }

  /**
   * A peer's question, answered from memory; `undefined`: it has to be loaded.
   *
   * @param served How often the peer's last copy was used since it came.
   */
  answer(key: string, served = 0): PeerValue | undefined {
    this.counts.serverRequests++;
    const view = this.hit(key);
    if (view !== undefined) {
      const value = this.#asPeerValue(view, this.#caches.expiresAt(key));
      return this.handOut(key, value, served);
    }
    this.counts.loads++;
    return undefined;
  }

  /**
   * As `answer()`, for a key whose UTF-8 are the bytes from `from` up to `end`. What is
   * in memory is written by `answers`, without a string, a view or a promise. Returns
   * whether it was; if not, the key has to be loaded.
   */
  answerTo(
    answers: EntryWriter,
    bytes: Uint8Array,
    from: number,
    end: number,
    served: number,
  ): boolean {
    this.counts.serverRequests++;
    this.counts.gets++;
    const caches = this.#caches;
    const at = caches.find(bytes, from, end, this.#onCopyUsed);
    if (at < 0) {
      this.counts.loads++;
      return false;
    }
    this.counts.cacheHits++;
    const { entries } = caches;
    const expiresAt = entries.expiresAt(at);
    // The clock may have moved on since the cache looked at it.
    const ttlMs = expiresAt === Infinity
      ? undefined
      : Math.max(0, expiresAt - this.#options.clock.now());
    const isHot = this.#popularity.isHot(entries.hash(at), served, ttlMs);
    answers.entry(entries, at, ttlMs, isHot);
    return true;
  }

  /**
   * A value as a peer gets it that asked for it, with a word on whether the key is hot.
   * Call it once for each answer: it counts. What a load gave may go to several peers,
   * so it is not changed.
   */
  handOut(key: string, value: PeerValue, served = 0): PeerValue {
    const hash = this.#caches.hashOf(key);
    return this.#popularity.isHot(hash, served, value.ttlMs)
      ? { ...value, isHot: true }
      : value;
  }

  /** How often the last copy of `key` was used, to tell its owner, which is asked now. */
  takeServed(key: string): number {
    return this.#copies.take(key);
  }

  /** Keeps a copy because the key's owner says that it is hot. */
  mirrorHot(key: string, value: PeerValue): void {
    if (!this.#keepsHot) return;
    this.mirror(key, value);
    this.#copies.add(key);
  }

  /** Calls a function of the user's in the context in which the group was made. */
  inContext<T>(run: () => T): T {
    return this.#loader.inContext(run);
  }

  /** Joins the callers that wait for `key`, or starts `begin`, which may wait for peers. */
  join(
    key: string,
    begin: (flight: OpenFlight<ByteView>) => void,
    options?: PeerRequestOptions,
  ): Promise<ByteView> {
    this.counts.loads++;
    Loader.beforeWait();
    return this.#gets.join(key, begin, options);
  }

  /** As `join()`, for a caller that needs no promise. Returns what lets it leave. */
  watch(
    key: string,
    begin: (flight: OpenFlight<ByteView>) => void,
    caller: Waiting<ByteView>,
  ): Leaver | undefined {
    this.counts.loads++;
    Loader.beforeWait();
    return this.#gets.watch(key, begin, caller);
  }

  /**
   * Runs the getter for `key`, or joins the run that is under way.
   *
   * @throws {GetterFailure} If the getter threw, unless that says that there is no such
   *   key.
   */
  load(key: string, options?: LoadOptions): Promise<PeerValue> {
    return this.#loads.join(key, (flight) => {
      this.#run(key, flight, options).then(
        (value) => flight.resolve(value),
        (error) => flight.reject(error),
      );
    }, options);
  }

  /**
   * What memory has of `key`, for a process that owns the key from now on or stands
   * in for this one. It gets the whole life of the value, even if the value is a copy
   * here. Nothing is counted.
   */
  bequeath(key: string): PeerValue | undefined {
    const view = this.#caches.peek(key);
    if (view === undefined) return undefined;
    return this.#asPeerValue(view, this.#caches.ownExpiresAt(key));
  }

  /**
   * The list of peers has changed. Keys no longer owned become copies, and what this
   * process held in an owner's place becomes its own if it is the owner now. For
   * `handoverMs` a key that is removed or set is not asked of its last owner.
   */
  ringChanged({ handoverMs, wasTold, others }: RingChange): void {
    const { mirrorTtlMs } = this.#options;
    this.#caches.ringChanged((key) => this.#owns(key), mirrorTtlMs, wasTold);
    this.#recentWrites.begin(handoverMs);
    this.#popularity.askers = others;
    this.#keepsHot = others > 0;
  }

  /**
   * Keeps a value: in main if this process owns the key, else in hot. Loads under way
   * keep nothing of what they find.
   */
  set(key: string, value: PeerValue): void {
    this.#order.add(key);
    this.#store(key, value);
  }

  /**
   * Keeps a value that another process sent with `given`, a number that it was told
   * here, unless the key was written since. Returns a ticket if the value is to be sent
   * again.
   */
  setAfter(given: string, key: string, value: PeerValue): string | undefined {
    const verdict = this.#order.judge(key, given);
    if (typeof verdict === "object") return verdict.ticket;
    if (verdict === "store") this.#store(key, value);
    return undefined;
  }

  /** What another process is told, to be sent with values later. */
  latestWrite(): string {
    return this.#order.latest();
  }

  #store(key: string, value: PeerValue): void {
    // The older value goes when the new one comes, which may take its place.
    this.#forget(key);
    if (!this.#owns(key)) return this.mirror(key, value);
    this.#tryToKeep("main", key, value.value, value.ttlMs ?? Infinity);
  }

  /** Keeps a copy of somebody else's key, for at most `mirrorTtlMs`. */
  mirror(key: string, { value, ttlMs = Infinity }: PeerValue): void {
    const limit = Math.min(ttlMs, this.#options.mirrorTtlMs);
    this.#tryToKeep("hot", key, value, limit);
  }

  /**
   * Drops a key, or only a copy of it. Loads of it that are under way keep nothing,
   * and its last owner is not asked for its copy.
   */
  remove(key: string, what: "all" | "copies" = "all"): void {
    // Copies are dropped because of an earlier write, and values stay.
    if (what === "all") this.#order.add(key);
    this.#drop(key, what);
  }

  /** Loads of a key that are under way keep nothing. */
  #forget(key: string): void {
    this.writes++;
    this.#recentWrites.add(key);
    this.#gets.forget(key);
    this.#loads.forget(key);
  }

  #drop(key: string, what: "all" | "copies"): void {
    this.#forget(key);
    // How often its copy was used stays known: a hot key that is written stays hot.
    if (what === "all") this.#caches.delete(key);
    else this.#caches.deleteCopy(key);
  }

  /** Drops all keys, or all copies, in the same way. */
  clear(what: "all" | "copies" = "all"): void {
    if (what === "all") this.#order.addAll();
    this.writes++;
    this.#recentWrites.addAll();
    this.#gets.forgetAll();
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
    this.#caches.close();
    this.#gets.close(reason);
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

  #owns(key: string): boolean {
    return this.#options.placement.ownerOf(key) === undefined;
  }

  /** Keeps what was found for a key, as its owner or in the owner's place. */
  #keep(
    key: string,
    { value, ttlMs = Infinity }: PeerValue,
    source: Source,
  ): void {
    if (this.#owns(key)) {
      return this.#tryToKeep("main", key, value, ttlMs, { source });
    }
    const limit = Math.min(ttlMs, this.#options.mirrorTtlMs);
    this.#tryToKeep("hot", key, value, limit, { ownTtlMs: ttlMs, source });
  }

  /** A value that memory has no room for is still an answer, and a write that took effect. */
  #tryToKeep(...entry: Parameters<CachePair["set"]>): void {
    try {
      this.#caches.set(...entry);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#caches.delete(entry[1]);
    }
  }

  async #run(
    key: string,
    flight: OpenFlight<PeerValue>,
    { isOwner = false, skipPeek = false, isPatient = false }: LoadOptions = {},
  ): Promise<PeerValue> {
    // A load that ended since the caller looked has left its value here.
    const view = this.#caches.peek(key);
    if (view !== undefined) {
      return this.#asPeerValue(view, this.#caches.expiresAt(key));
    }
    const { placement } = this.#options;
    let owner = isOwner ? undefined : placement.ownerOf(key);
    if (!skipPeek && !this.#recentWrites.has(key)) {
      const copy = placement.copyOf(key, owner, flight);
      if (copy !== undefined) {
        const inherited = await copy;
        if (inherited !== undefined) {
          this.counts.inherited++;
          if (flight.current) this.#keep(key, inherited, "inherited");
          return inherited;
        }
        // The list may have changed while the copy was waited for.
        owner = placement.ownerOf(key);
      }
    }
    this.counts.loadsDeduped++;
    const loaded = await this.#load(key, {
      isOwner: owner === undefined,
      isPatient,
      flight,
    });
    // A forgotten flight began before a write and may hold the old value.
    if (flight.current) this.#keep(key, loaded, "loaded");
    return loaded;
  }

  /** Calls the getter, and counts and tells how it went. */
  async #load(key: string, request: LoadRequest): Promise<PeerValue> {
    const { clock } = this.#options;
    const startedAt = this.observer.hears("load") ? clock.now() : undefined;
    let error: unknown;
    try {
      const loaded = await this.#loader.load(key, request);
      this.counts.localLoads++;
      return loaded;
    } catch (thrown) {
      error = thrown instanceof GetterFailure ? thrown.error : thrown;
      this.counts.localLoadErrs++;
      throw thrown;
    } finally {
      if (startedAt !== undefined) {
        const ms = clock.now() - startedAt;
        this.observer.emit("load", { group: this.name, key, ms, error });
      }
    }
  }

  #asPeerValue(view: ByteView, expiresAt: number): PeerValue {
    if (expiresAt === Infinity) return { value: view };
    // The clock may have moved on since the cache looked at it.
    const left = expiresAt - this.#options.clock.now();
    return { value: view, ttlMs: Math.max(0, left) };
  }
}

const locals = new WeakMap<object, LocalGroup>();

/** Makes `local` the part of `group` in this process. */
export function register(group: object, local: LocalGroup): void {
  locals.set(group, local);
}

/**
 * A group's part in this process, for those that carry peers' requests to it. It is
 * here, so that `group.ts` exports what is public and nothing else.
 */
export function localOf(group: object): LocalGroup {
  return locals.get(group)!;
}
