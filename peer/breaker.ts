/**
 * Whether a peer is worth asking, and when to look again.
 *
 * A circuit breaker: a peer that failed several times in a row is asked no more.
 * After a pause, longer each time, one probe looks whether it is back; nobody
 * waits for that. After Nygard, "Release It!" (2007).
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
 * What a probe finds. `"well"`: it answers, and has been told all that it missed.
 * `"draining"`: it does, but is about to close, and to be looked at again.
 */
export type Health = "well" | "draining" | "ill";

/** What a {@linkcode Breaker} is made of. */
export interface BreakerOptions {
  clock: Clock;
  /** From 0 to less than 1: spreads the probes of many processes. */
  random: () => number;
  /** Looks how the peer is; see {@linkcode Health}. */
  probe: () => Promise<Health>;
  /** Called when it opens, and when it closes again. */
  onChange: (state: "open" | "closed") => void;
}

/** So many failures in a row open it. */
const FAILURES_TO_OPEN = 3;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;

/** The breaker of one peer. */
export class Breaker {
  readonly #options: BreakerOptions;
  #state: BreakerState = "closed";
  /** In a row. */
  #failures = 0;
  /** In a row, without a good look in between. */
  #pauses = 0;
  #looking = false;
  /** There was a reason to look since it began to. */
  #again = false;
  #ended = false;
  #callOff: (() => void) | undefined;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** The peer answered. */
  succeed(): void {
    // That closes nothing: an answer to what was asked before it opened proves
    // little, the probe will.
    this.#failures = 0;
  }

  /** The peer was silent, or gave no answer. */
  fail(): void {
    // One that has ended is nobody's: its requests were cut short.
    if (this.#ended || this.#state !== "closed") return;
    if (++this.#failures >= FAILURES_TO_OPEN) this.#open();
  }

  /** Sees to it that there will be a probe, be it closed or open. */
  lookLater(): void {
    // What a probe under way has looked at may have changed since.
    if (this.#looking) this.#again = true;
    if (this.#ended || this.#looking || this.#callOff !== undefined) return;
    const { clock, random } = this.#options;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#pauses++, MAX_PAUSE_MS);
    this.#callOff = clock.after(pause * (1 + random()) / 2, () => {
      this.#callOff = undefined;
      this.#look();
    });
  }

  /** Probes no more. */
  end(): void {
    this.#ended = true;
    this.#callOff?.();
    this.#callOff = undefined;
  }

  async #look(): Promise<void> {
    this.#looking = true;
    this.#again = false;
    if (this.#state === "open") this.#state = "half-open";
    const health = await this.#options.probe();
    this.#looking = false;
    if (this.#ended) return;
    // Nothing is cheaper to answer than a probe: one that fails is enough.
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
