/**
 * How long values live, and for how long they may be answered after that.
 *
 * @module
 */

import type { Names } from "../base/checks.ts";
import { describe } from "../base/errors.ts";
import type { PeerValue } from "../base/peers.ts";

/**
 * How long a value lives, and for how long it may be answered after that. Both windows
 * begin when the value goes stale, and overlap. They are those of RFC 5861.
 */
export interface Life {
  /**
   * How long the value is fresh, in milliseconds. 0: it is not kept at all, windows or
   * not. `Infinity`: it never goes stale.
   *
   * @default {Infinity}
   */
  ttlMs?: number;
  /**
   * For how long it is answered at once after that, in milliseconds, while it is loaded
   * again in the background.
   *
   * @default {0}
   */
  staleWhileRevalidateMs?: number;
  /**
   * For how long it is answered after it went stale if the load that should replace it
   * fails, in milliseconds.
   *
   * @default {0}
   */
  staleIfErrorMs?: number;
}

/** The names of the fields of a life. */
export const LIFE: Names<Life> = {
  ttlMs: true,
  staleWhileRevalidateMs: true,
  staleIfErrorMs: true,
};

/**
 * A value with a life, whose gaps `defaults` fill.
 *
 * @param action What could not be done. The message of an error begins with it.
 * @throws {TypeError} If a field is no number.
 * @throws {RangeError} If a field is negative or NaN.
 */
export function withLife(
  value: PeerValue["value"],
  given: Life,
  defaults: Life,
  action: string,
): PeerValue {
  for (const name of Object.keys(LIFE) as (keyof Life)[]) {
    const ms: unknown = given[name];
    if (ms === undefined) continue;
    if (typeof ms !== "number") {
      throw new TypeError(
        `${action}: ${name} must be a number: received ${describe(ms)}`,
      );
    }
    if (!(ms >= 0)) {
      throw new RangeError(
        `${action}: ${name} must be at least 0: received ${ms}`,
      );
    }
  }
  const { ttlMs = defaults.ttlMs ?? Infinity } = given;
  if (ttlMs === Infinity) return { value };
  if (ttlMs === 0) return { value, ttlMs };
  const {
    staleWhileRevalidateMs = defaults.staleWhileRevalidateMs ?? 0,
    staleIfErrorMs = defaults.staleIfErrorMs ?? 0,
  } = given;
  return staleWhileRevalidateMs === 0 && staleIfErrorMs === 0
    ? { value, ttlMs }
    : { value, ttlMs, staleWhileRevalidateMs, staleIfErrorMs };
}

/** How long a value may still be answered while it is loaded again. Below 0: no more. */
export function refreshedMsOf(
  { ttlMs = Infinity, staleWhileRevalidateMs = 0 }: PeerValue,
): number {
  return ttlMs + staleWhileRevalidateMs;
}

/** How long a value may still be answered at all. Below 0: no more. */
export function totalMsOf(
  { ttlMs = Infinity, staleWhileRevalidateMs = 0, staleIfErrorMs = 0 }:
    PeerValue,
): number {
  return ttlMs + Math.max(staleWhileRevalidateMs, staleIfErrorMs);
}

/** Whether a value may be answered after it went stale. */
export function hasWindows(
  { staleWhileRevalidateMs = 0, staleIfErrorMs = 0 }: Life,
): boolean {
  return staleWhileRevalidateMs > 0 || staleIfErrorMs > 0;
}
