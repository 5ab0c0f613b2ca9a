/**
 * S3-FIFO as its authors describe it (SOSP '23), entry by entry: a small queue of a
 * tenth, a main queue, and a memory of the keys that left the small one unused.
 *
 * @module
 */

import { type Cache, online, type Policy } from "./policy.ts";
import { Queue } from "./queue.ts";

const SMALL = 1;
const MAIN = 2;
const SMALL_SHARE = 0.1;
/** Uses are counted up to here. */
const MOST_USES = 3;
/** An entry that was used more often than this leaves the small queue for the main one. */
const USES_BY_CHANCE = 1;

class S3FIFO implements Cache {
  readonly #room: number;
  readonly #smallRoom: number;
  /** For each key: the queue that it is in, or 0. */
  readonly #queue: Uint8Array;
  readonly #uses: Uint8Array;
  readonly #sizes: Float64Array;
  /** For each key: how many had left the small queue when it did, from 1 on; or 0. */
  readonly #leftAt: Float64Array;
  #left = 0;
  readonly #small = new Queue();
  readonly #main = new Queue();
  #smallHeld = 0;
  #mainHeld = 0;

  constructor(room: number, distinct: number) {
    this.#room = room;
    this.#smallRoom = Math.max(1, room * SMALL_SHARE);
    this.#queue = new Uint8Array(distinct);
    this.#uses = new Uint8Array(distinct);
    this.#sizes = new Float64Array(distinct);
    this.#leftAt = new Float64Array(distinct);
  }

  request(key: number, size: number): boolean {
    if (this.#queue[key] !== 0) {
      if (this.#uses[key]! < MOST_USES) this.#uses[key]!++;
      return true;
    }
    if (size > this.#room) return false;
    while (this.#smallHeld + this.#mainHeld + size > this.#room) this.#evict();
    this.#uses[key] = 0;
    this.#sizes[key] = size;
    if (this.#isRemembered(key)) this.#toMain(key);
    else {
      this.#queue[key] = SMALL;
      this.#small.push(key);
      this.#smallHeld += size;
    }
    return false;
  }

  /** As many keys are remembered as a full main queue has entries. */
  #isRemembered(key: number): boolean {
    const leftAt = this.#leftAt[key]!;
    this.#leftAt[key] = 0;
    const entries = this.#small.length + this.#main.length;
    const remembered = entries * (1 - SMALL_SHARE);
    return leftAt > 0 && this.#left - leftAt < remembered;
  }

  #toMain(key: number): void {
    this.#queue[key] = MAIN;
    this.#main.push(key);
    this.#mainHeld += this.#sizes[key]!;
  }

  #evict(): void {
    const isSmallFull = this.#smallHeld >= this.#smallRoom;
    if (this.#main.length === 0 || (isSmallFull && this.#small.length > 0)) {
      this.#takeFromSmall();
    } else this.#takeFromMain();
  }

  #takeFromSmall(): void {
    const key = this.#small.shift();
    this.#smallHeld -= this.#sizes[key]!;
    if (this.#uses[key]! > USES_BY_CHANCE) {
      this.#uses[key] = 0;
      this.#toMain(key);
      return;
    }
    this.#queue[key] = 0;
    this.#leftAt[key] = ++this.#left;
  }

  #takeFromMain(): void {
    const key = this.#main.shift();
    this.#mainHeld -= this.#sizes[key]!;
    if (this.#uses[key]! > 0) {
      this.#uses[key]!--;
      this.#toMain(key);
    } else this.#queue[key] = 0;
  }
}

export const S3_FIFO: Policy = online(
  "S3-FIFO",
  (room, distinct) => new S3FIFO(room, distinct),
);
