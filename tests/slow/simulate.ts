import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { simulate, type SimulationOptions } from "../../bench/_simulation.ts";

const OPTIONS: SimulationOptions = {
  seed: 7,
  keys: 300,
  nodes: [3, 8],
  growing: [8],
};

Deno.test("A simulation gives the same result for the same seed, and keeps every bound", async () => {
  const progress: string[] = [];
  const first = await simulate({
    ...OPTIONS,
    onProgress: (what, done, of) => progress.push(`${done}/${of} ${what}`),
  });
  assertEquals(first.broken, []);
  const { steady, costs, growths } = first;
  assertEquals(progress.length, steady.length + costs.length + growths.length);
  assertEquals(progress[0], `1/${progress.length} 3 nodes: steady`);
  assert(first.costs.every(({ lost }) => lost > 0), first.table);
  assertEquals((await simulate(OPTIONS)).table, first.table);
});

Deno.test("A simulation gives another result for another seed", async () => {
  const options = { ...OPTIONS, nodes: [3] };
  const one = await simulate(options);
  const other = await simulate({ ...options, seed: 8 });
  assert(JSON.stringify(one.costs) !== JSON.stringify(other.costs));
});

Deno.test("A simulation says which bounds break when nodes take no values over", async () => {
  const { broken } = await simulate({
    ...OPTIONS,
    nodes: [3],
    pool: { handoverMs: 0 },
  });
  assertEquals(broken.map((sentence) => sentence.split(": ")[0]), [
    "3 nodes, one joins, all told in 10 ms",
    "3 nodes, one drains and leaves",
    "8 nodes come up one by one",
  ]);
});

Deno.test("A simulation says so when processes that come up one by one are not told of each other", async () => {
  const { broken } = await simulate({
    ...OPTIONS,
    nodes: [],
    // Each of them loads all that it is asked for.
    onPool: (pool) => pool.setPeers = () => {},
  });
  assertEquals(broken.length, 1);
  assertStringIncludes(broken[0]!, "8 nodes come up one by one");
});
