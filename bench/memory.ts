/**
 * What `maxBytes` costs in the memory of the process.
 *
 * Each line is measured in a process of its own: what one run left behind would
 * be the next one's free memory. Sizes can be given as arguments.
 *
 * @module
 */

import { Group } from "../group.ts";
import { random } from "./_measure.ts";

const MIB = 2 ** 20;
const MAX_BYTES = 256 * MIB;
const SIZES = [3, 16, 64, 256, 257, 1024, 16384, 262144];
/** For the other sizes: as many as fill the budget twice. */
const HEADLINE = { size: 64, count: 1_000_000 };

/** What a child measured; growth is in bytes. */
interface Growth {
  entries: number;
  charged: number;
  /** When twice the budget had been set. */
  filled: number;
  /** After as many overwrites and reads again. */
  churned: number;
  /** The most that was ever seen. */
  peak: number;
  /** What is alive at the end, in the heap and outside of it. */
  live: number;
}

/** A turn of the event loop, as any program with input and output has them. */
const turn = (): Promise<void> => new Promise((next) => setTimeout(next, 0));

async function settle(): Promise<void> {
  const { gc } = globalThis as { gc?: () => void };
  // What a buffer held is freed behind the collector's back.
  for (let i = 0; gc !== undefined && i < 3; i++) {
    gc();
    await turn();
  }
}

async function measure(size: number, maxBytes: number): Promise<Growth> {
  const fresh = (i: number): Uint8Array => new Uint8Array(size).fill(i);
  let made = 0;
  const group = new Group("memory", () => fresh(made++), {
    maxBytes,
  });
  await settle();
  const alive = (): number => {
    const { heapUsed, external } = Deno.memoryUsage();
    return heapUsed + external;
  };
  const before = Deno.memoryUsage().rss;
  const aliveBefore = alive();
  let peak = 0;
  let steps = 0;
  const step = async (): Promise<void> => {
    // Every 4 MiB of values, or 1000 of them.
    if (++steps % Math.ceil(Math.min(1000, 4 * MIB / size)) !== 0) return;
    peak = Math.max(peak, Deno.memoryUsage().rss - before);
    await turn();
  };
  const growth = async (): Promise<number> => {
    await settle();
    return Deno.memoryUsage().rss - before;
  };

  let count = 0;
  const enough = (): boolean => {
    if (size === HEADLINE.size) return count === HEADLINE.count;
    const { evictions, items } = group.stats().main;
    return evictions > 0 && evictions >= items;
  };
  for (; !enough(); count++) {
    await group.set(`key-${count}`, fresh(count));
    await step();
  }
  const filled = await growth();

  const chance = random(20);
  for (let i = 0; i < count; i++) {
    const key = `key-${Math.floor(chance() * count)}`;
    // Half of what is read is not there and gets loaded.
    if (i % 2 === 0) await group.set(key, fresh(i));
    else made += (await group.get(key)).byteLength & 1;
    await step();
  }
  const churned = await growth();
  const { items: entries, bytes: charged } = group.stats().main;
  const live = alive() - aliveBefore;
  peak = Math.max(peak, churned);
  return { entries, charged, filled, churned, peak, live };
}

async function measureInChild(
  size: number,
  maxBytes: number,
  gc: boolean,
): Promise<Growth> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      ...(gc ? ["--v8-flags=--expose-gc"] : []),
      import.meta.url,
      "child",
      `${size}`,
      `${maxBytes}`,
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot measure values of ${size} bytes`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function printLine(size: number, maxBytes = MAX_BYTES): Promise<void> {
  const own = await measureInChild(size, maxBytes, false);
  const gc = await measureInChild(size, maxBytes, true);
  const ofBudget = (bytes: number): string => (bytes / MAX_BYTES).toFixed(2);
  const each = (bytes: number): string =>
    gc.entries === 0 ? "-" : (bytes / gc.entries).toFixed(0);
  console.log([
    size,
    own.entries,
    each(gc.charged),
    each(gc.live),
    ofBudget(own.filled),
    ofBudget(own.churned),
    ofBudget(own.peak),
    ofBudget(gc.filled),
    ofBudget(gc.churned),
  ].join(" | "));
}

const [mode, ...rest] = Deno.args;
if (mode === "child") {
  console.log(JSON.stringify(await measure(Number(rest[0]), Number(rest[1]))));
} else {
  const sizes = Deno.args.length > 0 ? Deno.args.map(Number) : SIZES;
  console.log(
    "Growth of the process's memory, in budgets of 256 MiB; gc(): right after a full collection, whose room V8 may keep",
  );
  console.log(
    "value bytes | entries | charged each | alive each | " +
      "filled | churned | peak | filled, gc() | churned, gc()",
  );
  // What so many sets cost whatever is kept: V8's young generation, mostly.
  console.log("nothing kept, maxBytes 0:");
  await printLine(HEADLINE.size, 0);
  console.log("maxBytes 256 MiB:");
  for (const size of sizes) await printLine(size);
}
