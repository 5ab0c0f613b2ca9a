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
import type { Leaver, PeerRequestOptions, PeerValue } from "../base/peers.ts";
import { type WatchedWork, Watchers } from "../base/watchers.ts";
import { CachePair, type CacheStats } from "../cache.ts";
import { Copies } from "./copies.ts";
import { type GroupCounts, noCounts } from "./counts.ts";
import type { About, Entry, Found } from "./entry.ts";
import { Flights, type OpenFlight, type Waiting } from "./flights.ts";
import type { BatchGetter, Getter } from "./getter.ts";
import { Keeping, STALE_MIRROR_MS } from "./keeping.ts";
import { Loader } from "./loader.ts";
import {
  absentBytesOf,
  type LoadOptions,
  Loads,
  type LoadsOptions,
} from "./loads.ts";
import { Popularity } from "./popularity.ts";
import { RecentWrites } from "./recent_writes.ts";
import { WriteOrder } from "./write_order.ts";

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
  /** A stale value, with what is left of its windows. */
  stale(value: PeerValue): void;
}

/** Options for a {@linkcode LocalGroup}. */
export interface LocalGroupOptions extends LoadsOptions {
  mirrorTtlMs: number;
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
  readonly #gets = new Flights<string, ByteView, About>();
  readonly #loads: Loads;
  readonly #keeping: Keeping;
  readonly #loader: Loader;
  readonly #recentWrites: RecentWrites;
  readonly #order = new WriteOrder();
  readonly #popularity: Popularity;
  readonly #copies = new Copies();
  readonly #onCopyUsed = (key: string): void => this.#copies.used(key);
  /** Whether a copy is kept because its key's owner says that the key is hot. */
  #keepsHot = true;
  #closed = false;
  /** How many writes there were. A load from before the last one may be old. */
  writes = 0;
  /** Hear of what the group does. The groups of a pool share the pool's. */
  readonly watchers: Watchers = new Watchers();
  /** Here, because `Group` counts, too. */
  readonly counts: GroupCounts = noCounts();

  constructor(
    name: string,
    getter: Getter | BatchGetter,
    options: LocalGroupOptions,
  ) {
    this.name = name;
    this.#options = options;
    const { maxBytes, mirrorTtlMs, clock, placement } = options;
    const valueBytes = maxBytes === Infinity
      // Less a part of it, that would be no number.
      ? maxBytes
      : maxBytes - absentBytesOf(options);
    this.#caches = new CachePair(valueBytes, clock, (store) => {
      if (this.watchers.hear("evict")) {
        this.watchers.evict({ group: name, store });
      }
    });
    this.#recentWrites = new RecentWrites(clock);
    this.#popularity = new Popularity(clock, mirrorTtlMs);
    this.#loader = new Loader(name, getter, options, this.watchers);
    this.#keeping = new Keeping(this.#caches, placement, mirrorTtlMs);
    this.#loads = new Loads(options, {
      name,
      caches: this.#caches,
      keeping: this.#keeping,
      loader: this.#loader,
      recentWrites: this.#recentWrites,
      counts: this.counts,
    });
  }

  /**
   * The value in memory, as a counted use.
   *
   * @param isPeer Whether another process asks, to which this one is the owner.
   */
  hit(key: string, isPeer = false): ByteView | undefined {
    this.counts.gets++;
    const caches = this.#caches;
    const view = caches.get(key, this.#onCopyUsed, isPeer);
    if (view !== undefined) {
      this.counts.cacheHits++;
      if (caches.foundStale) this.#hitStale(key);
    }
    return view;
  }

  /** As `hit()`, with what is known of the value. */
  entry(key: string): Entry | undefined {
    const value = this.hit(key);
    if (value === undefined) return undefined;
    const { store, ttlMs } = this.#caches.inspect(key)!;
    return { value, from: store, ttlMs };
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
    const view = this.hit(key, true);
    if (view !== undefined) {
      const value = this.#keeping.asPeerValue(
        key,
        view,
        this.#caches.ttlOf(key),
      );
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
    const ttlMs = caches.ttlAt(at);
    if (ttlMs < 0) {
      const key = entries.key(at);
      const value = this.#keeping.asPeerValue(key, entries.view(at), ttlMs);
      answers.stale(this.handOut(key, value, served));
      if (caches.foundStale) this.#hitStale(key);
      return true;
    }
    const leftMs = ttlMs === Infinity ? undefined : ttlMs;
    const isHot = this.#popularity.isHot(entries.hash(at), served, leftMs);
    answers.entry(entries, at, leftMs, isHot);
    // It goes stale at this moment.
    if (caches.foundStale) this.#hitStale(entries.key(at));
    return true;
  }

  /** Memory answered with a stale value. */
  #hitStale(key: string): void {
    this.counts.staleHits++;
    this.#loads.answeredStale(key);
  }

  /**
   * A value as a peer gets it that asked for it, with a word on whether the key is hot.
   * Call it once for each answer: it counts. What a load gave may go to several peers,
   * so it is not changed.
   */
  handOut(key: string, found: PeerValue, served = 0): PeerValue {
    const hash = this.#caches.hashOf(key);
    const { value, ttlMs = Infinity } = found;
    const isStale = ttlMs < 0;
    const lifeMs = isStale ? STALE_MIRROR_MS : ttlMs;
    const isHot = this.#popularity.isHot(hash, served, lifeMs);
    // A copy refreshes nothing, so its windows say only how long a stale one may be used.
    const given: PeerValue = isStale ? { ...found } : { value };
    if (!isStale && ttlMs !== Infinity) given.ttlMs = ttlMs;
    if (isHot) given.isHot = true;
    return given;
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

  /** Keys are about to be waited for. Returns what to tell the end, if it is observed. */
  beginGet(about: string | readonly string[]): WatchedWork | undefined {
    if (!this.watchers.hear("get")) return undefined;
    const keys = typeof about === "string" ? [about] : about;
    const start = { group: this.name, keys };
    return this.watchers.begin("get", start, this.#options.clock);
  }

  /** Joins the callers that wait for `key`, or starts `begin`, which may wait for peers. */
  join(
    key: string,
    begin: (flight: OpenFlight<ByteView, About>) => void,
    options?: PeerRequestOptions,
  ): Promise<ByteView> {
    this.counts.loads++;
    Loader.beforeWait();
    return this.#gets.join(key, begin, options);
  }

  /** As `join()`, for a caller that needs no promise. Returns what lets it leave. */
  watch(
    key: string,
    begin: (flight: OpenFlight<ByteView, About>) => void,
    caller: Waiting<ByteView, About>,
  ): Leaver | undefined {
    this.counts.loads++;
    Loader.beforeWait();
    return this.#gets.watch(key, begin, caller);
  }

  /**
   * Runs the getter for `key`, or joins the run that is under way. A stale value is
   * answered instead where its windows allow that.
   *
   * @throws {GetterFailure} If the getter threw, unless that says that there is no such
   *   key.
   */
  load(key: string, options?: LoadOptions): Promise<Found> {
    return this.#loads.load(key, options);
  }

  /**
   * What memory has of `key`, for a process that owns the key from now on or stands
   * in for this one. Nothing is counted.
   */
  bequeath(key: string): PeerValue | undefined {
    return this.#keeping.bequeath(key);
  }

  /** Keeps a copy of somebody else's key, for at most `mirrorTtlMs`. */
  mirror(key: string, copy: PeerValue): void {
    this.#keeping.mirror(key, copy);
  }

  /**
   * The list of peers has changed. Keys no longer owned become copies, and what this
   * process held in an owner's place becomes its own if it is the owner now. For
   * `handoverMs` a key that is removed or set is not asked of its last owner.
   */
  ringChanged({ handoverMs, wasTold, others }: RingChange): void {
    const { mirrorTtlMs } = this.#options;
    const owns = (key: string): boolean => this.#keeping.owns(key);
    this.#caches.ringChanged(owns, mirrorTtlMs, wasTold);
    this.#loads.ringChanged();
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
    this.#forget(key, "all");
    if (this.#keeping.owns(key)) this.#keeping.keep(key, value, "loaded");
    else this.mirror(key, value);
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
  #forget(key: string, what: "all" | "copies"): void {
    this.writes++;
    this.#recentWrites.add(key);
    this.#gets.forget(key);
    this.#loads.forget(key, what);
  }

  #drop(key: string, what: "all" | "copies"): void {
    this.#forget(key, what);
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
    this.#loads.forgetAll(what);
    if (what === "all") this.#caches.clear();
    else this.#caches.clearCopies();
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Loads nothing in the background any more: the process is about to close. */
  drain(): void {
    this.#loads.drain();
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

  /** What memory holds and did: all of it, and main and hot. */
  stats(): {
    maxBytes: number;
    bytes: number;
    main: CacheStats;
    hot: CacheStats;
  } {
    const { main, hot, bytes } = this.#caches;
    return {
      maxBytes: this.#options.maxBytes,
      bytes: bytes + this.#loads.absentBytes,
      main: main.stats(),
      hot: hot.stats(),
    };
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
