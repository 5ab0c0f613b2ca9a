/** What is measured, as OpenTelemetry's own SDK collects it. */

import { DataPointType } from "@opentelemetry/sdk-metrics";
import { HTTPPool } from "../../mod.ts";
import { instrument } from "../../otel.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { keysOwnedBy, ownerAndAsker, withCluster } from "../support/cluster.ts";
import { Measured } from "../support/otel.ts";
import { FakeClock, settle } from "../support/time.ts";

Deno.test("Requests are counted by how they were answered, each once", async () => {
  const clock = new FakeClock();
  const measured = new Measured();
  const pool = new HTTPPool("http://a", { clock });
  instrument(pool, { meter: measured.meter });
  const group = pool.group("g", (key) => key === "none" ? undefined : key, {
    ttlMs: 100,
    staleWhileRevalidateMs: 1_000,
    staleIfErrorMs: 10_000,
    negativeTtlMs: 50,
  });
  for (const key of ["a", "a", "a", "none", "none"]) await group.find(key);
  await clock.advance(150);
  await group.get("a");
  await pool.handler(new Request("http://a/_geecache/g/b"));
  await pool.handler(new Request("http://a/_geecache/g/b"));
  // No key: it is in no memory, either.
  await assertRejects(() => group.get(""), TypeError);
  assertEquals(await measured.points("geecache.requests"), {
    "g hit": 3,
    "g stale": 1,
    "g negative": 1,
    "g miss": 4,
  });
  assertEquals(group.stats().gets, 9);
  await clock.advance(0);
  await pool.close();
});

Deno.test("Memory, entries and evictions are those of the stats when somebody collects", async () => {
  const measured = new Measured();
  const pool = new HTTPPool("http://a");
  instrument(pool, { meter: measured.meter });
  // With room for two entries.
  const group = pool.group("g", () => "v", { maxBytes: 1224 });
  for (const key of ["a", "b", "c"]) await group.get(key);
  const { main } = group.stats();
  assertEquals(await measured.points("geecache.memory.usage"), {
    "g main": main.bytes,
    "g hot": 0,
  });
  assertEquals(await measured.points("geecache.entry.count"), {
    "g main": 2,
    "g hot": 0,
  });
  assertEquals(await measured.points("geecache.evictions"), {
    "g main": 1,
    "g hot": 0,
  });
  await pool.close();
});

Deno.test("Loads and requests to peers are measured in seconds, by what came of them and without keys", async () => {
  let clock: FakeClock | undefined;
  await withCluster(2, async (cluster) => {
    clock = cluster.clock;
    const { owner, asker } = ownerAndAsker(cluster);
    const [atOwner, atAsker] = [new Measured(), new Measured()];
    instrument(owner.pool, { meter: atOwner.meter });
    instrument(asker.pool, { meter: atAsker.meter });
    const bad = keysOwnedBy(cluster, owner, 1, "bad")[0]!;
    for (const key of ["k", bad, "none"]) {
      const value = asker.group.find(key).catch(() => {});
      await settle();
      await cluster.clock.advance(250);
      await value;
    }
    await asker.group.remove("k");
    assertEquals(await atOwner.points("geecache.load.duration"), {
      "g miss ok": 1,
      "g miss failed": 1,
    });
    const to = `${new URL(owner.origin).hostname} 80`;
    const asked = await atAsker.points("geecache.peer.request.duration");
    assertEquals(asked[`${to} get ok`], 1);
    assertEquals(asked[`${to} get failed`], 1);
    assertEquals(asked[`${to} remove ok`], 1);
    const [load] = (await atOwner.metrics()).filter(({ descriptor }) =>
      descriptor.name === "geecache.load.duration"
    );
    assertEquals(load!.dataPointType, DataPointType.HISTOGRAM);
    const value = load!.dataPoints[0]!.value as {
      sum: number;
      buckets: { boundaries: number[]; counts: number[] };
    };
    assertEquals(value.sum, 0.25);
    assertEquals(
      [value.buckets.boundaries[0], value.buckets.boundaries.at(-1)],
      [
        0.0005,
        10,
      ],
    );
    const all = JSON.stringify([
      await atOwner.metrics(),
      await atAsker.metrics(),
    ]);
    assert(!all.includes(bad));
  }, {
    getter: () => async (key) => {
      await new Promise<void>((resolve) => clock?.after(250, resolve));
      if (key.startsWith("bad")) throw new Error("no");
      return key === "none" ? undefined : "v";
    },
  });
});

Deno.test("After stop() nothing is measured, and nothing is left behind", async () => {
  const measured = new Measured();
  const pool = new HTTPPool("http://a");
  const stop = instrument(pool, { meter: measured.meter });
  const group = pool.group("g", () => "v");
  assertEquals((await measured.points("geecache.requests"))["g miss"], 0);
  await group.get("a");
  await settle();
  stop();
  stop();
  await group.get("b");
  await settle();
  // The SDK keeps what was last observed.
  assertEquals((await measured.points("geecache.requests"))["g miss"] ?? 0, 0);
  assertEquals(await measured.points("geecache.load.duration"), {
    "g miss ok": 1,
  });
  await pool.close();
});
