/**
 * One run per key, shared by all callers that wait for it.
 *
 * Callers that ask for the same key while a run for it is under way share that
 * run, a **flight**. Each caller may leave on its own. The flight's signal fires
 * when the last one has left. After golang/groupcache's `singleflight`, with
 * cancellation and with flights that can be forgotten.
 *
 * @module
 */

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

class RunningFlight<V> implements Flight {
  current = true;
  settled = false;
  waiting = 0;
  readonly promise: Promise<V>;
  resolve!: (value: V) => void;
  reject!: (reason: unknown) => void;
  // Made when first asked for: most runs never look at it.
  #controller: AbortController | undefined;
  #aborted: { reason: unknown } | undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#aborted = { reason };
    this.#controller?.abort(reason);
  }
}

/** A map is used for at least this many flights before it is copied. */
const MIN_STARTS = 256;

/**
 * Runs at most one flight per key at a time.
 *
 * - A caller whose own signal fires leaves: its promise rejects with the
 *   signal's reason, and nobody else notices.
 * - When the last caller leaves, the flight is forgotten and its signal fires.
 *   A caller without a signal never leaves.
 * - Whatever a run throws, synchronously or not, rejects all callers that wait.
 *
 * @example Two callers, one run
 * ```ts
 * import { SingleFlight } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const flights = new SingleFlight<string, number>();
 * let runs = 0;
 * const run = () => Promise.resolve(++runs);
 * assertEquals(
 *   await Promise.all([flights.do("k", run), flights.do("k", run)]),
 *   [1, 1],
 * );
 * ```
 */
export class SingleFlight<K, V> {
  /** The flight that a caller for the key would join. */
  #current = new Map<K, RunningFlight<V>>();
  /** How many more flights may start before the map is copied. */
  #left = MIN_STARTS;
  /** Forgotten flights that somebody still waits for. */
  readonly #forgotten = new Set<RunningFlight<V>>();
  #closed: { reason: unknown } | undefined;

  /** How many flights a caller could join. */
  get size(): number {
    return this.#current.size;
  }

  /**
   * Joins the flight of `key`, or starts one with `run`.
   *
   * @param options.signal Ends this caller's wait only.
   */
  do(
    key: K,
    run: (flight: Flight) => Promise<V>,
    options?: { signal?: AbortSignal },
  ): Promise<V> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#closed) return Promise.reject(this.#closed.reason);
    const flight = this.#current.get(key) ?? this.#start(key, run);
    flight.waiting++;
    if (signal === undefined) return flight.promise;
    return this.#waitUntil(signal, key, flight);
  }

  /**
   * Makes the next `do()` for `key` start anew. The old run goes on for the
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
    for (const flight of this.#forgotten) {
      flight.settled = true;
      flight.reject(reason);
      flight.abort(reason);
    }
    this.#forgotten.clear();
  }

  #start(key: K, run: (flight: Flight) => Promise<V>): RunningFlight<V> {
    const flight = new RunningFlight<V>();
    if (--this.#left < 0) {
      // Measured: a map whose keys come and go keeps removed values alive through
      // collections, as if its old tables held on to the new ones. A copy does not.
      this.#current = new Map(this.#current);
      this.#left = Math.max(MIN_STARTS, 4 * this.#current.size);
    }
    this.#current.set(key, flight);
    const end = (): void => {
      flight.settled = true;
      if (flight.current) this.#current.delete(key);
      else this.#forgotten.delete(flight);
    };
    const resolve = (value: V): void => {
      end();
      flight.resolve(value);
    };
    const reject = (error: unknown): void => {
      end();
      flight.reject(error);
    };
    try {
      run(flight).then(resolve, reject);
    } catch (error) {
      reject(error);
    }
    return flight;
  }

  #waitUntil(
    signal: AbortSignal,
    key: K,
    flight: RunningFlight<V>,
  ): Promise<V> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        reject(signal.reason);
        if (--flight.waiting > 0 || flight.settled) return;
        if (this.#current.get(key) === flight) this.forget(key);
        this.#forgotten.delete(flight);
        flight.abort(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      // The run may have fired the signal before this listener was there.
      if (signal.aborted) leave();
      flight.promise.then((value) => {
        signal.removeEventListener("abort", leave);
        resolve(value);
      }, (error) => {
        signal.removeEventListener("abort", leave);
        reject(error);
      });
    });
  }
}
