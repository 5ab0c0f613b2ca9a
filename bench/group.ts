/**
 * A hit in a `Group` beside a hit in npm's lru-cache, whose `fetch()` reads
 * through, too; and what it costs to count how often peers ask for a key.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import { Group } from "../group.ts";
import { localOf } from "../group/local_group.ts";
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
