/**
 * What a get of the soak may answer: the promises of docs/consistency.md, as
 * `deno task chaos` has them, and the lives of docs/freshness.md.
 *
 * - After a write that resolved, no get that begins later answers an older version.
 * - A version that the source replaced without telling anybody is answered for as long
 *   as its life and its windows, and not longer.
 *
 * @module
 */

import { Promises } from "../chaos/promises.ts";
import { groupOf, MAX_AGE_MS, versionOf } from "./values.ts";

/** How long a load, and an answer on its way, may take until a value has arrived. */
const UNDER_WAY_MS = 3_000;

/** A version, and when the source had it first. */
interface Change {
  readonly version: number;
  readonly at: number;
}

/** How an answer compares with the source. */
export type Verdict = "right" | "wrong" | "removed" | "too old";

/** What the source had, and what was written. */
export class Model {
  /** No write misses a process here: one that does has failed. */
  readonly #promises = new Promises({
    mirrorTtlMs: 0,
    underWayMs: 0,
    ownerOf: () => "",
    isDown: () => false,
  });
  /** The versions of each key from the last one that counts, in order. */
  readonly #changes = new Map<string, Change[]>();
  readonly #newest: (key: string) => number;

  /** @param newest The version that the source has now. */
  constructor(newest: (key: string) => number) {
    this.#newest = newest;
  }

  get writes(): number {
    return this.#promises.counts.resolved;
  }

  /** Notes that the source has a new version now. */
  onChanged(key: string, version: number): void {
    const changes = this.#changes.get(key) ?? [];
    changes.push({ version, at: performance.now() });
    this.#changes.set(key, changes);
  }

  /** Notes that a write resolved after the source had that version. */
  onWritten(key: string, version: number): void {
    this.#promises.onRemoved(key, version, "", []);
  }

  /** The oldest versions that a get may answer if it begins now. */
  oldest(key: string): { written: number; aged: number } {
    return { written: this.#promises.oldest(key), aged: this.#aged(key) };
  }

  /** Compares an answer with what could be answered when its get began. */
  judge(
    key: string,
    text: string,
    oldest: ReturnType<Model["oldest"]>,
  ): Verdict {
    const version = versionOf(key, text);
    if (!(version >= 1 && version <= this.#newest(key))) return "wrong";
    if (version < oldest.written) return "removed";
    return version < oldest.aged ? "too old" : "right";
  }

  #aged(key: string): number {
    const changes = this.#changes.get(key);
    if (changes === undefined || groupOf(key) !== "fresh") return 0;
    const then = performance.now() - MAX_AGE_MS - UNDER_WAY_MS;
    while (changes.length > 1 && changes[1]!.at < then) changes.shift();
    const [first] = changes;
    return first !== undefined && first.at < then ? first.version : 0;
  }
}
