/**
 * What one process keeps of a group's values: for how long, and in which store.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import type { PeerValue } from "../base/peers.ts";
import type { CachePair, KeepOptions, Kept, Source } from "../cache.ts";
import type { Found } from "./entry.ts";
import { hasWindows, refreshedMsOf, totalMsOf } from "./life.ts";
import type { Placement } from "./placement.ts";

/** How long a copy of a stale answer lives: a hot key should not storm its owner. */
export const STALE_MIRROR_MS = 1_000;

/** Keeps the values of one group, and says what of them is left. */
export class Keeping {
  readonly #caches: CachePair;
  readonly #placement: Placement;
  readonly #mirrorTtlMs: number;
  /** Whether a value was kept that can go stale. */
  canStale = false;

  constructor(caches: CachePair, placement: Placement, mirrorTtlMs: number) {
    this.#caches = caches;
    this.#placement = placement;
    this.#mirrorTtlMs = mirrorTtlMs;
  }

  /** Whether this process owns a key. */
  owns(key: string): boolean {
    return this.#placement.ownerOf(key) === undefined;
  }

  /** Keeps what was found for a key, as its owner or in the owner's place. */
  keep(key: string, found: PeerValue, source: Source): void {
    const ttlMs = totalMsOf(found);
    let stale: KeepOptions | undefined;
    if (hasWindows(found)) {
      this.canStale = true;
      const { ttlMs: freshMs = Infinity } = found;
      stale = { freshMs, refreshedMs: refreshedMsOf(found) };
    }
    const { value } = found;
    if (this.owns(key)) {
      return this.#tryToKeep("main", key, value, ttlMs, { source, ...stale });
    }
    const limit = Math.min(ttlMs, this.#mirrorTtlMs);
    const options = { ownTtlMs: ttlMs, source, ...stale };
    this.#tryToKeep("hot", key, value, limit, options);
  }

  /** A value that memory has no room for is still an answer, and a write that took effect. */
  #tryToKeep(...entry: Parameters<CachePair["set"]>): void {
    try {
      this.#caches.set(...entry);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#caches.delete(entry[1]);
    }
  }

  /**
   * Keeps a copy of somebody else's key, for at most `mirrorTtlMs`, and a stale one not
   * for long: its owner loads the key.
   */
  mirror(key: string, copy: PeerValue): void {
    const { value, ttlMs = Infinity } = copy;
    const mirrorTtlMs = this.#mirrorTtlMs;
    if (ttlMs >= 0) {
      return this.#tryToKeep("hot", key, value, Math.min(ttlMs, mirrorTtlMs));
    }
    const leftMs = Math.min(totalMsOf(copy), STALE_MIRROR_MS, mirrorTtlMs);
    this.#tryToKeep("hot", key, value, leftMs, { freshMs: ttlMs });
  }

  /**
   * What memory has of `key`, for a process that owns the key from now on or stands
   * in for this one. It gets the whole life of the value, even if the value is a copy
   * here. Nothing is counted.
   */
  bequeath(key: string): PeerValue | undefined {
    const left = this.#caches.bequest(key);
    if (left === undefined) return undefined;
    const { view: value, ttlMs, ...windows } = left;
    if (ttlMs === Infinity) return { value };
    return hasWindows(windows)
      ? { value, ttlMs, ...windows }
      : { value, ttlMs };
  }

  /** The stale value of `key`, if its windows allow that it is answered. */
  staleOf(key: string): Kept | undefined {
    const kept = this.canStale ? this.#caches.inspect(key) : undefined;
    return kept?.use === "stale" || kept?.use === "spare" ? kept : undefined;
  }

  /** What memory has, as it is answered. */
  foundIn(key: string, { view, store, ttlMs }: Kept): Found {
    return { ...this.asPeerValue(key, view, ttlMs), from: store };
  }

  /** What is in memory, as it is answered: a stale value with its windows. */
  asPeerValue(key: string, value: ByteView, ttlMs: number): PeerValue {
    if (ttlMs === Infinity) return { value };
    if (ttlMs >= 0) return { value, ttlMs };
    const { staleWhileRevalidateMs = 0, staleIfErrorMs = 0 } =
      this.#caches.bequest(key) ?? {};
    return { value, ttlMs, staleWhileRevalidateMs, staleIfErrorMs };
  }
}
