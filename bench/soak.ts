/**
 * A process under churn for minutes: how much it grows, and how long it pauses.
 *
 * A group of 2 million entries of 64 bytes (or as many as are named) is filled, then new
 * keys are set and old ones are read without a pause. With the argument `lru-cache`, that
 * cache is churned in place of a group. Runs on Deno and on Node.
 *
 * Arguments: seconds, entries, and the side.
 *
 * @module
 */

import process from "node:process";
import { LRUCache } from "lru-cache";
import { Group } from "../group.ts";
import { random } from "./_measure.ts";

const MIB = 2 ** 20;
/** What an entry of this bench takes in a group, with some room. */
const ENTRY_BYTES = 170;
const VALUE_BYTES = 64;
/** So many operations are one step, after which other work may run. */
const STEP = 100;

/** A cache under test. */
interface Side {
  set(key: string, value: Uint8Array): unknown;
  get(key: string): unknown;
  size(): number;
}

function sideOf(name: string, entries: number): Side {
  if (name === "lru-cache") {
    const cache = new LRUCache<string, Uint8Array>({
      maxSize: entries * VALUE_BYTES,
      sizeCalculation: (value) => value.byteLength,
    });
    return {
      set: (key, value) => cache.set(key, value),
      get: (key) => cache.get(key),
      size: () => cache.size,
    };
  }
  const group = new Group("soak", () => new Uint8Array(VALUE_BYTES), {
    maxBytes: entries * ENTRY_BYTES,
  });
  return {
    set: (key, value) => group.set(key, value),
    get: (key) => group.peek(key),
    size: () => group.stats().main.items,
  };
}

const keyOf = (i: number): string => `key-${`${i}`.padStart(16, "0")}`;
const turn = (): Promise<void> => new Promise((next) => setTimeout(next, 0));
const rss = (): number => process.memoryUsage().rss / MIB;

const [seconds = "300", entries = "2000000", name = "group"] = process.argv
  .slice(2);
const count = Number(entries);
const side = sideOf(name, count);
const before = rss();
const chance = random(1);
let next = 0;

async function step(): Promise<number> {
  const begin = performance.now();
  for (let i = 0; i < STEP; i++) {
    await side.set(keyOf(next++), new Uint8Array(VALUE_BYTES).fill(next));
    side.get(keyOf(Math.floor(next - count * chance())));
  }
  const took = performance.now() - begin;
  await turn();
  return took;
}

while (next < count) await step();
const filled = rss() - before;
console.log(
  `${name}: filled with ${side.size()} entries, ${filled.toFixed(0)} MiB`,
);
const pauses: number[] = [];
const grown: number[] = [];
const begin = performance.now();
const end = begin + 1000 * Number(seconds);
let look = begin;
for (let last = begin; last < end;) {
  await step();
  const now = performance.now();
  // From one step to the next: what the loop could not do in the meantime.
  pauses.push(now - last);
  last = now;
  if (now < look) continue;
  look = now + 100 * Number(seconds);
  grown.push(rss() - before);
  console.log(
    `${((now - begin) / 1000).toFixed(0)} s: ${side.size()} entries, ${
      grown.at(-1)!.toFixed(0)
    } MiB, longest pause ${Math.max(...pauses.slice(-100_000)).toFixed(1)} ms`,
  );
}
pauses.sort((a, b) => b - a);
const half = grown.length >> 1;
const mean = (some: number[]): number =>
  some.reduce((sum, one) => sum + one, 0) / some.length;
const ratio = mean(grown.slice(half)) / mean(grown.slice(1, half + 1));
console.log(
  `${name}: ${next} sets, longest pause ${pauses[0]!.toFixed(1)} ms, ` +
    `growth of the second half beside the first ${ratio.toFixed(2)}`,
);
process.exit();
