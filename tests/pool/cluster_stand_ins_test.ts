/** Stand-ins: the processes that load a key while its owner gives no answer. */

import { BusyError } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  type Cluster,
  holdLoads,
  keysOwnedBy,
  type Node,
  ownerAndAsker,
  stateOf,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { settle } from "../support/time.ts";

Deno.test("A node without the group, as in a rolling deploy, is passed over for the next", () =>
  withCluster(4, async (cluster) => {
    const [owner, next, ...others] = cluster.inOrder("k") as [Node, Node];
    owner.pool.removeGroup("g");
    for (const { group } of others as Node[]) {
      assertEquals(await textOf(group.get("k")), "<k>");
    }
    assertEquals(cluster.loads, next.loads);
    assertEquals(next.loads, ["k"]);
  }));

Deno.test("An owner that refuses, is silent, or gives no answer is passed over for the next", async () => {
  const page = (status: number, headers: Record<string, string> = {}) => () =>
    new Response("<h1>a proxy's page</h1>", { status, headers });
  const result = (value: string) => ({ "Geecache-Result": value });
  const faults: [string, (cluster: Cluster, origin: string) => void][] = [
    ["dead", ({ network }, origin) => network.kill(origin)],
    ["silent", ({ network }, origin) => network.silence(origin)],
    ["cut", ({ network }, origin) => network.cut(origin, 2)],
    ...[
      page(200),
      page(404),
      page(500),
      page(502),
      page(301, { Location: "http://elsewhere/" }),
      page(301, { Location: "http://elsewhere/", ...result("value") }),
      page(503, result("value")),
      page(200, result("failed")),
      page(200, result("unheard-of")),
      page(200, { ...result("value"), "Geecache-Ttl": "soon" }),
      page(200, { ...result("value"), "Content-Length": "3" }),
      page(400, result("bad-request")),
    ].map((fault, i): typeof faults[number] => [
      `page ${i}`,
      ({ network }, origin) => network.fault(origin, fault as () => Response),
    ]),
  ];
  for (const [name, breakIt] of faults) {
    await withCluster(4, async (cluster) => {
      const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
      breakIt(cluster, owner.origin);
      const get = textOf(asker.group.get("k"));
      // The stand-in asks the owner for its copy and waits half a second at most.
      await cluster.clock.advance(5_500);
      assertEquals(await get, "<k>", name);
      assertEquals(next.loads, ["k"], name);
      assertEquals(asker.loads, [], name);
      assertEquals(asker.group.stats().peerErrors, 1, name);
      const { peers } = asker.pool.stats();
      const { requests, errors } = peers.find((p) => p.id === owner.origin)!;
      assertEquals([requests, errors], [1, 1], name);
    });
  }
});

Deno.test("A key that no other node answers is loaded by the asker, and kept for mirrorTtlMs", () =>
  withCluster(3, async (cluster) => {
    const [owner, second, asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.kill(owner.origin);
    cluster.network.kill(second.origin);
    assertEquals(await textOf(asker.group.get("k")), "<k>");
    assertEquals(await textOf(asker.group.get("k")), "<k>");
    assertEquals(asker.loads, ["k"]);
    const { main, hot } = asker.group.stats();
    assertEquals([main.items, hot.items], [0, 1]);
    await cluster.clock.advance(1_000);
    assertEquals(asker.group.peek("k"), undefined);
  }, { group: { mirrorTtlMs: 1_000 } }));

Deno.test("A process that is next in order loads the key itself, though others after it are alive", () =>
  withCluster(4, async (cluster) => {
    const [owner, next] = cluster.inOrder("k") as [Node, Node];
    cluster.network.kill(owner.origin);
    assertEquals(await textOf(next.group.get("k")), "<k>");
    assertEquals(cluster.loads, next.loads);
    assertEquals(cluster.network.sent.map(({ to }) => to), [owner.origin]);
  }));

Deno.test("A value that arrives while a process waits for a silent owner is not loaded again", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    cluster.network.silence(owner.origin);
    const get = textOf(asker.group.get("k"));
    await settle();
    const url = `${asker.origin}/_geecache/g/k`;
    const answer = asker.pool.handler(new Request(url));
    await cluster.clock.advance(500);
    assertEquals(await (await answer).text(), "<k>");
    await cluster.clock.advance(4_500);
    assertEquals([await get, asker.loads], ["<k>", ["k"]]);
  }));

Deno.test("A stand-in keeps the value that it loads for an absent owner in hot, for mirrorTtlMs", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.kill(owner.origin);
    for (let i = 0; i < 3; i++) await asker.group.get("k");
    assertEquals(next.loads, ["k"]);
    assertEquals(next.group.stats().hot.items, 1);
    await cluster.clock.advance(60_000);
    await asker.group.get("k");
    assertEquals(next.loads, ["k", "k"]);
  }));

Deno.test("Loads for absent owners are limited in number and wait in order; loads of own keys do not wait", () => {
  const { begun, end, options } = holdLoads({ group: { maxStandInLoads: 2 } });
  return withCluster(2, async (cluster) => {
    const [dead, asker] = cluster.nodes as [Node, Node];
    cluster.network.kill(dead.origin);
    const absent = keysOwnedBy(cluster, dead, 5);
    const [own] = keysOwnedBy(cluster, asker, 1) as [string];
    const gets = absent.map((key) => asker.group.get(key));
    await settle();
    assertEquals(begun, absent.slice(0, 2));
    const ownGet = asker.group.get(own);
    await settle();
    assertEquals(begun, [...absent.slice(0, 2), own]);
    end(own);
    await ownGet;
    for (const [i, key] of absent.entries()) {
      end(key);
      await settle();
      assertEquals(begun.length, Math.min(6, 4 + i));
    }
    await Promise.all(gets);
    assertEquals(begun.filter((key) => key !== own), absent);
  }, options);
});

Deno.test("A load for an absent owner is refused with a BusyError when the queue is full", () => {
  const { begun, end, options } = holdLoads({ group: { maxStandInLoads: 1 } });
  return withCluster(2, async (cluster) => {
    const [dead, asker] = cluster.nodes as [Node, Node];
    cluster.network.kill(dead.origin);
    const keys = keysOwnedBy(cluster, dead, 10_002);
    const gets = keys.slice(0, 10_001).map((key) => asker.group.get(key));
    const many = Promise.allSettled(gets);
    await settle();
    await assertRejects(
      () => asker.group.get(keys[10_001]!),
      BusyError,
      `Cannot load "${
        keys[10_001]
      }" of group "g", which another process owns: ` +
        "1 such loads run and 10000 wait",
    );
    // Nothing else is lost.
    const [first] = begun as [string];
    end(first);
    assertEquals((await gets[keys.indexOf(first)]!).text(), `<${first}>`);
    await asker.pool.close();
    await many;
  }, options);
});

Deno.test("A stand-in without room says that it is busy, and the asker loads for itself in the end", () => {
  const { begun, end, options } = holdLoads({ group: { maxStandInLoads: 1 } });
  return withCluster(3, async (cluster) => {
    const [dead, standIn, asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.kill(dead.origin);
    const keys = keysOwnedBy(cluster, dead, 30_000)
      .filter((key) => cluster.inOrder(key)[1] === standIn);
    const own = keys.slice(0, 10_001).map((key) => standIn.group.get(key));
    const all = Promise.allSettled(own);
    await settle();
    assertEquals(begun.length, 1);
    const last = keys.at(-1)!;
    const get = asker.group.get(last);
    await cluster.clock.advance(4_000);
    assertEquals([begun.length, asker.loads], [1, []]);
    await cluster.clock.advance(1_500);
    assertEquals(asker.loads, [last]);
    end(last);
    assertEquals((await get).text(), `<${last}>`);
    await standIn.pool.close();
    await all;
  }, options);
});

Deno.test("A stand-in asks for no copy if it knows that the owner is out of reach", () =>
  withCluster(3, async (cluster) => {
    const [owner, standIn, asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.kill(owner.origin);
    const keys = keysOwnedBy(cluster, owner, 40)
      .filter((key) => cluster.inOrder(key)[1] === standIn);
    for (let i = 0; i < 3; i++) {
      await assertRejects(() => standIn.group.remove("k"), AggregateError);
    }
    for (const key of keys) await asker.group.get(key);
    assertEquals(standIn.loads, keys);
    assertEquals(cluster.network.count({ peeks: true }), 0);
  }));

Deno.test("An owner that is silent when it is asked for a copy is probed", () =>
  withCluster(3, async (cluster) => {
    const [owner, standIn] = cluster.inOrder("k") as [Node, Node];
    cluster.network.silence(owner.origin);
    const load = standIn.pool.handler(
      new Request(`${standIn.origin}/_geecache/g/k`),
    );
    await cluster.clock.advance(500);
    assertEquals(await (await load).text(), "<k>");
    assertEquals(stateOf(standIn, owner), "closed");
    await cluster.clock.advance(5_300);
    assert(stateOf(standIn, owner) !== "closed");
  }));

Deno.test("A caller that leaves while its stand-in asks for a copy leaves no load behind", () =>
  withCluster(2, async (cluster) => {
    const [owner, standIn] = cluster.inOrder("k") as [Node, Node];
    cluster.network.silence(owner.origin);
    const leave = new AbortController();
    const load = standIn.pool.handler(
      new Request(`${standIn.origin}/_geecache/g/k`, { signal: leave.signal }),
    );
    await settle();
    leave.abort(new Error("enough"));
    assertEquals((await load).status, 499);
    await cluster.clock.advance(1_000);
    assertEquals(standIn.loads, []);
  }));

Deno.test("A stand-in asks the owner for its copy, in case only the asker cannot reach the owner", () =>
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

Deno.test("A value that a stand-in loaded becomes its own when it owns the key, unless it was out of the list in between", () =>
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
    // A copy that has expired does not become its own.
    await clock.advance(60_000);
    tell(standIn, asker);
    assertEquals(standIn.group.stats().main.items, 0);
    tell(dead, standIn, asker);
    await asker.group.get("k");
    assertEquals(standIn.loads, ["k", "k", "k"]);
    // It was out of the list for a while and may have missed writes.
    tell(asker);
    tell(standIn, asker);
    assertEquals(standIn.group.stats().main.items, 0);
    await clock.advance(60_000);
    await asker.group.get("k");
    assertEquals(standIn.loads, ["k", "k", "k", "k"]);
  }));
