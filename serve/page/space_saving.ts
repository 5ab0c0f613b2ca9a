/**
 * Finds what is counted most often in bounded memory.
 *
 * After Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and Top-k
 * Elements in Data Streams" (ICDT 2005).
 *
 * @module
 */

/** Items that were counted equally often. They are in a list of such, by count. */
interface Bucket {
  readonly count: number;
  readonly items: Set<string>;
  next: Bucket | undefined;
  previous: Bucket | undefined;
}

/** Where an item is, and by how much its count may be too high. */
interface Place {
  readonly bucket: Bucket;
  readonly error: number;
}

/** How often something was counted: at most `count` times, and at least `error` less. */
export interface Counted {
  readonly item: string;
  readonly count: number;
  readonly error: number;
}

/**
 * Counts the `capacity` items that matter. When it is full, a new item takes the place
 * and the count of the one with the lowest. So a count is never too low, and an item
 * that makes up more than one in `capacity` of everything is always there.
 *
 * Each count takes constant time.
 */
export class SpaceSaving {
  readonly #capacity: number;
  readonly #places = new Map<string, Place>();
  #lowest: Bucket | undefined;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** How many items it counts now. */
  get size(): number {
    return this.#places.size;
  }

  /** Counts `item` once more. */
  add(item: string): void {
    const place = this.#places.get(item);
    if (place !== undefined) {
      const { bucket, error } = place;
      this.#put(item, bucket.count + 1, error, bucket);
      this.#leave(item, bucket);
    } else if (this.#places.size < this.#capacity) {
      this.#put(item, 1, 0, undefined);
    } else {
      const lowest = this.#lowest!;
      const [loser] = lowest.items as Iterable<string> as [string];
      this.#put(item, lowest.count + 1, lowest.count, lowest);
      this.#leave(loser, lowest);
      this.#places.delete(loser);
    }
  }

  /** All items, those with the highest counts first. */
  top(): Counted[] {
    const all: Counted[] = [];
    for (let at = this.#lowest; at !== undefined; at = at.next) {
      for (const item of at.items) {
        const { error } = this.#places.get(item)!;
        all.push({ item, count: at.count, error });
      }
    }
    return all.reverse();
  }

  /** Puts `item` into the bucket of `count`, which is next `after` a bucket or the lowest. */
  #put(
    item: string,
    count: number,
    error: number,
    after: Bucket | undefined,
  ): void {
    const next = after === undefined ? this.#lowest : after.next;
    if (next?.count === count) {
      next.items.add(item);
      this.#places.set(item, { bucket: next, error });
      return;
    }
    const bucket = { count, items: new Set([item]), next, previous: after };
    if (next !== undefined) next.previous = bucket;
    if (after === undefined) this.#lowest = bucket;
    else after.next = bucket;
    this.#places.set(item, { bucket, error });
  }

  #leave(item: string, bucket: Bucket): void {
    bucket.items.delete(item);
    if (bucket.items.size > 0) return;
    const { next, previous } = bucket;
    if (next !== undefined) next.previous = previous;
    if (previous === undefined) this.#lowest = next;
    else previous.next = next;
  }
}
