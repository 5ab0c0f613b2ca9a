/**
 * Caches that exist: our `LRU`, and packages from npm.
 *
 * @module
 */

import { SieveCache } from "@neophi/sieve-cache";
import { LRUCache } from "lru-cache";
import { LRU } from "../../lru.ts";
import { type Cache, online, type Policy } from "./policy.ts";

/** What the three have in common. */
interface Store {
  get(key: number): number | undefined;
  set(key: number, size: number): unknown;
}

function cacheOf(store: Store): Cache {
  return {
    request(key, size) {
      if (store.get(key) !== undefined) return true;
      store.set(key, size);
      return false;
    },
  };
}

const weigh = (_key: number, size: number): number => size;
const sizeCalculation = (size: number): number => size;

export const OUR_LRU: Policy = online(
  "LRU",
  (maxWeight) => cacheOf(new LRU<number, number>({ maxWeight, weigh })),
);

export const LRU_CACHE: Policy = online(
  "lru-cache",
  (maxSize) =>
    cacheOf(new LRUCache<number, number>({ maxSize, sizeCalculation })),
);

export const SIEVE: Policy = online(
  "SIEVE",
  (room) => cacheOf(new SieveCache<number, number>(room)),
  { countsOnly: true },
);
