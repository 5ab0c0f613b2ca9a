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

import { type Flight, Flights } from "./flights.ts";

export type { Flight } from "./flights.ts";

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
  readonly #flights = new Flights<K, V>();

  /** How many flights a caller could join. */
  get size(): number {
    return this.#flights.size;
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
    return this.#flights.join(key, (flight) => {
      run(flight).then(
        (value) => flight.resolve(value),
        (error) => flight.reject(error),
      );
    }, options);
  }

  /**
   * Makes the next `do()` for `key` start anew. The old run goes on for the
   * callers that wait for it, and is no longer current.
   *
   * @returns Whether there was a flight to forget.
   */
  forget(key: K): boolean {
    return this.#flights.forget(key);
  }

  /** Forgets the flights of all keys. */
  forgetAll(): void {
    this.#flights.forgetAll();
  }

  /** Ends every wait, now and from now on, with `reason`. */
  close(reason: unknown): void {
    this.#flights.close(reason);
  }
}
