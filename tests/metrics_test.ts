/** A pool's numbers for Prometheus, compared with what was done. */

import fc from "fast-check";
import { Group, HTTPPool, metrics, METRICS_TYPE } from "../mod.ts";
import { OF_PEERS, type PeerNow } from "../metrics/families.ts";
import { Recorder } from "../metrics/recorder.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";
import { keysOwnedBy, ownerAndAsker, withCluster } from "./support/cluster.ts";
import { Page } from "./support/metrics.ts";
import { FakeClock, gate, settle } from "./support/time.ts";

const pageOf = (pool: HTTPPool): Page => new Page(metrics(pool));

Deno.test("Each get is a hit, stale, a miss or negative, and all of them are the gets", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://a", { clock });
  const table = new Map([["k", "v"], ["l", "v"]]);
  const group = pool.group("g", (key) => table.get(key), {
    ttlMs: 100,
    staleWhileRevalidateMs: 100,
    negativeTtlMs: 100,
  });
  metrics(pool);
  for (const key of ["k", "k", "k", "l"]) await group.get(key);
  for (let i = 0; i < 4; i++) await group.find("none");
  await clock.advance(150);
  // The value is stale until it is loaded again, which waits for the next turn.
  await Promise.all([group.get("k"), group.get("k")]);
  await clock.advance(1);
  await settle();
  await group.get("k");
  const page = pageOf(pool);
  const types = page.counts("geecache_requests_total", ["type"]);
  assertEquals(types, { hit: 3, stale: 2, miss: 3, negative: 3 });
  assertEquals(3 + 2 + 3 + 3, group.stats().gets);
  assertEquals(page.counts("geecache_loads_total", ["reason", "result"]), {
    "miss ok": 2,
    "miss not_found": 1,
    "refresh ok": 1,
  });
  await pool.close();
});

Deno.test("Loads are counted by key and timed by call, each with its reason and its end", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://a", { clock });
  metrics(pool);
  const one = pool.group("one", async (key, { signal }) => {
    await new Promise<void>((resolve) => clock.after(30, resolve));
    signal.throwIfAborted();
    if (key === "bad") throw new Error("no such table");
    return key === "none" ? undefined : "v";
  });
  const many = pool.group("many", {
    loadMany: async (keys) => {
      await new Promise<void>((resolve) => clock.after(2_000, resolve));
      return new Map<string, string | Error>(
        keys.filter((key) => key !== "none").map((
          key,
        ) => [key, key === "bad" ? new Error("no") : "v"]),
      );
    },
  });
  const keys = ["a", "b", "bad", "none"];
  const all = [one.getMany(keys), many.getMany(keys)];
  await settle();
  const leaver = new AbortController();
  const left = one.get("slow", { signal: leaver.signal }).catch(() => {});
  leaver.abort();
  await clock.advance(2_000);
  await Promise.all([...all, left]);
  const page = pageOf(pool);
  const loads = page.counts("geecache_loads_total", [
    ...["group", "reason", "result"],
  ]);
  assertEquals(loads, {
    "one miss ok": 2,
    "one miss failed": 1,
    "one miss not_found": 1,
    "one miss canceled": 1,
    "many miss ok": 2,
    "many miss failed": 1,
    "many miss not_found": 1,
  });
  const name = "geecache_load_duration_seconds";
  const times = (group: string, le: string) =>
    page.get(`${name}_bucket`, { group, le });
  // The load that nobody waits for any more has ended at once.
  assertEquals([times("one", "0.025"), times("one", "0.05")], [1, 5]);
  assertEquals([times("many", "1"), times("many", "2.5")], [0, 1]);
  assertEquals(page.get(`${name}_count`, { group: "many" }), 1);
  assertEquals(page.get(`${name}_sum`, { group: "many" }), 2);
  await pool.close();
});

Deno.test("A cluster's numbers are what was done: gets, questions, stand-ins, writes that are owed", () =>
  withCluster(2, async (cluster) => {
    const { clock, network } = cluster;
    const { owner, asker } = ownerAndAsker(cluster);
    const pages = () => [pageOf(owner.pool), pageOf(asker.pool)] as const;
    const peer = owner.origin;
    pages();
    const keys = keysOwnedBy(cluster, owner, 3, "key");
    for (const key of keys) await asker.group.get(key);
    await asker.group.getMany(keys);
    await asker.group.remove(keys[0]!);
    let [there, here] = pages();
    assertEquals(
      there.counts("geecache_requests_total", ["type"]),
      { miss: 3, hit: 3 },
    );
    assertEquals(there.get("geecache_server_requests_total"), 6);
    assertEquals(there.counts("geecache_loads_total", ["reason", "result"]), {
      "miss ok": 3,
    });
    assertEquals(here.counts("geecache_requests_total", ["type"]), { miss: 6 });
    assertEquals(here.counts("geecache_loads_total", ["reason"]), {});
    assertEquals(
      here.counts("geecache_peer_requests_total", ["peer", "result"]),
      { [`${peer} ok`]: 7 },
    );
    const times = "geecache_peer_request_duration_seconds";
    assertEquals(here.get(`${times}_count`, { peer }), 7);
    assertEquals([
      here.get("geecache_peer_up", { peer }),
      here.get("geecache_nodes"),
      there.get("geecache_entries", { store: "main" }),
      there.get("geecache_entries", { store: "hot" }),
      there.get("geecache_links"),
    ], [1, 2, 2, 0, 1]);

    network.kill(peer);
    for (let i = 0; i < 3; i++) {
      await asker.group.get(keys[i]!);
      await asker.group.remove(keys[i]!).catch(() => {});
    }
    [there, here] = pages();
    assertEquals([
      here.get("geecache_peer_up", { peer }),
      here.get("geecache_owed_keys", { peer }),
    ], [0, 3]);
    assertEquals(here.counts("geecache_loads_total", ["reason", "result"]), {
      "stand-in ok": 3,
    });
    assertEquals(here.get("geecache_load_duration_seconds_count"), 3);
    const results = here.counts("geecache_peer_requests_total", ["result"]);
    assertEquals(results.ok, 7);
    assert(results.unreachable! >= 3);

    network.join(peer, owner.pool.handler);
    await clock.advance(60_000);
    await settle();
    [there, here] = pages();
    assertEquals([
      here.get("geecache_peer_up", { peer }),
      here.get("geecache_owed_keys", { peer }),
    ], [1, 0]);
  }));

Deno.test("A peer that drains, or has another list, shows that", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const peer = owner.origin;
    const look = (name: string) => pageOf(asker.pool).get(name, { peer });
    assertEquals(look("geecache_ring_differs"), 0);
    owner.pool.setPeers([owner.origin, asker.origin, "http://n9"]);
    await owner.group.clear().catch(() => {});
    assertEquals(look("geecache_ring_differs"), 1);
    const disagreements = pageOf(asker.pool).get(
      "geecache_ring_disagreements_total",
    );
    assert(disagreements >= 1);
    const drained = owner.pool.drain({ timeoutMs: 1_000 });
    assertEquals(pageOf(owner.pool).get("geecache_draining"), 1);
    await asker.group.get("k");
    assertEquals(
      [look("geecache_peer_up"), look("geecache_peer_draining")],
      [1, 1],
    );
    await cluster.clock.advance(1_000);
    await drained;
  }));

Deno.test("A peer is up while it is asked and while it drains, and not while it is probed", () => {
  const { of } = OF_PEERS.find(({ name }) => name === "geecache_peer_up")!;
  const states = ["closed", "draining", "open", "half-open"] as const;
  const up = states.map((state) => of({ stats: { state } } as PeerNow));
  assertEquals(up, [1, 1, 0, 0]);
});

Deno.test("Memory is shown beside its budget, and what left it", async () => {
  const pool = new HTTPPool("http://a");
  // With room for two entries.
  const group = pool.group("g", () => "v", { maxBytes: 1224 });
  pool.group("endless", () => "v", { maxBytes: Infinity });
  for (const key of ["a", "b", "c"]) await group.get(key);
  const page = pageOf(pool);
  const ofGroup = (name: string) => page.get(name, { group: "g" });
  assertEquals(ofGroup("geecache_max_bytes"), 1224);
  const held = ofGroup("geecache_memory_bytes");
  assert(held > 0 && held <= 1224);
  assertEquals(page.counts("geecache_evictions_total", ["group", "store"]), {
    "g main": 1,
  });
  const { main } = group.stats();
  assertEquals(
    page.get("geecache_entry_bytes", { group: "g", store: "main" }),
    main.bytes,
  );
  assertEquals(
    page.get("geecache_max_bytes", { group: "endless" }),
    Infinity,
  );
  await pool.close();
});

Deno.test("Keys that are known to be absent are a part of the memory that is shown", async () => {
  const pool = new HTTPPool("http://a");
  const group = pool.group("g", () => undefined, { negativeTtlMs: 1e6 });
  const before = pageOf(pool).get("geecache_memory_bytes");
  await group.find("none");
  assert(pageOf(pool).get("geecache_memory_bytes") > before);
  await pool.close();
});

Deno.test("Every series that is known beforehand is 0 from the start, so that a first event is an increase", () =>
  withCluster(2, (cluster) => {
    const page = pageOf(cluster.nodes[0]!.pool);
    const zeros = (name: string) => {
      const all = page.all(name);
      assert(all.every(({ value }) => value === 0), name);
      return all.length;
    };
    assertEquals(zeros("geecache_requests_total"), 4);
    assertEquals(zeros("geecache_loads_total"), 12);
    assertEquals(zeros("geecache_peer_requests_total"), 7);
    assertEquals(zeros("geecache_evictions_total"), 2);
    assertEquals(zeros("geecache_load_duration_seconds_count"), 1);
    return Promise.resolve();
  }));

Deno.test("The page has the same series in the same order, whatever happened", () =>
  withCluster(3, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const seriesOf = () =>
      pageOf(asker.pool).series.map(({ name, labels }) =>
        name + JSON.stringify(labels)
      );
    const before = seriesOf();
    for (let i = 0; i < 100; i++) await asker.group.get(`key ${i}`);
    cluster.network.kill(owner.origin);
    await asker.group.get("k");
    await asker.group.clear().catch(() => {});
    assertEquals(seriesOf(), before);
  }));

Deno.test("No key and no value is on the page", async () => {
  const pool = new HTTPPool("http://a");
  const group = pool.group("g", (key) => {
    if (key === "an-inner-key") throw new Error("an-inner-key");
    return "an-inner-value";
  });
  metrics(pool);
  await group.get("an-inner-key").catch(() => {});
  await group.get("another-inner");
  assert(!metrics(pool).includes("inner"));
  await pool.close();
});

Deno.test("The series of a peer that left the list end, and no memory of it stays", () =>
  withCluster(2, async (cluster) => {
    const { asker } = ownerAndAsker(cluster);
    const { pool } = asker;
    const before = pageOf(pool).series.length;
    for (let i = 0; i < 200; i++) {
      pool.setPeers([asker.origin, `http://old-${i}`]);
      await asker.group.remove(`key ${i}`).catch(() => {});
    }
    const page = pageOf(pool);
    assertEquals(page.series.length, before);
    const peers = page.all("geecache_peer_up").map(({ labels }) => labels.peer);
    assertEquals(peers, ["http://old-199"]);
    pool.setPeers([]);
    assertEquals(pageOf(pool).all("geecache_peer_up"), []);
  }));

Deno.test("A recorder that nobody looks at holds the peers of the list and no others", async () => {
  const pool = new HTTPPool("http://a");
  const recorder = new Recorder(pool);
  const ask = (peer: string) =>
    recorder.peer({ peer, kind: "get", group: "g", keys: ["k"] });
  pool.setPeers(["http://a", "http://b", "http://c"]);
  assert(ask("http://b") !== undefined);
  pool.setPeers(["http://a", "http://d"]);
  assert(ask("http://d") !== undefined);
  // It is asked for its copies still.
  assertEquals(ask("http://c"), undefined);
  assertEquals([...recorder.peers().keys()], ["http://d"]);
  await pool.close();
});

Deno.test("The series of a group that was removed end, and another one of that name begins at 0", async () => {
  const pool = new HTTPPool("http://a");
  metrics(pool);
  const opened = gate();
  const old = pool.group("g", async () => {
    await opened.opened;
    return "v";
  });
  pool.group("other", () => "v");
  const value = old.get("k").catch(() => {});
  pool.removeGroup("g");
  const groups = pageOf(pool).all("geecache_max_bytes");
  assertEquals(groups.map(({ labels }) => labels.group), ["other"]);
  await pool.group("g", () => "v").get("k");
  opened.open();
  await value;
  await settle();
  const loads = pageOf(pool).counts("geecache_loads_total", ["group"]);
  assertEquals(loads, { g: 1 });
  await pool.close();
});

Deno.test("Groups with any names are told apart", async () => {
  const name = fc.string({ unit: "binary", minLength: 1 }).filter((text) =>
    text.isWellFormed() && !text.includes("/") && !/^\.\.?$/.test(text)
  );
  const names = fc.uniqueArray(
    fc.oneof(name, fc.constantFrom('"', "\\", "\n", "\\n", '\\"', "a\rb")),
    { maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(names, async (names) => {
      const pool = new HTTPPool("http://a");
      for (const [place, name] of names.entries()) {
        const group = pool.group(name, () => "v");
        for (let i = 0; i <= place; i++) await group.get(`${i}`);
      }
      const page = pageOf(pool);
      assertEquals(
        page.all("geecache_entries", { store: "main" }).map((
          { labels, value },
        ) => [labels.group, value]),
        names.map((name, place) => [name, place + 1]),
      );
      await pool.close();
    }),
    { numRuns: 30 },
  );
});

Deno.test("A pool is observed once, however often it is asked for its numbers", async () => {
  const pool = new HTTPPool("http://a");
  const group = pool.group("g", () => "v");
  for (let i = 0; i < 3; i++) metrics(pool);
  await group.get("k");
  const loads = pageOf(pool).get("geecache_loads_total", {
    reason: "miss",
    result: "ok",
  });
  assertEquals(loads, 1);
  await pool.close();
  // It has no groups and no peers any more.
  assertEquals(pageOf(pool).series.length, 6);
});

Deno.test("metrics() refuses what is no pool", () => {
  for (const value of [undefined, null, {}, new Group("g", () => "v")]) {
    assertThrows(
      () => metrics(value as never),
      TypeError,
      "Cannot write metrics: pool must have the methods stats, groups, peers, observe: received",
    );
  }
  assertEquals(METRICS_TYPE, "text/plain; version=0.0.4; charset=utf-8");
});
