/**
 * Objects for the entries that are used most: a view that keeps its promise, so that a
 * hit makes nothing.
 *
 * Their number is bounded, and a new one takes the place of one that was not used since
 * the hand last passed it. What they hold is in the arena, too.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import { detach } from "../base/keys.ts";

/** What an object, its key, its view and its promise were measured to take. */
const OBJECT_BYTES = 400;

/** Added for a value that is too long to be packed into a string. */
const BUFFER_BYTES = 400;

/** However much memory there is, V8's collector has to look at these objects. */
const MAX_BYTES = 64 * 1024 * 1024;

/** The share of a budget. */
const SHARE = 1 / 8;

/** An object may take this part of it. */
const MAX_PART = 1 / 16;

/** Once the front is full, a new object is considered so seldom. */
const SELDOM = 4;

/** An entry as an object. */
export interface FrontObject {
  readonly key: string;
  readonly view: ByteView;
  /** Where its entry is in the arena. */
  location: number;
  /** What the entry says, so that a hit need not look there. */
  expiresAt: number;
  isHot: boolean;
  epoch: number;
  /** Whether it was used since the hand passed. */
  isUsed: boolean;
  /** Whether it was used since the arena asked. */
  wasUsed: boolean;
  readonly bytes: number;
  /** Its place on the ring. */
  place: number;
}

/** The objects of a group. */
export class FrontObjects {
  readonly maxBytes: number;
  readonly #objects = new Map<string, FrontObject>();
  readonly #ring: FrontObject[] = [];
  #hand = 0;
  #tries = 0;
  #bytes = 0;

  /** @param budget The budget of the group. */
  constructor(budget: number) {
    this.maxBytes = Math.min(MAX_BYTES, budget * SHARE);
  }

  /** What all of them take. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#ring.length;
  }

  get(key: string): FrontObject | undefined {
    return this.#objects.get(key);
  }

  /** What an object would take. */
  bytesOf(key: string, { byteLength }: ByteView): number {
    const buffer = byteLength > 256 ? BUFFER_BYTES : 0;
    return OBJECT_BYTES + buffer + 2 * key.length + byteLength;
  }

  /**
   * Whether an object of so many bytes may be added, if another one goes.
   *
   * @param drop Takes the other one out, by `delete()`.
   */
  admits(bytes: number, drop: (other: FrontObject) => void): boolean {
    if (this.#bytes + bytes <= this.maxBytes) return true;
    if (bytes > this.maxBytes * MAX_PART) return false;
    // To take turns as often as there are hits would make garbage for nothing.
    if (++this.#tries % SELDOM !== 0) return false;
    if (this.#hand >= this.#ring.length) this.#hand = 0;
    const other = this.#ring[this.#hand]!;
    if (other.isUsed) {
      other.isUsed = false;
      other.wasUsed = true;
      this.#hand++;
    } else drop(other);
    return this.#bytes + bytes <= this.maxBytes;
  }

  /** Adds an object for an entry that has none, and has just been used. */
  add(
    key: string,
    view: ByteView,
    { location, expiresAt, isHot, epoch }: Pick<
      FrontObject,
      "location" | "expiresAt" | "isHot" | "epoch"
    >,
  ): void {
    const bytes = this.bytesOf(key, view);
    const object: FrontObject = {
      key: detach(key),
      view,
      location,
      expiresAt,
      isHot,
      epoch,
      isUsed: true,
      wasUsed: false,
      bytes,
      place: this.#ring.length,
    };
    this.#objects.set(object.key, object);
    this.#ring.push(object);
    this.#bytes += bytes;
  }

  delete(object: FrontObject): void {
    this.#objects.delete(object.key);
    const last = this.#ring.pop()!;
    if (last !== object) {
      this.#ring[object.place] = last;
      last.place = object.place;
    }
    this.#bytes -= object.bytes;
  }

  clear(): void {
    this.#objects.clear();
    this.#ring.length = 0;
    this.#bytes = 0;
    this.#hand = 0;
  }
}
