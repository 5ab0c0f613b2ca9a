/**
 * The hashes of entries that left without having been used again.
 *
 * What comes back soon after that should have stayed. Each hash has one place in a table
 * of numbers, and a new one overwrites what was there. So the table forgets at random,
 * which is what helps with keys that come round in a long loop: an exact queue would
 * forget each just before it comes.
 *
 * @module
 */

/** The smallest table that is worth having. */
const FIRST_PLACES = 64;

/** The places for each entry that is kept: when there are fewer, and when it has grown. */
const FEWEST = 0.18;
const MOST = 0.35;

/** Remembers about a quarter as many hashes as there are entries. */
export class Ghost {
  #table: Uint32Array = new Uint32Array(0);

  /** The memory that it takes. */
  get bytes(): number {
    return 4 * this.#table.length;
  }

  /** How many bytes it should have for so many entries: more than now, or as many. */
  bytesFor(entries: number): number {
    const { length } = this.#table;
    if (length >= FEWEST * entries) return 4 * length;
    return 4 * Math.max(FIRST_PLACES, Math.ceil(MOST * entries));
  }

  /** Forgets all, and has so many bytes from now on. */
  resize(bytes: number): void {
    this.#table = new Uint32Array(bytes / 4);
  }

  add(hash: number): void {
    const { length } = this.#table;
    if (length > 0) this.#table[hash % length] = hash;
  }

  /** Whether `hash` left lately. It is forgotten then. */
  take(hash: number): boolean {
    const { length } = this.#table;
    if (length === 0) return false;
    const place = hash % length;
    // No hash is taken for another one's, but for 0, which is as good as any.
    if (hash === 0 || this.#table[place] !== hash) return false;
    this.#table[place] = 0;
    return true;
  }
}
