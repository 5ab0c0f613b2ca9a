/** A get across processes: each key is loaded once, by its owner, whichever process asks. */

import {
  type ByteView,
  HTTPPool,
  LoadError,
  NotFoundError,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  type Node,
  numberedKeys,
  ownerAndAsker,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { gate, settle } from "../support/time.ts";

Deno.test("Each key is loaded once, by its owner, whichever process asks", () =>
  withCluster(3, async (cluster) => {
    for (const key of numberedKeys(50)) {
      for (const { group } of cluster.nodes) {
        assertEquals(await textOf(group.get(key)), `<${key}>`);
      }
    }
    assertEquals(cluster.loads.length, 50);
    for (const { loads, pool } of cluster.nodes) {
      for (const key of loads) assertEquals(pool.pickPeer(key), undefined);
    }
  }));

Deno.test("Callers in all processes at once cause one load", () =>
  withCluster(8, async (cluster) => {
    const gets = cluster.nodes.flatMap(({ group }) => [
      textOf(group.get("k")),
      textOf(group.get("k")),
    ]);
    assertEquals([...new Set(await Promise.all(gets))], ["<k>"]);
    assertEquals(cluster.loads, ["k"]);
    // Each of the seven others asks once.
    assertEquals(cluster.network.sent.length, 7);
  }));

Deno.test("Every string can be a key, asked of every node, on its own and in getMany()", () =>
  withCluster(3, async ({ nodes }) => {
    const keys = [
      ...[".", "..", "...", "/", "//", "a//b", "/a", "a/", "a/../b", "./a"],
      ...["%2e", "%2E%2E", "%", "%zz", "+", "a+b", " ", "a b", "\0", "\n"],
      ...["?", "a?b=c", "#", "&key=x", "key=x", "?clear", "😀", "日本", "é"],
      ...["\ufeff", "\u2028", "a\\b", "x".repeat(65536), "ß".repeat(5000)],
    ];
    for (const { group } of nodes) {
      for (const key of keys) {
        assertEquals(await textOf(group.get(key)), `<${key}>`);
      }
      const answers = await group.getMany(keys);
      assertEquals([...answers.keys()], keys);
      for (const [key, answer] of answers) {
        assertEquals((answer as ByteView).text(), `<${key}>`);
      }
    }
    const loads = nodes.flatMap((node) => node.loads);
    assertEquals(loads.sort(), [...keys].sort());
  }));

Deno.test("Values arrive byte by byte as they are, whatever their size", () =>
  withCluster(2, async ({ nodes }) => {
    for (const { group } of nodes) {
      for (const size of [0, 1, 256, 257, 1_000_000]) {
        const { byteLength } = await group.get(`${size}`);
        assertEquals(byteLength, size);
        const view = await group.get(`${size}`);
        assertEquals(view.at(-1), size === 0 ? undefined : 0xff);
      }
    }
  }, { getter: () => (key) => new Uint8Array(Number(key)).fill(0xff) }));

Deno.test("An owner's answer that a key was not found, or failed, is final", () =>
  withCluster(4, async (cluster) => {
    for (
      const [key, kind] of [["none", NotFoundError], [
        "bad",
        LoadError,
      ]] as const
    ) {
      for (const { group, pool } of cluster.nodes) {
        const error = await assertRejects(() => group.get(key), Error);
        if (kind === NotFoundError) assert(error instanceof NotFoundError);
        else {
          assertEquals(error.message, "bad is broken");
          assertEquals(
            error instanceof LoadError,
            pool.pickPeer(key) !== undefined,
          );
        }
      }
      assertEquals(
        cluster.ownerOf(key).loads.filter((k) => k === key).length,
        4,
      );
    }
    assertEquals(cluster.loads.length, 8);
  }, {
    getter: () => (key) => {
      if (key === "bad") throw new Error("bad is broken");
      return undefined;
    },
  }));

Deno.test("A getter that takes five times timeoutMs runs once, and no other node is asked", () => {
  const opened = gate<string>();
  return withCluster(8, async (cluster) => {
    const gets = cluster.nodes.map(({ group }) => textOf(group.get("k")));
    await cluster.clock.advance(5_000);
    opened.open("slow");
    assertEquals([...new Set(await Promise.all(gets))], ["slow"]);
    assertEquals(cluster.loads, ["k"]);
    const owner = cluster.ownerOf("k");
    for (const { to } of cluster.network.sent) assertEquals(to, owner.origin);
    for (const { group } of cluster.nodes) {
      assertEquals(group.stats().peerErrors, 0);
    }
  }, { pool: { timeoutMs: 1_000 }, getter: () => () => opened.opened });
});

Deno.test("The getter's signal at the owner fires when the last caller in any process has left", () => {
  let signal: AbortSignal | undefined;
  const getter = () => (_key: string, context: { signal: AbortSignal }) => {
    signal = context.signal;
    return new Promise<string>(() => {});
  };
  return withCluster(3, async (cluster) => {
    const controllers = cluster.nodes.map(() => new AbortController());
    const gets = cluster.nodes.map(({ group }, i) =>
      group.get("k", { signal: controllers[i]!.signal })
    );
    await settle();
    // Askers that were told to ask again still count.
    await cluster.clock.advance(4_000);
    for (const [i, controller] of controllers.entries()) {
      assertEquals(signal?.aborted, false);
      controller.abort(new Error(`${i} left`));
      await assertRejects(() => gets[i]!, Error, `${i} left`);
      await settle();
    }
    assertEquals(signal?.aborted, true);
  }, { getter });
});

Deno.test("Peers whose lists disagree answer, and never wait for each other", () =>
  withCluster(3, async ({ nodes, clock }) => {
    const [a, b, c] = nodes as [Node, Node, Node];
    a.pool.setPeers([b.origin]);
    b.pool.setPeers([a.origin]);
    c.pool.setPeers([a.origin, b.origin]);
    const gets = nodes.map(({ group }) => textOf(group.get("k")));
    await clock.advance(60_000);
    assertEquals(await Promise.all(gets), ["<k>", "<k>", "<k>"]);
    // Each loaded for an asker that takes it for the owner, and keeps the value in hot.
    for (const { group, loads } of [a, b]) {
      const { main, hot } = group.stats();
      assertEquals([loads, main.items, hot.items], [["k"], 0, 1]);
    }
  }, { getter: () => async (key) => (await settle(), `<${key}>`) }));

Deno.test("A client that is not in its own list owns nothing", () =>
  withCluster(2, async ({ nodes, network, clock }) => {
    const origin = "http://client";
    const pool = new HTTPPool(origin, {
      clock,
      fetch: network.fetchFrom(origin),
    });
    pool.setPeers(nodes.map((node) => node.origin));
    const loads: string[] = [];
    const group = pool.group("g", (key) => {
      loads.push(key);
      return "mine";
    });
    for (const key of numberedKeys(20)) {
      assertEquals(await textOf(group.get(key)), `<${key}>`);
    }
    assertEquals([loads, group.stats().main.items], [[], 0]);
    assertEquals(pool.stats().nodes, ["http://n0", "http://n1"]);
    await pool.close();
  }));

Deno.test("A pool without peers, or with itself alone in its list, owns every key", async () => {
  for (const list of [[], ["http://self:80/"]]) {
    const pool = new HTTPPool("http://self", {
      fetch: () => Promise.reject(new Error("nobody to ask")),
    });
    pool.setPeers(list);
    const group = pool.group("g", (key) => key);
    assertEquals(await textOf(group.get("k")), "k");
    assertEquals([...pool.peers()], []);
    await pool.close();
  }
});

Deno.test("Group.stats() counts the questions to peers and their answers", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    await asker.group.get("k");
    cluster.network.kill(owner.origin);
    await asker.group.get("k");
    const { main: _main, hot: _hot, ...counts } = asker.group.stats();
    assertEquals(counts, {
      gets: 2,
      cacheHits: 0,
      staleHits: 0,
      loads: 2,
      // Two questions and one call of the getter.
      loadsDeduped: 3,
      peerLoads: 1,
      peerErrors: 1,
      localLoads: 1,
      localLoadErrs: 0,
      inherited: 0,
      refreshes: 0,
      staleAnswers: 0,
      negativeHits: 0,
      serverRequests: 0,
    });
  }));

Deno.test("Both sides of a partition keep answering, and agree again afterwards", () =>
  withCluster(4, async (cluster) => {
    const [a, b, c, d] = cluster.nodes.map(({ origin }) => origin);
    cluster.network.partition([a!, b!], [c!, d!]);
    for (const { group } of cluster.nodes) {
      for (const key of numberedKeys(20)) {
        assertEquals(await textOf(group.get(key)), `<${key}>`);
      }
    }
    cluster.network.partition();
    cluster.nodes.forEach(({ loads }) => loads.length = 0);
    await cluster.clock.advance(60_000);
    for (const { group } of cluster.nodes) {
      await group.getMany(numberedKeys(20));
    }
    for (const { loads, pool } of cluster.nodes) {
      for (const key of loads) assertEquals(pool.pickPeer(key), undefined);
    }
  }));
