/** Owners that fail while keys are asked of them over a link: what becomes of each key. */

import { ByteView } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ask, SLOW, textsOf, valuesOf, withPair } from "../support/batches.ts";
import { type Cluster, type Node, withCluster } from "../support/cluster.ts";
import { gate, settle } from "../support/time.ts";

/** Keys that the cluster's first node owns; its second and third are next, in this order. */
function inOrder(cluster: Cluster, count: number): string[] {
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) {
    const order = cluster.inOrder(`k-${i}`);
    if (order.every((node, i) => node === cluster.nodes[i])) {
      keys.push(`k-${i}`);
    }
  }
  return keys;
}

/** Runs three nodes, of which the third has a link to the first, which owns `keys`. */
function withLink(
  run: (
    nodes: {
      cluster: Cluster;
      owner: Node;
      next: Node;
      asker: Node;
      keys: string[];
      stats(): ReturnType<Node["pool"]["stats"]>["peers"][number];
    },
  ) => Promise<void>,
  getter?: (node: string) => (key: string) => string | Promise<string>,
): Promise<void> {
  return withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.nodes as [Node, Node, Node];
    const all = inOrder(cluster, 8);
    const stats = () =>
      asker.pool.stats().peers.find(({ id }) => id === owner.origin)!;
    for (const key of all.slice(0, 3)) await asker.group.get(key);
    await settle();
    assertEquals(stats().link, "open");
    owner.loads.length = 0;
    await run({ cluster, owner, next, asker, keys: all.slice(3), stats });
  }, getter === undefined ? {} : { getter });
}

function textsIn(answers: Map<string, unknown>): unknown[] {
  return [...answers.values()].map((value) =>
    value instanceof ByteView ? value.text() : value
  );
}

Deno.test("Each key of a link to an owner that falls silent is asked of the next node, after timeoutMs", () =>
  withLink(async ({ cluster, owner, next, asker, keys, stats }) => {
    cluster.network.silence(owner.origin);
    const many = asker.group.getMany(keys);
    await cluster.clock.advance(4_999);
    assertEquals(next.loads, []);
    await cluster.clock.advance(2_000);
    assertEquals(textsIn(await many), valuesOf(keys));
    assertEquals([...next.loads].sort(), [...keys].sort());
    assertEquals([owner.loads, asker.loads], [[], []]);
    // All keys of the link are one failure of the peer.
    assertEquals(stats().errors, 1);
    assertEquals(asker.group.stats().peerErrors, 5);
  }));

Deno.test("Each key of a link to an owner that dies is asked of the next node at once", () => {
  const stuck = new Set<string>();
  return withLink(
    async ({ cluster, owner, next, asker, keys }) => {
      for (const key of keys) stuck.add(owner.origin + key);
      const many = asker.group.getMany(keys);
      await settle();
      cluster.network.kill(owner.origin);
      await cluster.clock.advance(10);
      assertEquals(textsIn(await many), valuesOf(keys));
      assertEquals([...next.loads].sort(), [...keys].sort());
      assertEquals([asker.loads, cluster.clock.now()], [[], 10]);
    },
    (node) => (key) =>
      stuck.has(node + key) ? new Promise<string>(() => {}) : `<${key}>`,
  );
});

Deno.test("The keys that a link answered before it broke are not asked for again", async () => {
  const gates = new Map<string, ReturnType<typeof gate<string>>>();
  await withLink(async ({ cluster, owner, next, asker, keys }) => {
    for (const key of keys) gates.set(owner.origin + key, gate());
    const many = asker.group.getMany(keys);
    await settle();
    for (const key of keys.slice(0, 2)) {
      gates.get(owner.origin + key)!.open(`<${key}>`);
    }
    await settle();
    cluster.network.kill(owner.origin);
    await cluster.clock.advance(10);
    assertEquals(textsIn(await many), valuesOf(keys));
    assertEquals([...next.loads].sort(), keys.slice(2).sort());
    assertEquals(asker.loads, []);
  }, (node) => (key) => gates.get(node + key)?.opened ?? `<${key}>`);
});

Deno.test("A link that breaks while its owner is well costs no second load, and no key is asked elsewhere", async () => {
  const gates = new Map<string, ReturnType<typeof gate<string>>>();
  await withLink(async ({ cluster, owner, next, asker, keys, stats }) => {
    for (const key of keys) gates.set(owner.origin + key, gate());
    const many = asker.group.getMany(keys);
    for (let i = 0; i < 3; i++) {
      await cluster.clock.advance(1_500);
      cluster.network.cutLinks(owner.origin);
    }
    await cluster.clock.advance(1_000);
    for (const key of keys) gates.get(owner.origin + key)!.open(`<${key}>`);
    await cluster.clock.advance(3_000);
    assertEquals(textsIn(await many), valuesOf(keys));
    assertEquals([...owner.loads].sort(), [...keys].sort());
    assertEquals([next.loads, asker.loads], [[], []]);
    assertEquals([stats().errors, asker.group.stats().peerErrors], [0, 0]);
  }, (node) => (key) => gates.get(node + key)?.opened ?? `<${key}>`);
});

Deno.test("The keys of a link go to the next node when the owner closes", () => {
  const stuck = new Set<string>();
  return withLink(
    async ({ cluster, owner, next, asker, keys }) => {
      for (const key of keys) stuck.add(owner.origin + key);
      const many = asker.group.getMany(keys);
      await cluster.clock.advance(10);
      await owner.pool.close();
      await cluster.clock.advance(10);
      assertEquals(textsIn(await many), valuesOf(keys));
      assertEquals([...next.loads].sort(), [...keys].sort());
      assertEquals(asker.loads, []);
    },
    (node) => (key) =>
      stuck.has(node + key) ? new Promise<string>(() => {}) : `<${key}>`,
  );
});

Deno.test("The keys of a link go to their new owner when the peer leaves the list", () =>
  withPair(async ({ clock, asker, keys }) => {
    await textsOf(keys(3).map((key) => ask(asker, key)));
    await settle();
    const slow = keys(5, SLOW);
    const gets = slow.map((key) => ask(asker, key));
    await clock.advance(60);
    asker.pool.setPeers([asker.origin]);
    await clock.advance(10);
    assertEquals(await textsOf(gets), slow.map(() => asker.origin));
  }, {
    getter: (node) => (key) =>
      node === "http://n0" && key.startsWith(SLOW)
        ? new Promise<string>(() => {})
        : node,
  }));

Deno.test("A busy owner is asked over the link again; when patience ends, the asker loads the keys itself", () => {
  const opened = gate();
  return withPair(async ({ clock, asker, owner, keys }) => {
    for (const key of keys(3)) await ask(asker, key);
    await settle();
    owner.loads.length = 0;
    const [slow, first, second] = keys(3, SLOW) as [string, string, string];
    const holds = ask(asker, slow);
    await settle();
    const patient = ask(asker, first);
    await clock.advance(2_000);
    assertEquals([owner.loads, asker.loads], [[slow], []]);
    const impatient = ask(asker, second);
    await clock.advance(2_900);
    assertEquals(asker.loads, []);
    // The patience of the first key is over, and then that of the second.
    await clock.advance(200);
    assertEquals(asker.loads, [first]);
    opened.open();
    await clock.advance(100);
    assertEquals(await textsOf([holds, patient, impatient]), [
      owner.origin,
      asker.origin,
      owner.origin,
    ]);
    assertEquals(owner.loads, [slow, second]);
  }, {
    pool: { maxPeerRequests: 1 },
    getter: (node) => async (key) => {
      if (key.startsWith(SLOW) && node === "http://n0") await opened.opened;
      return node;
    },
  });
});

Deno.test("Keys that wait for a silent peer are asked elsewhere when its time is over, however many they are", () =>
  withPair(async ({ cluster, clock, owner, asker, keys }) => {
    cluster.network.silence(owner.origin);
    const gets = keys(5_000).map((key) => ask(asker, key));
    await clock.advance(1_000);
    const late = ask(asker, keys(1, "late")[0]!);
    await clock.advance(4_000);
    assert(asker.loads.length >= 5_000, `${asker.loads.length}`);
    await clock.advance(1_000);
    assertEquals((await textsOf([...gets, late])).length, 5_001);
    assertEquals(clock.now(), 6_000);
  }));

Deno.test("The signals of getters fire when all callers of a link have left", () => {
  const signals = new Map<string, AbortSignal>();
  return withPair(async ({ clock, asker, keys }) => {
    await textsOf(keys(3).map((key) => ask(asker, key)));
    await settle();
    const slow = keys(3, SLOW);
    const controllers = slow.map(() => new AbortController());
    for (const [i, key] of slow.entries()) {
      ask(asker, key, controllers[i]!.signal);
    }
    await settle();
    for (const [i, controller] of controllers.entries()) {
      controller.abort(new Error(`${i} left`));
      await settle();
      const fired = slow.map((key) => signals.get(key)!.aborted);
      assertEquals(fired, slow.map((_, j) => j <= i));
    }
    const { peers } = asker.pool.stats();
    assertEquals([peers[0]!.errors, asker.group.stats().peerErrors], [0, 0]);
    assertEquals(asker.loads, []);
    await clock.advance(1_000);
    assertEquals(clock.pending, 0);
  }, {
    getter: () => (key, { signal }) => {
      if (!key.startsWith(SLOW)) return key;
      signals.set(key, signal);
      return new Promise<string>(() => {});
    },
  });
});
