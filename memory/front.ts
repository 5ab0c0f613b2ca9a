/**
 * Objects for the entries that are used most: a view that keeps its promise, so that a
 * hit makes nothing.
 *
 * An entry gets an object if it is hit again before many others are hit. Their number is
 * bounded, and a new one takes the place of one that was not used since the hand last
 * passed it. What they hold is in the arena, too.
 *
 * @module
 */

import { type ByteView, MAX_PACKED_BYTES } from "../base/byte_view.ts";
import { detach } from "../base/keys.ts";
import type { Arena } from "./arena.ts";
import { EPOCH_MASK, FRONT_FLAG, HOT_FLAG } from "./entries.ts";
import type { Front } from "./logs.ts";

/** What an object, its key, its view and its promise were measured to take. */
const OBJECT_BYTES = 320;

/** Added for a value that is too long to be packed into a string. */
const BUFFER_BYTES = 400;

/** However much memory there is, V8's collector has to look at these objects. */
const MAX_BYTES = 64 * 1024 * 1024;

/** The share of a budget. */
const SHARE = 1 / 16;

/** An object may take this part of it. */
const MAX_PART = 1 / 16;

/** The memory that is reserved for the first object. */
const FIRST_BYTES = 4096;

/** Memory is reserved in so many steps. */
const STEPS = 16;

/** The arena's last hits are remembered in so many places, and in one for so many objects. */
const FIRST_PLACES = 64;
const OBJECTS_PER_PLACE = 2;

/** An entry as an object. */
export interface FrontObject {
  readonly key: string;
  readonly view: ByteView;
  /** Where its entry is in the arena. */
  location: number;
  /** Until when a hit need not look at the entry: it expires then, or goes stale. */
  freshUntil: number;
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
export class FrontObjects implements Front {
  readonly #maxBytes: number;
  #arena: Arena | undefined;
  readonly #objects = new Map<string, FrontObject>();
  readonly #ring: FrontObject[] = [];
  #hand = 0;
  /** Where entries are that were hit lately. A hash of that decides on the place. */
  #hits: Uint32Array = new Uint32Array(FIRST_PLACES);
  #chance = 1;
  #bytes = 0;
  /** The memory that is reserved in the arena. It grows in steps. */
  #reserved = 0;

  /** @param budget The budget of the group. */
  constructor(budget: number) {
    this.#maxBytes = Math.min(MAX_BYTES, budget * SHARE);
  }

  get(key: string): FrontObject | undefined {
    return this.#objects.get(key);
  }

  moved(_from: number, to: number): void {
    this.#at(to).location = to;
  }

  left(location: number): void {
    this.#delete(this.#at(location));
  }

  wasUsed(location: number): boolean {
    const object = this.#at(location);
    const wasUsed = object.isUsed || object.wasUsed;
    object.isUsed = object.wasUsed = false;
    return wasUsed;
  }

  /** An entry of `arena` that has no object was hit. Returns whether it was lately, too. */
  hit(arena: Arena, location: number): boolean {
    const hits = this.#hits;
    const isShort = hits.length < arena.size &&
      hits.length * OBJECTS_PER_PLACE * OBJECT_BYTES < this.#maxBytes;
    if (isShort) {
      this.#hits = new Uint32Array(2 * hits.length);
      return false;
    }
    const place = Math.imul(location, 0x9e3779b1) >>> 8 & (hits.length - 1);
    if (hits[place] === location) return true;
    // Seldom, or two that come in turns would never be hit again in time.
    this.#chance = Math.imul(this.#chance, 1664525) + 1013904223 | 0;
    if (this.#chance >>> 30 === 0) hits[place] = location;
    return false;
  }

  /**
   * Adds an object for an entry of `arena` that has none and has just been used, if it
   * is worth one. What is in the arena may move for it, or go.
   */
  add(arena: Arena, key: string, view: ByteView, location: number): void {
    this.#arena = arena;
    const { entries } = arena;
    // A large value is an object already.
    if (!entries.isCopied(location)) return;
    const bytes = bytesOf(key, view);
    if (!this.#admits(arena, bytes)) return;
    if (this.#bytes + bytes > this.#reserved) {
      if (!this.#reserve(arena, bytes)) return;
      location = arena.findText(key);
      if (location < 0) return;
    }
    const flags = entries.flags(location);
    const object: FrontObject = {
      key: detach(key),
      view,
      location,
      freshUntil: Math.min(
        entries.expiresAt(location),
        entries.staleAt(location),
      ),
      isHot: (flags & HOT_FLAG) !== 0,
      epoch: flags & EPOCH_MASK,
      isUsed: true,
      wasUsed: false,
      bytes,
      place: this.#ring.length,
    };
    this.#objects.set(object.key, object);
    this.#ring.push(object);
    this.#bytes += bytes;
    entries.setFlags(location, FRONT_FLAG, FRONT_FLAG);
  }

  clear(): void {
    this.#objects.clear();
    this.#ring.length = 0;
    this.#bytes = 0;
    this.#hand = 0;
    this.#release();
  }

  #at(location: number): FrontObject {
    return this.#objects.get(this.#arena!.entries.key(location))!;
  }

  /** Whether an object of so many bytes may be added, if another one goes. */
  #admits({ entries }: Arena, bytes: number): boolean {
    if (this.#bytes + bytes <= this.#maxBytes) return true;
    if (bytes > this.#maxBytes * MAX_PART) return false;
    if (this.#hand >= this.#ring.length) this.#hand = 0;
    const other = this.#ring[this.#hand]!;
    if (other.isUsed) {
      other.isUsed = false;
      other.wasUsed = true;
      this.#hand++;
    } else {
      entries.setFlags(other.location, 0, FRONT_FLAG);
      this.#delete(other);
    }
    return this.#bytes + bytes <= this.#maxBytes;
  }

  /** Reserves memory in steps, because the arena makes room by whole segments. */
  #reserve(arena: Arena, bytes: number): boolean {
    const most = Math.ceil(this.#maxBytes / STEPS);
    const least = Math.max(FIRST_BYTES, this.#reserved);
    const step = Math.max(bytes, Math.min(most, least));
    if (!arena.makeRoom(step)) return false;
    arena.reserve(step);
    this.#reserved += step;
    return true;
  }

  #delete(object: FrontObject): void {
    this.#objects.delete(object.key);
    const last = this.#ring.pop()!;
    if (last !== object) {
      this.#ring[object.place] = last;
      last.place = object.place;
    }
    this.#bytes -= object.bytes;
    if (this.#bytes === 0) this.#release();
  }

  /** Without objects, nothing is reserved. */
  #release(): void {
    this.#arena?.reserve(-this.#reserved);
    this.#reserved = 0;
  }
}

/** What an object takes. */
function bytesOf(key: string, { byteLength }: ByteView): number {
  const buffer = byteLength > MAX_PACKED_BYTES ? BUFFER_BYTES : 0;
  return OBJECT_BYTES + buffer + 2 * key.length + byteLength;
}
