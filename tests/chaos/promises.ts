/**
 * What docs/consistency.md promises of each get, written down as a model:
 * the oldest version of a key that a get may still answer.
 *
 * - After a remove that resolved, no get that begins later answers an older
 *   version.
 * - After one that rejected and named processes, the old value may be served:
 *   where the key's owner is among them, until that one was told or died, and for
 *   `mirrorTtlMs` after that, by whoever copied it; where another process is, a
 *   copy of `mirrorTtlMs` is all that there can be.
 * - What was under way at that moment, or held by a paused process, becomes a
 *   copy when it arrives: the time that a request may take comes on top, and the
 *   pause.
 *
 * What a process owes dies with it; the run ends none that owes anything.
 *
 * @module
 */

/** A write that a process missed. */
interface Debt {
  readonly writer: string;
  readonly missing: string;
  readonly madeAt: number;
  /** From when on nothing old is made any more; `undefined`: not yet. */
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

/** What {@linkcode Promises} are made of. */
export interface PromisesOptions {
  mirrorTtlMs: number;
  /** How long a request may be under way. */
  underWayMs: number;
  ownerOf: (key: string) => string;
  isDown: (node: string) => boolean;
}

/** What the cluster has promised so far; times are those of `performance.now()`. */
export class Promises {
  readonly #options: PromisesOptions;
  /** In order, from the last one that counted on. */
  readonly #writes = new Map<string, Write[]>();
  readonly #open = new Set<Debt>();
  readonly #pauses: Pause[] = [];
  /** Removes that resolved, that rejected, and what the latter named in all. */
  readonly counts = { resolved: 0, rejected: 0, owed: 0 };
  /** Debts of each key: each is a remove more, later on. */
  readonly debtsOf: Map<string, number> = new Map();

  constructor(options: PromisesOptions) {
    this.#options = options;
  }

  /** How many debts were not settled yet. */
  get open(): number {
    return this.#open.size;
  }

  /** A remove of `key` ended: `writer` could not tell those in `missed`. */
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

  /** At `since`, or later, `writer` owed nothing to `missing` any more. */
  onSettled(writer: string, missing: string, since: number): void {
    for (const debt of this.#open) {
      const isIt = debt.writer === writer && debt.missing === missing;
      if (isIt && debt.madeAt < since) this.#end(debt);
    }
  }

  /** That process died, and all that it had in memory with it. */
  onDeath(node: string): void {
    for (const debt of this.#open) if (debt.missing === node) this.#end(debt);
  }

  /** That process is paused. Returns what says that it runs again. */
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
      // What is older does not matter any more.
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
