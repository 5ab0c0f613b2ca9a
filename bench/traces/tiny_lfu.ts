/**
 * W-TinyLFU as its authors describe it (ToS '17), with a fixed window of a hundredth:
 * what leaves the window is kept if it was asked for more often than what would have
 * to go for it.
 *
 * @module
 */

import { type Cache, online, type Policy } from "./policy.ts";

const WINDOW_SHARE = 0.01;
const PROTECTED_SHARE = 0.8;
const MOST = 15;
const ROWS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f];

/** How often keys were asked for lately, about (a count-min sketch). */
class Frequencies {
  readonly #counts: Uint8Array;
  readonly #shift: number;
  readonly #agesAfter: number;
  #added = 0;

  constructor(room: number) {
    const bits = Math.max(8, Math.ceil(Math.log2(room * 16)));
    this.#counts = new Uint8Array(2 ** bits);
    this.#shift = 32 - bits;
    this.#agesAfter = room * 10;
  }

  add(key: number): void {
    for (const row of ROWS) {
      const at = this.#at(key, row);
      if (this.#counts[at]! < MOST) this.#counts[at]!++;
    }
    if (++this.#added < this.#agesAfter) return;
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i]! >>= 1;
    this.#added = 0;
  }

  of(key: number): number {
    let least = MOST;
    for (const row of ROWS) {
      least = Math.min(least, this.#counts[this.#at(key, row)]!);
    }
    return least;
  }

  #at(key: number, row: number): number {
    const mixed = Math.imul(key + 1, row);
    return Math.imul(mixed ^ (mixed >>> 15), row) >>> this.#shift;
  }
}

/** Moves `key`, which is in `list`, to the end of it, where the latest are. */
function renew(list: Set<number>, key: number): void {
  list.delete(key);
  list.add(key);
}

/** The one that was used least recently. */
function oldest(list: Set<number>): number | undefined {
  return list.values().next().value;
}

function takeOldest(list: Set<number>): number {
  const key = oldest(list)!;
  list.delete(key);
  return key;
}

class TinyLFU implements Cache {
  readonly #windowRoom: number;
  readonly #mainRoom: number;
  readonly #protectedRoom: number;
  readonly #window = new Set<number>();
  /** What was not used since it left the window. */
  readonly #probation = new Set<number>();
  readonly #protected = new Set<number>();
  readonly #frequencies: Frequencies;

  constructor(room: number) {
    this.#windowRoom = Math.max(1, Math.round(room * WINDOW_SHARE));
    this.#mainRoom = room - this.#windowRoom;
    this.#protectedRoom = Math.floor(this.#mainRoom * PROTECTED_SHARE);
    this.#frequencies = new Frequencies(room);
  }

  request(key: number): boolean {
    this.#frequencies.add(key);
    if (this.#window.has(key)) renew(this.#window, key);
    else if (this.#protected.has(key)) renew(this.#protected, key);
    else if (this.#probation.has(key)) this.#protect(key);
    else {
      this.#window.add(key);
      if (this.#window.size > this.#windowRoom) this.#leaveWindow();
      return false;
    }
    return true;
  }

  #protect(key: number): void {
    this.#probation.delete(key);
    this.#protected.add(key);
    if (this.#protected.size > this.#protectedRoom) {
      this.#probation.add(takeOldest(this.#protected));
    }
  }

  #leaveWindow(): void {
    const candidate = takeOldest(this.#window);
    if (this.#probation.size + this.#protected.size >= this.#mainRoom) {
      const victim = oldest(this.#probation);
      const mayStay = victim === undefined ||
        this.#frequencies.of(candidate) <= this.#frequencies.of(victim);
      if (mayStay) return;
      this.#probation.delete(victim);
    }
    this.#probation.add(candidate);
  }
}

export const TINY_LFU: Policy = online(
  "W-TinyLFU",
  (room) => new TinyLFU(room),
  { countsOnly: true },
);
