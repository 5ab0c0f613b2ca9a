/**
 * Whether a peer is worth asking, and when to probe it again.
 *
 * A circuit breaker: a peer that failed several times in a row is not asked any more.
 * After a pause, longer each time, one probe checks whether it is back. No caller
 * waits for that probe. After Nygard, "Release It!" (2007).
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";

/**
 * `"closed"`: it is asked. `"open"`: it is not. `"half-open"`: a probe is under
 * way.
 */
export type BreakerState = "closed" | "open" | "half-open";

/**
 * What a probe finds. `"well"`: the peer answers, and has been told all that it
 * missed. `"draining"`: the same, but it is about to close and has to be probed again.
 * `"ill"`: it does not answer.
 */
export type Health = "well" | "draining" | "ill";

/** Options for a {@linkcode Breaker}. */
export interface BreakerOptions {
  clock: Clock;
  /** From 0 to less than 1: spreads the probes of many processes. */
  random: () => number;
  /** Asks the peer how it is. Must not reject. */
  probe: () => Promise<Health>;
  /** Called when it opens, and when it closes again. */
  onChange: (state: "open" | "closed") => void;
}

/** How many failures in a row open the breaker. */
const FAILURES_TO_OPEN = 3;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;

/** The breaker of one peer. */
export class Breaker {
  readonly #options: BreakerOptions;
  #state: BreakerState = "closed";
  /** Failures in a row. */
  #failures = 0;
  /** Pauses since the last probe that found the peer well. */
  #pauses = 0;
  #isProbing = false;
  /** Whether a probe was asked for since the current one began. */
  #again = false;
  #ended = false;
  #cancel: (() => void) | undefined;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Whether nothing has failed since the last answer. */
  get isWell(): boolean {
    return this.#failures === 0 && this.#state === "closed";
  }

  /** The peer answered. */
  succeed(): void {
    // An open breaker stays open: this may answer a question from before it opened.
    // The probe will close it.
    this.#failures = 0;
  }

  /** The peer was silent, or gave no valid answer. */
  fail(): void {
    // After the end its requests were cut short here: the peer did not fail.
    if (this.#ended || this.#state !== "closed") return;
    if (++this.#failures >= FAILURES_TO_OPEN) this.#open();
  }

  /** Schedules a probe, whether open or closed. */
  lookLater(): void {
    // What the current probe has seen may have changed since.
    if (this.#isProbing) this.#again = true;
    if (this.#ended || this.#isProbing || this.#cancel !== undefined) return;
    const { clock, random } = this.#options;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#pauses++, MAX_PAUSE_MS);
    this.#cancel = clock.after(pause * (1 + random()) / 2, () => {
      this.#cancel = undefined;
      this.#probe();
    }, true);
  }

  /** Stops probing for good. */
  end(): void {
    this.#ended = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  async #probe(): Promise<void> {
    this.#isProbing = true;
    this.#again = false;
    if (this.#state === "open") this.#state = "half-open";
    const health = await this.#options.probe();
    this.#isProbing = false;
    if (this.#ended) return;
    // Nothing is cheaper to answer than a probe, so a single failed one opens it.
    if (health === "ill") this.#open();
    else this.#close();
    if (health !== "well") return this.lookLater();
    this.#pauses = 0;
    if (this.#again) this.lookLater();
  }

  #open(): void {
    const wasClosed = this.#state === "closed";
    this.#state = "open";
    this.lookLater();
    if (wasClosed) this.#options.onChange("open");
  }

  #close(): void {
    const wasClosed = this.#state === "closed";
    this.#state = "closed";
    this.#failures = 0;
    if (!wasClosed) this.#options.onChange("closed");
  }
}
