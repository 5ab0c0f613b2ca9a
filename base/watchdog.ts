/**
 * A wait that silence, its caller or the end of all cut short.
 *
 * @module
 */

import type { Clock } from "./clock.ts";

/** One wait. */
export class Watchdog {
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  #callOff: () => void = () => {};
  #aliveAt = 0;
  #reject!: (reason: unknown) => void;
  /** Rejects when the wait is cut short: raced, since a `fetch` may not listen. */
  readonly cut: Promise<never> = new Promise((_, reject) => {
    this.#reject = reject;
  });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Calls `run` after `ms`. */
  after(ms: number, run: () => void): void {
    this.#callOff = this.#clock.after(ms, run);
  }

  /** Calls `run` when there was no sign of life for `ms`. */
  watch(ms: number, run: () => void): void {
    this.onSignOfLife();
    // One timer, not one for each sign: they cost more than the rest of a wait.
    const look = (): void => {
      const left = this.#aliveAt + ms - this.#clock.now();
      if (left > 0) this.after(left, look);
      else run();
    };
    this.after(ms, look);
  }

  onSignOfLife(): void {
    this.#aliveAt = this.#clock.now();
  }

  cutShort(reason: unknown): void {
    this.#reject(reason);
    this.#controller.abort(reason);
  }

  /** Nothing is to happen any more: to be called in any case, after all else. */
  end(): void {
    this.#callOff();
  }
}
