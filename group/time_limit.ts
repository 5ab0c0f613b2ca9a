/**
 * How long one call of a getter may take.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";

/** The limit of one call, whose signal fires when it is reached, or that of the flight. */
export class TimeLimit {
  readonly #flight: { readonly signal: AbortSignal };
  /** Made when the getter first asks for its signal. */
  #controller: AbortController | undefined;
  #error: Error | undefined;

  constructor(flight: { readonly signal: AbortSignal }) {
    this.#flight = flight;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = this.#controller = new AbortController();
      const { signal } = this.#flight;
      if (this.#error !== undefined) controller.abort(this.#error);
      else if (signal.aborted) controller.abort(signal.reason);
      else {
        signal.addEventListener(
          "abort",
          () => controller.abort(signal.reason),
          { once: true },
        );
      }
    }
    return this.#controller.signal;
  }

  /**
   * What `run` comes to, if that is within `ms`. What it comes to later is dropped.
   *
   * @param late Makes the error if it takes longer.
   */
  run<T>(
    clock: Clock,
    ms: number,
    late: () => Error,
    run: () => Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = clock.after(ms, () => {
        this.#error = late();
        // Before the signal fires, or what the getter makes of that would come first.
        reject(this.#error);
        this.#controller?.abort(this.#error);
      });
      // Nobody waits for a call whose flight was given up.
      const { signal } = this.#flight;
      const leave = (): void => cancel();
      signal.addEventListener("abort", leave, { once: true });
      const end = (): void => {
        cancel();
        signal.removeEventListener("abort", leave);
      };
      run().then((value) => {
        end();
        resolve(value);
      }, (error) => {
        end();
        reject(error);
      });
    });
  }
}
