/** The list of peers: how it changes, and how processes notice that their lists differ. */

import { HTTPPool, PeerError } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  type Node,
  numberedKeys,
  originsOf,
  ownerAndAsker,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { noteIn } from "../support/logger.ts";
import { settle } from "../support/time.ts";

const KEYS = numberedKeys(200);

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

Deno.test("The log does not say that a peer is out of reach when it leaves the list", async () => {
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

Deno.test("Each request says which list its sender has; a different list is counted, shown, and logged once", async () => {
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

Deno.test("Processes that are no peers cause one line of the log, however many names they use", async () => {
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
  assertEquals(lines, [
    '[Pool http://a] a process that is no peer and calls itself "http://x0" has another ' +
    "list of nodes: until both have the same, keys may be loaded twice",
  ]);
  await pool.close();
});

Deno.test("A different list is logged again after a change of the list", async () => {
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

Deno.test("setPeers() keeps the peers that stay and ends requests to those that leave", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    const before = new Set(asker.pool.peers());
    cluster.network.silence(owner.origin);
    const get = textOf(asker.group.get("k"));
    await settle();
    asker.pool.setPeers([asker.origin, `${next.origin}:80/`]);
    await cluster.clock.advance(500);
    assertEquals(await get, "<k>");
    const after = [...asker.pool.peers()];
    assertEquals(after.map((peer) => peer.id), [next.origin]);
    assert(before.has(after[0]!));
  }));

Deno.test("A peer that left is not asked again, and is gone from the stats", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker, peer } = ownerAndAsker(cluster);
    asker.pool.setPeers(["http://z", "http://a"]);
    const ids = asker.pool.stats().peers.map(({ id }) => id);
    assertEquals(ids, ["http://a", "http://z"]);
    await assertRejects(() => peer.get("g", "k"), PeerError, "it was closed");
    assertEquals([owner.loads, cluster.network.sent], [[], []]);
  }));

Deno.test("A bad list of peers changes nothing", async () => {
  const pool = new HTTPPool("http://self");
  pool.setPeers(["http://self", "http://other"]);
  for (const bad of ["other", "http://x/path", "ws://x"]) {
    const error = await assertRejects(
      async () => await pool.setPeers(["http://third", bad]),
      TypeError,
      "Cannot set peers of HTTPPool",
    );
    assert(error.message.endsWith(`received ${JSON.stringify(bad)}`));
  }
  assertEquals([...pool.peers()].map((peer) => peer.id), ["http://other"]);
  await pool.close();
});

Deno.test("close() ends waits for peers with an error", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf("k");
    const asker = cluster.nodes.find((node) => node !== owner)!;
    cluster.network.silence(owner.origin);
    const get = asker.group.get("k");
    const write = asker.group.set("k", "v");
    await settle();
    await asker.pool.close();
    await assertRejects(() => get, Error, "closed");
    await assertRejects(() => write, AggregateError, owner.origin);
    await assertRejects(() => asker.group.get("k"), Error, "closed");
  }));

Deno.test("removeGroup() ends waits for peers with an error", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    cluster.network.silence(owner.origin);
    const get = asker.group.get("k");
    await settle();
    asker.pool.removeGroup("g");
    await assertRejects(() => get, Error, "the group is closed");
    await settle();
    assertEquals([cluster.clock.pending, asker.loads], [0, []]);
  }));
