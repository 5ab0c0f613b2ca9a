/**
 * Changes that concern every entry, one entry at a time.
 *
 * A change of the list of peers may make a copy of what was owned, or the other way
 * round. To look at all entries at once would take a second with a few million. So each
 * entry says which changes it has seen. Whoever comes to one that has not seen the last
 * ones makes up for them first. In the background all others follow.
 *
 * @module
 */

import type { Source } from "./source.ts";

/** What happened to all entries. */
export interface Change {
  /** Copies were dropped, and what was inherited. The rest is about nothing else. */
  readonly dropsCopies: boolean;
  /** Whether this process owns a key, by the list that came. */
  readonly owns: (key: string) => boolean;
  /** When copies end of what is not owned any more; `-Infinity`: there are none. */
  readonly copiesUntil: number;
  /** Whether this process was told of writes until then. */
  readonly wasTold: boolean;
}

/** All copies were dropped. */
export const COPIES_DROPPED: Change = {
  dropsCopies: true,
  owns: () => false,
  copiesUntil: -Infinity,
  wasTold: false,
};

/** What is known of an entry that has missed changes. */
export interface Standing {
  isHot: boolean;
  source: Source;
  expiresAt: number;
  readonly ownExpiresAt: number;
}

/** The numbers of changes begin again after so many. */
const NUMBERS = 256;

/** The changes that some entries have not seen. */
export class Changes {
  readonly #missed: Change[] = [];
  /** The last change of the list. What was before it is not known any more. */
  #last: Change | undefined;
  #number = 0;

  /** The number of the last change, 0 to 255. */
  get number(): number {
    return this.#number;
  }

  /** Whether no more fit: all entries must have seen all before the next one. */
  get isFull(): boolean {
    return this.#missed.length === NUMBERS - 1;
  }

  /** Whether there may be entries that have not seen all. */
  get areMissed(): boolean {
    return this.#missed.length > 0;
  }

  add(change: Change): void {
    this.#missed.push(change);
    if (!change.dropsCopies) this.#last = change;
    this.#number = (this.#number + 1) % NUMBERS;
  }

  /** Every entry has seen all changes. */
  seen(): void {
    this.#missed.length = 0;
    this.#last = undefined;
  }

  /**
   * What becomes of an entry whose last change had the number `seen`. Returns whether it
   * stays; `standing` is what it is then.
   */
  apply(seen: number, key: string, standing: Standing, now: number): boolean {
    const missed = this.#missed;
    const count = (this.#number - seen + NUMBERS) % NUMBERS;
    for (let i = missed.length - count; i < missed.length; i++) {
      const change = missed[i]!;
      if (change.dropsCopies) {
        if (standing.isHot || standing.source === "inherited") return false;
        continue;
      }
      // Of a list that was replaced since nobody can say whose the key was. If it was
      // not this process's, the entry must not stay its own.
      const owns = change === this.#last && change.owns(key);
      if (!stays(standing, change, owns, now)) return false;
    }
    return true;
  }
}

function stays(
  standing: Standing,
  { copiesUntil, wasTold }: Change,
  owns: boolean,
  now: number,
): boolean {
  const { isHot, source, ownExpiresAt } = standing;
  if (isHot && source !== "mirrored") {
    if (owns && wasTold && standing.expiresAt > now) {
      standing.isHot = false;
      standing.source = "inherited";
      standing.expiresAt = ownExpiresAt;
    } else {
      // If this process is not the owner now, it may miss writes from here on, so the
      // value must not become its own later.
      standing.source = "mirrored";
    }
  } else if (!isHot && !owns) {
    if (copiesUntil === -Infinity) return false;
    standing.isHot = true;
    standing.source = "mirrored";
    standing.expiresAt = Math.min(copiesUntil, ownExpiresAt);
  }
  return true;
}
