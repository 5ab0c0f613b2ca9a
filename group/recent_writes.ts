/**
 * What was written since the cluster changed.
 *
 * Who has just become the owner of a key may take the copy of the last one, but
 * not if the key was removed or set since: a process that was not reached then
 * would hand on the old value.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";

/** Past so many keys all count as written. */
const MAX_KEYS = 100_000;

/** The keys of one group that were written since the last change, for a while. */
export class RecentWrites {
  readonly #clock: Clock;
  /** `undefined`: all of them. */
  #written: Set<string> | undefined = new Set();
  #until = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The cluster changed, perhaps again: for `ms`, what was written since the first change counts. */
  begin(ms: number): void {
    this.#isDown();
    this.#until = this.#clock.now() + ms;
  }

  add(key: string): void {
    if (this.#isDown() || this.#written === undefined) return;
    if (this.#written.add(key).size > MAX_KEYS) this.addAll();
  }

  addAll(): void {
    if (!this.#isDown()) this.#written = undefined;
  }

  /** Whether `key` was written since the change, if that was not long ago. */
  has(key: string): boolean {
    if (this.#isDown()) return false;
    return this.#written === undefined || this.#written.has(key);
  }

  /** Whether there was no change, or it is long ago; then nothing is kept. */
  #isDown(): boolean {
    if (this.#until === -Infinity) return true;
    if (this.#clock.now() < this.#until) return false;
    this.#written = new Set();
    this.#until = -Infinity;
    return true;
  }
}
