/**
 * A timeout that restarts at each sign of life; the caller or `close()` can abort
 * it.
 *
 * @module
 */

import type { Clock } from "./clock.ts";

/** How many times as long as it may be silent a message may take in all. */
export const MAX_TIMEOUTS = 12;

/**
 * Calls `run` once `ms` are over and what arrived meanwhile was read. A process that was
 * blocked or paused finds its timers first, before what its peers sent in that time, so
 * it listens once more: for as long as the timer was late, at most `ms`.
 *
 * @param inBackground The timer does not keep the process alive.
 * @returns A function that cancels the call.
 */
export function afterListening(
  clock: Clock,
  ms: number,
  run: () => void,
  inBackground = false,
): () => void {
  const due = clock.now() + ms;
  let cancel = clock.after(ms, () => {
    const late = Math.max(0, clock.now() - due);
    cancel = clock.after(Math.min(late, ms), run, inBackground);
  }, inBackground);
  return () => cancel();
}

/** Watches over one wait. */
export class Watchdog {
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  #cancel: () => void = () => {};
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
    this.#cancel = this.#clock.after(ms, run);
  }

  /** Calls `run` once there was no sign of life for `ms`. */
  watch(ms: number, run: () => void): void {
    this.onSignOfLife();
    // One timer, because a timer for each sign would cost more than the rest of
    // the wait.
    const look = (): void => {
      const left = this.#aliveAt + ms - this.#clock.now();
      if (left <= 0) run();
      else this.#cancel = afterListening(this.#clock, left, look);
    };
    this.#cancel = afterListening(this.#clock, ms, look);
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
    this.#cancel();
  }
}
