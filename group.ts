/**
 * The story of a `get`: memory, then the key's owner, then the getter.
 *
 * @example Values that expire, and keys that are not there
 * ```ts
 * import { Group, NotFoundError } from "@geecache/geecache/group";
 * import { assert, assertEquals, assertRejects } from "@std/assert";
 *
 * const db = new Map([["Tom", "630"]]);
 * const scores = new Group("scores", (name) => {
 *   const score = db.get(name);
 *   return score === undefined ? undefined : { value: score, ttlMs: 60_000 };
 * });
 *
 * assertEquals((await scores.get("Tom")).text(), "630");
 * await assertRejects(() => scores.get("Kurt"), NotFoundError);
 * assert((await scores.getMany(["Tom", "Kurt"])).get("Kurt") instanceof Error);
 * ```
 *
 * @module
 */

import { type BytesLike, type ByteView, promiseOf } from "./base/byte_view.ts";
import type { CacheStats } from "./cache.ts";
import { isNotFound, quote } from "./base/errors.ts";
import { Asking, type AskingContext } from "./group/asking.ts";
import {
  type GroupOptions,
  groupSettingsOf,
  type SetOptions,
  type WriteOptions,
} from "./group/group_options.ts";
import { type BatchGetter, type Getter, toPeerValue } from "./group/getter.ts";
import type { GroupCounts } from "./group/counts.ts";
import type { About, Entry } from "./group/entry.ts";
import { LocalGroup, register } from "./group/local_group.ts";
import { LIFE, type Life } from "./group/life.ts";
import { Placement } from "./group/placement.ts";
import { keyRule } from "./base/names.ts";
import {
  checkList,
  checkOptions,
  checkUnreachable,
  type Names,
  optionsRule,
  signalRule,
} from "./base/checks.ts";
import { Many } from "./group/many.ts";
import type { OpenFlight } from "./group/flights.ts";
import { Writes } from "./group/writes.ts";

// What its users need beside it, for those who import this file alone.
export { type BytesLike, ByteView } from "./base/byte_view.ts";
export type { CacheStats } from "./cache.ts";
export type { Unreachable } from "./base/checks.ts";
export type { Clock } from "./base/clock.ts";
export {
  BusyError,
  LoadError,
  NotFoundError,
  PeerError,
} from "./base/errors.ts";
export type {
  GroupOptions,
  SetOptions,
  WriteOptions,
} from "./group/group_options.ts";
export type {
  BatchContext,
  BatchGetter,
  Getter,
  GetterContext,
  Loaded,
} from "./group/getter.ts";
export type { Life } from "./group/life.ts";
export type { GroupCounts } from "./group/counts.ts";
export type { About, Entry, Origin } from "./group/entry.ts";
export type {
  Peer,
  PeerPicker,
  PeerRequestOptions,
  PeerValue,
} from "./base/peers.ts";

/** Options for {@linkcode Group.get}. */
export interface GetOptions {
  /**
   * Ends this caller's wait, with the signal's reason. The load goes on as long
   * as somebody else waits for it.
   */
  signal?: AbortSignal;
}

const GET_OPTIONS: Names<GetOptions> = { signal: true };

const WRITE_OPTIONS: Names<WriteOptions> = { unreachable: true };
const SET_OPTIONS: Names<SetOptions> = { ...LIFE, unreachable: true };

/** What a group did and holds, at one moment. */
export interface GroupStats extends GroupCounts {
  /** The group's budget, as its options say. */
  maxBytes: number;
  /**
   * All memory that it holds, also for what is no entry: never more than `maxBytes`, once
   * that has room for anything.
   */
  bytes: number;
  /** The store of the keys that this process owns. */
  main: CacheStats;
  /** The store of copies of keys that others own. */
  hot: CacheStats;
}

/**
 * A named set of keys, a getter that loads them, and the memory that keeps them.
 *
 * - A key is loaded once for however many ask for it at the same time.
 * - With `peers`, a key that another process owns is asked of that process; it is
 *   loaded here only when no owner can be reached.
 * - Values are immutable {@linkcode ByteView}s.
 *
 * @example A group of its own, in one process
 * ```ts
 * import { Group } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const db = new Map([["Tom", "630"]]);
 * const scores = new Group("scores", (name) => db.get(name), { maxBytes: 2 << 10 });
 *
 * assertEquals((await scores.get("Tom")).text(), "630");
 * assertEquals(scores.peek("Tom")?.text(), "630");
 * assertEquals(scores.stats().localLoads, 1);
 * ```
 */
export class Group {
  /** The group's name, the same in every process. */
  readonly name: string;
  readonly #local: LocalGroup;
  readonly #writes: Writes;
  readonly #asking: AskingContext;
  readonly #life: Life;

  /**
   * Makes an empty group.
   *
   * @param name Not empty, well-formed Unicode, without `/`, neither `.` nor `..`.
   * @param getter Loads a key that is not in memory, or many keys in one call.
   * @throws {TypeError} If the name or an option is of the wrong kind.
   * @throws {RangeError} If a number is out of range.
   */
  constructor(
    name: string,
    getter: Getter | BatchGetter,
    options: GroupOptions = {},
  ) {
    const settings = groupSettingsOf(name, getter, options);
    const { peers } = settings;
    this.name = name;
    this.#life = settings.life;
    this.#local = new LocalGroup(name, getter, {
      ...settings,
      placement: new Placement(name, peers),
    });
    const { shouldMirror } = settings;
    this.#asking = { local: this.#local, peers, shouldMirror };
    register(this, this.#local);
    this.#writes = new Writes(this.#local, peers, settings.unreachable);
  }

  /**
   * The value of `key`: from memory, from its owner, or from the getter.
   *
   * Aborting `options.signal` ends this caller's wait and nothing else, even if the
   * value is in memory.
   *
   * @throws {TypeError} If the key is empty or not well-formed Unicode.
   * @throws {NotFoundError} If the getter returned `undefined`.
   * @throws {LoadError} If the getter failed in another process, or threw something
   *   that is no `Error`. An `Error` of a getter in this process arrives unchanged.
   * @throws {BusyError} If the key is to be loaded here, and too many loads wait already:
   *   all, with `maxConcurrentLoads`, or those for owners that are out of reach.
   */
  get(key: string, options?: GetOptions): Promise<ByteView> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const view = this.#local.hit(key);
    return view === undefined ? this.#load(key, options) : promiseOf(view);
  }

  /**
   * As {@linkcode Group.get}, with where the value came from and how long it has.
   *
   * @example A value that is stale, and is loaded again in the background
   * ```ts
   * import { type Clock, Group } from "@geecache/geecache";
   * import { assertEquals } from "@std/assert";
   *
   * let time = 0;
   * const clock: Clock = { now: () => time, after: () => () => {} };
   * const scores = new Group("scores", () => "630", {
   *   ttlMs: 60_000,
   *   staleWhileRevalidateMs: 30_000,
   *   clock,
   * });
   *
   * const { from, ttlMs } = await scores.getEntry("Tom");
   * assertEquals([from, ttlMs], ["load", 60_000]);
   * time = 70_000;
   * const later = await scores.getEntry("Tom");
   * assertEquals([later.from, later.ttlMs], ["main", -10_000]);
   * ```
   */
  getEntry(key: string, options?: GetOptions): Promise<Entry> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const entry = this.#local.entry(key);
    if (entry !== undefined) return Promise.resolve(entry);
    const error = this.#keyError(key, "get", options);
    if (error !== undefined) return Promise.reject(error);
    const work = this.#local.beginGet(key);
    const waited = new Promise<Entry>((resolve, reject) => {
      const leave = (): void => {
        leaver?.leave(signal!.reason);
        reject(signal!.reason);
      };
      const end = (): void => signal?.removeEventListener("abort", leave);
      signal?.addEventListener("abort", leave, { once: true });
      const leaver = this.#local.watch(
        key,
        (flight) => this.#ask(key, flight),
        {
          resolve: (value, about) => {
            end();
            resolve({ value, ...about! });
          },
          reject: (error) => {
            end();
            reject(error);
          },
        },
      );
    });
    work?.follow(waited, signal);
    return waited;
  }

  /**
   * As {@linkcode Group.get}, but `undefined` if there is no such key.
   *
   * @throws As `get` does, but no {@linkcode NotFoundError} of this key.
   */
  find(key: string, options?: GetOptions): Promise<ByteView | undefined> {
    return this.get(key, options).catch((error: unknown) => {
      if (isNotFound(error, this.name, key)) return undefined;
      throw error;
    });
  }

  /**
   * The values of several keys, each asked for as by {@linkcode Group.get}. The
   * map has every key once, in the order asked, with its value or the error that
   * `get` would have rejected with.
   *
   * @throws {TypeError} If `keys` is one string, or no iterable.
   * @throws The reason of `options.signal`, if that fires.
   */
  async getMany(
    keys: Iterable<string>,
    options?: GetOptions,
  ): Promise<Map<string, ByteView | Error>> {
    const action = `Cannot get keys of group ${quote(this.name)}`;
    checkList(action, "keys", keys);
    const rule = optionsRule(options, GET_OPTIONS) ?? signalRule(options);
    const signal = options?.signal;
    if (rule !== undefined) throw new TypeError(`${action}: ${rule}`);
    signal?.throwIfAborted();
    const many = new Many();
    // A listener of each key on one signal would take as long as all keys squared.
    const leave = (): void => many.leave(signal!.reason);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      const missing: string[] = [];
      for (const key of keys) {
        if (many.has(key)) continue;
        signal?.throwIfAborted();
        const found = this.#local.hit(key) ?? this.#keyError(key, "get");
        if (found === undefined) missing.push(key);
        many.set(key, found);
      }
      if (missing.length === 0) return await many.all();
      const work = this.#local.beginGet(missing);
      const waited = this.#getMissing(missing, many, signal);
      work?.followMany(waited, signal);
      return await waited;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  /** Those of many keys that are not in memory. */
  async #getMissing(
    keys: readonly string[],
    many: Many,
    signal: AbortSignal | undefined,
  ): Promise<Map<string, ByteView | Error>> {
    for (const key of keys) {
      signal?.throwIfAborted();
      many.wait(
        key,
        (caller) =>
          this.#local.watch(
            key,
            (flight) => this.#ask(key, flight, true),
            caller,
          ),
      );
    }
    const values = await many.all();
    signal?.throwIfAborted();
    return values;
  }

  /**
   * The value of `key` if this process has it in memory, at once: a stale one only
   * within its `staleWhileRevalidateMs`. It does not count as a use.
   */
  peek(key: string): ByteView | undefined {
    return this.#local.peek(key);
  }

  /**
   * Stores a value at the key's owner and removes it everywhere else.
   *
   * @throws {TypeError} If the key, the value or the options are of the wrong kind.
   * @throws {RangeError} If a time is negative or NaN.
   * @throws {AggregateError} If some peers could not be told, and `unreachable` is
   *   `"reject"`; its `errors` name them.
   */
  async set(
    key: string,
    value: BytesLike,
    options?: SetOptions,
  ): Promise<void> {
    this.#check(key, "set");
    const action = `Cannot set ${quote(key)} of group ${quote(this.name)}`;
    checkOptions(action, options, SET_OPTIONS);
    checkUnreachable(action, options?.unreachable);
    const { unreachable: _, ...life } = options ?? {};
    const stored = toPeerValue({ value, ...life }, action, this.#life);
    await this.#writes.set(key, stored, options?.unreachable);
  }

  /**
   * Removes a key everywhere. It need not exist.
   *
   * @throws {TypeError} If the key is empty or not well-formed Unicode.
   * @throws {AggregateError} If some peers could not be told, and `unreachable` is
   *   `"reject"`; its `errors` name them.
   */
  remove(key: string, options?: WriteOptions): Promise<void> {
    return this.removeMany([key], options);
  }

  /**
   * Removes several keys everywhere, with at most two requests to each peer.
   *
   * @throws {TypeError} If `keys` is one string, or a key is empty or not
   *   well-formed Unicode; nothing is removed then.
   * @throws {AggregateError} If some peers could not be told, and `unreachable` is
   *   `"reject"`; its `errors` name them.
   */
  async removeMany(
    keys: Iterable<string>,
    options?: WriteOptions,
  ): Promise<void> {
    const action = `Cannot remove keys of group ${quote(this.name)}`;
    checkList(action, "keys", keys);
    checkOptions(action, options, WRITE_OPTIONS);
    checkUnreachable(action, options?.unreachable);
    const all = [...new Set(keys)];
    for (const key of all) this.#check(key, "remove");
    if (all.length > 0) await this.#writes.remove(all, options?.unreachable);
  }

  /**
   * Removes everything everywhere.
   *
   * @throws {AggregateError} If some peers could not be told, and `unreachable` is
   *   `"reject"`; its `errors` name them.
   */
  async clear(options?: WriteOptions): Promise<void> {
    const action = `Cannot clear group ${quote(this.name)}`;
    checkOptions(action, options, WRITE_OPTIONS);
    checkUnreachable(action, options?.unreachable);
    await this.#writes.clear(options?.unreachable);
  }

  /**
   * The keys that this process holds: main, then hot, each from the least
   * recently used.
   */
  keys(): IterableIterator<string> {
    return this.#local.keys();
  }

  /** What the group did and holds, as a snapshot. */
  stats(): GroupStats {
    return { ...this.#local.counts, ...this.#local.stats() };
  }

  /**
   * Ends every wait for a load with an error, now and later. Writes reject, too. What
   * is in memory can still be read. `HTTPPool.close()` closes all its groups.
   */
  close(): void {
    this.#local.close(
      new Error(
        `Cannot load a key of group ${quote(this.name)}: the group is closed`,
      ),
    );
  }

  #load(key: string, options?: GetOptions): Promise<ByteView> {
    const error = this.#keyError(key, "get", options);
    if (error !== undefined) return Promise.reject(error);
    const work = this.#local.beginGet(key);
    const value = this.#local.join(
      key,
      (flight) => this.#ask(key, flight),
      options,
    );
    work?.follow(value, options?.signal);
    return value;
  }

  /** Asks the owner, then those who stand in for it, then the getter. */
  #ask(
    key: string,
    flight: OpenFlight<ByteView, About>,
    isOneOfMany = false,
  ): void {
    new Asking(this.#asking, key, flight, isOneOfMany).begin();
  }

  #check(key: string, verb: string): void {
    const error = this.#keyError(key, verb);
    if (error !== undefined) throw error;
  }

  #keyError(
    key: string,
    verb: string,
    options?: GetOptions,
  ): Error | undefined {
    const rule = keyRule(key) ?? optionsRule(options, GET_OPTIONS) ??
      signalRule(options);
    return rule === undefined ? undefined : new TypeError(
      `Cannot ${verb} a key of group ${quote(this.name)}: ${rule}`,
    );
  }
}
