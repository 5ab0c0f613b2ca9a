/** Writes that a peer missed, and how it is told of them later. */

import type { PeerError } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  copyEverywhere,
  MIRROR_ALL,
  type Node,
  numberedKeys,
  owedTo,
  withCluster,
  writesTo,
} from "../support/cluster.ts";
import { gate, settle } from "../support/time.ts";

Deno.test("A remove that rejects names the peer that missed it, and the peer is told as soon as it answers", () =>
  withCluster(3, async (cluster) => {
    const { network, clock } = cluster;
    const [owner, missing, writer] = cluster.inOrder("k") as [Node, Node, Node];
    await copyEverywhere(cluster);
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
  }, MIRROR_ALL));

Deno.test("An owner that missed a remove is told before it is asked again", () =>
  withCluster(3, async (cluster) => {
    const { network, clock } = cluster;
    const [owner, , writer] = cluster.inOrder("k") as [Node, Node, Node];
    await copyEverywhere(cluster);
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
    // It answers and is being told: until then the next node is asked for its keys.
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

Deno.test("A peer that missed a remove is asked for other keys, but not for that one before it was told", () =>
  withCluster(2, async (cluster) => {
    const { network, clock } = cluster;
    const [owner, writer] = cluster.inOrder("k") as [Node, Node];
    const other = numberedKeys(20)
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

Deno.test("A new owner takes no copy from a peer that missed the new owner's remove", () =>
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

Deno.test("A missed write is told as a remove, never as a value", () =>
  withCluster(3, async (cluster) => {
    const { network, clock } = cluster;
    const [owner, other, writer] = cluster.inOrder("k") as [Node, Node, Node];
    await copyEverywhere(cluster);
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
  }, MIRROR_ALL));

Deno.test("All missed writes are told: removed keys of one group and a clear of another", () =>
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
  }, MIRROR_ALL));

Deno.test("A peer that missed more than 10,000 keys is told to drop the whole group", () =>
  withCluster(2, async (cluster) => {
    const { network, clock } = cluster;
    const [missing, writer] = cluster.nodes as [Node, Node];
    await missing.group.get("untouched");
    network.kill(missing.origin);
    const keys = numberedKeys(10_001);
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
      const keys = numberedKeys(20)
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

Deno.test("A missed write is told again and again until the peer takes it", () =>
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

Deno.test("A write that its caller aborts does not count as missed", () =>
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
    await copyEverywhere(cluster);
    await copyEverywhere(cluster, "l");
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
  }, { group: { shouldMirror: () => true, mirrorTtlMs: Infinity } }));

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
    }, MIRROR_ALL));
}

Deno.test("A missed write that is on its way when the peer leaves the list is told again when the peer comes back", () =>
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

Deno.test("A peer that missed a clear is told again after all others were told", () =>
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
    // It was told early, and copies the value that the owner still has.
    await missing.group.get("k");
    assertEquals(missing.group.peek("k")?.text(), "old");
    told.open();
    await clear;
    await clock.advance(10_000);
    assertEquals(missing.group.peek("k"), undefined);
  }, MIRROR_ALL));

Deno.test("A write during a probe rejects at once, and is told after a probe", () =>
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

Deno.test("A peer that came back is told of the writes that it missed, and of no others", () =>
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

Deno.test("A pool forgets the peer that left first when too many have left", () =>
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

Deno.test("A Go program is sent no writes, neither at once nor later, and its 400 answers a probe", async () => {
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
