/**
 * A cluster whose processes come up one by one and follow one name in DNS, and what
 * that costs the origin.
 *
 * @module
 */

import { RendezvousHash } from "../protocol/consistent_hash.ts";
import { oneOf } from "./_chance.ts";
import { type Call, World, type WorldOptions } from "./_world.ts";

/** A process comes up each second. */
const EVERY_MS = 1_000;
/** After so long the last one is in every list: `everyMs` of `dnsPeers`, and its jitter. */
const SETTLED_MS = 6_000;
/** How many keys a call asks for. */
const CALL_KEYS = 50;
/** How many calls there are while a process comes up. */
const CALLS = 4;
/** A bound on all loads while lists differ, as a multiple of the keys that were loaded. */
const LIMIT = 1.5;

/** What it costs to come up one by one. */
export interface Growth {
  nodes: number;
  /** How many keys were loaded while the processes came up. */
  keys: number;
  /** How often, all together, and that of the key that was loaded most often. */
  loads: number;
  most: number;
  /** How many of them were loaded more often than lists named an owner for them. */
  excess: number;
  /** The loads when all had the same list, and those of the key that had most of them. */
  later: number;
  mostLater: number;
  failed: number;
}

/** Whether it kept to what is promised, and to the limit, and no get failed. */
export function isBounded(growth: Growth): boolean {
  const { keys, loads, excess, mostLater, failed } = growth;
  return loads <= LIMIT * keys && excess === 0 && mostLater <= 1 &&
    failed === 0;
}

/** All processes come up, one each second, while those that are there ask for keys. */
export async function grow(options: WorldOptions): Promise<Growth> {
  const { nodes } = options;
  const world = new World({ ...options, nodes: 0, newcomers: nodes });
  const { keys, chance, draw } = world;
  const order: string[] = [];
  for (let i = 0; i < nodes; i++) {
    order.push(world.startFollowing().origin);
    const ready = world.nodes.slice();
    const calls = Array.from({ length: CALLS }, (): Call => ({
      at: chance() * EVERY_MS,
      node: oneOf(ready, chance),
      keys: Array.from({ length: CALL_KEYS }, draw),
    }));
    await world.run(calls, EVERY_MS);
  }
  await world.run([], SETTLED_MS);
  const loads = world.loaded();
  const rings = order.map((_, i) => new RendezvousHash(order.slice(0, i + 1)));
  const namedFor = (key: string): number =>
    new Set(rings.map((ring) => ring.get(key))).size;
  const excess = [...loads].filter(([key, count]) => count > namedFor(key));
  const calls = world.nodes.map((node): Call => ({
    at: chance() * EVERY_MS,
    node,
    keys: Array.from({ length: CALL_KEYS }, () => oneOf(keys, chance)),
  }));
  await world.run(calls, 10 * EVERY_MS);
  const later = world.loaded();
  const { failed } = world;
  await world.close();
  return {
    nodes,
    keys: loads.size,
    loads: sum(loads.values()),
    most: Math.max(...loads.values()),
    excess: excess.length,
    later: sum(later.values()),
    mostLater: Math.max(...later.values()),
    failed,
  };
}

function sum(numbers: Iterable<number>): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}
