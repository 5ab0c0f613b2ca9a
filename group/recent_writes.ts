/**
 * The keys that were written since the cluster changed.
 *
 * A process that has just become the owner of a key may take a copy from the
 * former owner, but not if the key was removed or set since. The former owner may
 * have missed that write, and would hand out the old value.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { detach } from "../base/keys.ts";

/** With more keys than this, all keys count as written. */
const MAX_KEYS = 100_000;

/** The keys of one group that were written since the last change, for a while. */
export class RecentWrites {
  readonly #clock: Clock;
  /** `undefined` stands for all keys. */
  #written: Set<string> | undefined = new Set();
  /** When the writes may be forgotten; `-Infinity` if none are noted. */
  #until = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Notes the writes of the next `ms`. After a second change within that time,
   * those since the first change still count.
   */
  begin(ms: number): void {
    this.#expire();
    this.#until = this.#clock.now() + ms;
  }

  add(key: string): void {
    this.#expire();
    if (!this.#isActive() || this.#written === undefined) return;
    if (this.#written.has(key)) return;
    this.#written.add(detach(key));
    if (this.#written.size > MAX_KEYS) this.#written = undefined;
  }

  addAll(): void {
    this.#expire();
    if (this.#isActive()) this.#written = undefined;
  }

  /** Whether `key` was written since the change, if that was not long ago. */
  has(key: string): boolean {
    this.#expire();
    if (!this.#isActive()) return false;
    return this.#written === undefined || this.#written.has(key);
  }

  #isActive(): boolean {
    return this.#until !== -Infinity;
  }

  /** Forgets all writes once their time is over. */
  #expire(): void {
    if (!this.#isActive() || this.#clock.now() < this.#until) return;
    this.#written = new Set();
    this.#until = -Infinity;
  }
}
