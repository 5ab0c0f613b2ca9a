/** Values that go stale in a cluster: links, GETs, copies, stand-ins, handover, drain, Go. */

import type { GroupOptions, Loaded, ProtocolName } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  type Cluster,
  type ClusterOptions,
  keysOwnedBy,
  linkOf,
  type Node,
  openLink,
  originsOf,
  ownerAndAsker,
  withCluster,
} from "../support/cluster.ts";
import { type Gate, gate, settle } from "../support/time.ts";

const LIFE: GroupOptions = {
  ttlMs: 10_000,
  staleWhileRevalidateMs: 60_000,
  staleIfErrorMs: 600_000,
};

/** A cluster whose getters a test controls: all give the number of the load. */
function source(group: GroupOptions, pool?: ClusterOptions["pool"]) {
  const state = {
    loads: 0,
    stale: [] as (string | undefined)[],
    next: String as (load: number) => Loaded | Promise<Loaded>,
    hold(): Gate<Loaded>[] {
      const gates: Gate<Loaded>[] = [];
      state.next = () => {
        const one = gate<Loaded>();
        gates.push(one);
        return one.opened;
      };
      return gates;
    },
    fail(): void {
      state.next = () => Promise.reject(new Error("no db"));
    },
    options: {
      group,
      ...(pool === undefined ? {} : { pool }),
      getter: () => (_key, { stale }) => {
        state.stale.push(stale?.text());
        return state.next(++state.loads);
      },
    } as ClusterOptions,
  };
  return state;
}

/** A value, where it came from, and how long it has. */
async function entryOf(
  { group }: Node,
  key = "k",
): Promise<[string, string, number]> {
  const { value, from, ttlMs } = await group.getEntry(key);
  return [value.text(), from, ttlMs];
}

/** The time that an owner's key goes stale plus some, without what the way takes. */
async function goStale(cluster: Cluster, ms = 5_000): Promise<void> {
  await cluster.clock.advance(10_000 + ms);
}

const WAYS: [string, ProtocolName, boolean][] = [
  ["a GET", "native", false],
  ["a link", "native", true],
  ["a GET of Go's protocol", "groupcache", false],
];

for (const [way, protocol, isLinked] of WAYS) {
  Deno.test(`By ${way}, a stale value is answered as stale, and one refresh runs at the owner for all`, () => {
    const from = source(LIFE, { protocol });
    return withCluster(3, async (cluster) => {
      const [owner, ...askers] = cluster.inOrder("k");
      await entryOf(owner!);
      await goStale(cluster);
      if (isLinked) {
        for (const asker of askers) await openLink(cluster, asker, owner!);
      }
      const gates = from.hold();
      for (const asker of [...askers, ...askers]) {
        assertEquals(await entryOf(asker), ["1", "peer", -5_000]);
      }
      await cluster.clock.advance(0);
      assertEquals([from.loads, gates.length], [2, 1]);
      assertEquals(from.stale.at(-1), "1");
      if (isLinked) assertEquals(linkOf(askers[0]!, owner!), "open");
      // It runs, so nobody begins another one.
      assertEquals(await entryOf(askers[0]!), ["1", "peer", -5_000]);
      await cluster.clock.advance(0);
      assertEquals(from.loads, 2);
      gates[0]!.open("new");
      await settle();
      assertEquals(await entryOf(askers[1]!), ["new", "peer", 10_000]);
      assertEquals(await entryOf(owner!), ["new", "main", 10_000]);
    }, from.options);
  });

  Deno.test(`By ${way}, a load that fails is answered by the stale value, and after the window by its error`, () => {
    const from = source(
      { ttlMs: 10_000, staleIfErrorMs: 60_000 },
      { protocol },
    );
    return withCluster(2, async (cluster) => {
      const { owner, asker } = ownerAndAsker(cluster);
      await entryOf(owner);
      await goStale(cluster);
      if (isLinked) await openLink(cluster, asker, owner);
      from.fail();
      assertEquals(await entryOf(asker), ["1", "peer", -5_000]);
      await cluster.clock.advance(55_000);
      await assertRejects(() => asker.group.get("k"), Error, "no db");
    }, from.options);
  });

  Deno.test(`By ${way}, a key that is known to be absent is answered so, and only its owner knows`, () => {
    const from = source({ negativeTtlMs: 10_000 }, { protocol });
    return withCluster(2, async (cluster) => {
      const { owner, asker } = ownerAndAsker(cluster);
      if (isLinked) await openLink(cluster, asker, owner);
      from.loads = 0;
      from.next = () => undefined;
      for (let i = 0; i < 3; i++) {
        assertEquals(await asker.group.find("k"), undefined);
        assertEquals(await owner.group.find("k"), undefined);
      }
      assertEquals(from.loads, 1);
      assertEquals(asker.group.stats().negativeHits, 0);
      from.next = () => "v";
      await asker.group.remove("k").catch(() => owner.group.remove("k"))
        .catch(() => {});
      await cluster.clock.advance(10_000);
      assertEquals((await asker.group.get("k")).text(), "v");
    }, from.options);
  });
}

Deno.test("A copy of a stale answer lives for a second, is known as stale, and refreshes nothing", () => {
  const from = source({ ...LIFE, shouldMirror: () => true });
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    await entryOf(owner);
    await goStale(cluster);
    from.hold();
    assertEquals(await entryOf(asker), ["1", "peer", -5_000]);
    await cluster.clock.advance(999);
    assertEquals(await entryOf(asker), ["1", "hot", -5_999]);
    assertEquals(asker.group.stats().refreshes, 0);
    await cluster.clock.advance(1);
    assertEquals(await entryOf(asker), ["1", "peer", -6_000]);
    assertEquals([from.loads, owner.group.stats().refreshes], [2, 1]);
  }, from.options);
});

Deno.test("A copy of a stale answer does not live on after the window", () => {
  const from = source({
    ttlMs: 10_000,
    staleWhileRevalidateMs: 5_300,
    shouldMirror: () => true,
  });
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    await entryOf(owner);
    await goStale(cluster);
    from.fail();
    assertEquals(await entryOf(asker), ["1", "peer", -5_000]);
    await cluster.clock.advance(299);
    assertEquals((await entryOf(asker))[1], "hot");
    await cluster.clock.advance(1);
    await assertRejects(() => asker.group.get("k"), Error, "no db");
  }, from.options);
});

Deno.test("A copy of a fresh answer ends when the value goes stale, and its owner is asked", () => {
  const from = source({ ...LIFE, shouldMirror: () => true });
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    await entryOf(owner);
    await cluster.clock.advance(4_000);
    assertEquals(await entryOf(asker), ["1", "peer", 6_000]);
    await cluster.clock.advance(5_999);
    assertEquals(await entryOf(asker), ["1", "hot", 1]);
    await cluster.clock.advance(2);
    assertEquals(await entryOf(asker), ["1", "peer", -1]);
  }, from.options);
});

Deno.test("A set takes its windows to the owner, over whatever way", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    for (const key of ["k", "k ".repeat(10)]) {
      const holder = cluster.ownerOf(key);
      const other = holder === owner ? asker : owner;
      await other.group.set(key, "v", {
        ttlMs: 1_000,
        staleWhileRevalidateMs: 2_000,
        staleIfErrorMs: Infinity,
      });
      await cluster.clock.advance(1_500);
      assertEquals(await entryOf(holder, key), ["v", "main", -500]);
      await cluster.clock.advance(0);
    }
  }, source({}).options));

Deno.test("A stand-in has the owner's rules, for mirrorTtlMs", () => {
  const from = source({ ...LIFE, mirrorTtlMs: 30_000 });
  return withCluster(3, async (cluster) => {
    const [owner, second, third] = cluster.inOrder("k") as [Node, Node, Node];
    const { network } = cluster;
    network.fault(owner.origin, () => {
      throw new TypeError("unreachable");
    });
    assertEquals(await entryOf(second), ["1", "load", 10_000]);
    assertEquals((await entryOf(third))[0], "1");
    await goStale(cluster);
    const gates = from.hold();
    // Its own caller and another process: one refresh, here.
    assertEquals(await entryOf(second), ["1", "hot", -5_000]);
    const { loads } = second.group.stats();
    assertEquals((await entryOf(third))[0], "1");
    assertEquals(second.group.stats().loads, loads);
    await cluster.clock.advance(0);
    assertEquals(from.loads, 2);
    gates[0]!.open("two");
    await settle();
    assertEquals((await entryOf(third))[0], "two");
    // The life of what a stand-in holds is cut.
    await cluster.clock.advance(30_000);
    assertEquals(second.group.peek("k"), undefined);
  }, from.options);
});

Deno.test("A new owner takes over a stale value with its age and its windows, and refreshes it once without a peek", () => {
  const from = source(LIFE, { handoverMs: 30_000 });
  return withCluster(2, async (cluster) => {
    const { nodes } = cluster;
    const key = "k";
    const before = cluster.ownerOf(key);
    await entryOf(before, key);
    await goStale(cluster);
    // Nodes join until another one owns the key.
    let owner = before;
    for (let i = 10; owner === before; i++) {
      cluster.start(`http://n${i}`);
      for (const { pool } of nodes) pool.setPeers(originsOf(cluster));
      owner = cluster.ownerOf(key);
    }
    const gates = from.hold();
    const [value, came, ttlMs] = await entryOf(owner, key);
    assertEquals([value, came, ttlMs], ["1", "peer", -5_000]);
    const peeks = () => cluster.network.sent.filter((one) => one.peeks).length;
    const asked = peeks();
    await cluster.clock.advance(0);
    assertEquals([from.loads, from.stale.at(-1), peeks()], [2, "1", asked]);
    assertEquals(await entryOf(owner, key), ["1", "main", -5_000]);
    gates[0]!.open("new");
    await settle();
    assertEquals(await entryOf(owner, key), ["new", "main", 10_000]);
  }, from.options);
});

Deno.test("Past its first window a value that was taken over is loaded, and spared if that fails, as long as it could where it was", () => {
  const from = source(
    { ttlMs: 10_000, staleIfErrorMs: 20_000 },
    { handoverMs: 30_000 },
  );
  return withCluster(2, async (cluster) => {
    const { nodes } = cluster;
    const before = cluster.ownerOf("k");
    await entryOf(before);
    await goStale(cluster);
    let owner = before;
    for (let i = 10; owner === before; i++) {
      cluster.start(`http://n${i}`);
      for (const { pool } of nodes) pool.setPeers(originsOf(cluster));
      owner = cluster.ownerOf("k");
    }
    from.fail();
    assertEquals(await entryOf(owner), ["1", "main", -5_000]);
    assertEquals(from.stale.at(-1), "1");
    await cluster.clock.advance(15_000);
    await assertRejects(() => owner.group.get("k"), Error, "no db");
  }, from.options);
});

Deno.test("A process that drains answers what is stale, and begins no refresh", () => {
  const from = source(LIFE);
  return withCluster(2, async (cluster) => {
    const { owner } = ownerAndAsker(cluster);
    await entryOf(owner);
    await goStale(cluster);
    const drained = owner.pool.drain({ timeoutMs: 5_000 });
    assertEquals(await entryOf(owner), ["1", "main", -5_000]);
    await cluster.clock.advance(100);
    assertEquals(from.loads, 1);
    await cluster.clock.advance(5_000);
    await drained;
  }, from.options);
});

Deno.test("A removal while the owner refreshes reaches all, and what the refresh finds is kept nowhere", () => {
  const from = source({ ...LIFE, shouldMirror: () => true });
  return withCluster(3, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    await entryOf(owner);
    await goStale(cluster);
    const gates = from.hold();
    await entryOf(asker);
    await cluster.clock.advance(0);
    await asker.group.remove("k");
    gates[0]!.open("old");
    await settle();
    for (const { group } of cluster.nodes) {
      assertEquals(group.peek("k"), undefined);
    }
    const again = asker.group.get("k");
    await settle();
    gates[1]!.open("new");
    assertEquals((await again).text(), "new");
    assert(from.loads === 3);
  }, from.options);
});

Deno.test("A stand-in whose owner is back asks it, rather than answer what is stale", () => {
  const from = source(LIFE);
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    cluster.network.fault(owner.origin, () => {
      throw new TypeError("unreachable");
    });
    assertEquals(await entryOf(asker), ["1", "load", 10_000]);
    await goStale(cluster);
    cluster.network.fault(owner.origin);
    assertEquals(await entryOf(asker), ["2", "peer", 10_000]);
    assertEquals(asker.group.stats().refreshes, 0);
  }, from.options);
});

Deno.test("Nobody takes over a copy of a stale answer", () => {
  const from = source({ ...LIFE, shouldMirror: () => true });
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    await entryOf(owner);
    await goStale(cluster);
    from.hold();
    assertEquals(await entryOf(asker), ["1", "peer", -5_000]);
    assertEquals(asker.group.peek("k")?.text(), "1");
    const url = `${asker.origin}/_geecache/g/k`;
    const headers = { "Geecache-Peek": "1" };
    const { status } = await asker.pool.handler(new Request(url, { headers }));
    assertEquals(status, 404);
  }, from.options);
});

Deno.test("A stand-in does not remember that a key is absent, nor does an owner after the list changed", () => {
  const from = source({ negativeTtlMs: 60_000 });
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    from.next = () => undefined;
    assertEquals(await owner.group.find("k"), undefined);
    assertEquals(await owner.group.find("k"), undefined);
    assertEquals(from.loads, 1);
    const all = originsOf(cluster);
    owner.pool.setPeers([owner.origin]);
    owner.pool.setPeers(all);
    assertEquals(await owner.group.find("k"), undefined);
    assertEquals(from.loads, 2);
    cluster.network.fault(owner.origin, () => {
      throw new TypeError("unreachable");
    });
    for (let loads = 3; loads < 5; loads++) {
      assertEquals(await asker.group.find("k"), undefined);
      assertEquals(from.loads, loads);
    }
  }, from.options);
});

Deno.test("A refresh in an owner's place takes no place that is not free, and does not queue", () => {
  const from = source({ ...LIFE, maxStandInLoads: 1 });
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const [other] = keysOwnedBy(cluster, owner, 1, "other");
    cluster.network.fault(owner.origin, () => {
      throw new TypeError("unreachable");
    });
    await entryOf(asker);
    await goStale(cluster);
    const gates = from.hold();
    const held = asker.group.get(other!);
    await settle();
    assertEquals(from.loads, 2);
    assertEquals(await entryOf(asker), ["1", "hot", -5_000]);
    await cluster.clock.advance(0);
    gates[0]!.open("v");
    await held;
    await settle();
    assertEquals(from.loads, 2);
    // The next caller begins it.
    assertEquals(await entryOf(asker), ["1", "hot", -5_000]);
    await cluster.clock.advance(0);
    assertEquals(from.loads, 3);
  }, from.options);
});

for (const staleWhileRevalidateMs of [0, 60_000]) {
  const window = staleWhileRevalidateMs > 0;
  const what = window ? "and nobody waits" : "for which all wait";
  Deno.test(`When a key that 10,000 callers in 5 processes ask for goes stale, there is one load, ${what}`, () => {
    const from = source({ ttlMs: 10_000, staleWhileRevalidateMs });
    return withCluster(5, async (cluster) => {
      for (const node of cluster.nodes) await entryOf(node);
      assertEquals(from.loads, 1);
      await goStale(cluster, 0);
      await cluster.clock.advance(1);
      const gates = from.hold();
      let answered = 0;
      const gets = cluster.nodes.flatMap(({ group }) =>
        Array.from(
          { length: 2_000 },
          () => group.get("k").then(() => answered++),
        )
      );
      await settle();
      await cluster.clock.advance(1);
      assertEquals([from.loads, gates.length], [2, 1]);
      assertEquals(answered, window ? 10_000 : 0);
      gates[0]!.open("new");
      await Promise.all(gets);
      await settle();
      for (const node of cluster.nodes) {
        assertEquals((await entryOf(node))[0], "new");
      }
      assertEquals(from.loads, 2);
    }, from.options);
  });
}
