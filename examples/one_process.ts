/**
 * Shows a cache inside one process, without a pool or a port. To run it:
 *
 *     deno run examples/one_process.ts
 */

import { Group, NotFoundError } from "@geecache/geecache";

const populations = new Map([["Oslo", 717710], ["Bergen", 291940]]);

const cities = new Group("cities", async (name, { signal }) => {
  console.log(`loading ${name}`);
  // This delay stands for a slow source that can be cancelled.
  await new Promise((resolve) => setTimeout(resolve, 20));
  signal.throwIfAborted();
  const population = populations.get(name);
  if (population === undefined) return undefined;
  return { value: JSON.stringify({ name, population }), ttlMs: 60_000 };
});

// Three callers ask at once, and the value is loaded once.
const answers = await Promise.all([1, 2, 3].map(() => cities.get("Oslo")));
console.log(
  answers.map((view) => view.json<{ population: number }>().population),
);

try {
  await cities.get("Atlantis");
} catch (error) {
  if (!(error instanceof NotFoundError)) throw error;
  console.log(error.message);
}

const { gets, loads, localLoads } = cities.stats();
console.log({ gets, loads, localLoads });
