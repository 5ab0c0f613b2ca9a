/** How what a get costs grows: with the keys in flight, and with the peers. */

import { HTTPPool } from "../http.ts";
import { type Asker, askerOf } from "./_asker.ts";
import { print } from "./_lines.ts";
import { medians, SILENT } from "./_measure.ts";
import { type Ask, rate } from "./_rate.ts";
import { SMALL, valueOf } from "./_values.ts";

const IN_FLIGHT = [1, 8, 64, 256, 1024, 10_000];
const PEERS = [1, 10, 30, 100];

async function printTable(
  what: string,
  sizes: readonly number[],
  sides: readonly (() => Promise<number>)[],
): Promise<void> {
  print(`${what} | gets per second | µs per get | beside the first\n`);
  const rates = await medians(sides);
  for (const [i, size] of sizes.entries()) {
    const cells = [
      size,
      rates[i]!.toFixed(0),
      (1e6 / rates[i]!).toFixed(2),
      (rates[0]! / rates[i]!).toFixed(2),
    ];
    print(`${cells.join(" | ")}\n`);
  }
}

/** Prints what a get takes with 1 to 10,000 keys in flight. */
export async function printInFlight(get: Ask): Promise<void> {
  await printTable(
    "keys in flight",
    IN_FLIGHT,
    IN_FLIGHT.map((inFlight) => () =>
      rate(inFlight, SMALL.keys, SMALL.bytes, get)
    ),
  );
}

/** A pool in this process that asks `count` others, by calling their handlers. */
async function inMemory(
  count: number,
): Promise<{ get: Ask; close: () => Promise<void> }> {
  const pools = new Map<string, HTTPPool>();
  const fetch = async (request: Request): Promise<Response> =>
    await pools.get(new URL(request.url).origin)!.handler(request);
  const origins = Array.from({ length: count }, (_, i) => `http://10.0.0.${i}`);
  let warm = false;
  for (const origin of origins) {
    const pool = new HTTPPool(origin, { fetch, logger: SILENT });
    pool.setPeers(origins);
    pool.group(SMALL.group, (key) => {
      if (warm) throw new Error(`${key} was not in memory`);
      return valueOf(SMALL, key);
    });
    pools.set(origin, pool);
  }
  const asker: Asker = askerOf(HTTPPool, origins, { fetch });
  // The owners load their keys.
  await asker.getMany(SMALL)(SMALL.keys);
  warm = true;
  return {
    get: asker.get(SMALL),
    close: async () => {
      await asker.close();
      for (const pool of pools.values()) await pool.close();
    },
  };
}

/** Prints what a get takes with 1 to 100 peers, over which the keys are spread. */
export async function printPeers(): Promise<void> {
  const clusters: Awaited<ReturnType<typeof inMemory>>[] = [];
  try {
    for (const count of PEERS) clusters.push(await inMemory(count));
    await printTable(
      "peers, 64 in flight, in one process",
      PEERS,
      clusters.map(({ get }) => () => rate(64, SMALL.keys, SMALL.bytes, get)),
    );
  } finally {
    for (const { close } of clusters) await close();
  }
}
