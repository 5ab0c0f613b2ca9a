/**
 * A hit in a `Group` beside a hit in npm's lru-cache, whose `fetch()` reads
 * through, too; what it costs to count how often peers ask for a key; and the memory
 * of a group with a million entries beside objects in an `LRU`.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import { ByteView } from "../base/byte_view.ts";
import { systemClock } from "../base/clock.ts";
import { CachePair } from "../cache.ts";
import { Group } from "../group.ts";
import { localOf } from "../group/local_group.ts";
import { LRU } from "../lru.ts";
import { compare, head, random } from "./_measure.ts";

const ENTRIES = 10_000;
const OPS = 500_000;
const VALUE_BYTES = 64;
const MAX_BYTES = 64 * 1024 * 1024;

const chance = random(20);
const keys = Array.from({ length: ENTRIES }, (_, i) => `key-${i}`);
const order = Array.from(
  { length: OPS },
  () => keys[Math.floor(chance() * ENTRIES)]!,
);
const load = (): Uint8Array => new Uint8Array(VALUE_BYTES).fill(7);

const group = new Group("bench", load, { maxBytes: MAX_BYTES });
const cache = new LRUCache<string, Uint8Array>({
  maxSize: MAX_BYTES,
  sizeCalculation: (value, key) => value.length + key.length,
  fetchMethod: load,
});
for (const key of keys) {
  await group.get(key);
  await cache.fetch(key);
}
if (group.stats().main.items !== ENTRIES || cache.size !== ENTRIES) {
  throw new Error("Cannot measure hits: not every key was kept");
}

head("Group", "lru-cache");
await compare(
  "await get(), await fetch(): hits",
  OPS,
  async () => {
    let sum = 0;
    for (let i = 0; i < OPS; i++) {
      sum += (await group.get(order[i]!)).byteLength;
    }
    return sum;
  },
  async () => {
    let sum = 0;
    for (let i = 0; i < OPS; i++) sum += (await cache.fetch(order[i]!))!.length;
    return sum;
  },
);
await compare(
  "peek(): hits",
  OPS,
  () => {
    let sum = 0;
    for (let i = 0; i < OPS; i++) sum += group.peek(order[i]!)!.byteLength;
    return sum;
  },
  () => {
    let sum = 0;
    for (let i = 0; i < OPS; i++) sum += cache.peek(order[i]!)!.length;
    return sum;
  },
);

const local = localOf(group);
/** Answers every question of a peer, in a list with so many others. */
function answerAll(others: number): number {
  local.ringChanged({ handoverMs: 0, wasTold: true, others });
  let sum = 0;
  for (const key of order) sum += local.answer(key)!.value.byteLength;
  return sum;
}

head("counting", "not counting");
await compare(
  "answers to peers: hits",
  OPS,
  () => answerAll(7),
  () => answerAll(0),
);

if (group.stats().localLoads !== ENTRIES) {
  throw new Error("Cannot measure hits: some were misses");
}

const MANY = 1_000_000;
const ZIPF = 0.99;
/** How many entries fit while new ones are set. */
const SET_ENTRIES = 100_000;

/** A key in memory of its own, as one that came over a network. */
const freshKey = (i: number): string =>
  new TextDecoder().decode(
    new TextEncoder().encode(`key-${`${i}`.padStart(16, "0")}`),
  );

const sums = new Float64Array(MANY);
let sum = 0;
for (let i = 0; i < MANY; i++) sums[i] = sum += 1 / (i + 1) ** ZIPF;

/** A number below a million; those that are drawn often lie anywhere. */
function draw(): number {
  const at = chance() * sum;
  let low = 0, high = MANY - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle]! < at) low = middle + 1;
    else high = middle;
  }
  return (low * 387_420_489 + 1) % MANY;
}

const pair = new CachePair(2 ** 29, systemClock);
const lru = new LRU<string, ByteView>({ maxWeight: MANY });
for (let i = 0; i < MANY; i++) {
  const value = (): ByteView => ByteView.from(new Uint8Array(64).fill(i));
  pair.set("main", freshKey(i), value(), Infinity);
  lru.set(freshKey(i), value());
}
if (pair.main.size !== MANY) throw new Error("Not every key was kept");

head("memory of a group", "LRU");
// V8 keeps a string's hash after its first use, so each round has strings of its own.
const draws = (): string[][] =>
  Array.from(
    { length: 6 },
    () => Array.from({ length: OPS }, () => freshKey(draw())),
  );
const [forPair, forLRU] = [draws(), draws()];
await compare(
  "get() of any of a million, Zipf 0.99, fresh strings",
  OPS,
  () => {
    let sum = 0;
    for (const key of forPair.pop()!) sum += pair.get(key)!.byteLength;

    return sum;
  },
  () => {
    let sum = 0;
    for (const key of forLRU.pop()!) sum += lru.get(key)!.byteLength;

    return sum;
  },
);

const value = ByteView.from(new Uint8Array(64));
const small = new CachePair(160 * SET_ENTRIES, systemClock);
const smallLRU = new LRU<string, ByteView>({ maxWeight: SET_ENTRIES });
let next = 0;
await compare(
  "set() of new keys, evicting",
  OPS,
  () => {
    for (let i = 0; i < OPS; i++) {
      small.set("main", freshKey(next++), value, Infinity);
    }
    return small.main.size;
  },
  () => {
    for (let i = 0; i < OPS; i++) smallLRU.set(freshKey(next++), value);
    return smallLRU.size;
  },
);
