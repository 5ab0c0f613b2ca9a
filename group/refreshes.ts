/**
 * When a stale value may be loaded again: not while a load runs, and not soon after one
 * failed.
 *
 * It knows only keys with a stale value at hand whose load runs or failed. There are no
 * timers: whoever asks for the key later starts the next load. A value that has gone
 * takes what is known here with it, so nothing here makes a window longer.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { detach } from "../base/keys.ts";

/** How long a key is left alone after its load failed; twice as long each time. */
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;

/** The share of a pause that chance takes off. */
const JITTER = 0.25;

/** The keys that are remembered, by their number and by their characters. */
const MAX_KEYS = 10_000;
const MAX_CHARACTERS = 1024 * 1024;

/** What is known of one key. */
interface State {
  /** When the load began that runs; `undefined`: none does. */
  startedAt: number | undefined;
  failures: number;
  pausedUntil: number;
}

/** The loads that are to replace stale values of one group. */
export class Refreshes {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #maxKeys: number;
  /** The key whose load began longest ago is first. */
  readonly #keys = new Map<string, State>();
  #characters = 0;

  constructor(clock: Clock, random: () => number, maxKeys: number = MAX_KEYS) {
    this.#clock = clock;
    this.#random = random;
    this.#maxKeys = maxKeys;
  }

  /** A load of `key` begins. */
  begin(key: string): void {
    const known = this.#keys.get(key);
    if (known === undefined) this.#characters += key.length;
    this.#keys.delete(key);
    this.#keys.set(detach(key), {
      startedAt: this.#clock.now(),
      failures: known?.failures ?? 0,
      pausedUntil: -Infinity,
    });
    for (const oldest of this.#keys.keys()) {
      const isMuch = this.#keys.size > this.#maxKeys ||
        this.#characters > MAX_CHARACTERS;
      if (!isMuch) return;
      this.forget(oldest);
    }
  }

  /** The load of `key` failed. */
  failed(key: string): void {
    const known = this.#keys.get(key);
    if (known === undefined) return;
    const ms = Math.min(FIRST_PAUSE_MS * 2 ** known.failures, MAX_PAUSE_MS);
    known.failures++;
    known.startedAt = undefined;
    known.pausedUntil = this.#clock.now() +
      ms * (1 - JITTER * this.#random());
  }

  /** The load of `key` gave a value, was given up, or its key was written. */
  forget(key: string): void {
    if (this.#keys.size === 0) return;
    if (this.#keys.delete(key)) this.#characters -= key.length;
  }

  forgetAll(): void {
    this.#keys.clear();
    this.#characters = 0;
  }

  /** Whether a load of `key` failed so lately that it is not tried again. */
  isPaused(key: string): boolean {
    const known = this.#keys.get(key);
    return known !== undefined && this.#clock.now() < known.pausedUntil;
  }

  /** For how long the load of `key` has run; 0: none does. */
  runningMs(key: string): number {
    const startedAt = this.#keys.get(key)?.startedAt;
    return startedAt === undefined ? 0 : this.#clock.now() - startedAt;
  }
}
