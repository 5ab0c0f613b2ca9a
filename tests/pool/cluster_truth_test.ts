/** What a write promises, and how what was missed is told later. */

import {
  encodeKeys,
  KIND,
  type ResultFrame,
  ResultReader,
} from "../../protocol/frames.ts";
import { type Group, type PeerError, RendezvousHash } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { gate, settle } from "../support/gate.ts";
import { type Cluster, type Node, withCluster } from "../support/network.ts";

const owedTo = ({ pool }: Node, { origin }: Node) =>
  pool.stats().peers.find(({ id }) => id === origin)!.owed;

/** Everybody has a copy of "k", the owner in main, the others in hot. */
async function fill(cluster: Cluster, key = "k"): Promise<void> {
  for (const { group } of cluster.nodes) await group.get(key);
  for (const { group } of cluster.nodes) assert(group.peek(key) !== undefined);
}

/** The writes that were sent to a node, in order. */
const writesTo = ({ network }: Cluster, { origin }: Node) =>
  network.sent
    .filter(({ to, method }) => to === origin && method !== "GET")
    .map(({ method, path }) => `${method} ${path.replace("/_geecache", "")}`);

const MIRROR = { shouldMirror: () => true, mirrorTtlMs: 60_000 };

Deno.test("A remove that rejected names who missed it, and that one is told as soon as it answers", () =>
  withCluster(3, async (cluster) => {
    const { network, clock } = cluster;
    const [owner, missing, writer] = cluster.inOrder("k") as [Node, Node, Node];
    await fill(cluster);
    network.kill(missing.origin);
    const { errors } = await assertRejects(
      () => writer.group.remove("k"),
      AggregateError,
    );
    assertEquals((errors as PeerError[]).map(({ peer }) => peer), [
      missing.origin,
    ]);
    assertEquals([owner.group.peek("k"), writer.group.peek("k")], [
      undefined,
      undefined,
    ]);
    assertEquals(owedTo(writer, missing), 1);
    await clock.advance(30_000);
    assert(missing.group.peek("k") !== undefined);
    network.join(missing.origin, missing.pool.handler);
    await clock.advance(10_000);
    assertEquals(missing.group.peek("k"), undefined);
    assertEquals(owedTo(writer, missing), 0);
  }, { group: MIRROR }));

Deno.test("An owner that missed a remove is told before it is asked again", () =>
  withCluster(3, async (cluster) => {
    const { network, clock } = cluster;
    const [owner, , writer] = cluster.inOrder("k") as [Node, Node, Node];
    await fill(cluster);
    network.kill(owner.origin);
    for (let i = 0; i < 3; i++) {
      await assertRejects(() => writer.group.remove("k"), AggregateError);
    }
    const told = gate();
    network.fault(owner.origin, async (request, next) => {
      if (request.method === "DELETE") await told.opened;
      return await next();
    });
    network.join(owner.origin, owner.pool.handler);
    const before = network.sent.length;
    await clock.advance(10_000);
    // It answers, and is being told: until it was, its keys are asked elsewhere.
    const get = writer.group.get("k");
    await clock.advance(500);
    assertEquals((await get).text(), "<k>");
    const since = network.sent.slice(before).filter(({ from, to }) =>
      from === writer.origin && to === owner.origin
    );
    assert(since.length > 0);
    assert(
      since.every(({ method, path }) =>
        method === "DELETE" || path === "/_geecache/"
      ),
    );
    assert(owner.group.peek("k") !== undefined);
    told.open();
    await clock.advance(10_000);
    assertEquals(owner.group.peek("k"), undefined);
  }, { group: { mirrorTtlMs: 1_000, shouldMirror: () => true } }));

Deno.test("A peer that missed one remove is not asked for that key before it was told, and for others it is", () =>
  withCluster(2, async (cluster) => {
    const { network, clock } = cluster;
    const [owner, writer] = cluster.inOrder("k") as [Node, Node];
    const other = Array.from({ length: 20 }, (_, i) => `key-${i}`)
      .find((key) => cluster.ownerOf(key) === owner)!;
    for (const key of ["k", other]) await owner.group.set(key, "old");
    network.kill(owner.origin);
    await assertRejects(() => writer.group.remove("k"), AggregateError);
    network.join(owner.origin, owner.pool.handler);
    assertEquals((await writer.group.get(other)).text(), "old");
    assertEquals((await writer.group.get("k")).text(), "<k>");
    const told = gate();
    network.fault(owner.origin, async (request, next) => {
      if (request.method === "DELETE") await told.opened;
      return await next();
    });
    await clock.advance(1_000);
    // It is being told.
    assertEquals((await writer.group.get("k")).text(), "<k>");
    assertEquals(owedTo(writer, owner), 1);
    told.open();
    await settle();
    await writer.group.remove("k");
    await writer.group.get("k");
    assertEquals(owner.loads, ["k"]);
  }, { group: { mirrorTtlMs: 0 } }));

Deno.test("Who becomes the owner of a key takes no copy from who missed its own remove", () =>
  withCluster(2, async (cluster) => {
    const { network } = cluster;
    const [writer, last] = cluster.inOrder("k") as [Node, Node];
    for (const { pool } of cluster.nodes) pool.setPeers([last.origin]);
    await last.group.set("k", "old");
    network.kill(last.origin);
    await assertRejects(() => writer.group.remove("k"), AggregateError);
    network.join(last.origin, last.pool.handler);
    for (const { pool } of cluster.nodes) {
      pool.setPeers([last.origin, writer.origin]);
    }
    assertEquals((await writer.group.get("k")).text(), "<k>");
  }, { pool: { handoverMs: 30_000 } }));

Deno.test("What was missed is told as removes, never as values", () =>
  withCluster(3, async (cluster) => {
    const { network, clock } = cluster;
    const [owner, other, writer] = cluster.inOrder("k") as [Node, Node, Node];
    await fill(cluster);
    network.kill(owner.origin);
    const { errors } = await assertRejects(
      () => writer.group.set("k", "new"),
      AggregateError,
    );
    assertEquals((errors as PeerError[]).map(({ peer }) => peer), [
      owner.origin,
    ]);
    assertEquals([other.group.peek("k"), writer.group.peek("k")], [
      undefined,
      undefined,
    ]);
    network.join(owner.origin, owner.pool.handler);
    const puts = () => network.count({ to: owner.origin, method: "PUT" });
    const before = puts();
    await clock.advance(10_000);
    assertEquals([owner.group.peek("k"), puts()], [undefined, before]);
  }, { group: MIRROR }));

Deno.test("Each write that was missed is told: keys of several groups, and all of a group", () =>
  withCluster(2, async (cluster) => {
    const { network, clock } = cluster;
    const [missing, writer] = cluster.nodes as [Node, Node];
    const others = cluster.nodes.map(({ pool }) =>
      pool.group("other", (key) => key)
    );
    await others[0]!.get("all");
    await missing.group.get("a");
    await missing.group.get("b");
    await missing.group.get("c");
    network.kill(missing.origin);
    await assertRejects(
      () => writer.group.removeMany(["a", "b"]),
      AggregateError,
    );
    await assertRejects(() => others[1]!.clear(), AggregateError);
    assertEquals(owedTo(writer, missing), 3);
    network.join(missing.origin, missing.pool.handler);
    network.sent.length = 0;
    await clock.advance(10_000);
    assertEquals(writesTo(cluster, missing), [
      "POST /g",
      "DELETE /other?clear",
    ]);
    assertEquals([...missing.group.keys()], ["c"]);
    assertEquals([...others[0]!.keys()], []);
  }, { group: MIRROR }));

Deno.test("Past 10,000 keys the peer is told to drop the whole group", () =>
  withCluster(2, async (cluster) => {
    const { network, clock } = cluster;
    const [missing, writer] = cluster.nodes as [Node, Node];
    await missing.group.get("untouched");
    network.kill(missing.origin);
    const keys = Array.from({ length: 10_001 }, (_, i) => `key-${i}`);
    await assertRejects(() => writer.group.removeMany(keys), AggregateError);
    assertEquals(owedTo(writer, missing), 1);
    network.join(missing.origin, missing.pool.handler);
    network.sent.length = 0;
    await clock.advance(10_000);
    assertEquals(writesTo(cluster, missing), ["DELETE /g?clear"]);
    assertEquals([...missing.group.keys()], []);
  }));

Deno.test("A peer that refuses the keys that it missed is told to drop the whole group", async () => {
  for (const status of [400, 413]) {
    await withCluster(2, async (cluster) => {
      const { network, clock } = cluster;
      const [missing, writer] = cluster.nodes as [Node, Node];
      const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`)
        .filter((key) => cluster.ownerOf(key) === missing);
      await missing.group.getMany(keys);
      network.fault(
        missing.origin,
        (request, next) =>
          request.method === "POST"
            ? new Response("too large\n", {
              status,
              headers: { "Geecache-Result": "bad-request" },
            })
            : next(),
      );
      await assertRejects(() => writer.group.removeMany(keys), AggregateError);
      assertEquals(owedTo(writer, missing), keys.length);
      await clock.advance(60_000);
      assertEquals([...missing.group.keys()], []);
      assertEquals(owedTo(writer, missing), 0);
    });
  }
});

Deno.test("What could not be told is tried again for as long as it takes", () =>
  withCluster(2, async (cluster) => {
    const { network, clock } = cluster;
    const [missing, writer] = cluster.inOrder("k") as [Node, Node];
    await missing.group.get("k");
    network.fault(
      missing.origin,
      (request, next) =>
        request.method === "DELETE"
          ? new Response(null, { status: 502 })
          : next(),
    );
    await assertRejects(() => writer.group.remove("k"), AggregateError);
    await clock.advance(3_600_000);
    assertEquals(owedTo(writer, missing), 1);
    network.fault(missing.origin);
    await clock.advance(10_000);
    assertEquals([owedTo(writer, missing), missing.group.peek("k")], [
      0,
      undefined,
    ]);
  }));

Deno.test("A write that its caller called off is owed to nobody", () =>
  withCluster(2, async (cluster) => {
    const [owner, writer] = cluster.inOrder("k") as [Node, Node];
    cluster.network.silence(owner.origin);
    const leave = new AbortController();
    const peer = writer.pool.pickPeer("k")!;
    const write = peer.remove("g", ["k"], { signal: leave.signal });
    await settle();
    leave.abort(new Error("enough"));
    await assertRejects(() => write, Error, "enough");
    assertEquals(owedTo(writer, owner), 0);
  }));

Deno.test("A peer that leaves the list and comes back is told what it missed, before and while it was away", () =>
  withCluster(3, async (cluster) => {
    const { network, clock } = cluster;
    const [owner, other, writer] = cluster.inOrder("k") as [Node, Node, Node];
    const all = cluster.nodes.map(({ origin }) => origin);
    const rest = [other.origin, writer.origin];
    await fill(cluster);
    await fill(cluster, "l");
    await owner.group.get("m");
    network.kill(owner.origin);
    await assertRejects(() => writer.group.remove("k"), AggregateError);
    writer.pool.setPeers(rest);
    await writer.group.remove("l");
    network.join(owner.origin, owner.pool.handler);
    await clock.advance(60_000);
    assert([...owner.group.keys()].includes("k"));
    writer.pool.setPeers(all);
    assertEquals(owedTo(writer, owner), 2);
    await clock.advance(10_000);
    assertEquals([...owner.group.keys()].filter((key) => key !== "m"), []);
  }, { group: { ...MIRROR, mirrorTtlMs: Infinity } }));

for (
  const [what, write] of [
    ["remove", ({ group }) => group.remove("k")],
    ["set", ({ group }) => group.set("k", "new")],
    ["clear", ({ group }) => group.clear()],
  ] as [string, (node: Node) => Promise<void>][]
) {
  Deno.test(`A peer that leaves the list before its turn in a ${what} is told when it comes back`, () =>
    withCluster(3, async (cluster) => {
      const { network, clock } = cluster;
      const [owner, other, writer] = cluster.inOrder("k") as [Node, Node, Node];
      const { origin } = owner;
      await owner.group.set("k", "old");
      const arrives = gate();
      network.fault(origin, async (request, next) => {
        if (request.method !== "GET") await arrives.opened;
        return await next();
      });
      const written = write(writer);
      await settle();
      writer.pool.setPeers([origin, writer.origin]);
      assertEquals((await other.group.get("k")).text(), "old");
      arrives.open();
      await written;
      writer.pool.setPeers(cluster.nodes.map(({ origin }) => origin));
      await clock.advance(1_000);
      assertEquals(other.group.peek("k"), undefined);
    }, { group: MIRROR }));
}

Deno.test("What is on its way to a peer that leaves the list and comes back at once is told again", () =>
  withCluster(2, async (cluster) => {
    const { network, clock } = cluster;
    const [owner, writer] = cluster.inOrder("k") as [Node, Node];
    await owner.group.get("k");
    network.kill(owner.origin);
    await assertRejects(() => writer.group.remove("k"), AggregateError);
    network.join(owner.origin, owner.pool.handler);
    network.fault(
      owner.origin,
      (request, next) =>
        request.method === "DELETE" ? new Promise(() => {}) : next(),
    );
    await clock.advance(300);
    network.fault(owner.origin);
    writer.pool.setPeers([writer.origin]);
    writer.pool.setPeers([owner.origin, writer.origin]);
    await clock.advance(10_000);
    assertEquals(owner.group.peek("k"), undefined);
    assertEquals(owedTo(writer, owner), 0);
  }));

Deno.test("After setPeers() what is no longer owned is a copy, limited in time, though it be owned again", () =>
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
    assertEquals(hot.bytes, before.main.bytes);
    // Owned again: it lives on as what it has become, a copy.
    owner.pool.setPeers([owner.origin, other.origin]);
    assertEquals(owner.group.stats().main.items, 0);
    await clock.advance(59_999);
    assertEquals(owner.group.peek("k")?.text(), "<k>");
    await clock.advance(1);
    assertEquals(owner.group.peek("k"), undefined);
  }));

Deno.test("What is still owned stays as it is, and nothing is copied where nothing may be", () =>
  withCluster(3, async (cluster) => {
    const [one] = cluster.nodes as [Node];
    const keys = Array.from({ length: 100 }, (_, i) => `key-${i}`);
    const own = keys.filter((key) => cluster.ownerOf(key) === one);
    for (const key of own) await one.group.get(key);
    const origins = cluster.nodes.map(({ origin }) => origin);
    one.pool.setPeers([...origins, "http://n3"]);
    const still = own.filter((key) => one.pool.pickPeer(key) === undefined);
    assert(still.length < own.length);
    assertEquals([...one.group.keys()], still);
    assertEquals(one.group.stats().main.items, still.length);
    // The same list in another order changes nothing.
    one.pool.setPeers(["http://n3", ...origins]);
    assertEquals(one.group.stats().main.items, still.length);
  }, { group: { mirrorTtlMs: 0 } }));

const JOINER = "http://joiner";

/** The ring with one more node, and keys that it will own, before it is started. */
function withJoiner(cluster: Cluster) {
  const ring = new RendezvousHash([
    ...cluster.nodes.map(({ origin }) => origin),
    JOINER,
  ]);
  const keys = Array.from({ length: 100 }, (_, i) => `key-${i}`)
    .filter((key) => ring.get(key) === JOINER) as [string, string];
  return { ring, keys };
}

/** What a node is sent when somebody was told late to drop all. */
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
  Deno.test(`When who missed ${what} is told, those who took the old value from it are told again`, () =>
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
      // Nobody told the new owner, which takes over what the last one has.
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
    }, { pool: { handoverMs: 30_000 }, group: MIRROR }));
}

Deno.test("Copies that were on their way when all were to be dropped are not kept, and no more are taken over", () =>
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
    // One takes a key over, the other a copy of what the first took over.
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
  }, { pool: { handoverMs: 30_000 }, group: MIRROR }));

for (
  const [write, handoverMs, times] of [
    // The third time it is out of reach.
    ["removeMany", 30_000, 3],
    ["clear", 30_000, 1],
    ["clear", 0, 1],
  ] as const
) {
  Deno.test(`What a peer missed, ${write}() called, and handed on before it left, is told to all others ${handoverMs} ms later`, () =>
    withCluster(3, async (cluster) => {
      const { network, clock } = cluster;
      const [last, standIn, writer] = cluster.inOrder("k") as [
        Node,
        Node,
        Node,
      ];
      // That they know of each other is long ago.
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
        await assertRejects(() => writer.group[write](["k"]), AggregateError);
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

Deno.test("Who was told to ask again is not answered with a copy that was to be dropped meanwhile", () =>
  withCluster(2, async ({ nodes }) => {
    const [one, two] = nodes as [Node, Node];
    for (const { pool } of nodes) pool.setPeers([]);
    await two.group.set("k", "old");
    one.pool.setPeers([one.origin, two.origin]);
    const ask = async (waitMs: number) => {
      const response = await one.pool.handler(
        new Request(`${one.origin}/_geecache/g`, {
          method: "POST",
          headers: {
            "Geecache-Peer": two.origin,
            "Geecache-Method": "GET",
            "Geecache-Wait": String(waitMs),
          },
          body: encodeKeys(["k"]),
        }),
      );
      const body = new Uint8Array(await response.arrayBuffer());
      const [{ kind, value }] = [...new ResultReader(1, 100).push(body)] as [
        ResultFrame,
      ];
      return kind === KIND.pending ? "pending" : value.value.text();
    };
    assertEquals(await ask(0), "pending");
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
  Deno.test(`After a missed ${what} nobody drops what was set or loaded since, nor is it reloaded`, () =>
    withCluster(3, async (cluster) => {
      const { network, clock } = cluster;
      const [missing, owner, writer] = cluster.nodes as [Node, Node, Node];
      const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`)
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
      assertEquals([...owner.group.keys()], [...keys, key]);
      assertEquals(owner.group.peek(key)?.text(), "set");
    }));
}

for (const drains of [true, false]) {
  Deno.test(`What is set after a peer left stays, where that ${drains ? "drains" : "goes on"}`, () =>
    withCluster(3, async (cluster) => {
      const { clock } = cluster;
      const [leaver, ...others] = cluster.nodes as [Node, Node, Node];
      const drain = drains && leaver.pool.drain({ timeoutMs: 10_000 });
      const origins = others.map(({ origin }) => origin);
      for (const { pool } of others) pool.setPeers(origins);
      const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`);
      for (const key of keys) await others[0].group.set(key, "set");
      await clock.advance(60_000);
      await drain;
      const held = others.flatMap(({ group }) => [...group.keys()]);
      assertEquals(held.sort(), keys.sort());
    }, { pool: { handoverMs: 30_000 } }));
}

Deno.test("Who can be told of a late clear no more is owed one of its own, and who is out of the list is, too", () =>
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

Deno.test("Who was told of a remove keeps nothing that a stand-in answers who was not yet", () => {
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
    // Before the remove is done it may be the old value.
    await asker.group.get("k");
    slow.open();
    await removed;
    assertEquals((await asker.group.get("k")).text(), "2");
  }, { group: MIRROR, getter: () => () => `${version}` });
});

Deno.test("Who missed a clear is told after all others were, too", () =>
  withCluster(3, async (cluster) => {
    const { network, clock } = cluster;
    const [slow, missing, writer] = cluster.inOrder("k") as [Node, Node, Node];
    await slow.group.set("k", "old");
    const told = gate();
    network.fault(slow.origin, async (request, next) => {
      if (request.headers.get("Geecache-Peer") === writer.origin) {
        await told.opened;
      }
      return await next();
    });
    network.kill(missing.origin);
    const clear = assertRejects(() => writer.group.clear(), AggregateError);
    await settle();
    network.join(missing.origin, missing.pool.handler);
    await clock.advance(1_000);
    assertEquals(owedTo(writer, missing), 0);
    // It was told early, and copies what the owner still has.
    await missing.group.get("k");
    assertEquals(missing.group.peek("k")?.text(), "old");
    told.open();
    await clear;
    await clock.advance(10_000);
    assertEquals(missing.group.peek("k"), undefined);
  }, { group: MIRROR }));

Deno.test("A write while a probe is under way rejects at once, and is told by a probe", () =>
  withCluster(2, async (cluster) => {
    const { network, clock } = cluster;
    const [owner, writer] = cluster.inOrder("k") as [Node, Node];
    await owner.group.get("k");
    network.kill(owner.origin);
    for (let i = 0; i < 3; i++) {
      await assertRejects(() => writer.group.remove("other"), AggregateError);
    }
    network.join(owner.origin, owner.pool.handler);
    const looked = gate();
    network.fault(owner.origin, async (_request, next) => {
      await looked.opened;
      return await next();
    });
    await clock.advance(300);
    const { state } = writer.pool.stats().peers[0]!;
    const before = network.sent.length;
    await assertRejects(() => writer.group.remove("k"), AggregateError);
    assertEquals([state, network.sent.length], ["half-open", before]);
    looked.open();
    await clock.advance(10_000);
    assertEquals([owner.group.peek("k"), owedTo(writer, owner)], [
      undefined,
      0,
    ]);
  }));

Deno.test("A peer that came back is owed nothing of what reaches it", () =>
  withCluster(3, async (cluster) => {
    const [owner, other, writer] = cluster.inOrder("k") as [Node, Node, Node];
    const all = cluster.nodes.map(({ origin }) => origin);
    const away = [other.origin, writer.origin];
    const come = async () => {
      writer.pool.setPeers(all);
      const owed = owedTo(writer, owner);
      await cluster.clock.advance(10_000);
      return owed;
    };
    writer.pool.setPeers(away);
    await writer.group.set("k", "v");
    assertEquals(await come(), 1);
    await writer.group.remove("k");
    assertEquals(owedTo(writer, owner), 0);
    await owner.group.get("k");
    writer.pool.setPeers(away);
    await writer.group.clear();
    assertEquals(await come(), 1);
    assertEquals([...owner.group.keys()], []);
  }));

Deno.test("Of many peers that left the one that left first is forgotten", () =>
  withCluster(1, async (cluster) => {
    const [{ pool, group, origin }] = cluster.nodes as [Node];
    const gone = Array.from({ length: 65 }, (_, i) => `http://gone-${i}`);
    for (const one of gone) pool.setPeers([origin, one]);
    pool.setPeers([origin]);
    await group.remove("k");
    pool.setPeers([origin, ...gone]);
    const owed = pool.stats().peers.filter(({ owed }) => owed > 0)
      .map(({ id }) => id);
    assertEquals(owed.length, 64);
    assert(!owed.includes(gone[0]!));
  }));

Deno.test("To Go's programs nothing is written, owed or told, whatever comes and goes; a 400 answers a probe", async () => {
  for (const protocol of ["geecache", "groupcache"] as const) {
    await withCluster(2, async (cluster) => {
      const { network, clock } = cluster;
      const [go, writer] = cluster.inOrder("k") as [Node, Node];
      const answer = (request: Request) => {
        const { pathname } = new URL(request.url);
        return pathname.endsWith("/")
          ? new Response("bad request\n", { status: 400 })
          : new Response(null, { status: 502 });
      };
      network.join(go.origin, answer);
      for (let i = 0; i < 3; i++) await writer.group.get(`key-${i}`);
      network.kill(go.origin);
      const peer = writer.pool.pickPeer("k")!;
      for (let i = 0; i < 3; i++) {
        await assertRejects(() => peer.get("g", "k"), Error);
      }
      const state = () => writer.pool.stats().peers[0]!.state;
      assertEquals(state(), "open");
      await assertRejects(() => writer.group.remove("k"), AggregateError);
      await assertRejects(() => writer.group.set("k", "v"), AggregateError);
      await assertRejects(() => writer.group.clear(), AggregateError);
      peer.owe!("g", ["k"]);
      writer.pool.setPeers([writer.origin]);
      await writer.group.remove("k");
      writer.pool.setPeers([go.origin, writer.origin]);
      assertEquals(owedTo(writer, go), 0);
      const again = writer.pool.pickPeer("k")!;
      for (let i = 0; i < 3; i++) {
        await assertRejects(() => again.get("g", "k"), Error);
      }
      assertEquals(state(), "open");
      network.join(go.origin, answer);
      await clock.advance(20_000);
      assertEquals(state(), "closed");
      assertEquals(network.sent.filter(({ method }) => method !== "GET"), []);
    }, { pool: { protocol } });
  }
});

// ---- writes of what is closed

Deno.test("A write of a closed pool or group rejects: nobody would be told", () =>
  withCluster(2, async (cluster) => {
    const [writer, other] = cluster.inOrder("k") as [Node, Node];
    await fill(cluster);
    await writer.pool.close();
    const { group } = writer;
    for (
      const [write, action] of [
        [() => group.set("k", "v"), 'Cannot set "k" of group "g"'],
        [() => group.remove("k"), 'Cannot remove keys of group "g"'],
        [() => group.clear(), 'Cannot clear group "g"'],
      ] as const
    ) {
      const { message } = await assertRejects(write, Error);
      assertEquals(message, `${action}: the group is closed`);
    }
    assert(other.group.peek("k") !== undefined);
  }, { group: MIRROR }));

Deno.test("A write under way when its pool closes does not resolve as if all had been told", async () => {
  const writes: ((group: Group) => Promise<void>)[] = [
    (group) => group.set("k", "v"),
    (group) => group.remove("k"),
    (group) => group.clear(),
  ];
  for (const write of writes) {
    await withCluster(2, async (cluster) => {
      const { group, pool } = cluster.ownerOf("k");
      const written = assertRejects(() => write(group), Error);
      await pool.close();
      await written;
    });
  }
});
