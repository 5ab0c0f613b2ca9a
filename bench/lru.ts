/**
 * `LRU` beside npm's lru-cache, both with a budget of weight, and beside the
 * shorter way to write an LRU: a `Map` whose order is the order of use.
 *
 * The loops are written out for each side. In a shared loop every call would
 * first have to find out which cache it was given.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import { LRU } from "../lru.ts";
import { compare, head, random, type Side } from "./_measure.ts";

const ENTRIES = 10_000;
const OPS = 1_000_000;
/** Enough keys that each was evicted long before its turn comes again. */
const KEYS = 200_000;
/** Many short rounds say more than a few long ones. */
const ROUNDS = 15;

interface Value {
  readonly size: number;
}

const weigh = (value: Value): number => value.size;
const newLRU = (): LRU<string, Value> =>
  new LRU({ maxWeight: ENTRIES, weigh: (_key, value) => weigh(value) });
const newLRUCache = (): LRUCache<string, Value> =>
  new LRUCache({ maxSize: ENTRIES, sizeCalculation: weigh });

const keys = Array.from({ length: KEYS }, (_, i) => `key-${i}`);
const values = keys.map((): Value => ({ size: 1 }));

function draw(next: () => number): string[] {
  return Array.from({ length: OPS }, () => keys[Math.floor(next())]!);
}

const chance = random(20);
// Half of all draws fall on the first hundredth of the keys.
const zipf = draw(() => ENTRIES ** chance() - 1);
const uniform = draw(() => chance() * ENTRIES);
// About one key in eleven is not there.
const wide = draw(() => chance() * ENTRIES * 1.1);

function fill(store: { set(key: string, value: Value): unknown }): void {
  for (let i = 0; i < ENTRIES; i++) store.set(keys[i]!, values[i]!);
}

function readOurs(order: readonly string[]): () => number {
  const lru = newLRU();
  fill(lru);
  return () => {
    let sum = 0;
    for (let i = 0; i < OPS; i++) sum += lru.get(order[i]!)!.size;
    return sum;
  };
}

function readTheirs(order: readonly string[]): () => number {
  const cache = newLRUCache();
  fill(cache);
  return () => {
    let sum = 0;
    for (let i = 0; i < OPS; i++) sum += cache.get(order[i]!)!.size;
    return sum;
  };
}

function reinsert(order: readonly string[]): () => number {
  const map = new Map<string, Value>();
  fill(map);
  return () => {
    let sum = 0;
    for (let i = 0; i < OPS; i++) {
      const key = order[i]!;
      const value = map.get(key)!;
      map.delete(key);
      map.set(key, value);
      sum += value.size;
    }
    return sum;
  };
}

function addOurs(): () => number {
  const lru = newLRU();
  return () => {
    for (let i = 0; i < KEYS; i++) lru.set(keys[i]!, values[i]!);
    return lru.size;
  };
}

function addTheirs(): () => number {
  const cache = newLRUCache();
  return () => {
    for (let i = 0; i < KEYS; i++) cache.set(keys[i]!, values[i]!);
    return cache.size;
  };
}

// Each value differs from the one before: for an equal one lru-cache does less.
function overwriteOurs(): () => number {
  const lru = newLRU();
  fill(lru);
  return () => {
    for (let i = 0; i < OPS; i++) lru.set(uniform[i]!, values[i % KEYS]!);
    return lru.size;
  };
}

function overwriteTheirs(): () => number {
  const cache = newLRUCache();
  fill(cache);
  return () => {
    for (let i = 0; i < OPS; i++) cache.set(uniform[i]!, values[i % KEYS]!);
    return cache.size;
  };
}

// Reads, and sets what is not there, as a read-through cache does.
function mixOurs(): () => number {
  const lru = newLRU();
  fill(lru);
  return () => {
    let sum = 0;
    for (let i = 0; i < OPS; i++) {
      const key = wide[i]!;
      const value = lru.get(key);
      if (value === undefined) lru.set(key, values[i % KEYS]!);
      else sum += value.size;
    }
    return sum;
  };
}

function mixTheirs(): () => number {
  const cache = newLRUCache();
  fill(cache);
  return () => {
    let sum = 0;
    for (let i = 0; i < OPS; i++) {
      const key = wide[i]!;
      const value = cache.get(key);
      if (value === undefined) cache.set(key, values[i % KEYS]!);
      else sum += value.size;
    }
    return sum;
  };
}

const run = (
  what: string,
  ops: number,
  ours: Side,
  theirs: Side,
): Promise<void> => compare(what, ops, ours, theirs, ROUNDS);

head("LRU", "lru-cache");
await run("get, Zipf-like", OPS, readOurs(zipf), readTheirs(zipf));
await run("get, uniform", OPS, readOurs(uniform), readTheirs(uniform));
await run("set of new keys, evicting", KEYS, addOurs(), addTheirs());
await run("set, overwriting", OPS, overwriteOurs(), overwriteTheirs());
await run("get, 9 % misses that set", OPS, mixOurs(), mixTheirs());

// Each use of a key leaves a tombstone in its bucket until the map is rebuilt:
// keys that are used often suffer most.
console.log();
head("LRU", "map.delete + map.set");
await run("get, Zipf-like", OPS, readOurs(zipf), reinsert(zipf));
await run("get, uniform", OPS, readOurs(uniform), reinsert(uniform));
