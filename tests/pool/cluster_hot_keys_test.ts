/** Keys that many ask for are kept where they are asked, by themselves, and others are not. */

import { HTTPPool } from "../../mod.ts";
import { localOf } from "../../group/local_group.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  type Cluster,
  type ClusterOptions,
  holdLoads,
  keysOwnedBy,
  MIRROR_ALL,
  type Node,
  numberedKeys,
  originsOf,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { gate, settle } from "../support/time.ts";

const KEY = "hot";

/** How many gets of `KEY` by others than its owner reached the owner. */
function reachedOwner({ network }: Cluster, owner: Node): number {
  return network.count({ to: owner.origin, path: `/_geecache/g/${KEY}` });
}

/** Has every node get a key so often, one after the other. */
async function getByAll(
  { nodes }: Cluster,
  key: string,
  times = 1,
): Promise<void> {
  for (let i = 0; i < times; i++) {
    for (const { group } of nodes) await group.get(key);
  }
}

/** Makes `KEY` hot: afterwards every node but the owner has a copy. */
async function makeHot(cluster: Cluster): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await getByAll(cluster, KEY);
    await cluster.clock.advance(100);
  }
  for (const { group } of cluster.nodes) assert(group.peek(KEY) !== undefined);
}

function heldIn(which: "main" | "hot", { nodes }: Cluster): number {
  return nodes.reduce((sum, { group }) => sum + group.stats()[which].items, 0);
}

/** A small generator of numbers from 0 to 1. */
function chance(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

for (
  const [pace, everyMs, mirrorTtlMs] of [
    ["each asks for it twice a second", 500, 60_000],
    ["each asks for it every two seconds", 2_000, 60_000],
    ["copies live for a second", 20, 1_000],
    ["copies live for a tenth of a second", 2, 100],
  ] as const
) {
  Deno.test(`Half of all gets are for one key: at most 5 % of those in other processes reach its owner, if ${pace}`, () =>
    withCluster(8, async (cluster) => {
      const owner = cluster.ownerOf(KEY);
      let gets = 0;
      for (let ms = 0; ms < 10 * mirrorTtlMs; ms += everyMs) {
        for (const node of cluster.nodes) {
          await node.group.get(KEY);
          await node.group.get(`cold-${node.origin.slice(-1)}-${ms}`);
          if (node !== owner) gets++;
        }
        await cluster.clock.advance(everyMs);
      }
      assertEquals(gets, 7 * 10 * mirrorTtlMs / everyMs);
      const share = reachedOwner(cluster, owner) / gets;
      assert(share <= 0.05, `${share}`);
      // The others are owned by whoever loaded them.
      assertEquals(heldIn("hot", cluster), 7);
    }, { group: { mirrorTtlMs } }));
}

for (
  const [when, momentOf] of [
    ["at random moments", (chance: () => number) => chance()],
    [
      "all processes at the same moment",
      (_: () => number, key: number) => key / 100,
    ],
  ] as const
) {
  Deno.test(`Of keys that each process asks for once a minute, ${when}, none of 100 is copied`, () =>
    withCluster(8, async (cluster) => {
      const { nodes, clock } = cluster;
      const random = chance();
      const copied = new Set<string>();
      for (let minute = 0; minute < 5; minute++) {
        const gets: { at: number; key: string; node: Node }[] = [];
        for (const [index, key] of numberedKeys(100).entries()) {
          for (const node of nodes) {
            const at = (minute + momentOf(random, index)) * 60_000;
            gets.push({ at, key, node });
          }
        }
        gets.sort((a, b) => a.at - b.at);
        for (const { at, key, node } of gets) {
          if (at > clock.now()) await clock.advance(at - clock.now());
          await node.group.get(key);
          if (node === cluster.ownerOf(key)) continue;
          if (node.group.peek(key) !== undefined) copied.add(key);
        }
      }
      assertEquals([...copied], []);
    }));
}

Deno.test("While a million other keys are asked for, a hot key is copied and no cold one is", () =>
  withCluster(8, async (cluster) => {
    const owner = cluster.ownerOf(KEY);
    const askers = cluster.nodes.filter((node) => node !== owner);
    const cold = keysOwnedBy(cluster, owner, 200, "cold");
    // The questions for most of them come here without a network.
    const local = localOf(owner.group);
    const value = { value: await owner.group.get(KEY) };
    let hot = 0;
    for (let i = 0; i < 1_000_000; i++) {
      if (local.handOut(`other-${i}`, value).isHot) hot++;
      if (i % 5_000 !== 0) continue;
      for (const { group } of askers) {
        await group.get(KEY);
        await group.get(cold[i / 5_000]!);
      }
      await cluster.clock.advance(300);
    }
    assertEquals(hot, 0);
    for (const { group } of askers) {
      assertEquals(group.stats().hot.items, 1);
      assertEquals(group.peek(KEY)?.text(), "<hot>");
    }
  }));

Deno.test("A key is kept as long as it is used, because each asker says how often it used its copy", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf(KEY);
    const asker = cluster.nodes.find((node) => node !== owner)!;
    const said: [served: string | null, isHot: string | null][] = [];
    cluster.network.fault(owner.origin, async (request, next) => {
      const answer = await next();
      said.push([
        request.headers.get("Geecache-Served"),
        answer.headers.get("Geecache-Hot"),
      ]);
      return answer;
    });
    const getInOneLife = async (times: number) => {
      for (let i = 0; i < times; i++) await asker.group.get(KEY);
      await cluster.clock.advance(60_000);
    };
    await getInOneLife(12 + 8);
    await getInOneLife(1 + 4);
    await getInOneLife(1 + 2);
    await getInOneLife(1 + 2);
    await getInOneLife(1);
    assertEquals(said, [
      ...Array.from({ length: 11 }, (): [null, null] => [null, null]),
      [null, "1"],
      ["8", "1"],
      ["4", "1"],
      // Two uses in a minute are not worth another copy.
      ["2", null],
      [null, null],
      [null, null],
      [null, null],
    ]);
  }));

Deno.test("A node that starts while all others have a copy of a hot key gets one with its first get", () =>
  withCluster(50, async (cluster) => {
    const { nodes, clock } = cluster;
    const minutes = async (count: number) => {
      for (let i = 0; i < 30 * count; i++) {
        for (const { group } of nodes) await group.get(KEY);
        await clock.advance(2_000);
      }
    };
    await minutes(2);
    const late = nodes.find((node) => node !== cluster.ownerOf(KEY))!;
    await late.pool.close();
    nodes.splice(nodes.indexOf(late), 1);
    await minutes(1);
    const again = cluster.start(late.origin);
    again.pool.setPeers(originsOf(cluster));
    await again.group.get(KEY);
    assertEquals(again.group.peek(KEY)?.text(), "<hot>");
  }));

Deno.test("A remove, a set and a clear drop copies of a hot key everywhere", async () => {
  const writes: [string, (node: Node) => Promise<void>][] = [
    ["remove", ({ group }) => group.remove(KEY)],
    ["set", ({ group }) => group.set(KEY, "new")],
    ["clear", ({ group }) => group.clear()],
  ];
  for (const [name, write] of writes) {
    await withCluster(4, async (cluster) => {
      await makeHot(cluster);
      const owner = cluster.ownerOf(KEY);
      const writer = cluster.nodes.find((node) => node !== owner)!;
      await write(writer);
      assertEquals(heldIn("hot", cluster), 0, name);
      const value = name === "set" ? "new" : "<hot>";
      for (const node of cluster.nodes) {
        assertEquals(await textOf(node.group.get(KEY)), value, name);
      }
    });
  }
});

Deno.test("A hot key that was written is copied again with the first get", () =>
  withCluster(4, async (cluster) => {
    await makeHot(cluster);
    // The owner forgets what it counted itself.
    await cluster.clock.advance(55_000);
    await getByAll(cluster, KEY, 4);
    await cluster.nodes[0]!.group.set(KEY, "new");
    await getByAll(cluster, KEY);
    for (const { group } of cluster.nodes) {
      assertEquals(group.peek(KEY)?.text(), "new");
    }
  }));

Deno.test("A hot value that was answered before a remove is not kept after it", () =>
  withCluster(4, async (cluster) => {
    await makeHot(cluster);
    await cluster.clock.advance(60_000);
    const [owner, asker, writer] = cluster.inOrder(KEY) as [Node, Node, Node];
    const answered = gate();
    let isHot: string | null = null;
    cluster.network.fault(owner.origin, async (request, next) => {
      const answer = await next();
      if (request.method !== "GET") return answer;
      isHot = answer.headers.get("Geecache-Hot");
      await answered.opened;
      return answer;
    });
    const get = textOf(asker.group.get(KEY));
    await settle();
    await writer.group.remove(KEY);
    answered.open();
    assertEquals(await get, "<hot>");
    assertEquals(isHot, "1");
    assertEquals(asker.group.peek(KEY), undefined);
  }));

Deno.test("What a stand-in answers is not kept, even if it says that the key is hot", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder(KEY) as [Node, Node, Node];
    cluster.network.kill(owner.origin);
    let isHot: string | null = null;
    cluster.network.fault(next.origin, async (_request, pass) => {
      const answer = await pass();
      isHot = answer.headers.get("Geecache-Hot");
      return answer;
    });
    for (let i = 0; i < 30; i++) await asker.group.get(KEY);
    assertEquals(isHot, "1");
    assertEquals(asker.group.peek(KEY), undefined);
  }));

Deno.test("shouldMirror alone decides if it is given", () =>
  withCluster(2, async (cluster) => {
    await getByAll(cluster, KEY, 50);
    assertEquals(heldIn("hot", cluster), 0);
  }, { group: { shouldMirror: () => false } }));

Deno.test("A process says nothing of copies that shouldMirror asked for", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf(KEY);
    cluster.network.fault(owner.origin, async (request, next) => {
      assertEquals(request.headers.get("Geecache-Served"), null);
      return await next();
    });
    for (let i = 0; i < 3; i++) {
      await getByAll(cluster, KEY, 20);
      await cluster.clock.advance(60_000);
    }
    assertEquals(reachedOwner(cluster, owner), 3);
  }, MIRROR_ALL));

const WITHOUT_COPIES: [string, ClusterOptions][] = [
  ["mirrorTtlMs is 0", { group: { mirrorTtlMs: 0 } }],
  ["values live for a moment only", {
    getter: () => (key) => ({ value: key, ttlMs: 20 }),
  }],
  ["the pool speaks a protocol of Go", { pool: { protocol: "geecache" } }],
];
for (const [when, options] of WITHOUT_COPIES) {
  Deno.test(`No key is kept by itself if ${when}`, () =>
    withCluster(3, async (cluster) => {
      for (let i = 0; i < 100; i++) {
        await getByAll(cluster, KEY);
        await cluster.clock.advance(10);
      }
      assertEquals(heldIn("hot", cluster), 0);
      const { group } = cluster.ownerOf(KEY);
      if (group.peek(KEY) === undefined) await group.get(KEY);
      assertEquals(localOf(group).answer(KEY)?.isHot, undefined);
    }, options));
}

Deno.test("A process that is not in its own list is told of no writes and keeps no hot key", () =>
  withCluster(3, async (cluster) => {
    const { network } = cluster;
    const origin = "http://client.invalid";
    const client = new HTTPPool(origin, {
      fetch: network.fetchFrom(origin),
      clock: network.clock,
    });
    client.setPeers(originsOf(cluster));
    const group = client.group("g", () => "never");
    await makeHot(cluster);
    for (let i = 0; i < 50; i++) await group.get(KEY);
    assertEquals(group.stats().hot.items, 0);
    await client.close();
  }));

Deno.test("A get that has to ask again while the owner loads counts once", async () => {
  const { begun, end, options } = holdLoads({});
  await withCluster(3, async (cluster) => {
    const owner = cluster.ownerOf(KEY);
    const askers = cluster.nodes.filter((node) => node !== owner);
    const gets = askers.map(({ group }) => group.get(KEY));
    await cluster.clock.advance(60_000);
    assert(reachedOwner(cluster, owner) > 24);
    assertEquals(begun, [KEY]);
    end(KEY);
    await Promise.all(gets);
    assertEquals(heldIn("hot", cluster), 0);
  }, options);
});

Deno.test("A key that its owner has to load for each answer can be hot, too", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf(KEY);
    const asker = cluster.nodes.find((node) => node !== owner)!;
    for (let i = 0; i < 12; i++) {
      await owner.group.remove(KEY);
      await asker.group.get(KEY);
    }
    assertEquals(owner.loads.length, 12);
    assertEquals(asker.group.peek(KEY)?.text(), "<hot>");
  }));

Deno.test("Copies of hot keys take an eighth of what main has, give or take a segment, and owned keys that are used stay", () =>
  withCluster(4, async (cluster) => {
    const { nodes } = cluster;
    const asker = nodes[0]!;
    const used = keysOwnedBy(cluster, asker, 20, "used");
    const others = numberedKeys(400)
      .filter((key) => cluster.ownerOf(key) !== asker);
    // Memory is full of what this process owns.
    for (const key of keysOwnedBy(cluster, asker, 600, "own")) {
      await asker.group.get(key);
    }
    for (const key of used) await asker.group.get(key);
    for (const key of others) {
      for (let i = 0; i < 14; i++) await asker.group.get(key);
      for (const key of used) assert(asker.group.peek(key) !== undefined);
      for (const key of used) await asker.group.get(key);
    }
    const { main, hot } = asker.group.stats();
    assert(hot.items > 0 && hot.evictions > 100, JSON.stringify(hot));
    assert(hot.bytes <= main.bytes / 6, `${hot.bytes} of ${main.bytes}`);
    assertEquals(asker.loads.length, 620);
  }, { group: { maxBytes: 40_000 } }));
