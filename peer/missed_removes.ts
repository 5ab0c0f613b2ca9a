/**
 * The removals that a peer missed and has to be told.
 *
 * Removals only, never values: a value that arrives late could be older than what it
 * replaces, while a removal that arrives late costs a load.
 *
 * @module
 */

import { detach } from "../base/keys.ts";

/** Some keys of a group to be dropped; `undefined`: all of them. */
export interface Removal {
  readonly group: string;
  readonly keys: readonly string[] | undefined;
}

/** If it missed more keys of a group than this, the peer is told to drop all of them. */
export const MAX_MISSED_KEYS = 10_000;

/** The removals that one peer missed. */
export class MissedRemoves {
  readonly #groups = new Map<string, Set<string> | undefined>();
  /** Removals that were taken, and are neither told nor added again yet. */
  readonly #onItsWay = new Map<Removal, ReadonlySet<string> | undefined>();

  /** How many keys; all keys of a group count as one. */
  get size(): number {
    let size = 0;
    for (const keys of this.#groups.values()) size += keys?.size ?? 1;
    for (const keys of this.#onItsWay.values()) size += keys?.size ?? 1;
    return size;
  }

  /** All of them, those on their way included. */
  *all(): IterableIterator<Removal> {
    for (const [group, keys] of this.#groups) {
      yield { group, keys: keys && [...keys] };
    }
    yield* this.#onItsWay.keys();
  }

  /** Whether a removal of `key` was missed, or is on its way now. */
  has(group: string, key: string): boolean {
    if (this.#groups.has(group)) {
      const keys = this.#groups.get(group);
      if (keys === undefined || keys.has(key)) return true;
    }
    for (const [removal, keys] of this.#onItsWay) {
      if (removal.group === group && (keys === undefined || keys.has(key))) {
        return true;
      }
    }
    return false;
  }

  /** Adds removed keys; without keys, a whole group. */
  add({ group, keys }: Removal): void {
    const before = this.#groups.get(group);
    if (keys === undefined) this.#groups.set(group, undefined);
    else if (before !== undefined) {
      for (const key of keys) {
        if (!before.has(key)) before.add(detach(key));
      }
      if (before.size > MAX_MISSED_KEYS) this.#groups.set(group, undefined);
    } else if (!this.#groups.has(group)) {
      this.#groups.set(group, new Set());
      this.add({ group, keys });
    }
  }

  /**
   * Takes the next removal to tell; `undefined`: there is none. Call
   * {@linkcode MissedRemoves.end} afterwards; if the peer could not be told, add the
   * removal again first. What is added meanwhile is kept apart: the one on its way
   * may arrive before a write that it does not know about.
   */
  take(): Removal | undefined {
    for (const [group, keys] of this.#groups) {
      this.#groups.delete(group);
      const removal = {
        group,
        keys: keys === undefined ? undefined : [...keys],
      };
      this.#onItsWay.set(removal, keys);
      return removal;
    }
    return undefined;
  }

  /** A removal that was taken has been told, or was added again. */
  end(removal: Removal): void {
    this.#onItsWay.delete(removal);
  }
}
