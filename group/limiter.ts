/**
 * Runs a limited number of tasks at a time, and lets the others wait in order.
 *
 * @module
 */

import { BusyError } from "../base/errors.ts";

/** Options for a {@linkcode Limiter}. */
export interface LimiterOptions {
  /** How many tasks may run at a time. */
  max: number;
  /** How many more may wait for their turn. */
  maxWaiting: number;
}

/**
 * Runs a few tasks at a time, and the others in the order in which they came. A task
 * whose signal fires while it runs is not counted any more, even if it goes on.
 */
export class Limiter {
  readonly #options: LimiterOptions;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(options: LimiterOptions) {
    this.#options = options;
  }

  /** How many tasks run. */
  get running(): number {
    return this.#running;
  }

  /** Whether one more would run at once. */
  get hasRoom(): boolean {
    return this.#running + 1 <= this.#options.max;
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Runs a task when its turn has come.
   *
   * @param action What the task is for. The error message begins with it.
   * @param run Is given what hands over its place before it ends.
   * @param isPatient Whether the task waits even if too many wait already.
   * @throws {BusyError} If too many wait already.
   * @throws The signal's reason, if it fires before the task's turn.
   */
  async run<T>(
    action: string,
    run: (leave: () => void) => Promise<T>,
    signal: AbortSignal,
    isPatient = false,
  ): Promise<T> {
    const { maxWaiting } = this.#options;
    const mayWait = isPatient || this.#waiting.size < maxWaiting;
    if (this.hasRoom) this.#running++;
    else if (mayWait) await this.#turn(signal);
    else {
      throw new BusyError(
        `${action}: ${this.#running} such loads run and ${this.#waiting.size} wait`,
      );
    }
    let holds = true;
    const leave = (): void => {
      if (holds) this.#next();
      holds = false;
    };
    signal.addEventListener("abort", leave, { once: true });
    try {
      // It may have fired since the turn came.
      signal.throwIfAborted();
      return await run(leave);
    } finally {
      signal.removeEventListener("abort", leave);
      leave();
    }
  }

  /** Waits until another task hands over its place. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        this.#waiting.delete(go);
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.delete(go);
        reject(signal.reason);
      };
      this.#waiting.add(go);
      signal.addEventListener("abort", leave, { once: true });
      if (signal.aborted) leave();
    });
  }

  /** Hands the place to the task that has waited longest, or frees it. */
  #next(): void {
    for (const go of this.#waiting) return go();
    this.#running--;
  }
}
