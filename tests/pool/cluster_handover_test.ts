/** What a node that joins takes over from the last owners of its keys. */

import type { ByteView } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  type Cluster,
  type Node,
  numberedKeys,
  originsOf,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { gate, settle } from "../support/time.ts";

const KEYS = numberedKeys(200);

/** Takes the last node out of the lists of the others, who load all keys; then puts it in. */
async function join(cluster: Cluster): Promise<Node> {
  const joiner = cluster.nodes.at(-1)!;
  const others = cluster.nodes.slice(0, -1);
  const before = others.map(({ origin }) => origin);
  for (const { pool } of others) pool.setPeers(before);
  joiner.pool.setPeers([]);
  await others[0]!.group.getMany(KEYS);
  assertEquals(cluster.loads.length, KEYS.length);
  for (const { pool } of cluster.nodes) pool.setPeers(originsOf(cluster));
  cluster.network.sent.length = 0;
  return joiner;
}

const HANDOVER = { pool: { handoverMs: 30_000 } };

Deno.test("A node that joins takes copies from the last owners of its keys, and loads nothing that they have", () =>
  withCluster(4, async (cluster) => {
    const joiner = await join(cluster);
    for (const { group } of cluster.nodes) {
      for (const [key, value] of await group.getMany(KEYS)) {
        assertEquals((value as ByteView).text(), `<${key}>`);
      }
    }
    assertEquals(cluster.loads.length, KEYS.length);
    const { main, inherited } = joiner.group.stats();
    assert(inherited > 20);
    assertEquals(main.items, inherited);
    // A value that it took over lives as long as at its last owner, not only as long as a copy.
    await cluster.clock.advance(3_600_000);
    await cluster.nodes[0]!.group.getMany(KEYS);
    assertEquals(cluster.loads.length, KEYS.length);
  }, HANDOVER));

Deno.test("A value that expires does so at the same time at its new owner", () =>
  withCluster(3, async (cluster) => {
    const joiner = await join(cluster);
    const key = KEYS.find((key) => cluster.ownerOf(key) === joiner)!;
    await cluster.clock.advance(5_000);
    await joiner.group.get(key);
    assertEquals(joiner.loads, []);
    await cluster.clock.advance(4_999);
    assert(joiner.group.peek(key) !== undefined);
    await cluster.clock.advance(1);
    assertEquals(joiner.group.peek(key), undefined);
  }, {
    ...HANDOVER,
    getter: () => (key) => ({ value: `<${key}>`, ttlMs: 10_000 }),
  }));

Deno.test("The last owner is not asked for a key that was removed or set since the change", () =>
  withCluster(3, async (cluster) => {
    const joiner = await join(cluster);
    const others = cluster.nodes.filter((node) => node !== joiner);
    const [removed, set, cleared] = KEYS.filter((key) =>
      cluster.ownerOf(key) === joiner
    ) as [string, string, string];
    // The last owners are out of reach and still have the old values.
    const { network } = cluster;
    network.partition([joiner.origin], others.map(({ origin }) => origin));
    await assertRejects(() => joiner.group.remove(removed), AggregateError);
    await assertRejects(() => joiner.group.set(set, "new"), AggregateError);
    network.partition();
    assert(others.some(({ group }) => group.peek(removed) !== undefined));
    assertEquals(await textOf(joiner.group.get(removed)), `<${removed}>`);
    assertEquals(await textOf(joiner.group.get(set)), "new");
    assertEquals(joiner.loads, [removed]);
    network.partition([joiner.origin], others.map(({ origin }) => origin));
    await assertRejects(() => joiner.group.clear(), AggregateError);
    network.partition();
    await joiner.group.get(cleared);
    assertEquals(joiner.loads, [removed, cleared]);
  }, HANDOVER));

Deno.test("A copy that arrives after a remove is not kept", () =>
  withCluster(3, async (cluster) => {
    const joiner = await join(cluster);
    const key = KEYS.find((key) => cluster.ownerOf(key) === joiner)!;
    const arrives = gate();
    for (const { origin } of cluster.nodes) {
      cluster.network.fault(origin, async (request, next) => {
        const response = await next();
        if (request.headers.has("Geecache-Peek")) await arrives.opened;
        return response;
      });
    }
    const get = textOf(joiner.group.get(key));
    await settle();
    await joiner.group.remove(key);
    arrives.open();
    assertEquals(await get, `<${key}>`);
    assertEquals(joiner.group.peek(key), undefined);
    await joiner.group.get(key);
    assertEquals(joiner.loads, [key]);
  }, HANDOVER));

Deno.test("A peek makes the last owner load nothing; the new owner loads a key that is in no memory", () =>
  withCluster(3, async (cluster) => {
    const joiner = await join(cluster);
    const key = "not loaded yet";
    let fresh = key;
    for (let i = 0; cluster.ownerOf(fresh) !== joiner; i++) {
      fresh = `${key} ${i}`;
    }
    assertEquals(await textOf(joiner.group.get(fresh)), `<${fresh}>`);
    assertEquals(joiner.loads, [fresh]);
    assertEquals(cluster.loads.filter((one) => one === fresh).length, 1);
    // It peeks at the last owner and at the other node.
    assertEquals(cluster.network.count({ peeks: true }), 2);
  }, HANDOVER));

Deno.test("A value that the last owner loads for a process with the old list lives on at the new owner as its own", () =>
  withCluster(3, async (cluster) => {
    const joiner = await join(cluster);
    let fresh = "not loaded yet";
    for (let i = 0; cluster.ownerOf(fresh) !== joiner; i++) {
      fresh = `not loaded yet ${i}`;
    }
    const [, last, late] = cluster.inOrder(fresh) as [Node, Node, Node];
    late.pool.setPeers([last.origin]);
    assertEquals(await textOf(late.group.get(fresh)), `<${fresh}>`);
    assertEquals(last.loads.at(-1), fresh);
    late.pool.setPeers(originsOf(cluster));
    await joiner.group.get(fresh);
    await cluster.clock.advance(3_600_000);
    await late.group.get(fresh);
    assertEquals(cluster.loads.filter((one) => one === fresh).length, 1);
    assertEquals(last.group.peek(fresh), undefined);
  }, HANDOVER));

Deno.test("A load waits half a second for each slow last owner, two at most, and not at all for dead ones", () =>
  withCluster(4, async (cluster) => {
    const joiner = await join(cluster);
    const others = cluster.nodes.filter((node) => node !== joiner);
    const [slow, dead] = KEYS.filter((key) =>
      cluster.ownerOf(key) === joiner
    ) as [string, string];
    for (const { origin } of others) cluster.network.silence(origin);
    const get = textOf(joiner.group.get(slow));
    await cluster.clock.advance(999);
    assertEquals(joiner.loads, []);
    await cluster.clock.advance(1);
    assertEquals(await get, `<${slow}>`);
    for (const { origin } of others) {
      cluster.network.fault(origin);
      cluster.network.kill(origin);
    }
    assertEquals(await textOf(joiner.group.get(dead)), `<${dead}>`);
  }, HANDOVER));

Deno.test("No node is asked for copies when handoverMs has passed, or at all if it is 0", async () => {
  for (const handoverMs of [30_000, 0]) {
    await withCluster(3, async (cluster) => {
      const joiner = await join(cluster);
      await cluster.clock.advance(handoverMs);
      const key = KEYS.find((key) => cluster.ownerOf(key) === joiner)!;
      await joiner.group.get(key);
      assertEquals(joiner.loads, [key]);
      assertEquals(cluster.network.count({ peeks: true }), 0);
    }, { pool: { handoverMs } });
  }
});

Deno.test("A node that joins soon after another takes over keys that the other was not asked for yet", () =>
  withCluster(7, async (cluster) => {
    const origins = originsOf(cluster);
    const tell = (count: number) => {
      for (const { pool } of cluster.nodes.slice(0, count)) {
        pool.setPeers(origins.slice(0, count));
      }
    };
    for (const { pool } of cluster.nodes) pool.setPeers([]);
    tell(5);
    const [{ group }] = cluster.nodes as [Node];
    await group.getMany(KEYS);
    tell(6);
    await cluster.clock.advance(5_000);
    tell(7);
    await group.getMany(KEYS);
    assertEquals(cluster.loads.length, KEYS.length);
  }, HANDOVER));

Deno.test("The last owner is not asked for a key that was removed between two changes", () =>
  withCluster(4, async (cluster) => {
    const { network } = cluster;
    const origins = originsOf(cluster);
    const joiner = cluster.nodes[2]!;
    const others = cluster.nodes.slice(0, 2);
    for (const { pool } of cluster.nodes) pool.setPeers([]);
    for (const { pool } of others) pool.setPeers(origins.slice(0, 2));
    await others[0]!.group.getMany(KEYS);
    for (const { pool } of cluster.nodes.slice(0, 3)) {
      pool.setPeers(origins.slice(0, 3));
    }
    const key = KEYS.find((key) => cluster.ownerOf(key) === joiner)!;
    network.partition([joiner.origin], origins.slice(0, 2));
    await assertRejects(() => joiner.group.remove(key), AggregateError);
    network.partition();
    for (const { pool } of cluster.nodes) pool.setPeers(origins);
    if (joiner.pool.pickPeer(key) !== undefined) return;
    await joiner.group.get(key);
    assertEquals(joiner.loads, [key]);
  }, HANDOVER));

Deno.test("The same list once more changes nothing: last owners are still asked for copies", () =>
  withCluster(3, async (cluster) => {
    const joiner = await join(cluster);
    for (const { pool } of cluster.nodes) {
      pool.setPeers(originsOf(cluster).reverse());
    }
    const key = KEYS.find((key) => cluster.ownerOf(key) === joiner)!;
    await joiner.group.get(key);
    assertEquals(joiner.loads, []);
  }, HANDOVER));

Deno.test("The last owner is not asked for a key after a clear, or if the group is younger than the change", () =>
  withCluster(3, async (cluster) => {
    const joiner = await join(cluster);
    const own = KEYS.filter((key) => cluster.ownerOf(key) === joiner);
    const send = (path: string) =>
      joiner.pool.handler(
        new Request(`${joiner.origin}/_geecache/g${path}`, {
          method: "DELETE",
          headers: { "Geecache-Peer": cluster.nodes[0]!.origin },
        }),
      );
    await send("?clear");
    await joiner.group.get(own[0]!);
    assertEquals(joiner.loads, [own[0]]);
    joiner.pool.removeGroup("g");
    const loads: string[] = [];
    const group = joiner.pool.group("g", (key) => {
      loads.push(key);
      return key;
    });
    await send(`/${own[1]}`);
    await group.get(own[1]!);
    await group.get(own[2]!);
    assertEquals(loads, [own[1]]);
  }, HANDOVER));

Deno.test("A node that left is asked for copies for handoverMs, unless it was out of reach or the key was written since", () =>
  withCluster(3, async (cluster) => {
    const { clock, network } = cluster;
    const [leaver, one, two] = cluster.inOrder("k") as [Node, Node, Node];
    const keys = KEYS.filter((key) => cluster.ownerOf(key) === leaver);
    const [gone, written, late, ...more] = keys as [string, string, string];
    await leaver.group.getMany(keys);
    network.fault(leaver.origin, (request, next) => {
      const isTwo = request.headers.get("Geecache-Peer") === two.origin;
      if (isTwo) throw new TypeError("no route to host");
      return next();
    });
    for (const key of more.slice(0, 3)) await two.group.get(key);
    assertEquals(two.pool.stats().peers.map(({ state }) => state).sort(), [
      "closed",
      "open",
    ]);
    const rest = [one, two].map(({ origin }) => origin);
    for (const { pool } of [one, two]) pool.setPeers(rest);
    network.sent.length = 0;
    const ownerOf = (key: string) =>
      one.pool.pickPeer(key) === undefined ? one : two;
    const ones = more.filter((key) => ownerOf(key) === one).slice(3);
    const twos = more.filter((key) => ownerOf(key) === two).slice(3);
    await one.group.remove(written);
    for (const key of [written, ones[0]!, twos[0]!]) await one.group.get(key);
    assertEquals(two.loads.includes(twos[0]!), true);
    assertEquals(one.loads.includes(ones[0]!), false);
    assert([...one.loads, ...two.loads].includes(written));
    assertEquals(network.count({ from: two.origin, to: leaver.origin }), 0);
    await clock.advance(30_000);
    network.sent.length = 0;
    await one.group.getMany([gone, late, ...ones.slice(1, 4)]);
    assertEquals(network.count({ to: leaver.origin }), 0);
    // It comes back, and is a peer like any other.
    network.fault(leaver.origin);
    for (const { pool } of [one, two]) pool.setPeers(originsOf(cluster));
    for (const { pool } of [one, two]) pool.setPeers(rest);
    for (const { pool } of [one, two]) pool.setPeers(originsOf(cluster));
    await clock.advance(10_000);
    await one.group.get("k");
    assertEquals(one.pool.stats().peers.map(({ state }) => state), [
      "closed",
      "closed",
    ]);
  }, { pool: { handoverMs: 30_000 }, group: { mirrorTtlMs: 0 } }));

Deno.test("A value that a process loaded while it was in no list does not become its own when it joins one", () =>
  withCluster(2, async (cluster) => {
    const { clock, network } = cluster;
    const [one] = cluster.nodes as [Node];
    const before = originsOf(cluster);
    const client = cluster.start("http://client");
    client.pool.setPeers(before);
    network.partition(before, [client.origin]);
    await client.group.getMany(KEYS);
    network.partition();
    // The client is told of no writes.
    await one.group.removeMany(KEYS);
    for (const { pool } of cluster.nodes) pool.setPeers(originsOf(cluster));
    await clock.advance(60_000);
    assertEquals([...client.group.keys()], []);
  }));

Deno.test("A value that is no longer owned after setPeers() becomes a copy, and stays one if it is owned again", () =>
  withCluster(2, async (cluster) => {
    const { clock } = cluster;
    const [owner, other] = cluster.inOrder("k") as [Node, Node];
    await owner.group.get("k");
    const kept = cluster.ownerOf("key-0") === owner ? "key-0" : "key-1";
    await owner.group.get(kept);
    const before = owner.group.stats();
    owner.pool.setPeers([other.origin]);
    assertEquals(owner.group.peek("k")?.text(), "<k>");
    const { main, hot } = owner.group.stats();
    assertEquals([main.items, hot.items], [0, before.main.items]);
    // They have a time to end at now.
    assert(hot.bytes > before.main.bytes);
    // It is owned again, and lives on as the copy that it has become.
    owner.pool.setPeers([owner.origin, other.origin]);
    assertEquals(owner.group.stats().main.items, 0);
    await clock.advance(59_999);
    assertEquals(owner.group.peek("k")?.text(), "<k>");
    await clock.advance(1);
    assertEquals(owner.group.peek("k"), undefined);
  }));

Deno.test("A value that is still owned after setPeers() stays as it is, and with mirrorTtlMs 0 the others are dropped", () =>
  withCluster(3, async (cluster) => {
    const [one] = cluster.nodes as [Node];
    const keys = numberedKeys(100);
    const own = keys.filter((key) => cluster.ownerOf(key) === one);
    for (const key of own) await one.group.get(key);
    const origins = cluster.nodes.map(({ origin }) => origin);
    one.pool.setPeers([...origins, "http://n3"]);
    const still = own.filter((key) => one.pool.pickPeer(key) === undefined);
    assert(still.length < own.length);
    assertEquals([...one.group.keys()].sort(), still.sort());
    assertEquals(one.group.stats().main.items, still.length);
    // The same list in another order changes nothing.
    one.pool.setPeers(["http://n3", ...origins]);
    assertEquals(one.group.stats().main.items, still.length);
  }, { group: { mirrorTtlMs: 0 } }));
