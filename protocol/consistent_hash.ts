/**
 * Decides which node owns a key.
 *
 * There are two ways to place keys so that a node that joins or leaves moves few
 * of them. {@linkcode ConsistentHash} is the ring of the Go programs.
 * {@linkcode RendezvousHash} spreads keys more evenly, and processes of this
 * library use it among themselves.
 *
 * @module
 */

import { checkOptions, type Names } from "../base/checks.ts";

/**
 * Assigns each key to a node.
 *
 * The order of the list that it is made from makes no difference, and a node that
 * is listed twice counts once.
 */
export interface Ring {
  /** The nodes, each once, sorted by name. */
  readonly nodes: readonly string[];
  /** The node that owns `key`, or `undefined` if there are no nodes. */
  get(key: string): string | undefined;
  /** Every node once: the owner, then the node that stands in for it, and so on. */
  successors(key: string): Iterable<string>;
}

/** Maps bytes to an unsigned number of 32 bits. */
export type HashFunction = (data: Uint8Array) => number;

const encoder = new TextEncoder();

const CRC_TABLE: Uint32Array<ArrayBuffer> = Uint32Array.from(
  { length: 256 },
  (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc >>> 1) ^ ((crc & 1) * 0xedb88320);
    }
    return crc;
  },
);

/**
 * CRC-32 as in IEEE 802.3: the hash of the Go programs' ring.
 *
 * @example The point of a key
 * ```ts
 * import { crc32 } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(crc32(new TextEncoder().encode("Tom")), 1167209971);
 * ```
 */
export const crc32: HashFunction = (data: Uint8Array): number => {
  let crc = -1;
  for (let i = 0; i < data.length; i++) {
    crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ data[i]!) & 0xff]!;
  }
  return ~crc >>> 0;
};

/** The CRC-32 of a string's UTF-8. ASCII needs no encoding first. */
export function crc32OfText(text: string): number {
  let crc = -1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return crc32(encoder.encode(text));
    crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ code) & 0xff]!;
  }
  return ~crc >>> 0;
}

/** Sorts by UTF-16 code units, so that every process sorts alike. */
function sortedNames(nodes: Iterable<string>): readonly string[] {
  // Frozen, because equal lists share one ring.
  return Object.freeze([...new Set(nodes)].sort((a, b) => a < b ? -1 : 1));
}

/** Options for a {@linkcode ConsistentHash}. */
export interface ConsistentHashOptions {
  /**
   * How many points each node has on the ring; at least 1.
   *
   * @default {50}
   */
  replicas?: number;
  /**
   * The hash function that places points and keys.
   *
   * @default {crc32}
   */
  hash?: HashFunction;
}

const OPTIONS: Names<ConsistentHashOptions> = { replicas: true, hash: true };

/**
 * The ring of GeeCache and groupcache.
 *
 * Point `i` of a node is the hash of `i` in decimal followed by the node's name. A
 * key belongs to the first point at or after its own hash, and past the last point
 * to the first one. If nodes share a point, the first by name gets it.
 *
 * After Karger et al., "Consistent Hashing and Random Trees" (STOC 1997).
 *
 * @example The owner of a key, as a Go process sees it
 * ```ts
 * import { ConsistentHash } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const ring = new ConsistentHash([8001, 8002, 8003].map((p) => `http://localhost:${p}`));
 * assertEquals(ring.get("Sam"), "http://localhost:8003");
 * ```
 */
export class ConsistentHash implements Ring {
  readonly nodes: readonly string[];
  readonly #hash: HashFunction;
  readonly #points: Uint32Array;
  /** The node of each point, as an index into `nodes`. */
  readonly #owners: Uint32Array;

  /**
   * Makes a ring.
   *
   * @throws {TypeError} If there is no such option.
   * @throws {RangeError} If `replicas` is not a whole number of at least 1.
   */
  constructor(
    nodes: Iterable<string> = [],
    options: ConsistentHashOptions = {},
  ) {
    checkOptions("Cannot create ConsistentHash", options, OPTIONS);
    const { replicas = 50, hash = crc32 } = options;
    if (!Number.isSafeInteger(replicas) || replicas < 1) {
      throw new RangeError(
        `Cannot create ConsistentHash: replicas must be a whole number of at least 1: received ${replicas}`,
      );
    }
    this.nodes = sortedNames(nodes);
    this.#hash = hash;
    const count = this.nodes.length;
    // A pair is point and node in one number, so that one sort orders by both.
    const pairs = new Float64Array(count * replicas);
    for (const [index, node] of this.nodes.entries()) {
      for (let i = 0; i < replicas; i++) {
        const point = hash(encoder.encode(`${i}${node}`)) >>> 0;
        pairs[index * replicas + i] = point * count + index;
      }
    }
    pairs.sort();
    // A typed array drops the fraction, which is the node.
    this.#points = Uint32Array.from(pairs, (pair) => pair / count);
    this.#owners = Uint32Array.from(pairs, (pair) => pair % count);
  }

  /** The node that owns `key`. */
  get(key: string): string | undefined {
    return this.nodes[this.#owners[this.#find(key)]!];
  }

  /** Every node once, in the order in which their points follow the key. */
  *successors(key: string): IterableIterator<string> {
    const seen = new Set<number>();
    const start = this.#find(key);
    const { length } = this.#owners;
    for (let i = 0; i < length && seen.size < this.nodes.length; i++) {
      const owner = this.#owners[(start + i) % length]!;
      if (seen.has(owner)) continue;
      seen.add(owner);
      yield this.nodes[owner]!;
    }
  }

  /** The index of the first point at or after the key's hash. */
  #find(key: string): number {
    const points = this.#points;
    const target = this.#hash === crc32
      ? crc32OfText(key)
      : this.#hash(encoder.encode(key)) >>> 0;
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (points[middle]! < target) low = middle + 1;
      else high = middle;
    }
    return low === points.length ? 0 : low;
  }
}

/** MurmurHash3's finalizer: every bit of the input moves half the bits of the output. */
function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * Rendezvous hashing: every node draws a number for each key, and the node with
 * the highest number owns the key. No two nodes draw the same number.
 *
 * The shares of the nodes differ only by chance, since there are no arcs of a ring
 * that could be longer or shorter. There is nothing to build or keep but a number
 * for each node. A lookup takes about 2 ns for each node.
 *
 * After Thaler and Ravishankar, "Using name-based mappings to increase hit
 * rates" (1998).
 *
 * @example A node that joins takes keys only for itself
 * ```ts
 * import { RendezvousHash } from "@geecache/geecache";
 * import { assert } from "@std/assert";
 *
 * const before = new RendezvousHash(["a", "b", "c"]);
 * const after = new RendezvousHash(["a", "b", "c", "d"]);
 * for (let i = 0; i < 1000; i++) {
 *   const owner = after.get(`key-${i}`);
 *   assert(owner === "d" || owner === before.get(`key-${i}`));
 * }
 * ```
 */
export class RendezvousHash implements Ring {
  readonly nodes: readonly string[];
  readonly #seeds: Uint32Array;

  /** Makes a ring. */
  constructor(nodes: Iterable<string> = []) {
    this.nodes = sortedNames(nodes);
    const taken = new Set<number>();
    this.#seeds = Uint32Array.from(this.nodes, (node) => {
      let seed = mix(crc32OfText(node));
      // `mix` keeps different numbers different, so only nodes with the same seed
      // could draw alike. They would do so for every key, and one would get none.
      while (taken.has(seed)) seed = mix(seed + 1);
      taken.add(seed);
      return seed;
    });
  }

  /** The node that owns `key`. */
  get(key: string): string | undefined {
    const seeds = this.#seeds;
    const hash = crc32OfText(key);
    let best = -1;
    let owner = 0;
    for (let i = 0; i < seeds.length; i++) {
      const drawn = mix(hash ^ seeds[i]!);
      if (drawn > best) {
        best = drawn;
        owner = i;
      }
    }
    return this.nodes[owner];
  }

  /** Every node once, from the highest number drawn for the key down. */
  *successors(key: string): IterableIterator<string> {
    const hash = crc32OfText(key);
    const drawn = Array.from(this.#seeds, (seed) => mix(hash ^ seed));
    const order = [...this.nodes.keys()].sort((a, b) => drawn[b]! - drawn[a]!);
    for (const index of order) yield this.nodes[index]!;
  }
}

const shared = new Map<string, WeakRef<RendezvousHash>>();
const unused = new FinalizationRegistry<string>((list) => {
  if (shared.get(list)?.deref() === undefined) shared.delete(list);
});

/** The ring of a list of nodes. Equal lists share one for as long as it is used. */
export function sharedRing(nodes: Iterable<string>): RendezvousHash {
  const names = sortedNames(nodes);
  const list = JSON.stringify(names);
  const known = shared.get(list)?.deref();
  if (known !== undefined) return known;
  const ring = new RendezvousHash(names);
  shared.set(list, new WeakRef(ring));
  unused.register(ring, list);
  return ring;
}
