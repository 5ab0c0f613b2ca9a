/**
 * Events that happen to a cluster, and what each costs the origin.
 *
 * @module
 */

import { RendezvousHash } from "../protocol/consistent_hash.ts";
import { oneOf } from "./_chance.ts";
import type { Failure } from "./_virtual.ts";
import { type Call, type Node, World, type WorldOptions } from "./_world.ts";

/** How long a copy of another process's key lives: the default of `mirrorTtlMs`. */
const LIFE_MS = 60_000;
/** All processes learn of a new list within this time. */
export const TOLD_WITHIN_MS = 2_000;
/** How long a process drains: the default of `drain()`. */
const DRAIN_MS = 5_000;
/** How many other keys all processes together ask for in each life of a copy. */
const OTHERS = 500;
/** How many gets there are beside one for each key, where nothing happens. */
const STEADY = 5_000;
/** How many keys a call asks for, if it does not ask for all that matter. */
const CALL_KEYS = 50;
/** The share of a newcomer's keys that has expired when it comes. */
const EXPIRED = 0.2;
/** A bound on what an event costs, as a multiple of the lost keys. */
export const LIMIT = 1.1;

/** The same for a process that drains, as a multiple of its keys. */
const DRAIN_LIMIT = 0.1;

/** With fewer lost keys than this, a single extra load would break the bound. */
const MIN_LOST = 10;

/** What it costs to get all keys when nothing happens. */
export interface Steady {
  nodes: number;
  keys: number;
  /** How many keys were asked for, by all callers together. */
  gets: number;
  loads: number;
  /** The loads of the key that was loaded most often. */
  most: number;
  /** The share of the process that owns most keys, as a multiple of the mean. */
  busiestByKeys: number;
  /** The share of the process that others asked for most keys, likewise. */
  busiestByGets: number;
  failed: number;
}

/** What an event cost. */
export interface Cost {
  nodes: number;
  event: string;
  /** How many keys have an owner that came or went. */
  keys: number;
  /**
   * How many of them no process that stays has in memory: they are loaded, if
   * nothing is handed over.
   */
  lost: number;
  /** Loads in each life of a copy, one after the other. */
  loads: number[];
  /** The most loads that are allowed; `undefined`: there is no bound. */
  limit: number | undefined;
  /** Whether `limit` is on all of `loads` together, not on each. */
  inAll: boolean;
  slow: number;
  failed: number;
}

/** Some process asks for each key, and many processes ask for many keys. */
export async function steady(options: WorldOptions): Promise<Steady> {
  const world = new World(options);
  const calls = [...everyKey(world), ...others(world, STEADY)];
  await world.run(calls, LIFE_MS);
  const loads = world.loaded();
  const { nodes, keys } = world;
  const owned = nodes.map((node) => world.keysOf(node).length);
  const asked = nodes.map(({ group }) => group.stats().serverRequests);
  const steady: Steady = {
    nodes: nodes.length,
    keys: keys.length,
    gets: sum(calls.map((call) => call.keys.length)),
    loads: sum(loads.values()),
    most: Math.max(...loads.values()),
    busiestByKeys: Math.max(...owned) / (sum(owned) / nodes.length),
    busiestByGets: Math.max(...asked) / (sum(asked) / nodes.length),
    failed: world.failed,
  };
  await world.close();
  return steady;
}

/**
 * A process joins; some of its keys have expired at their last owners. All others
 * are told within `toldWithinMs`. If that is long, there is no bound: while lists
 * differ, a key that nobody has is loaded by its last owner for some processes
 * and by its next owner for others.
 */
export async function join(
  options: WorldOptions,
  toldWithinMs: number,
): Promise<Cost> {
  const world = new World(options);
  const before = world.nodes.map(({ origin }) => origin);
  const after = [...before, world.newcomer];
  const ring = new RendezvousHash(after);
  const keys = world.keys.filter((key) => ring.get(key) === world.newcomer);
  for (const key of keys) {
    if (world.chance() < EXPIRED) world.ttls.set(key, LIFE_MS);
  }
  await warm(world);
  world.ttls.clear();
  const lost = keys.filter((key) => !world.isHeld(key)).length;
  world.start(after);
  world.tell(after, toldWithinMs);
  const loads = await live(world, keys, 3);
  const event = `one joins, all told in ${toldWithinMs} ms`;
  // With few keys, one load more says nothing.
  const counts = toldWithinMs < TOLD_WITHIN_MS && lost >= MIN_LOST;
  const limit = counts ? LIMIT * lost : undefined;
  const cost = { event, keys, lost, loads, limit, inAll: true };
  return await end(world, cost, before.length);
}

/** A process leaves and all others are told, with a drain or without. */
export async function leave(
  options: WorldOptions,
  drains: boolean,
): Promise<Cost> {
  const { world, victim, keys } = await begin(options);
  if (drains) {
    victim.pool.drain({ timeoutMs: DRAIN_MS }).then(() =>
      world.end(victim, "refuses")
    );
  } else await world.end(victim, "refuses");
  world.tell(without(world, victim), TOLD_WITHIN_MS);
  const loads = await live(world, keys, 3);
  const event = drains ? "one drains and leaves" : "one leaves at once";
  const lost = keys.length;
  const limit = drains ? DRAIN_LIMIT * lost : undefined;
  const cost = { event, keys, lost, loads, limit, inAll: drains };
  return await end(world, cost);
}

/** A process dies. All others are told after two lives of a copy. */
export async function die(
  options: WorldOptions,
  failure: Failure,
): Promise<Cost> {
  const { world, victim, keys } = await begin(options);
  await world.end(victim, failure);
  const loads = await live(world, keys, 2);
  world.tell(without(world, victim), TOLD_WITHIN_MS);
  loads.push(...await live(world, keys, 3));
  const event = `one dies and ${failure}`;
  const lost = keys.length;
  const limit = LIMIT * lost;
  return await end(world, { event, keys, lost, loads, limit, inAll: false });
}

/** Whether the bound held and no get failed. */
export function holds({ loads, limit, inAll, failed }: Cost): boolean {
  const most = inAll ? sum(loads) : Math.max(...loads);
  return failed === 0 && (limit === undefined || most <= limit);
}

/** A cluster that has everything in memory, and the process that it will lose. */
async function begin(
  options: WorldOptions,
): Promise<{ world: World; victim: Node; keys: string[] }> {
  const world = new World(options);
  await warm(world);
  const victim = oneOf(world.nodes, world.chance);
  return { world, victim, keys: world.keysOf(victim) };
}

/** Loads every key, and waits until the last change of the list is long ago. */
async function warm(world: World): Promise<void> {
  await world.run(everyKey(world), 2 * LIFE_MS);
  world.loaded();
}

async function end(
  world: World,
  cost: Omit<Cost, "nodes" | "keys" | "slow" | "failed"> & { keys: string[] },
  nodes: number = world.nodes.length,
): Promise<Cost> {
  const { slow, failed } = world;
  await world.close();
  return { ...cost, nodes, keys: cost.keys.length, slow, failed };
}

/**
 * Lets some lives of a copy pass. Every process asks for all of `keys` at once
 * soon after the start, which is the hardest, and then in each life. Returns the
 * loads of each life.
 */
async function live(
  world: World,
  keys: readonly string[],
  lives: number,
): Promise<number[]> {
  const loads: number[] = [];
  for (let life = 0; life < lives; life++) {
    const calls = others(world, OTHERS);
    for (const node of world.nodes) {
      const at = (ms: number): number => world.chance() * ms;
      if (life === 0) calls.push({ at: at(TOLD_WITHIN_MS), node, keys });
      calls.push({ at: at(LIFE_MS), node, keys });
    }
    await world.run(calls, LIFE_MS);
    loads.push(sum(world.loaded().values()));
  }
  return loads;
}

/** Each key is asked for once, by some process. */
function everyKey({ keys, nodes, chance }: World): Call[] {
  const calls: Call[] = [];
  for (let i = 0; i < keys.length; i += CALL_KEYS) {
    calls.push({
      at: chance() * LIFE_MS / 2,
      node: oneOf(nodes, chance),
      keys: keys.slice(i, i + CALL_KEYS),
    });
  }
  return calls;
}

/** Random keys, some much more often than others, by random processes. */
function others({ nodes, chance, draw }: World, count: number): Call[] {
  return Array.from({ length: Math.ceil(count / CALL_KEYS) }, () => ({
    at: chance() * LIFE_MS,
    node: oneOf(nodes, chance),
    keys: Array.from({ length: CALL_KEYS }, draw),
  }));
}

function without({ nodes }: World, { origin }: Node): string[] {
  return nodes.map((node) => node.origin).filter((one) => one !== origin);
}

function sum(numbers: Iterable<number>): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}
