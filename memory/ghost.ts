/**
 * The hashes of entries that left without having been used.
 *
 * Who comes back soon after that should have stayed. It is a table of numbers with four
 * places for each beginning of a hash. The oldest of four makes room for a new one.
 *
 * @module
 */

/** Places that hashes with the same beginning share. */
const WAYS = 4;

/** The steps in which age is told. */
const AGES = 64;

/** The smallest table. */
const FIRST_PLACES = 64;

/** The bits of a place that tell the hash; the others tell when it came. */
const TAG = 0xffff0000;

/** Remembers about as many hashes as there are places. */
export class Ghost {
  #table: Uint32Array = new Uint32Array(0);
  /** How many came. */
  #count = 0;

  /** The memory that it takes. */
  get bytes(): number {
    return 4 * this.#table.length;
  }

  /** How many hashes it has room for. */
  get places(): number {
    return this.#table.length;
  }

  /** How many bytes a table takes that has room for so many entries, and half as many. */
  static bytesFor(entries: number): number {
    const places = Math.max(FIRST_PLACES, 1.5 * entries);
    return 4 * WAYS * Math.ceil(places / WAYS);
  }

  /** Forgets all, and has so many bytes from now on. */
  resize(bytes: number): void {
    this.#table = new Uint32Array(bytes / 4);
    this.#count = 0;
  }

  add(hash: number): void {
    const table = this.#table;
    if (table.length === 0) return;
    const now = this.#time(this.#count++);
    const first = this.#firstOf(hash);
    let oldest = first;
    let oldestAge = -1;
    for (let at = first; at < first + WAYS; at++) {
      const age = table[at] === 0 ? 0x10000 : (now - table[at]!) & 0xffff;
      if (age > oldestAge) {
        oldest = at;
        oldestAge = age;
      }
    }
    table[oldest] = ((hash & TAG) | now) >>> 0;
  }

  /** Whether `hash` left lately. It is forgotten then. */
  take(hash: number): boolean {
    const table = this.#table;
    if (table.length === 0) return false;
    const now = this.#time(this.#count);
    const first = this.#firstOf(hash);
    for (let at = first; at < first + WAYS; at++) {
      const place = table[at]!;
      if (place === 0 || ((place ^ hash) & TAG) !== 0) continue;
      table[at] = 0;
      return ((now - place) & 0xffff) <= AGES;
    }
    return false;
  }

  /** The time in 16 bits. `AGES` steps of it are as many hashes as there are places. */
  #time(count: number): number {
    const step = Math.max(1, this.#table.length / AGES);
    return Math.floor(count / step) & 0xffff;
  }

  #firstOf(hash: number): number {
    // Places are found by the low bits, and told apart by the high ones.
    return (Math.imul(hash, 0x9e3779b1) >>> 7) % (this.#table.length / WAYS) *
      WAYS;
  }
}
