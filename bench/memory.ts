/**
 * What `maxBytes` costs in the memory of the process.
 *
 * Each line is measured in a process of its own: memory that one run left behind
 * would be free for the next. Arguments: sizes of values, in bytes.
 *
 * @module
 */

import { Group } from "../group.ts";
import { random } from "./_measure.ts";

const MIB = 2 ** 20;
const MAX_BYTES = 256 * MIB;
const SIZES = [3, 16, 64, 256, 257, 1024, 16384, 262144];
/** With nothing kept, so many sets are made of values of this size. */
const NOTHING = { size: 64, count: 4_000_000 };

/** A key of 20 characters. */
const keyOf = (i: number): string => `key-${`${i}`.padStart(16, "0")}`;
const KEY_BYTES = 20;

/** What a child process measured; growth is in bytes. */
interface Growth {
  entries: number;
  charged: number;
  /** After twice the budget was set. */
  filled: number;
  /** After as many overwrites and reads. */
  churned: number;
  /** The highest growth that was seen. */
  peak: number;
}

/** A turn of the event loop, such as any program with input and output has. */
const turn = (): Promise<void> => new Promise((next) => setTimeout(next, 0));

async function settle(): Promise<void> {
  const { gc } = globalThis as { gc?: () => void };
  // The memory of buffers is freed some time after they were collected.
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
  const before = Deno.memoryUsage().rss;
  let peak = 0;
  let steps = 0;
  const step = async (): Promise<void> => {
    // After every 4 MiB of values, or every 1000 values.
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
    if (maxBytes === 0) return count === NOTHING.count;
    const { evictions, items } = group.stats().main;
    return evictions > 0 && evictions >= items;
  };
  for (; !enough(); count++) {
    await group.set(keyOf(count), fresh(count));
    await step();
  }
  const filled = await growth();

  const chance = random(20);
  for (let i = 0; i < count; i++) {
    const key = keyOf(Math.floor(chance() * count));
    // Half of the keys that are read are not there and get loaded.
    if (i % 2 === 0) await group.set(key, fresh(i));
    else made += (await group.get(key)).byteLength & 1;
    await step();
  }
  const churned = await growth();
  const { items: entries, bytes: charged } = group.stats().main;
  peak = Math.max(peak, churned);
  return { entries, charged, filled, churned, peak };
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
    ofBudget(own.entries * (KEY_BYTES + size)),
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
    "Growth of the process's memory, in budgets of 256 MiB; gc(): right after a full collection, after which V8 may keep the memory",
  );
  console.log(
    "value bytes | entries | charged each | keys and values | " +
      "filled | churned | peak | filled, gc() | churned, gc()",
  );
  // What so many sets cost when nothing is kept: mostly V8's young generation.
  console.log("nothing kept, maxBytes 0:");
  await printLine(NOTHING.size, 0);
  console.log("maxBytes 256 MiB:");
  for (const size of sizes) await printLine(size);
}
