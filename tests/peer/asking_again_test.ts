/** Peers that are busy or not ready yet: when they are asked again, and for how long. */

import { type Group, HTTPPool, PeerError } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  Cluster,
  makeBusy,
  type Node,
  ownerAndAsker,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { FakeClock, settle } from "../support/time.ts";

Deno.test("An owner that waits before it says pending is asked again at once", () =>
  withCluster(2, async (cluster) => {
    const { asker } = ownerAndAsker(cluster);
    const controller = new AbortController();
    const get = asker.group.get("k", { signal: controller.signal });
    for (let asked = 1; asked < 4; asked++) {
      await settle();
      assertEquals(cluster.network.sent.length, asked);
      await cluster.clock.advance(2_500);
    }
    controller.abort(new Error("enough"));
    await assertRejects(() => get, Error, "enough");
  }, { getter: () => () => new Promise<string>(() => {}) }));

Deno.test("A busy owner is asked again until patience ends; then the asker loads the key itself", () =>
  withCluster(4, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    let busy = 3;
    cluster.network.fault(
      owner.origin,
      (_request, pass) =>
        busy-- > 0
          ? new Response("busy", {
            status: 429,
            headers: { "Geecache-Result": "busy", "Retry-After": "1" },
          })
          : pass(),
    );
    const patient = textOf(asker.group.get("k"));
    await cluster.clock.advance(3_000);
    assertEquals(await patient, "<k>");
    assertEquals([owner.loads, next.loads, asker.loads], [["k"], [], []]);
    busy = Infinity;
    const other = textOf(asker.group.get("k"));
    await cluster.clock.advance(4_900);
    assertEquals(asker.loads, []);
    await cluster.clock.advance(200);
    assertEquals(await other, "<k>");
    assertEquals([next.loads, asker.loads], [[], ["k"]]);
  }));

Deno.test("A busy owner is asked again after its Retry-After and a little more at random, and not when patience has ended", async () => {
  for (
    const [retryAfter, moments] of [
      ["2", [0, 2_400, 4_800, 5_000]],
      [undefined, [0, 60, 120, 180]],
      ["0", [0, 60, 120, 180]],
      ["soon", [0, 60, 120, 180]],
    ] as const
  ) {
    await withCluster(2, async (cluster) => {
      const { owner, asker } = ownerAndAsker(cluster);
      const asked = makeBusy(cluster, owner.origin, retryAfter);
      const get = textOf(asker.group.get("k"));
      await cluster.clock.advance(5_000);
      assertEquals(asked.slice(0, 4), [...moments]);
      assertEquals([await get, asker.loads], ["<k>", ["k"]]);
    }, { pool: { random: () => 0.8 } });
  }
});

Deno.test("A pool makes its waits random unless it is told otherwise", async () => {
  const cluster = new Cluster(2);
  const pool = new HTTPPool("http://client", {
    clock: cluster.clock,
    fetch: cluster.network.fetchFrom("http://client"),
  });
  pool.setPeers(["http://n0"]);
  const asked = makeBusy(cluster, "http://n0", "1");
  const get = pool.group("g", () => "mine").get("k");
  await cluster.clock.advance(5_000);
  assertEquals((await get).text(), "mine");
  assert(asked[1]! > 1_000 && asked[1]! < 1_250, `${asked}`);
  await pool.close();
});

Deno.test("Patience with a busy owner begins anew when the owner says pending", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const { network, clock } = cluster;
    network.fault(owner.origin, (_request, next) => {
      const at = clock.now();
      if (at >= 8_000) return next();
      const [status, result] = at === 4_000 ? [202, "pending"] : [429, "busy"];
      const headers = { "Geecache-Result": `${result}`, "Retry-After": "1" };
      return new Response("", { status: Number(status), headers });
    });
    const get = textOf(asker.group.get("k"));
    await clock.advance(9_000);
    assertEquals([await get, asker.loads], ["<k>", []]);
  }));

Deno.test("The wait before a peer is asked again ends when the caller or the peer leaves, and leaves no timer", async () => {
  for (const [status, result] of [[429, "busy"], [202, "pending"]] as const) {
    await withCluster(2, async (cluster) => {
      const { owner, asker, peer } = ownerAndAsker(cluster);
      const headers = { "Geecache-Result": result, "Retry-After": "3" };
      cluster.network.fault(
        owner.origin,
        () => new Response("", { status, headers }),
      );
      const controller = new AbortController();
      const { signal } = controller;
      const left = peer.get("g", "k", { signal });
      await settle();
      controller.abort(new Error("enough"));
      await assertRejects(() => left, Error, "enough");
      assertEquals(cluster.clock.pending, 0);
      const closed = peer.get("g", "k");
      await settle();
      asker.pool.setPeers([]);
      await assertRejects(() => closed, PeerError, "it was closed");
      assertEquals(cluster.clock.pending, 0);
    });
  }
});

Deno.test("A peer that says pending without waiting is not asked in a tight loop", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf("k");
    const asker = cluster.nodes.find((node) => node !== owner)!;
    const status = 202;
    const headers = { "Geecache-Result": "pending" };
    cluster.network.fault(
      owner.origin,
      () => new Response("", { status, headers }),
    );
    const get = textOf(asker.group.get("k"));
    await cluster.clock.advance(1_000);
    assertEquals(cluster.network.sent.length, 21);
    cluster.network.fault(owner.origin);
    await cluster.clock.advance(50);
    assertEquals(await get, "<k>");
  }));

/** A pool whose only peer answers every question with that status and result. */
function putOff(
  status: number,
  result: string,
): { clock: FakeClock; pool: HTTPPool; group: Group } {
  const clock = new FakeClock();
  const headers = { "Geecache-Result": result, "Retry-After": "3" };
  const pool = new HTTPPool("http://client", {
    clock,
    fetch: () => Promise.resolve(new Response("", { status, headers })),
  });
  pool.setPeers(["http://a"]);
  return { clock, pool, group: pool.group("g", (key) => key) };
}

Deno.test("HTTPPool.close() leaves no timer, at whatever moment a peer is about to be asked again", async () => {
  for (const [status, result] of [[429, "busy"], [202, "pending"]] as const) {
    const bad: number[] = [];
    for (let n = 0; n < 60; n++) {
      const { clock, pool, group } = putOff(status, result);
      group.get("k").catch(() => {});
      for (let i = 0; i < n; i++) await null;
      await pool.close();
      await settle();
      if (clock.pending) bad.push(n);
    }
    assertEquals(bad, [], result);
  }
});

Deno.test("A caller that leaves leaves no timer, at whatever moment a peer is about to be asked again", async () => {
  for (const [status, result] of [[429, "busy"], [202, "pending"]] as const) {
    const bad: number[] = [];
    for (let n = 0; n < 60; n++) {
      const { clock, group } = putOff(status, result);
      const c = new AbortController();
      group.get("k", { signal: c.signal }).catch(() => {});
      for (let i = 0; i < n; i++) await null;
      c.abort();
      await settle();
      if (clock.pending) bad.push(n);
    }
    assertEquals(bad, [], result);
  }
});

Deno.test("A tiny timeoutMs does not make a tight loop", async () => {
  const cluster = new Cluster(2, {
    pool: { timeoutMs: 1 },
    getter: () => () => new Promise<string>(() => {}),
  });
  const asker = cluster.nodes.find((n) => n !== cluster.ownerOf("k"))!;
  const c = new AbortController();
  asker.group.get("k", { signal: c.signal }).catch(() => {});
  for (let i = 0; i < 5; i++) await settle();
  // One millisecond passes.
  let n = 0;
  const p = cluster.clock.advance(1);
  for (let i = 0; i < 200; i++) await settle();
  n = cluster.network.sent.length;
  c.abort();
  await cluster.close();
  await p;
  assert(n < 5, `${n}`);
});

Deno.test("A write is sent to a busy owner again until patience ends", async () => {
  const cluster = new Cluster(2);
  const owner = cluster.ownerOf("k");
  const writer = cluster.nodes.find((n) => n !== owner)!;
  let busy = 1;
  cluster.network.fault(
    owner.origin,
    (_r, pass) =>
      busy-- > 0
        ? new Response("busy", {
          status: 429,
          headers: { "Geecache-Result": "busy", "Retry-After": "1" },
        })
        : pass(),
  );
  const done = writer.group.set("k", "v");
  done.catch(() => {});
  await cluster.clock.advance(2000);
  await done;
  assertEquals(owner.group.peek("k")?.text(), "v");
});
