/**
 * What a pool did of late: how long its loads and its questions to peers took, and the
 * last loads by key. It observes the pool only while somebody looks.
 *
 * @module
 */

import type { HTTPPool } from "../../mod.ts";
import { type Counts, Latencies } from "./latencies.ts";
import { MAX_KEY_LENGTH } from "./hottest.ts";

/** A load that ended. */
export interface RecentLoad {
  /** Each load of a process has a higher one than those before. */
  readonly id: number;
  readonly group: string;
  readonly key: string;
  readonly reason: string;
  readonly ms: number;
  readonly result: string;
  /** How long ago it ended: clocks of processes differ. */
  readonly agoMs: number;
}

/** What was recorded. */
export interface Recorded {
  readonly loadMs: Counts;
  readonly peerMs: Counts;
  readonly loads: readonly RecentLoad[];
  /** For how long it has been so. */
  readonly recordedMs: number;
}

/** How many loads are remembered. */
const MAX_LOADS = 100;
/** Nobody looks any more if nobody did for so long. */
const LEASE_MS = 30_000;

/** Records what a pool does, from the first look on. */
export class Recorder {
  readonly #pool: HTTPPool;
  readonly #now: () => number;
  readonly #loadMs: Latencies;
  readonly #peerMs: Latencies;
  #loads: (Omit<RecentLoad, "agoMs"> & { endedAt: number })[] = [];
  #stop: (() => void) | undefined;
  #lookedAt = -Infinity;
  #startedAt = 0;
  #lastId = 0;

  constructor(pool: HTTPPool, now: () => number) {
    this.#pool = pool;
    this.#now = now;
    this.#loadMs = new Latencies(now);
    this.#peerMs = new Latencies(now);
  }

  /** Whether it observes the pool now. */
  get isObserving(): boolean {
    return this.#stop !== undefined;
  }

  /** What was recorded. Goes on recording for a while. */
  look(): Recorded {
    const now = this.#now();
    this.#lookedAt = now;
    if (this.#stop === undefined) {
      this.#stop = this.#observe();
      this.#startedAt = now;
    }
    return {
      loadMs: this.#loadMs.counts(),
      peerMs: this.#peerMs.counts(),
      loads: this.#loads.map(({ endedAt, ...load }) => ({
        ...load,
        agoMs: now - endedAt,
      })),
      recordedMs: now - this.#startedAt,
    };
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#loads = [];
  }

  #observe(): () => void {
    return this.#pool.observe({
      load: ({ group, keys, reason }) => {
        if (!this.#isWatched()) return;
        return {
          end: ({ ms, result }) => {
            this.#loadMs.add(ms);
            for (const key of keys.slice(0, MAX_LOADS)) {
              if (key.length > MAX_KEY_LENGTH) continue;
              const id = ++this.#lastId;
              const endedAt = this.#now();
              this.#loads.push({ id, group, key, reason, ms, result, endedAt });
            }
            this.#loads.splice(0, this.#loads.length - MAX_LOADS);
          },
        };
      },
      peer: () => {
        if (!this.#isWatched()) return;
        return { end: ({ ms }) => this.#peerMs.add(ms) };
      },
    });
  }

  /** Without a timer: the first event after the last look was too long ago ends it. */
  #isWatched(): boolean {
    if (this.#now() - this.#lookedAt < LEASE_MS) return true;
    this.close();
    return false;
  }
}
