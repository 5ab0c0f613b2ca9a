/** What a node that joins, leaves or drains costs, and how processes notice that their lists differ. */

import { encodeKeys, KIND, ResultReader } from "../../protocol/frames.ts";
import { type ByteView, HTTPPool } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { gate, settle } from "../support/gate.ts";
import {
  type Cluster,
  type Node,
  noteIn,
  withCluster,
} from "../support/network.ts";

const KEYS = Array.from({ length: 200 }, (_, i) => `key-${i}`);
const originsOf = ({ nodes }: Cluster) => nodes.map(({ origin }) => origin);

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
const textOf = async (value: Promise<ByteView>) => (await value).text();

Deno.test("A node that joins takes the copies of those who owned its keys, and loads nothing that they have", () =>
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
    // What it took over lives as long as it did there, not as long as a copy.
    await cluster.clock.advance(3_600_000);
    await cluster.nodes[0]!.group.getMany(KEYS);
    assertEquals(cluster.loads.length, KEYS.length);
  }, HANDOVER));

Deno.test("A value that expires does so at its new owner, too", () =>
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

Deno.test("A key that was removed or set since the change is not asked of its last owner", () =>
  withCluster(3, async (cluster) => {
    const joiner = await join(cluster);
    const others = cluster.nodes.filter((node) => node !== joiner);
    const [removed, set, cleared] = KEYS.filter((key) =>
      cluster.ownerOf(key) === joiner
    ) as [string, string, string];
    // The last owners are not reached: they have the old values still.
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

Deno.test("A peek looks in memory and loads nothing; what is not there the new owner loads", () =>
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
    // The last owner, and the one before, of two nodes.
    assertEquals(cluster.network.count({ peeks: true }), 2);
  }, HANDOVER));

Deno.test("What the last owner loads for those with the old list, the new one keeps for as long as its own", () =>
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

Deno.test("Last owners that are slow hold up a load for half a second each, two at most, those that are dead for nothing", () =>
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

Deno.test("A while after the change nobody is asked for copies, and with handoverMs 0 at no time", async () => {
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

Deno.test("A node that joins soon after another takes over what that one was not asked for yet", () =>
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

Deno.test("What was removed between two changes is not asked of its last owner after the second", () =>
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

Deno.test("A stand-in asks the owner for its copy, which only the asker could not reach", () =>
  withCluster(3, async (cluster) => {
    const [owner, standIn, asker] = cluster.inOrder("k") as [Node, Node, Node];
    await owner.group.get("k");
    // The asker cannot reach the owner, the stand-in can.
    cluster.network.fault(owner.origin, async (request, next) => {
      if (request.headers.get("Geecache-Peer") === asker.origin) {
        throw new TypeError("no route to host");
      }
      return await next();
    });
    assertEquals(await textOf(asker.group.get("k")), "<k>");
    assertEquals(cluster.loads, ["k"]);
    assertEquals(standIn.group.stats().inherited, 1);
    assertEquals(standIn.group.stats().hot.items, 1);
  }));

Deno.test("A peek is answered at once and by memory alone, alone and in a batch", async () => {
  const pool = new HTTPPool("http://a");
  const group = pool.group("g", () => new Promise<string>(() => {}));
  await group.set("held", "v");
  const peek = async (key: string) => {
    const response = await pool.handler(
      new Request(`http://a/_geecache/g/${key}`, {
        headers: { "Geecache-Peek": "1" },
      }),
    );
    return [response.status, response.headers.get("Geecache-Result")];
  };
  assertEquals(await peek("held"), [200, "value"]);
  assertEquals(await peek("other"), [404, "not-found"]);
  const response = await pool.handler(
    new Request("http://a/_geecache/g", {
      method: "POST",
      headers: {
        "Geecache-Peer": "http://b",
        "Geecache-Method": "GET",
        "Geecache-Peek": "1",
      },
      body: encodeKeys(["held", "other"]),
    }),
  );
  const kinds = [...new ResultReader(2, 100).push(
    new Uint8Array(await response.arrayBuffer()),
  )].map(({ kind }) => kind);
  assertEquals(kinds, [KIND.value, KIND.notFound]);
  const { gets, serverRequests, loads } = group.stats();
  assertEquals([gets, serverRequests, loads], [0, 0, 0]);
  await pool.close();
});

// ---- the list of peers

Deno.test("setPeers() keeps the breakers of peers that stay, and ends those of peers that leave", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.kill(owner.origin);
    const peer = asker.pool.pickPeer("k")!;
    for (let i = 0; i < 3; i++) {
      await assertRejects(() => peer.get("g", "k"), Error);
    }
    const states = () =>
      Object.fromEntries(
        asker.pool.stats().peers.map(({ id, state }) => [id, state]),
      );
    asker.pool.setPeers([...originsOf(cluster), "http://n9"]);
    assertEquals(states(), {
      [owner.origin]: "open",
      [next.origin]: "closed",
      "http://n9": "closed",
    });
    assertEquals(cluster.clock.pending, 1);
    asker.pool.setPeers([next.origin, asker.origin]);
    assertEquals(states(), { [next.origin]: "closed" });
    assertEquals(cluster.clock.pending, 0);
  }));

Deno.test("A peer that leaves the list is not said to be out of reach, whatever it was asked", async () => {
  const lines: string[] = [];
  const logger = noteIn(lines);
  await withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.silence(owner.origin);
    const peer = asker.pool.pickPeer("k")!;
    const gets = KEYS.slice(0, 5).map((key) => peer.get("g", key));
    const all = Promise.allSettled(gets);
    await settle();
    asker.pool.setPeers([next.origin, asker.origin]);
    await all;
    await cluster.clock.advance(29_000);
    assert(cluster.network.count({ from: asker.origin }) > 5);
    assertEquals(lines, []);
  }, { pool: { logger, handoverMs: 30_000 } });
});

Deno.test("Each request says which list its sender has; another one is counted, shown, and written to the log once", async () => {
  const lines: string[] = [];
  const logger = noteIn(lines);
  await withCluster(2, async (cluster) => {
    const [a, b] = cluster.nodes as [Node, Node];
    const rings = new Set<string | null>();
    cluster.network.fault(b.origin, (request, next) => {
      rings.add(request.headers.get("Geecache-Ring"));
      return next();
    });
    const ask = () => a.pool.pickPeer(keyOf(b))!.get("g", keyOf(b));
    const keyOf = (node: Node) =>
      KEYS.find((key) => cluster.ownerOf(key) === node)!;
    const key = keyOf(b);
    await ask();
    assertEquals([...rings], [b.pool.stats().ring]);
    assertEquals(b.pool.stats().ringDisagreements, 0);
    const differs = () =>
      b.pool.stats().peers.find(({ id }) => id === a.origin)!.ringDiffers;
    const peer = [...a.pool.peers()][0]!;
    a.pool.setPeers([...originsOf(cluster), "http://n9"]);
    assert(a.pool.stats().ring !== b.pool.stats().ring);
    await peer.get("g", key);
    await peer.get("g", key);
    assertEquals([b.pool.stats().ringDisagreements, differs()], [2, true]);
    assertEquals(lines, [
      `[Pool ${b.origin}] ${a.origin} has another list of nodes: ` +
      "until both have the same, keys may be loaded twice",
    ]);
    a.pool.setPeers(originsOf(cluster));
    await peer.get("g", key);
    assertEquals([b.pool.stats().ringDisagreements, differs()], [2, false]);
  }, { pool: { logger } });
});

Deno.test("Processes that are no peers, however many names they use, are one line of the log", async () => {
  const lines: string[] = [];
  const logger = noteIn(lines);
  const pool = new HTTPPool("http://a", { logger });
  const group = pool.group("g", (key) => key);
  await group.get("k");
  for (let i = 0; i < 100; i++) {
    await pool.handler(
      new Request("http://a/_geecache/g/k", {
        headers: { "Geecache-Peer": `http://x${i}`, "Geecache-Ring": `${i}` },
      }),
    );
  }
  assertEquals(pool.stats().ringDisagreements, 100);
  assertEquals(lines.length, 1);
  await pool.close();
});

// ---- drain

Deno.test("Who drains says so, loads for nobody else, and is asked for copies by the next node", () =>
  withCluster(3, async (cluster) => {
    const { clock } = cluster;
    const [leaver, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    const keys = KEYS.filter((key) =>
      cluster.ownerOf(key) === leaver && cluster.inOrder(key)[1] === next
    );
    const [held, fresh] = [keys.slice(0, 5), keys.slice(5, 10)];
    for (const key of held) await leaver.group.get(key);
    let drained = false;
    const drain = leaver.pool.drain({ timeoutMs: 10_000 })
      .then(() => drained = true);
    assert(leaver.pool.stats().draining);
    // The first answer says so; from then on the next node is asked.
    assertEquals(await textOf(asker.group.get(held[0]!)), `<${held[0]}>`);
    const state = () =>
      asker.pool.stats().peers.find(({ id }) => id === leaver.origin)!.state;
    assertEquals(state(), "draining");
    for (const key of [...held, ...fresh]) {
      assertEquals(await textOf(asker.group.get(key)), `<${key}>`);
    }
    assertEquals([...leaver.loads].sort(), [...held].sort());
    assertEquals([...next.loads].sort(), [...fresh].sort());
    assertEquals(next.group.stats().inherited, 5);
    // Its own gets go on, and so do writes to it.
    assertEquals(await textOf(leaver.group.get(fresh[0]!)), `<${fresh[0]}>`);
    await asker.group.remove(held[1]!);
    assertEquals(leaver.group.peek(held[1]!), undefined);
    await clock.advance(9_999);
    assert(!drained);
    await clock.advance(1);
    await drain;
    await assertRejects(() => leaver.group.get("other"), Error, "closed");
  }));

Deno.test("Who drains is asked for copies after it left the list, too, and what it had lives on as it would have there", () =>
  withCluster(4, async (cluster) => {
    const { clock, network } = cluster;
    const [leaver, ...others] = cluster.inOrder("k") as [Node, ...Node[]];
    const keys = KEYS.filter((key) => cluster.ownerOf(key) === leaver);
    await leaver.group.getMany(keys);
    const drain = leaver.pool.drain({ timeoutMs: 10_000 });
    // Some are taken over by those next to it, before the list changes.
    await others[0]!.group.getMany(keys.slice(0, 10));
    const rest = others.map(({ origin }) => origin);
    for (const { pool } of others) pool.setPeers(rest);
    await others[0]!.group.getMany(keys);
    await clock.advance(10_000);
    await drain;
    network.kill(leaver.origin);
    await clock.advance(30_000);
    network.sent.length = 0;
    await clock.advance(3_600_000);
    for (const { group } of others) await group.getMany(keys);
    assertEquals(others.flatMap(({ loads }) => loads), []);
    assertEquals(network.count({ to: leaver.origin }), 0);
    for (const { pool } of others) {
      assert(pool.stats().peers.every(({ id }) => id !== leaver.origin));
    }
  }, HANDOVER));

Deno.test("Who left is asked for copies for handoverMs, not if it was out of reach, and for no key written since", () =>
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

Deno.test("What a stand-in loaded is its own when it owns the key, and no longer if it was out of the list in between", () =>
  withCluster(3, async (cluster) => {
    const { clock, network } = cluster;
    const [dead, standIn, asker] = cluster.inOrder("k") as [Node, Node, Node];
    const rest = [standIn, asker];
    const tell = (...nodes: Node[]) => {
      const origins = nodes.map(({ origin }) => origin);
      for (const { pool } of rest) pool.setPeers(origins);
    };
    network.kill(dead.origin);
    await asker.group.get("k");
    assertEquals([standIn.loads, asker.loads], [["k"], []]);
    tell(standIn, asker);
    const { main, hot } = standIn.group.stats();
    assertEquals([main.items, hot.items], [1, 0]);
    await clock.advance(3_600_000);
    await asker.group.get("k");
    assertEquals(standIn.loads, ["k"]);
    tell(dead, standIn, asker);
    await clock.advance(60_000);
    await asker.group.get("k");
    assertEquals(standIn.loads, ["k", "k"]);
    // What ended as a copy has ended.
    await clock.advance(60_000);
    tell(standIn, asker);
    assertEquals(standIn.group.stats().main.items, 0);
    tell(dead, standIn, asker);
    await asker.group.get("k");
    assertEquals(standIn.loads, ["k", "k", "k"]);
    // It had the key in the owner's place, and was told of nothing for a while.
    tell(asker);
    tell(standIn, asker);
    assertEquals(standIn.group.stats().main.items, 0);
    await clock.advance(60_000);
    await asker.group.get("k");
    assertEquals(standIn.loads, ["k", "k", "k", "k"]);
  }));

Deno.test("What a process loaded while it was in no list is not its own when it comes into one", () =>
  withCluster(2, async (cluster) => {
    const { clock, network } = cluster;
    const [one] = cluster.nodes as [Node];
    const before = originsOf(cluster);
    const client = cluster.start("http://client");
    client.pool.setPeers(before);
    network.partition(before, [client.origin]);
    await client.group.getMany(KEYS);
    network.partition();
    // It is told of no writes.
    await one.group.removeMany(KEYS);
    for (const { pool } of cluster.nodes) pool.setPeers(originsOf(cluster));
    await clock.advance(60_000);
    assertEquals([...client.group.keys()], []);
  }));

Deno.test("The first question after a drain began may be one that has to be loaded", () =>
  withCluster(3, async (cluster) => {
    const [leaver, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    const drain = leaver.pool.drain({ timeoutMs: 1_000 });
    assertEquals(await textOf(asker.group.get("k")), "<k>");
    assertEquals([leaver.loads, next.loads], [[], ["k"]]);
    assertEquals(asker.pool.stats().peers.map(({ errors }) => errors), [0, 0]);
    await cluster.clock.advance(1_000);
    await drain;
  }));

Deno.test("A process that drained and was started again is asked again", () =>
  withCluster(3, async (cluster) => {
    const { clock, network } = cluster;
    const [leaver, , asker] = cluster.inOrder("k") as [Node, Node, Node];
    const drain = leaver.pool.drain({ timeoutMs: 1_000 });
    await asker.group.get("k");
    await clock.advance(1_000);
    await drain;
    network.kill(leaver.origin);
    await clock.advance(20_000);
    const state = () =>
      asker.pool.stats().peers.find(({ id }) => id === leaver.origin)!.state;
    assertEquals(state(), "open");
    const pool = new HTTPPool(leaver.origin, {
      fetch: network.fetchFrom(leaver.origin),
      clock,
    });
    pool.group("g", (key) => `again ${key}`);
    network.join(leaver.origin, pool.handler);
    await clock.advance(10_000);
    assertEquals(state(), "closed");
    await asker.group.remove("k");
    assertEquals(await textOf(asker.group.get("k")), "again k");
    await pool.close();
  }));

Deno.test("drain() closes at once where there are no peers, with close(), and refuses a bad time", async () => {
  const pool = new HTTPPool("http://a");
  await assertRejects(
    () => pool.drain({ timeoutMs: -1 }),
    RangeError,
    "Cannot drain HTTPPool: timeoutMs must be a non-negative number: received -1",
  );
  assert(!pool.stats().draining);
  await pool.drain();
  await assertRejects(
    () => Promise.resolve().then(() => pool.group("g", () => "")),
    TypeError,
    "closed",
  );
  await withCluster(2, async ({ nodes: [one] }) => {
    const drains = [one!.pool.drain(), one!.pool.drain({ timeoutMs: 1 })];
    await one!.pool.close();
    await Promise.all(drains);
  });
});

Deno.test("The same list again changes nothing: copies are asked for still", () =>
  withCluster(3, async (cluster) => {
    const joiner = await join(cluster);
    for (const { pool } of cluster.nodes) {
      pool.setPeers(originsOf(cluster).reverse());
    }
    const key = KEYS.find((key) => cluster.ownerOf(key) === joiner)!;
    await joiner.group.get(key);
    assertEquals(joiner.loads, []);
  }, HANDOVER));

Deno.test("A key is not asked of its last owner after a peer cleared the group, nor where the group is newer than the change", () =>
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

Deno.test("Who is next to one that drains takes over from it for its own gets, too", () =>
  withCluster(2, async (cluster) => {
    const [leaver, asker] = cluster.inOrder("k") as [Node, Node];
    const keys = KEYS.filter((key) => cluster.ownerOf(key) === leaver);
    await leaver.group.getMany(keys);
    const drain = leaver.pool.drain({ timeoutMs: 1_000 });
    for (const key of keys.slice(0, 5)) await asker.group.get(key);
    assertEquals([asker.loads, asker.group.stats().inherited], [[], 4]);
    await cluster.clock.advance(1_000);
    await drain;
  }));

Deno.test("After a change of the list another list is written to the log again", async () => {
  const lines: string[] = [];
  const logger = noteIn(lines);
  const pool = new HTTPPool("http://a", { logger });
  const ask = () =>
    pool.handler(
      new Request("http://a/_geecache/g/k", {
        headers: { "Geecache-Peer": "http://b", "Geecache-Ring": "0" },
      }),
    );
  pool.setPeers(["http://a", "http://b"]);
  for (let i = 0; i < 2; i++) await ask();
  const differs = () => pool.stats().peers[0]!.ringDiffers;
  assertEquals([lines.length, differs()], [1, true]);
  pool.setPeers(["http://a", "http://b", "http://c"]);
  assertEquals(differs(), false);
  for (let i = 0; i < 2; i++) await ask();
  assertEquals([lines.length, differs()], [2, true]);
  await pool.close();
});

Deno.test("Who drains complains of no lists, which it is out of soon", async () => {
  const lines: string[] = [];
  const logger = noteIn(lines);
  await withCluster(3, async (cluster) => {
    const [leaver, ...others] = cluster.nodes as [Node, Node, Node];
    const drain = leaver.pool.drain({ timeoutMs: 10_000 });
    for (const { pool } of others) {
      pool.setPeers(others.map(({ origin }) => origin));
    }
    await others[0].group.getMany(KEYS);
    assert(cluster.network.count({ to: leaver.origin }) > 10);
    await cluster.clock.advance(10_000);
    await drain;
    assertEquals([lines, leaver.pool.stats().ringDisagreements], [[], 0]);
  }, { pool: { logger, handoverMs: 30_000 } });
});

Deno.test("Copies that are handed over together are 8 MiB and one, at most", async () => {
  const pool = new HTTPPool("http://a");
  const group = pool.group("g", () => "");
  const keys = ["a", "b", "c"];
  for (const key of keys) await group.set(key, new Uint8Array(5 * 1024 * 1024));
  const response = await pool.handler(
    new Request("http://a/_geecache/g", {
      method: "POST",
      headers: {
        "Geecache-Peer": "http://b",
        "Geecache-Method": "GET",
        "Geecache-Peek": "1",
      },
      body: encodeKeys(keys),
    }),
  );
  const kinds = [...new ResultReader(3, 8 * 1024 * 1024).push(
    new Uint8Array(await response.arrayBuffer()),
  )].map(({ kind }) => kind);
  assertEquals(kinds, [KIND.value, KIND.value, KIND.notFound]);
  await pool.close();
});
