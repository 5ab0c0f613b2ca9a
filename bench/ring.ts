/**
 * How evenly a ring spreads keys, how many keys one more node moves, and what a
 * pick costs.
 *
 * With `--mixed`: how many points a node needs on a CRC-32 ring with a mixed hash
 * until the shares are even.
 *
 * @module
 */

import {
  ConsistentHash,
  crc32,
  RendezvousHash,
  type Ring,
} from "../protocol/consistent_hash.ts";
import { median, random } from "./_measure.ts";

const KEYS = 1_000_000;
const NODES = [3, 10, 50, 200];
/** Names of nodes decide their shares, so one list says little. */
const LISTS = 5;

const keys = Array.from({ length: KEYS }, (_, i) => `user:${i}`);

const RINGS: Record<string, (nodes: readonly string[]) => Ring> = {
  "ConsistentHash, crc32, 50 points": (nodes) => new ConsistentHash(nodes),
  RendezvousHash: (nodes) => new RendezvousHash(nodes),
};

/** As many different origins as `count` says, the same for the same seed. */
function nodesOf(seed: number, count: number): string[] {
  const chance = random(seed);
  const byte = (): number => Math.floor(chance() * 256);
  // Similar seeds begin with similar numbers.
  for (let i = 0; i < 20; i++) chance();
  const nodes = new Set<string>();
  while (nodes.size < count) {
    nodes.add(`http://10.${byte()}.${byte()}.${byte()}:8080`);
  }
  return [...nodes];
}

/** The busiest and the laziest share, as multiples of the mean. */
interface Spread {
  busiest: number;
  laziest: number;
}

function spreadOf(shares: ArrayLike<number>): Spread {
  const all = Array.from(shares);
  const mean = all.reduce((sum, share) => sum + share) / all.length;
  return {
    busiest: Math.max(...all) / mean,
    laziest: Math.min(...all) / mean,
  };
}

function measure(
  what: string,
  makeRing: (nodes: readonly string[]) => Ring,
  count: number,
): void {
  const spreads: Spread[] = [];
  const moved: number[] = [];
  const nanoseconds: number[] = [];
  for (let seed = 1; seed <= LISTS; seed++) {
    const nodes = nodesOf(seed, count);
    const newcomer = nodes.at(-1)!;
    const ring = makeRing(nodes);
    const before = makeRing(nodes.slice(0, -1));
    const picks = new Array<string>(KEYS);
    const begin = performance.now();
    for (let i = 0; i < KEYS; i++) picks[i] = ring.get(keys[i]!)!;
    nanoseconds.push((performance.now() - begin) * 1e6 / KEYS);
    const shares = new Map(nodes.map((node) => [node, 0]));
    let changed = 0;
    for (const [i, pick] of picks.entries()) {
      shares.set(pick, shares.get(pick)! + 1);
      if (before.get(keys[i]!) === pick) continue;
      changed++;
      if (pick !== newcomer) throw new Error(`${what} moved ${keys[i]} astray`);
    }
    spreads.push(spreadOf([...shares.values()]));
    moved.push(changed / KEYS * count);
  }
  const busiest = spreads.map((spread) => spread.busiest);
  const laziest = spreads.map((spread) => spread.laziest);
  console.log([
    what,
    count,
    `${median(busiest).toFixed(2)} (${Math.max(...busiest).toFixed(2)})`,
    `${median(laziest).toFixed(2)} (${Math.min(...laziest).toFixed(2)})`,
    `${median(moved).toFixed(2)} (${Math.min(...moved).toFixed(2)}–${
      Math.max(...moved).toFixed(2)
    })`,
    median(nanoseconds).toFixed(0),
  ].join(" | "));
}

/** MurmurHash3's finalizer, which `RendezvousHash` uses, too. */
function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The spread of all possible keys, from the lengths of the ring's arcs. */
function spreadOfArcs(
  nodes: readonly string[],
  replicas: number,
  finish: (hash: number) => number,
): Spread {
  const points: number[] = [];
  const ring = new ConsistentHash(nodes, {
    replicas,
    hash: (data) => {
      const point = finish(crc32(data));
      points.push(point);
      return point;
    },
  });
  // The ring asked for the points of one node after the other.
  const owned = points.map((point, i) => ({
    point,
    owner: Math.floor(i / replicas),
  }));
  owned.sort((a, b) => a.point - b.point || a.owner - b.owner);
  const arcs = new Float64Array(ring.nodes.length);
  let last = owned.at(-1)!.point - 2 ** 32;
  for (const { point, owner } of owned) {
    arcs[owner]! += point - last;
    last = point;
  }
  return spreadOf(arcs);
}

/** Prints how many points bring the busiest of 50 nodes below 1.15 in each of 100 lists. */
function measureMixed(): void {
  const lists = Array.from({ length: 100 }, (_, i) => nodesOf(i + 1, 50));
  console.log(
    "points a node | plain: busiest of 50, worst of 100 lists | " +
      "mixed: busiest | laziest | lists above 1.15",
  );
  for (const replicas of [50, 200, 400, 600, 700, 800, 1000]) {
    const mixed = lists.map((nodes) => spreadOfArcs(nodes, replicas, mix));
    const plain = lists.map((nodes) =>
      spreadOfArcs(nodes, replicas, (hash) => hash).busiest
    );
    const busiest = mixed.map((spread) => spread.busiest);
    console.log([
      replicas,
      Math.max(...plain).toFixed(2),
      Math.max(...busiest).toFixed(3),
      Math.min(...mixed.map((spread) => spread.laziest)).toFixed(3),
      busiest.filter((share) => share > 1.15).length,
    ].join(" | "));
  }
}

if (Deno.args.includes("--mixed")) {
  measureMixed();
} else {
  console.log(
    `${KEYS} keys, ${LISTS} lists of nodes; shares as multiples of the mean: median (worst list)`,
  );
  console.log(
    "ring | nodes | busiest | laziest | moved by one that joins, as a multiple of 1/n | ns a pick",
  );
  for (const [what, makeRing] of Object.entries(RINGS)) {
    for (const count of NODES) measure(what, makeRing, count);
  }
}
