/**
 * Flights: one run per key, shared by all callers that wait for it.
 *
 * A flight can be told to whoever waits without a promise, which would cost a key from
 * another process as much as all the rest.
 *
 * @module
 */

import type { Leaver } from "../base/peers.ts";

/** A flight, as its run sees it. */
export interface Flight {
  /**
   * Whether the flight was not forgotten. Only then may the run store what it
   * found. A forgotten flight only answers the callers that wait for it.
   */
  readonly current: boolean;
  /** Fires when nobody waits for the flight any more. */
  readonly signal: AbortSignal;
}

/** A caller that waits for a flight. */
export interface Waiting<V, A = unknown> {
  /** @param about What else is known of the value. */
  resolve(value: V, about?: A): void;
  reject(error: unknown): void;
}

/** A flight, as whoever ends it sees it. */
export interface OpenFlight<V, A = unknown> extends Flight, Waiting<V, A> {
  /** Whether nobody waits for it any more. */
  readonly aborted: boolean;
  /** Tells `leaver` when that is so, instead of the one before; cheaper than the signal. */
  onLeave(leaver: Leaver): void;
}

/** What hears of the ends of flights. */
interface Ends<V, A> {
  onSettled(flight: RunningFlight<V, A>): void;
  /** Nobody waits any more. */
  onAbandoned(flight: RunningFlight<V, A>): void;
}

class RunningFlight<V, A> implements OpenFlight<V, A>, Leaver {
  readonly key: unknown;
  current = true;
  settled = false;
  /** How many callers wait. */
  waiting = 0;
  readonly #flights: Ends<V, A>;
  /** Those who hear of its end. Nearly always there is one. */
  #first: Waiting<V, A> | undefined;
  #others: Waiting<V, A>[] | undefined;
  #outcome:
    | { value: V; about: A | undefined }
    | { error: unknown }
    | undefined;
  #promise: Promise<V> | undefined;
  // Made when first asked for: most runs never look at it.
  #controller: AbortController | undefined;
  #aborted: { reason: unknown } | undefined;
  #leaver: Leaver | undefined;

  constructor(key: unknown, flights: Ends<V, A>) {
    this.key = key;
    this.#flights = flights;
  }

  /** One caller waits no more. */
  leave(reason: unknown): void {
    if (--this.waiting > 0 || this.settled) return;
    this.#flights.onAbandoned(this);
    this.abort(reason);
  }

  /** What the flight comes to, for all callers that take it as a promise. */
  get promise(): Promise<V> {
    return this.#promise ??= new Promise((resolve, reject) => {
      this.tell({ resolve, reject });
    });
  }

  /** Tells `caller` what the flight comes to. */
  tell(caller: Waiting<V, A>): void {
    const outcome = this.#outcome;
    if (outcome !== undefined) {
      if ("value" in outcome) caller.resolve(outcome.value, outcome.about);
      else caller.reject(outcome.error);
    } else if (this.#first === undefined) this.#first = caller;
    else (this.#others ??= []).push(caller);
  }

  resolve(value: V, about?: A): void {
    if (this.settled) return;
    this.settled = true;
    this.#flights.onSettled(this);
    this.#outcome = { value, about };
    this.#first?.resolve(value, about);
    for (const caller of this.#others ?? []) caller.resolve(value, about);
  }

  reject(error: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.#flights.onSettled(this);
    this.#outcome = { error };
    this.#first?.reject(error);
    for (const caller of this.#others ?? []) caller.reject(error);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#aborted !== undefined;
  }

  onLeave(leaver: Leaver): void {
    if (this.#aborted) leaver.leave(this.#aborted.reason);
    else this.#leaver = leaver;
  }

  abort(reason: unknown): void {
    this.#aborted = { reason };
    this.#controller?.abort(reason);
    this.#leaver?.leave(reason);
  }
}

/** A map is used for at least this many flights before it is copied. */
const MIN_STARTS = 256;

/** The flights of keys, at most one for each that a caller can join. */
export class Flights<K, V, A = unknown> {
  /** The flight that a caller for the key would join. */
  #current = new Map<K, RunningFlight<V, A>>();
  /** How many more flights may start before the map is copied. */
  #left = MIN_STARTS;
  /** Forgotten flights that somebody still waits for. */
  readonly #forgotten = new Set<RunningFlight<V, A>>();
  #closed: { reason: unknown } | undefined;

  /** How many flights a caller could join. */
  get size(): number {
    return this.#current.size;
  }

  /** Whether there is a flight of `key` that a caller could join. */
  has(key: K): boolean {
    return this.#current.has(key);
  }

  /**
   * Joins the flight of `key`, or starts one that `begin` ends, at once or later.
   *
   * @param options.signal Ends this caller's wait only.
   */
  join(
    key: K,
    begin: (flight: OpenFlight<V, A>) => void,
    options?: { signal?: AbortSignal },
  ): Promise<V> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#closed) return Promise.reject(this.#closed.reason);
    const flight = this.#current.get(key) ?? this.#start(key, begin);
    flight.waiting++;
    if (signal === undefined) return flight.promise;
    return this.#waitUntil(signal, flight);
  }

  /**
   * As `join()`, for a caller that needs no promise. Returns what lets it leave, once.
   */
  watch(
    key: K,
    begin: (flight: OpenFlight<V, A>) => void,
    caller: Waiting<V, A>,
  ): Leaver | undefined {
    if (this.#closed) {
      caller.reject(this.#closed.reason);
      return undefined;
    }
    const flight = this.#current.get(key) ?? this.#start(key, begin);
    flight.waiting++;
    flight.tell(caller);
    return flight;
  }

  /**
   * Makes the next `join()` for `key` start anew. The old run goes on for the
   * callers that wait for it, and is no longer current.
   *
   * @returns Whether there was a flight to forget.
   */
  forget(key: K): boolean {
    const flight = this.#current.get(key);
    if (flight === undefined) return false;
    flight.current = false;
    this.#forgotten.add(flight);
    this.#current.delete(key);
    return true;
  }

  /** Forgets the flights of all keys. */
  forgetAll(): void {
    for (const flight of this.#current.values()) {
      flight.current = false;
      this.#forgotten.add(flight);
    }
    this.#current.clear();
  }

  /** Ends every wait, now and from now on, with `reason`. */
  close(reason: unknown): void {
    this.#closed ??= { reason };
    this.forgetAll();
    for (const flight of [...this.#forgotten]) {
      flight.reject(reason);
      flight.abort(reason);
    }
  }

  #start(
    key: K,
    begin: (flight: OpenFlight<V, A>) => void,
  ): RunningFlight<V, A> {
    const flight = new RunningFlight<V, A>(key, this.#ends);
    if (--this.#left < 0) {
      // Measured: a map whose keys come and go keeps removed values alive through
      // collections, as if its old tables held on to the new ones. A copy does not.
      this.#current = new Map(this.#current);
      this.#left = Math.max(MIN_STARTS, 4 * this.#current.size);
    }
    this.#current.set(key, flight);
    try {
      begin(flight);
    } catch (error) {
      flight.reject(error);
    }
    return flight;
  }

  readonly #ends: Ends<V, A> = {
    onSettled: (flight) => {
      if (flight.current) this.#current.delete(flight.key as K);
      else this.#forgotten.delete(flight);
    },
    onAbandoned: (flight) => {
      const key = flight.key as K;
      if (this.#current.get(key) === flight) this.forget(key);
      this.#forgotten.delete(flight);
    },
  };

  #waitUntil(signal: AbortSignal, flight: RunningFlight<V, A>): Promise<V> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        reject(signal.reason);
        flight.leave(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      // The run may have fired the signal before this listener was there.
      if (signal.aborted) leave();
      flight.tell({
        resolve: (value) => {
          signal.removeEventListener("abort", leave);
          resolve(value);
        },
        reject: (error) => {
          signal.removeEventListener("abort", leave);
          reject(error);
        },
      });
    });
  }
}
