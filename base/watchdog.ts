/**
 * A timeout that restarts at each sign of life; the caller or `close()` can abort
 * it.
 *
 * @module
 */

import type { Clock } from "./clock.ts";

/** Watches over one wait. */
export class Watchdog {
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  #stopTimer: () => void = () => {};
  #aliveAt = 0;
  #reject!: (reason: unknown) => void;
  /**
   * Rejects when the wait is cut short. Race it against the `fetch`, which may
   * ignore its signal.
   */
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
    this.#stopTimer = this.#clock.after(ms, run);
  }

  /** Calls `run` once there was no sign of life for `ms`. */
  watch(ms: number, run: () => void): void {
    this.onSignOfLife();
    // One timer, because a timer for each sign would cost more than the rest of
    // the wait.
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

  /** Stops the timer. Always call it last. */
  end(): void {
    this.#stopTimer();
  }
}
