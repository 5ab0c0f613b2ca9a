/**
 * What a peer has missed and is to be told.
 *
 * Only removes are owed, never values: a value that arrives late could be older
 * than what it replaces, a remove that arrives late costs a load.
 *
 * @module
 */

/** What is told at a time: some keys of a group; `undefined`: all of them. */
export interface Removal {
  readonly group: string;
  readonly keys: readonly string[] | undefined;
}

/** Past so many keys of one group all of them are owed: a `clear`. */
export const MAX_MISSED_KEYS = 10_000;

/** What one peer is owed. */
export class MissedRemoves {
  readonly #groups = new Map<string, Set<string> | undefined>();
  /** What was taken, and is neither told nor added again yet. */
  readonly #onItsWay = new Map<Removal, ReadonlySet<string> | undefined>();

  /** How many keys, where all of a group's count as one. */
  get size(): number {
    let size = 0;
    for (const keys of this.#groups.values()) size += keys?.size ?? 1;
    for (const keys of this.#onItsWay.values()) size += keys?.size ?? 1;
    return size;
  }

  /** All that is owed, or on its way. */
  *all(): IterableIterator<Removal> {
    for (const [group, keys] of this.#groups) {
      yield { group, keys: keys && [...keys] };
    }
    yield* this.#onItsWay.keys();
  }

  /** Whether a remove of `key` is owed, or on its way. */
  has(group: string, key: string): boolean {
    if (this.#groups.has(group)) {
      const keys = this.#groups.get(group);
      if (keys === undefined || keys.has(key)) return true;
    }
    for (const [debt, keys] of this.#onItsWay) {
      if (debt.group === group && (keys === undefined || keys.has(key))) {
        return true;
      }
    }
    return false;
  }

  /** Owes removes of keys; without keys, of a whole group. */
  add({ group, keys }: Removal): void {
    const before = this.#groups.get(group);
    if (keys === undefined) this.#groups.set(group, undefined);
    else if (before !== undefined) {
      for (const key of keys) before.add(key);
      if (before.size > MAX_MISSED_KEYS) this.#groups.set(group, undefined);
    } else if (!this.#groups.has(group)) {
      this.#groups.set(group, new Set());
      this.add({ group, keys });
    }
  }

  /**
   * Takes what is to be told next; `undefined`: nothing. It ends with
   * {@linkcode MissedRemoves.end}, and what could not be told is to be added again before.
   * What is owed meanwhile is kept apart, since a remove that is on its way may
   * arrive before the write that it does not know of.
   */
  take(): Removal | undefined {
    for (const [group, keys] of this.#groups) {
      this.#groups.delete(group);
      const debt = { group, keys: keys === undefined ? undefined : [...keys] };
      this.#onItsWay.set(debt, keys);
      return debt;
    }
    return undefined;
  }

  /** What was taken was told, or was added again. */
  end(debt: Removal): void {
    this.#onItsWay.delete(debt);
  }
}
