/**
 * Shows a getter that loads many keys with one query. To run it:
 *
 *     deno run examples/batch.ts
 */

import { type BatchGetter, Group } from "@geecache/geecache";

const rows = [
  { id: "1", name: "Ada" },
  { id: "2", name: "Grace" },
  { id: "3", name: "Mary" },
  { id: "4", name: "Joan" },
];

let queries = 0;

/** Stands for a database, and counts its queries. */
async function query(sql: string, ids: readonly string[]) {
  queries++;
  console.log(`query ${queries}: ${sql} with ${ids.join()}`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  return rows.filter(({ id }) => ids.includes(id));
}

const byId: BatchGetter = {
  async loadMany(ids) {
    const places = ids.map(() => "?").join();
    const found = await query(
      `SELECT * FROM users WHERE id IN (${places})`,
      ids,
    );
    // A user that is not in the map does not exist.
    return new Map(found.map((row) => [row.id, JSON.stringify(row)]));
  },
  // As many as a statement may have parameters.
  maxKeys: 500,
};

const users = new Group("users", byId);

async function greet(id: string): Promise<string> {
  const user = await users.find(id);
  const name = user?.json<{ name: string }>().name ?? "stranger";
  return `Hello, ${name}!`;
}

// Four callers that know nothing of each other, in one turn of the event loop.
const [one, two, nobody, many] = await Promise.all([
  greet("1"),
  greet("2"),
  greet("99"),
  users.getMany(["1", "3", "4"]),
]);
console.log(one, two, nobody, `${many.size} more`);
console.log(`${queries} query for ${users.stats().loads} misses`);

// What is in memory needs no query.
await users.getMany(["1", "2", "3", "4"]);
console.log(`${queries} query in all`);
