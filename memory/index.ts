/**
 * Where the entry of a hash is: a table of numbers that V8's collector never looks at.
 *
 * The table consists of parts, each for the hashes that begin with the same bits. A part
 * grows alone, and when it is large it becomes two, so no growth takes longer than that
 * of one part, however many entries there are. Within a part an entry is in the first
 * free slot after the one that its hash names.
 *
 * @module
 */

/** Slots of a new part. */
const FIRST_SLOTS = 16;

/** A part with so many slots is cut in two in place of growing. */
const SPLIT_SLOTS = 4096;

/** A list of parts may be so long for each entry: equal hashes cannot be parted. */
const ENTRIES_PER_PART = 512;

/** No more bits than that tell parts apart; the low 16 bits find the slot. */
const MAX_DEPTH = 16;

/** What the objects around a part were measured to take. */
const PART_BYTES = 384;

/** What a slot takes: a hash and a location. */
const SLOT_BYTES = 8;

/** The slots for hashes that begin with the same bits. */
export interface Part {
  /** A hash and a location for each slot, one after the other. Location 0: free. */
  readonly table: Uint32Array;
  readonly slots: number;
  /** How many of the first bits of a hash decide that it belongs here. */
  readonly depth: number;
  entries: number;
}

/** The slot at which the search for `hash` begins. */
export function homeOf(hash: number, slots: number): number {
  // Both factors have few bits: the product stays a whole number of 32.
  return slots <= 0x10000
    ? ((hash & 0xffff) * slots) >>> 16
    : Math.floor((hash & 0xffff) * slots / 0x10000);
}

function newPart(slots: number, depth: number): Part {
  return { table: new Uint32Array(2 * slots), slots, depth, entries: 0 };
}

/** A part holds at most so many: the rest keeps searches short. */
function roomOf(slots: number): number {
  return slots - Math.floor(slots / 5);
}

function put(part: Part, hash: number, location: number): void {
  const { table, slots } = part;
  let slot = homeOf(hash, slots);
  while (table[2 * slot + 1] !== 0) slot = slot + 1 === slots ? 0 : slot + 1;
  table[2 * slot] = hash;
  table[2 * slot + 1] = location;
  part.entries++;
}

/** Hashes and locations. Several entries may have one hash. */
export class Index {
  /** The part of each beginning of `#depth` bits. A part may stand here several times. */
  #parts: Part[] = [newPart(FIRST_SLOTS, 0)];
  #depth = 0;
  #entries = 0;
  #bytes: number = PART_BYTES + SLOT_BYTES * FIRST_SLOTS;

  /** How many entries there are. */
  get size(): number {
    return this.#entries;
  }

  /** The memory that it takes. */
  get bytes(): number {
    return this.#bytes + 8 * this.#parts.length;
  }

  /** The part in which the entries of `hash` are. */
  partOf(hash: number): Part {
    // A shift by 32 is one by 0.
    return this.#depth === 0
      ? this.#parts[0]!
      : this.#parts[hash >>> (32 - this.#depth)]!;
  }

  /** How many bytes more it takes to add an entry with `hash`. */
  growthFor(hash: number): number {
    const part = this.partOf(hash);
    if (part.entries < roomOf(part.slots)) return 0;
    if (!this.#maySplit(part)) return SLOT_BYTES * (grown(part) - part.slots);
    // The two parts that it becomes have a quarter more slots, and some each.
    return PART_BYTES + SLOT_BYTES * ((part.slots >> 2) + 2 * FIRST_SLOTS) +
      (part.depth === this.#depth ? 8 * this.#parts.length : 0);
  }

  /** Makes room for another entry with `hash`. */
  growFor(hash: number): void {
    for (;;) {
      const part = this.partOf(hash);
      if (part.entries < roomOf(part.slots)) return;
      if (this.#maySplit(part)) this.#split(part, hash);
      else this.#replace(part, hash, grown(part));
    }
  }

  /** Adds an entry for which there is room. */
  add(hash: number, location: number): void {
    put(this.partOf(hash), hash, location);
    this.#entries++;
  }

  /** An entry has another place from now on. */
  move(hash: number, from: number, to: number): void {
    const { table, slots } = this.partOf(hash);
    table[2 * this.#slotOf(table, slots, hash, from) + 1] = to;
  }

  /** Takes an entry out. */
  remove(hash: number, location: number): void {
    const part = this.partOf(hash);
    const { table, slots } = part;
    let hole = this.#slotOf(table, slots, hash, location);
    part.entries--;
    this.#entries--;
    // What was put behind it because it was there moves up.
    let slot = hole;
    for (;;) {
      slot = slot + 1 === slots ? 0 : slot + 1;
      const next = table[2 * slot + 1]!;
      if (next === 0) break;
      const home = homeOf(table[2 * slot]!, slots);
      const stays = hole <= slot
        ? hole < home && home <= slot
        : hole < home || home <= slot;
      if (stays) continue;
      table[2 * hole] = table[2 * slot]!;
      table[2 * hole + 1] = next;
      hole = slot;
    }
    table[2 * hole + 1] = 0;
  }

  clear(): void {
    this.#parts = [newPart(FIRST_SLOTS, 0)];
    this.#depth = 0;
    this.#entries = 0;
    this.#bytes = PART_BYTES + SLOT_BYTES * FIRST_SLOTS;
  }

  /**
   * Adds to `locations` those of the part in which `hash` is. Returns the first hash
   * after that part, or 2^32. So a walk from hash 0 on sees each entry once that is
   * there all the time, whatever is added, moved or removed meanwhile.
   */
  locationsFrom(hash: number, locations: number[]): number {
    const { table, slots, depth } = this.partOf(hash);
    for (let slot = 0; slot < slots; slot++) {
      const location = table[2 * slot + 1]!;
      // The part may be larger than when the walk came to it.
      if (location !== 0 && table[2 * slot]! >= hash) locations.push(location);
    }
    const span = 2 ** (32 - depth);
    return (Math.floor(hash / span) + 1) * span;
  }

  #slotOf(
    table: Uint32Array,
    slots: number,
    hash: number,
    location: number,
  ): number {
    let slot = homeOf(hash, slots);
    while (table[2 * slot + 1] !== location) {
      slot = slot + 1 === slots ? 0 : slot + 1;
    }
    return slot;
  }

  #maySplit(part: Part): boolean {
    if (part.slots < SPLIT_SLOTS) return false;
    if (part.depth < this.#depth) return true;
    return this.#depth < MAX_DEPTH &&
      2 * this.#parts.length * ENTRIES_PER_PART <= this.#entries;
  }

  #split(part: Part, hash: number): void {
    if (part.depth === this.#depth) {
      const parts: Part[] = new Array(2 * this.#parts.length);
      for (let i = 0; i < parts.length; i++) parts[i] = this.#parts[i >> 1]!;
      this.#parts = parts;
      this.#depth++;
    }
    const depth = part.depth + 1;
    const bit = 31 - part.depth;
    const { table, slots } = part;
    let ones = 0;
    for (let slot = 0; slot < slots; slot++) {
      if (table[2 * slot + 1] !== 0) ones += table[2 * slot]! >>> bit & 1;
    }
    // Equal hashes all go to one half.
    const low = newPart(slotsFor(part.entries - ones), depth);
    const high = newPart(slotsFor(ones), depth);
    for (let slot = 0; slot < slots; slot++) {
      const location = table[2 * slot + 1]!;
      const its = table[2 * slot]!;
      if (location !== 0) {
        put((its >>> bit & 1) === 0 ? low : high, its, location);
      }
    }
    const span = 2 ** (this.#depth - depth);
    const from = this.#firstOf(part, hash);
    this.#parts.fill(low, from, from + span);
    this.#parts.fill(high, from + span, from + 2 * span);
    this.#bytes += PART_BYTES + SLOT_BYTES * (low.slots + high.slots - slots);
  }

  /** Where the part of `hash` stands for the first time. */
  #firstOf({ depth }: Part, hash: number): number {
    return Math.floor(hash / 2 ** (32 - depth)) * 2 ** (this.#depth - depth);
  }

  #replace(part: Part, hash: number, slots: number): void {
    const larger = newPart(slots, part.depth);
    for (let slot = 0; slot < part.slots; slot++) {
      const location = part.table[2 * slot + 1]!;
      if (location !== 0) put(larger, part.table[2 * slot]!, location);
    }
    const from = this.#firstOf(part, hash);
    this.#parts.fill(larger, from, from + 2 ** (this.#depth - part.depth));
    this.#bytes += SLOT_BYTES * (slots - part.slots);
  }
}

function grown(part: Part): number {
  // By a quarter: to double would leave more free.
  return part.slots + Math.max(8, part.slots >> 2);
}

/** Slots for so many entries, with room for a fifth more. */
function slotsFor(entries: number): number {
  return Math.max(FIRST_SLOTS, Math.ceil(entries * 1.5) + 1);
}
