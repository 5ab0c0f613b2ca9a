/**
 * What an entry is good for at this moment, how long it has, and what of it is handed
 * on.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import type { Clock } from "../base/clock.ts";
import { type Entries, HOT_FLAG, STALE_FLAG } from "./entries.ts";
import { sourceIn } from "./source.ts";

/**
 * What an entry is good for.
 *
 * - `"fresh"`: it is answered.
 * - `"stale"`: it is answered and to be loaded again.
 * - `"spare"`: it is answered if it cannot be loaded.
 * - `"over"`: it is not answered any more.
 */
export type Use = "fresh" | "stale" | "spare" | "over";

/** What is left of a value that is to be handed on, as `PeerValue` has it. */
export interface Bequest {
  readonly view: ByteView;
  readonly ttlMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

/** What entries are good for. Those of at least `STALE` are answered. */
export const USES: readonly Use[] = ["over", "spare", "stale", "fresh"];
export const OVER = 0;
const SPARE = 1;
export const STALE = 2;
const FRESH = 3;

/** Reads how long the entries of a group live. */
export class Lives {
  readonly #entries: Entries;
  readonly #clock: Clock;

  constructor(entries: Entries, clock: Clock) {
    this.#entries = entries;
    this.#clock = clock;
  }

  /** What an entry is good for, as a number of `USES`. */
  use(location: number, isPeer: boolean): number {
    const entries = this.#entries;
    if (this.isOver(location)) return OVER;
    const flags = entries.flags(location);
    if ((flags & STALE_FLAG) === 0) return FRESH;
    const now = this.#clock.now();
    if (now < entries.staleAt(location)) return FRESH;
    const staleUntil = entries.staleUntil(location);
    // The owner answered so a moment ago, and loads the key.
    if (staleUntil === -Infinity) return FRESH;
    // The owner may have a newer one. Whoever holds a mere copy refreshes nothing.
    const mayAnswer = (flags & HOT_FLAG) === 0 ||
      isPeer && sourceIn(flags) !== "mirrored";
    return mayAnswer && now < staleUntil ? STALE : SPARE;
  }

  /** Whether an entry is of no use any more. */
  isOver(location: number): boolean {
    const expiresAt = this.#entries.expiresAt(location);
    return expiresAt !== Infinity && expiresAt <= this.#clock.now();
  }

  /** The time that an entry has left, `Infinity`: no end; below 0: it has been stale for so long. */
  ttl(location: number): number {
    const expiresAt = this.#entries.expiresAt(location);
    const staleAt = this.#entries.staleAt(location);
    // The clock may have moved on since somebody saw that it is live.
    if (staleAt < expiresAt) return staleAt - this.#clock.now();
    return expiresAt === Infinity
      ? Infinity
      : Math.max(0, expiresAt - this.#clock.now());
  }

  /**
   * What of an entry is handed on: all of its life, even if it is a copy here. A stale
   * answer of another process is not.
   */
  bequest(location: number): Bequest | undefined {
    if (this.isOver(location)) return undefined;
    const entries = this.#entries;
    const view = entries.view(location);
    const ownExpiresAt = entries.ownExpiresAt(location);
    const now = this.#clock.now();
    if ((entries.flags(location) & STALE_FLAG) === 0) {
      const ttlMs = ownExpiresAt === Infinity
        ? Infinity
        // The clock may have moved on.
        : Math.max(0, ownExpiresAt - now);
      return { view, ttlMs, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
    }
    const staleAt = entries.staleAt(location);
    const staleUntil = entries.staleUntil(location);
    if (staleUntil === -Infinity) return undefined;
    return {
      view,
      ttlMs: staleAt - now,
      staleWhileRevalidateMs: staleUntil - staleAt,
      staleIfErrorMs: ownExpiresAt - staleAt,
    };
  }
}
