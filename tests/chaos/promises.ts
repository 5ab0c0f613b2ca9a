/**
 * What docs/consistency.md promises of each get, written down as a model:
 * the oldest version of a key that a get may still answer.
 *
 * - After a remove that resolved, no get that begins later answers an older
 *   version.
 * - After a remove that rejected and named processes, the old value may be served. If
 *   the key's owner is among them: until it was told or died, and for `mirrorTtlMs`
 *   after that by processes that copied it. Otherwise only as a copy, for
 *   `mirrorTtlMs`.
 * - A value that was under way at that moment, or held by a paused process, becomes a
 *   copy when it arrives: the time of a request and the pause are added.
 *
 * Missed removes are lost with the process that has to tell them; the run ends no
 * process that still has any.
 *
 * @module
 */

/** A write that a process missed. */
interface Debt {
  readonly writer: string;
  readonly missing: string;
  readonly madeAt: number;
  /** When the last old value may have been made; `undefined` if that is not over yet. */
  overAt: number | undefined;
}

interface Write {
  readonly version: number;
  readonly debts: readonly Debt[];
}

/** A time in which one process was paused. */
interface Pause {
  readonly from: number;
  to: number;
}

/** The settings of {@linkcode Promises}. */
export interface PromisesOptions {
  mirrorTtlMs: number;
  /** How long a request may be under way. */
  underWayMs: number;
  ownerOf: (key: string) => string;
  isDown: (node: string) => boolean;
}

/** The promises of the cluster so far; times are those of `performance.now()`. */
export class Promises {
  readonly #options: PromisesOptions;
  /** The writes of each key in order, from the last one that still counts. */
  readonly #writes = new Map<string, Write[]>();
  readonly #open = new Set<Debt>();
  readonly #pauses: Pause[] = [];
  /** How many removes resolved and rejected, and how many processes the latter named. */
  readonly counts = { resolved: 0, rejected: 0, owed: 0 };
  /** How many missed removes each key has: each is one more remove later. */
  readonly debtsOf: Map<string, number> = new Map();

  constructor(options: PromisesOptions) {
    this.#options = options;
  }

  /** How many missed removes were not told yet. */
  get open(): number {
    return this.#open.size;
  }

  /** Notes that a remove of `key` ended and `writer` could not tell the processes in `missed`. */
  onRemoved(
    key: string,
    version: number,
    writer: string,
    missed: readonly string[],
  ): void {
    const madeAt = performance.now();
    const owner = this.#options.ownerOf(key);
    const debts = missed.map((missing): Debt => {
      const isOver = missing !== owner || this.#options.isDown(missing);
      const overAt = isOver ? madeAt : undefined;
      return { writer, missing, madeAt, overAt };
    });
    for (const debt of debts) {
      if (debt.overAt === undefined) this.#open.add(debt);
    }
    this.counts[missed.length === 0 ? "resolved" : "rejected"]++;
    this.counts.owed += missed.length;
    this.debtsOf.set(key, (this.debtsOf.get(key) ?? 0) + missed.length);
    const writes = this.#writes.get(key) ?? [];
    writes.push({ version, debts });
    this.#writes.set(key, writes);
  }

  /** Notes that `missing` was told all that it missed from `writer`, at `since` or later. */
  onSettled(writer: string, missing: string, since: number): void {
    for (const debt of this.#open) {
      const isIt = debt.writer === writer && debt.missing === missing;
      if (isIt && debt.madeAt < since) this.#end(debt);
    }
  }

  /** Notes that a process died with all that it had in memory. */
  onDeath(node: string): void {
    for (const debt of this.#open) if (debt.missing === node) this.#end(debt);
  }

  /** Notes that a process is paused; call the result when it runs again. */
  onPause(): () => void {
    const pause: Pause = { from: performance.now(), to: Infinity };
    this.#pauses.push(pause);
    return () => pause.to = performance.now();
  }

  /** The oldest version that a get of `key` may answer if it begins now. */
  oldest(key: string): number {
    const writes = this.#writes.get(key);
    if (writes === undefined) return 0;
    const now = performance.now();
    for (let i = writes.length - 1; i >= 0; i--) {
      if (!this.#counts(writes[i]!, now)) continue;
      // Older writes do not matter any more.
      writes.splice(0, i);
      return writes[0]!.version;
    }
    return 0;
  }

  #counts({ debts }: Write, now: number): boolean {
    const { mirrorTtlMs, underWayMs } = this.#options;
    return debts.every(({ overAt }) => {
      if (overAt === undefined) return false;
      let end = overAt;
      for (const { from, to } of this.#pauses) {
        if (from <= end + underWayMs && to > end) end = to;
      }
      return now >= end + underWayMs + mirrorTtlMs;
    });
  }

  #end(debt: Debt): void {
    debt.overAt = performance.now();
    this.#open.delete(debt);
  }
}
