/** Batches without an answer: what becomes of each of their keys. */

import { ByteView, PeerError } from "../../mod.ts";
import {
  encodeResults,
  KIND,
  type ResultFrame,
} from "../../protocol/frames.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import {
  type Answer,
  ask,
  BATCH,
  methodsOf,
  result,
  type Seen,
  SLOW,
  textsOf,
  valuesOf,
  watch,
  withPair,
} from "../support/batches.ts";
import { type Cluster, type Node, withCluster } from "../support/cluster.ts";

/** Keys that the cluster's first node owns; its second and third are next, in this order. */
function inOrder(cluster: Cluster, count: number): string[] {
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) {
    const order = cluster.inOrder(`k-${i}`);
    if (order.every((node, i) => node === cluster.nodes[i])) {
      keys.push(`k-${i}`);
    }
  }
  return keys;
}

/** A body that breaks off after some bytes. */
function broken(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
      bytes = new Uint8Array();
      controller.error(new TypeError("connection reset"));
    },
  });
}

Deno.test("Each key of a batch without an answer is asked of the next node", async () => {
  const page = (status: number, result?: string) => () =>
    new Response("<h1>a proxy's page</h1>", {
      status,
      headers: result === undefined ? {} : { "Geecache-Result": result },
    });
  const frames = (...frames: ResultFrame[]) => () =>
    new Response(encodeResults(frames), { headers: BATCH });
  const bytes = (...bytes: number[]) => () =>
    new Response(new Uint8Array(bytes), { headers: BATCH });
  const answers: [string, Answer][] = [
    ["silence", () => new Promise(() => {})],
    ["no group", page(404, "no-group")],
    ["a page", page(200)],
    ["a page with 502", page(502)],
    ["a refusal", page(400, "bad-request")],
    ["too large", page(413, "bad-request")],
    ["a redirect", page(301)],
    ["a value", page(200, "value")],
    ["not found", page(404, "not-found")],
    ["failed", page(500, "failed")],
    ["pending", page(202, "pending")],
    [
      "done",
      () =>
        new Response(null, {
          status: 204,
          headers: { ...BATCH, "Geecache-Result": "done" },
        }),
    ],
    ["no body", () => new Response(null, { headers: BATCH })],
    ["no results", frames()],
    ["a bad key", frames(result(KIND.badKey, 0))],
    [
      "bad keys",
      ({ keys }) => frames(...keys.map((_, i) => result(KIND.badKey, i)))(),
    ],
    ["no such place", frames(result(KIND.value, 99))],
    ["no such kind", bytes(9, 0, 0, 0, 0, 0, 0, 0, 0)],
    ["a lie", bytes(0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)],
    ["a cut head", bytes(0, 0, 0)],
    ["a cut result", bytes(0, 0, 0, 0, 0, 0, 0, 0, 9, 1)],
    [
      "a time left of -1",
      frames(result(KIND.expiringValue, 0, {
        value: ByteView.from(""),
        ttlMs: -1,
      })),
    ],
    [
      "a broken body",
      () => new Response(broken(new Uint8Array(3)), { headers: BATCH }),
    ],
    ["an error", () => Promise.reject(new TypeError("connection reset"))],
  ];
  for (const [name, answer] of answers) {
    await withCluster(3, async (cluster) => {
      const [owner, next, asker] = cluster.nodes as [Node, Node, Node];
      const [first, ...keys] = inOrder(cluster, 6) as [string, ...string[]];
      await asker.group.get(first);
      const seen: Seen[] = [];
      watch(
        cluster,
        owner,
        seen,
        (one, next) => one.method === "POST" ? answer(one, next) : next(),
      );
      const many = asker.group.getMany([first, ...keys]);
      await cluster.clock.advance(5_500);
      const values = [...(await many).values()];
      assertEquals(
        values.map((value) => value instanceof ByteView ? value.text() : value),
        valuesOf([first, ...keys]),
        name,
      );
      // Peeks of a stand-in into the owner's memory do not count.
      const asked = seen.filter(({ headers }) => !headers.has("Geecache-Peek"));
      // A connection may be lost while the owner is well: the batch is sent once more.
      const posts = name === "an error" ? ["POST", "POST"] : ["POST"];
      assertEquals(methodsOf(asked), ["GET", ...posts], name);
      assertEquals([...next.loads].sort(), [...keys].sort(), name);
      assertEquals([owner.loads, asker.loads], [[first], []], name);
      assertEquals(asker.group.stats().peerErrors, 5, name);
    });
  }
});

Deno.test("A batch that breaks off counts for the keys that it answered, and only the rest is asked of the next node", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.nodes as [Node, Node, Node];
    const [first, ...keys] = inOrder(cluster, 4) as [string, ...string[]];
    await asker.group.get(first);
    const frames = keys.map((key, i) => result(KIND.value, i, `<${key}>`));
    const whole = encodeResults(frames);
    const ends = frames.map((_, i) =>
      encodeResults(frames.slice(0, i + 1)).length
    );
    for (let cut = 0; cut < whole.length; cut++) {
      for (const ending of ["breaks off", "ends"]) {
        next.loads.length = 0;
        await next.group.clear();
        watch(cluster, owner, [], ({ method }, next) => {
          if (method !== "POST") return next();
          const part = whole.slice(0, cut);
          const body = ending === "ends" ? part : new ReadableStream({
            start: (controller) => controller.enqueue(part),
            pull: (controller) => controller.error(new TypeError("reset")),
          });
          return new Response(body, { headers: BATCH });
        });
        const answers = await asker.group.getMany([first, ...keys]);
        for (const [key, value] of answers) {
          assertEquals((value as ByteView).text(), `<${key}>`);
        }
        const rest = keys.filter((_, i) => ends[i]! > cut);
        assertEquals(
          [...next.loads].sort(),
          rest.sort(),
          `${ending} at ${cut}`,
        );
        assertEquals(asker.loads, []);
      }
    }
  }));

Deno.test("A busy owner is asked for a batch again; when patience ends, the asker loads the keys itself", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.nodes as [Node, Node, Node];
    const [first, ...keys] = inOrder(cluster, 4) as [string, ...string[]];
    await asker.group.get(first);
    let busy = 2;
    const seen: Seen[] = [];
    watch(
      cluster,
      owner,
      seen,
      ({ method }, next) =>
        method === "GET" || busy-- <= 0 ? next() : new Response("", {
          status: 429,
          headers: {
            "Geecache-Result": "busy",
            "Geecache-Batch": "1",
            "Retry-After": "1",
          },
        }),
    );
    const patient = asker.group.getMany([first, ...keys]);
    await cluster.clock.advance(2_000);
    assertEquals((await patient).size, 4);
    assertEquals([next.loads, asker.loads], [[], []]);
    assertEquals(seen.map(({ at }) => at), [0, 0, 1_000, 2_000]);
    await owner.group.clear();
    busy = Infinity;
    const other = asker.group.getMany([first, ...keys]);
    await cluster.clock.advance(4_900);
    assertEquals(asker.loads, []);
    await cluster.clock.advance(200);
    assertEquals((await other).size, 4);
    assertEquals([next.loads, asker.loads], [[], keys]);
  }));

Deno.test("The keys of a batch go to the next node when the owner closes while it holds the batch", () => {
  const stuck = new Set<string>();
  return withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.nodes as [Node, Node, Node];
    const [first, ...keys] = inOrder(cluster, 4) as [string, ...string[]];
    await asker.group.get(first);
    for (const key of keys) stuck.add(owner.origin + key);
    const many = asker.group.getMany([first, ...keys]);
    await cluster.clock.advance(10);
    await owner.pool.close();
    await cluster.clock.advance(10);
    assertEquals((await many).size, 4);
    assertEquals([next.loads, asker.loads], [keys, []]);
  }, {
    getter: (node) => (key) =>
      stuck.has(node + key) ? new Promise<string>(() => {}) : `<${key}>`,
  });
});

Deno.test("The keys of a batch go to their new owner when the peer leaves the list", () =>
  withPair(async ({ clock, asker, keys }) => {
    const [first] = keys(1) as [string];
    const slow = keys(5, SLOW);
    const got = ask(asker, first);
    const gets = slow.map((key) => ask(asker, key));
    await got;
    await clock.advance(60);
    asker.pool.setPeers([asker.origin]);
    await clock.advance(10);
    assertEquals(await textsOf(gets), slow.map(() => asker.origin));
  }, {
    getter: (node) => (key) =>
      node === "http://n0" && key.startsWith(SLOW)
        ? new Promise<string>(() => {})
        : node,
  }));

Deno.test("Every malformed answer to a batch rejects with a PeerError, and counts as one error of the peer", () =>
  withPair(async ({ asker, peer, keys, answer }) => {
    const [first, key] = keys(2) as [string, string];
    for (
      const body of [
        new Uint8Array(),
        new Uint8Array([0, 0, 0]),
        new Uint8Array([9, 0, 0, 0, 0, 0, 0, 0, 0]),
        encodeResults([result(KIND.badKey, 0)]),
      ]
    ) {
      answer(({ method }, next) =>
        method === "GET" ? next() : new Response(body, { headers: BATCH })
      );
      const [before] = asker.pool.stats().peers;
      const [, settled] = await Promise.allSettled([
        peer.get("g", first),
        peer.get("g", key),
      ]);
      assert(settled.status === "rejected");
      assert(settled.reason instanceof PeerError, `${settled.reason}`);
      assertStringIncludes(settled.reason.message, "malformed");
      const [after] = asker.pool.stats().peers;
      assertEquals(after!.errors, before!.errors + 1);
    }
  }));

Deno.test("Keys that wait for a silent peer are asked elsewhere when its time is over, however many they are", () =>
  withPair(async ({ clock, asker, keys, answer }) => {
    answer(() => new Promise(() => {}));
    const gets = keys(5_000).map((key) => ask(asker, key));
    await clock.advance(1_000);
    const late = ask(asker, keys(1, "late")[0]!);
    await clock.advance(4_000);
    assertEquals(asker.loads.length >= 5_000, true, `${asker.loads.length}`);
    await clock.advance(1_000);
    assertEquals((await textsOf([...gets, late])).length, 5_001);
    assertEquals(clock.now(), 6_000);
  }));
