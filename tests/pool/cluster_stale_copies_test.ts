/** Copies of old values that other processes took from a peer that missed a write. */

import { type Group, RendezvousHash } from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import {
  type Cluster,
  MIRROR_ALL,
  type Node,
  numberedKeys,
  owedTo,
  withCluster,
  writesTo,
} from "../support/cluster.ts";
import { gate, settle } from "../support/time.ts";

const JOINER = "http://joiner";

/** The ring with one more node that is not started yet, and keys that this node will own. */
function withJoiner(cluster: Cluster) {
  const ring = new RendezvousHash([
    ...cluster.nodes.map(({ origin }) => origin),
    JOINER,
  ]);
  const keys = numberedKeys(100)
    .filter((key) => ring.get(key) === JOINER) as [string, string];
  return { ring, keys };
}

/** The request that a node is sent when another was told late of a clear. */
const clearCopies = ({ origin }: Node) =>
  new Request(`${origin}/_geecache/g?clear=copies`, {
    method: "DELETE",
    headers: { "Geecache-Peer": "http://n0" },
  });

for (
  const [what, write] of [
    ["a remove", ({ group }, key) => group.remove(key)],
    ["a clear", ({ group }) => group.clear()],
    [
      "more removes than can be owed",
      ({ group }, key) =>
        group.removeMany([
          key,
          ...Array.from({ length: 10_000 }, (_, i) => `other-${i}`),
        ]),
    ],
  ] as [string, (node: Node, key: string) => Promise<void>][]
) {
  Deno.test(`Processes that took an old value from a peer that missed ${what} are told again after that peer`, () =>
    withCluster(3, async (cluster) => {
      const { network, clock } = cluster;
      const { ring, keys: [key] } = withJoiner(cluster);
      const [last, writer, other] = cluster.inOrder(key) as [Node, Node, Node];
      const joiner = cluster.start(JOINER);
      await last.group.set(key, "old");
      // The writer does not reach the owner; all others do.
      network.fault(last.origin, async (request, next) => {
        if (request.headers.get("Geecache-Peer") === writer.origin) {
          throw new TypeError("no route to host");
        }
        return await next();
      });
      await assertRejects(() => write(writer, key), AggregateError);
      for (const { pool } of cluster.nodes) pool.setPeers(ring.nodes);
      // The new owner was not told of the write, and takes over the value of the last owner.
      assertEquals((await joiner.group.get(key)).text(), "old");
      assertEquals((await writer.group.get(key)).text(), "old");
      assertEquals((await other.group.get(key)).text(), "old");
      network.fault(last.origin);
      await clock.advance(10_000);
      assertEquals(owedTo(writer, last), 0);
      for (const { group } of cluster.nodes) {
        assertEquals(group.peek(key), undefined);
      }
      for (const { group } of cluster.nodes) {
        assertEquals((await group.get(key)).text(), `<${key}>`);
      }
    }, { pool: { handoverMs: 30_000 }, ...MIRROR_ALL }));
}

Deno.test("Copies that are on their way when all copies are dropped are not kept, and no more are taken over", () =>
  withCluster(3, async (cluster) => {
    const { network } = cluster;
    const { ring, keys: [key, next] } = withJoiner(cluster);
    const [last, asker] = cluster.inOrder(key) as [Node, Node];
    await asker.group.getMany([key, next]);
    const joiner = cluster.start(JOINER);
    for (const { pool } of cluster.nodes) pool.setPeers(ring.nodes);
    for (const { group } of cluster.nodes) await group.get(next);
    const arrives = gate();
    network.fault(last.origin, async (_request, next) => {
      const response = await next();
      await arrives.opened;
      return response;
    });
    network.fault(joiner.origin, async (request, next) => {
      const response = await next();
      if (request.method === "GET") await arrives.opened;
      return response;
    });
    // One node takes a key over, the other a copy of a key that the first took over.
    await asker.pool.handler(clearCopies(asker));
    assertEquals(asker.group.peek(next), undefined);
    const gets = [joiner.group.get(key), asker.group.get(next)];
    await settle();
    for (const node of [joiner, asker]) {
      const { status } = await node.pool.handler(clearCopies(node));
      assertEquals(status, 204);
    }
    arrives.open();
    const values = (await Promise.all(gets)).map((value) => value.text());
    assertEquals(values, [`<${key}>`, `<${next}>`]);
    assertEquals([joiner.group.peek(key), joiner.group.peek(next)], [
      undefined,
      undefined,
    ]);
    assertEquals(asker.group.peek(next), undefined);
    await joiner.group.get(key);
    assertEquals(joiner.loads, [key]);
  }, { pool: { handoverMs: 30_000 }, ...MIRROR_ALL }));

for (
  const [write, handoverMs, times] of [
    // After the third write it is out of reach.
    ["removeMany", 30_000, 3],
    ["clear", 30_000, 1],
    ["clear", 0, 1],
  ] as const
) {
  Deno.test(`A ${write}() that a peer missed before it handed the value on and left is told to all others ${handoverMs} ms later`, () =>
    withCluster(3, async (cluster) => {
      const { network, clock } = cluster;
      const [last, standIn, writer] = cluster.inOrder("k") as [
        Node,
        Node,
        Node,
      ];
      // The nodes were told of each other long ago.
      await clock.advance(30_000);
      await last.group.set("k", "old");
      // The writer does not reach the owner; the other one does.
      network.fault(last.origin, async (request, next) => {
        if (request.headers.get("Geecache-Peer") === writer.origin) {
          throw new TypeError("no route to host");
        }
        return await next();
      });
      for (let i = 0; i < times; i++) {
        const { group } = writer;
        await assertRejects(
          () => write === "clear" ? group.clear() : group[write](["k"]),
          AggregateError,
        );
      }
      const drain = last.pool.drain({ timeoutMs: 10_000 });
      const rest = [standIn, writer];
      assertEquals((await standIn.group.get("k")).text(), "old");
      assertEquals((await standIn.group.get("k")).text(), "old");
      for (const { pool } of rest) {
        pool.setPeers(rest.map(({ origin }) => origin));
      }
      const { main, hot } = standIn.group.stats();
      assertEquals([main.items, hot.items], [1, 0]);
      await clock.advance(10_000);
      await drain;
      network.kill(last.origin);
      await clock.advance(20_000);
      assertEquals(standIn.group.peek("k"), undefined);
      assertEquals((await writer.group.get("k")).text(), "<k>");
    }, { pool: { handoverMs } }));
}

Deno.test("An asker that was told to ask again is not given a copy that was dropped meanwhile", () =>
  withCluster(2, async ({ nodes, network, clock }) => {
    const [one, two] = nodes as [Node, Node];
    for (const { pool } of nodes) pool.setPeers([]);
    await two.group.set("k", "old");
    one.pool.setPeers([one.origin, two.origin]);
    const arrives = gate();
    network.fault(two.origin, async (_request, next) => {
      await arrives.opened;
      return await next();
    });
    const ask = async (waitMs: number) => {
      const response = await one.pool.handler(
        new Request(`${one.origin}/_geecache/g/k`, {
          headers: {
            "Geecache-Peer": two.origin,
            "Geecache-Wait": String(waitMs),
          },
        }),
      );
      const text = await response.text();
      return response.status === 202 ? "pending" : text;
    };
    const first = ask(1);
    await clock.advance(1);
    assertEquals(await first, "pending");
    arrives.open();
    await settle();
    assertEquals(one.group.peek("k")?.text(), "old");
    await one.pool.handler(clearCopies(one));
    assertEquals(await ask(50), "<k>");
  }, { pool: { handoverMs: 30_000 } }));

for (
  const [what, write, told] of [
    ["clear", (group) => group.clear(), "DELETE /g?clear=copies"],
    ["remove", (group, keys) => group.removeMany(keys), "POST /g?clear=copies"],
  ] as [string, (group: Group, keys: string[]) => Promise<void>, string][]
) {
  Deno.test(`Values that were set or loaded since a missed ${what} are kept when the peer is told`, () =>
    withCluster(3, async (cluster) => {
      const { network, clock } = cluster;
      const [missing, owner, writer] = cluster.nodes as [Node, Node, Node];
      const keys = numberedKeys(50)
        .filter((key) => cluster.ownerOf(key) === owner);
      network.kill(missing.origin);
      await assertRejects(() => write(writer.group, keys), AggregateError);
      await owner.group.getMany(keys);
      const key = keys.pop()!;
      await assertRejects(() => writer.group.set(key, "set"), AggregateError);
      network.join(missing.origin, missing.pool.handler);
      network.sent.length = 0;
      await clock.advance(10_000);
      assertEquals(owedTo(writer, missing), 0);
      assertEquals(writesTo(cluster, owner), [told]);
      assertEquals([...owner.group.keys()].sort(), [...keys, key].sort());
      assertEquals(owner.group.peek(key)?.text(), "set");
    }));
}

for (const drains of [true, false]) {
  Deno.test(`A value that is set after a peer left stays, also if that peer ${drains ? "drains" : "goes on"}`, () =>
    withCluster(3, async (cluster) => {
      const { clock } = cluster;
      const [leaver, ...others] = cluster.nodes as [Node, Node, Node];
      const drain = drains && leaver.pool.drain({ timeoutMs: 10_000 });
      const origins = others.map(({ origin }) => origin);
      for (const { pool } of others) pool.setPeers(origins);
      const keys = numberedKeys(50);
      for (const key of keys) await others[0].group.set(key, "set");
      await clock.advance(60_000);
      await drain;
      const held = others.flatMap(({ group }) => [...group.keys()]);
      assertEquals(held.sort(), keys.sort());
    }, { pool: { handoverMs: 30_000 } }));
}

Deno.test("A peer that misses the repeat of a clear is told later, also one that is out of the list", () =>
  withCluster(4, async (cluster) => {
    const { network, clock } = cluster;
    const [missing, down, away, writer] = cluster.nodes as [
      Node,
      Node,
      Node,
      Node,
    ];
    const all = cluster.nodes.map(({ origin }) => origin);
    network.kill(missing.origin);
    await assertRejects(() => writer.group.clear(), AggregateError);
    writer.pool.setPeers(all.filter((origin) => origin !== away.origin));
    network.kill(down.origin);
    network.join(missing.origin, missing.pool.handler);
    await clock.advance(10_000);
    assertEquals([owedTo(writer, missing), owedTo(writer, down)], [0, 1]);
    writer.pool.setPeers(all);
    assertEquals(owedTo(writer, away), 1);
  }));

Deno.test("A process that was told of a remove keeps no value of a stand-in that was not told yet", () => {
  let version = 1;
  return withCluster(4, async (cluster) => {
    const { network } = cluster;
    const [owner, standIn, asker, writer] = cluster.inOrder("k") as [
      Node,
      Node,
      Node,
      Node,
    ];
    // The asker alone cannot reach the owner.
    network.fault(owner.origin, (request, next) => {
      const isAsker = request.headers.get("Geecache-Peer") === asker.origin;
      if (isAsker && request.method !== "DELETE") {
        throw new TypeError("cut off");
      }
      return next();
    });
    assertEquals((await asker.group.get("k")).text(), "1");
    version = 2;
    const slow = gate();
    network.fault(standIn.origin, async (request, next) => {
      if (request.method === "DELETE") await slow.opened;
      return await next();
    });
    const removed = writer.group.remove("k");
    await settle();
    assertEquals(asker.group.peek("k"), undefined);
    // Before the remove is done, the old value is allowed.
    await asker.group.get("k");
    slow.open();
    await removed;
    assertEquals((await asker.group.get("k")).text(), "2");
  }, { ...MIRROR_ALL, getter: () => () => `${version}` });
});
