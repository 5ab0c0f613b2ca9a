/**
 * Tells observers of the work that somebody waits for: gets that memory cannot answer,
 * calls of getters, questions and writes to peers, and questions of peers that wait for a
 * load. Evictions are told, too.
 *
 * What is answered from memory is counted and never told: look at the stats for that.
 * Work that nobody observes costs one look at a field.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { InContext } from "./context.ts";
import {
  BusyError,
  describe,
  isBusy,
  isDraining,
  isError,
  NotFoundError,
  PeerError,
} from "./errors.ts";
import { readTraceparent } from "./traceparent.ts";

/** A get of one key or of many that are not in memory here. */
export interface GetStart {
  /** The name of the group. */
  group: string;
  /** The keys that are waited for: of `getMany()`, those that were not in memory. */
  keys: readonly string[];
}

/** A call of a getter. */
export interface LoadStart {
  /** The name of the group. */
  group: string;
  /** One key, or those of one call of `loadMany`. */
  keys: readonly string[];
  /**
   * Why: nothing is in memory (`"miss"`), what is there is stale (`"refresh"`), or the
   * owner of the key is out of reach (`"stand-in"`). Of several keys, the first decides.
   */
  reason: "miss" | "refresh" | "stand-in";
}

/** A question or a write to a peer. */
export interface PeerStart {
  /** The peer's origin. */
  peer: string;
  /** `"peek"` asks for what is in the peer's memory, `"get"` also for a load. */
  kind: "get" | "peek" | "set" | "remove" | "clear";
  /** The name of the group. */
  group: string;
  /** The keys; of `"clear"`, none. */
  keys: readonly string[];
}

/** A question of another process that memory did not answer and that waits for a load. */
export interface ServeStart {
  /**
   * The origin that the asker says it has, which may be any text; a program that is no
   * peer says none.
   */
  peer?: string;
  /** The name of the group. */
  group: string;
  /** The key. */
  keys: readonly string[];
  /** The {@linkcode WorkObserver.traceparent} of the question, if the asker sent one. */
  traceparent?: string;
}

/** An entry left memory to make room for another one. */
export interface Eviction {
  /** The name of the group. */
  group: string;
  /** Of the keys that this process owns, or of copies. */
  store: "main" | "hot";
}

/**
 * What came of some work. `"canceled"`: nobody waits any more. `"busy"`: too much is
 * under way. `"draining"`: the peer is about to close. `"unreachable"`: the peer did not
 * answer, or not as a peer does. `"failed"`: the getter threw, here or at the peer.
 */
export type WorkResult =
  | "ok"
  | "not_found"
  | "failed"
  | "busy"
  | "draining"
  | "unreachable"
  | "canceled";

/** How some work ended. */
export interface WorkEnd {
  /** How long it took, in milliseconds. */
  ms: number;
  /** What came of it. Of several keys: of the work as a whole. */
  result: WorkResult;
  /** How many keys ended how. */
  keys: Readonly<Partial<Record<WorkResult, number>>>;
  /** What it failed with, unless it is `"ok"`. */
  error: unknown;
}

/** What observes one piece of work. */
export interface WorkObserver {
  /** Hears of the end, once. */
  end?(end: WorkEnd): void;
  /**
   * Calls a function and returns what that returns. A getter is called through this, and
   * so is a request to a peer that serves nothing else, so that they can run in some
   * asynchronous context, such as that of a span. Of several observers, each calls the
   * next one.
   */
  run?<T>(call: () => T): T;
  /**
   * Of a question to a peer: what it is to the peer that traces it, as `traceparent` of
   * W3C Trace Context, in 55 characters. It travels with the question. Anything else is
   * not sent.
   */
  readonly traceparent?: string | undefined;
}

/**
 * Hears of the work of a pool and its groups. Each method is called when work begins, and
 * may return what hears of its end. What a method throws, or rejects with, is dropped.
 */
export interface PoolObserver {
  /** A get waits, in the context of its caller. */
  get?(start: GetStart): WorkObserver | undefined | void;
  /** A getter is called. */
  load?(start: LoadStart): WorkObserver | undefined | void;
  /** A peer is asked for a key, or told of a write. */
  peer?(start: PeerStart): WorkObserver | undefined | void;
  /**
   * A question of another process waits for a load. Where it is asked in a request that
   * is told to ask again, it ends as `"canceled"` and begins again.
   */
  serve?(start: ServeStart): WorkObserver | undefined | void;
  /** An entry was evicted. */
  evict?(eviction: Eviction): void;
}

/** What each kind of work begins with. */
export interface Starts {
  get: GetStart;
  load: LoadStart;
  peer: PeerStart;
  serve: ServeStart;
}

type Begin<K extends keyof Starts> = (
  start: Starts[K],
) => WorkObserver | undefined | void;

/** The methods of all observers, by name. */
class Methods {
  get: readonly Begin<"get">[] = [];
  load: readonly Begin<"load">[] = [];
  peer: readonly Begin<"peer">[] = [];
  serve: readonly Begin<"serve">[] = [];
  evict: readonly ((eviction: Eviction) => void)[] = [];
}

const NAMES = ["get", "load", "peer", "serve", "evict"] as const;

/**
 * Checks what is to observe.
 *
 * @param action What could not be done. The message begins with it.
 * @throws {TypeError} If it is no object, or has something else for a method.
 */
export function checkObserver(action: string, observer: PoolObserver): void {
  if (typeof observer !== "object" || observer === null) {
    const found = describe(observer);
    throw new TypeError(`${action}: it must be an object: received ${found}`);
  }
  for (const name of NAMES) {
    const method: unknown = observer[name];
    if (method === undefined || typeof method === "function") continue;
    throw new TypeError(
      `${action}: ${name} must be a function: received ${describe(method)}`,
    );
  }
}

/** The observers of a pool, for all rooms that have something to tell. */
export class Watchers {
  #methods = new Methods();

  /** Adds an observer. Returns a function that takes it out again. */
  add(observer: PoolObserver): () => void {
    const methods = this.#methods;
    const stops = NAMES.flatMap((name) => {
      if (observer[name] === undefined) return [];
      // A function of its own: the same observer may be added twice.
      const own = (event: never): unknown => observer[name]!(event);
      const set = (all: readonly unknown[]): void => {
        Object.assign(methods, { [name]: all });
      };
      set([...methods[name], own]);
      return () => set(methods[name].filter((other) => other !== own));
    });
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** From here on, this one has the observers of `other`, now and later. */
  share(other: Watchers): void {
    this.#methods = other.#methods;
  }

  /** Whether anybody observes this. Ask before you build what is told. */
  hear(name: keyof Methods): boolean {
    return this.#methods[name].length > 0;
  }

  /** Some work begins. Tell what is returned of its end, once. */
  begin<K extends keyof Starts>(
    name: K,
    start: Starts[K],
    clock: Clock,
  ): WatchedWork {
    const work = new WatchedWork(start.keys, clock);
    for (const begin of this.#methods[name] as readonly Begin<K>[]) {
      work.watch(begin, start);
    }
    return work;
  }

  evict(eviction: Eviction): void {
    for (const evict of this.#methods.evict) quietly(evict, eviction);
  }
}

/** Without an observer that wants it otherwise. */
const runHere: InContext = (call) => call();

/**
 * Some work that is observed. There is one for each load and question while somebody
 * counts them, so it makes no function that it can do without.
 */
export class WatchedWork {
  /** Those who hear of its end. Nearly always there is one. */
  #first: WorkObserver | undefined;
  #others: WorkObserver[] | undefined;
  readonly #keys: readonly string[];
  readonly #clock: Clock;
  readonly #startedAt: number;
  #isOver = false;
  /** Runs a function as all observers want it to run. */
  run: InContext = runHere;
  /** What travels with a question to a peer: that of the first observer that has one. */
  traceparent: string | undefined;

  constructor(keys: readonly string[], clock: Clock) {
    this.#keys = keys;
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  /** What a later observer returns may rest on the context of those before it. */
  watch<S>(
    begin: (start: S) => WorkObserver | undefined | void,
    start: S,
  ): void {
    const observer = this.run === runHere
      ? quietly(begin, start)
      : this.run(() => quietly(begin, start));
    if (typeof observer !== "object" || observer === null) return;
    if (this.#first === undefined) this.#first = observer;
    else (this.#others ??= []).push(observer);
    this.traceparent ??= quietly(traceparentOf, observer);
    if (observer.run === undefined) return;
    const outer = this.run;
    this.run = outer === runHere
      ? (call) => runBy(observer, call)
      : (call) => outer(() => runBy(observer, call));
  }

  /** It has an answer for each of its keys. */
  done(): void {
    this.#end("ok", { ok: this.#keys.length }, undefined);
  }

  /** It has an answer or an error for each of its keys. */
  doneWith(results: Iterable<WorkResult>): void {
    const keys: Partial<Record<WorkResult, number>> = {};
    for (const result of results) keys[result] = (keys[result] ?? 0) + 1;
    this.#end("ok", keys, undefined);
  }

  /** It failed, with all its keys. */
  fail(error: unknown, result: WorkResult = resultOf(error)): void {
    this.#end(result, { [result]: this.#keys.length }, error);
  }

  /** It ends with a promise. `signal` is that of who waits for it. */
  follow(promise: Promise<unknown>, signal: AbortSignal | undefined): void {
    promise.then(() => this.done(), (error) => this.failFor(signal, error));
  }

  /** It ends with a promise of a value or an error for each of its keys. */
  followMany(
    promise: Promise<ReadonlyMap<string, unknown>>,
    signal: AbortSignal | undefined,
  ): void {
    promise.then((values) => {
      this.doneWith(this.#keys.map((key) => {
        const value = values.get(key);
        return isError(value) ? resultOf(value) : "ok";
      }));
    }, (error) => this.failFor(signal, error));
  }

  /** It failed, or whoever waited for it has left. */
  failFor(signal: AbortSignal | undefined, error: unknown): void {
    this.fail(error, signal?.aborted ? "canceled" : resultOf(error));
  }

  #end(result: WorkResult, keys: WorkEnd["keys"], error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const ms = this.#clock.now() - this.#startedAt;
    const end: WorkEnd = { ms, result, keys, error };
    if (this.#first !== undefined) tellEnd(this.#first, end);
    for (const observer of this.#others ?? []) tellEnd(observer, end);
  }
}

/** What an error of a getter or of a peer says of the work that it ended. */
export function resultOf(error: unknown): WorkResult {
  if (error === undefined) return "ok";
  if (error instanceof NotFoundError) return "not_found";
  if (error instanceof BusyError || isBusy(error)) return "busy";
  if (isDraining(error)) return "draining";
  return error instanceof PeerError ? "unreachable" : "failed";
}

/** An observer must not disturb what it observes. It may be asynchronous. */
function quietly<A, T>(call: (about: A) => T, about: A): T | undefined {
  try {
    const returned = call(about);
    if (returned instanceof Promise) returned.catch(() => {});
    return returned;
  } catch {
    return undefined;
  }
}

/** Calls a function, once, whatever `observer.run()` does: what the call comes to counts. */
function runBy<T>(observer: WorkObserver, call: () => T): T {
  let outcome: { value: T } | { error: unknown } | undefined;
  const callOnce = (): T => {
    if (outcome === undefined) {
      try {
        outcome = { value: call() };
      } catch (error) {
        outcome = { error };
      }
    }
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  };
  quietly(() => observer.run!(callOnce), undefined);
  return callOnce();
}

function traceparentOf({ traceparent }: WorkObserver): string | undefined {
  return readTraceparent(traceparent);
}

function tellEnd(observer: WorkObserver, end: WorkEnd): void {
  quietly((end) => observer.end?.(end), end);
}
