/** Which keys leave together in one request to a peer, when, and how many. */

import { ByteView } from "../../mod.ts";
import { decodeKeyAndValue, encodeKeys } from "../../protocol/frames.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  ask,
  fillSlots,
  methodsOf,
  type Seen,
  textsOf,
  valuesOf,
  watch,
  withPair,
} from "../support/batches.ts";
import {
  Cluster,
  keysOwnedBy,
  type Node,
  numberedKeys,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { gate, settle } from "../support/time.ts";

Deno.test("An idle peer is asked at once with a plain GET, and again after it answered", () =>
  withPair(async ({ cluster, asker, seen, keys }) => {
    const { sent } = cluster.network;
    for (const key of keys(5)) {
      sent.length = 0;
      const get = ask(asker, key);
      // Before anything else could run.
      assertEquals(sent.map(({ method }) => method), ["GET"]);
      assertEquals(await textOf(get), `<${key}>`);
    }
    assertEquals(methodsOf(seen), ["GET", "GET", "GET", "GET", "GET"]);
  }));

Deno.test("Keys asked for while requests are under way leave together in the next request, without a wait", () =>
  withPair(async (pair) => {
    const { asker, clock, seen, keys, answer } = pair;
    const gates: ReturnType<typeof gate<void>>[] = [];
    answer(async (_seen, next) => {
      const opened = gate();
      gates.push(opened);
      await opened.opened;
      return await next();
    });
    const { asked, gets } = await fillSlots(pair);
    const under = asked.slice(0, -1).map((key) => [key]);
    assertEquals(seen.map(({ keys }) => keys), under);
    const more = keys(5);
    for (const key of more) {
      gets.push(ask(asker, key));
      await settle();
    }
    assertEquals(seen.length, under.length);
    // They leave as soon as any request is answered.
    gates.pop()!.open();
    await settle();
    const together = [asked.at(-1)!, ...more];
    assertEquals(seen.map(({ keys }) => keys), [...under, together]);
    assertEquals([...new Set(methodsOf(seen.slice(1)))], ["POST"]);
    for (const { open } of gates) open();
    assertEquals(await textsOf(gets), valuesOf([...asked, ...more]));
    assertEquals(clock.now(), 0);
  }));

Deno.test("A peer with much to do gets fuller requests, and only a few at a time", () =>
  withPair(async ({ cluster, clock, asker, seen, keys, answer }) => {
    let open = 0;
    let most = 0;
    answer(async (_seen, next) => {
      most = Math.max(most, ++open);
      await new Promise<void>((run) => clock.after(10, run));
      open--;
      return await next();
    });
    const all = keys(100);
    const gets: Promise<ByteView>[] = [];
    for (const key of all) {
      gets.push(ask(asker, key));
      await clock.advance(1);
    }
    await clock.advance(20);
    assertEquals(await textsOf(gets), valuesOf(all));
    assert(most <= 3, `${most} at once`);
    assert(seen.length <= 3 * 13, `${seen.length} requests`);
    assertEquals(seen.flatMap(({ keys }) => keys).sort(), [...all].sort());
    assertEquals(cluster.loads.length, 100);
  }));

Deno.test("A batch is one POST with its keys in frames, and says that its asker waits 50 ms for loads", () =>
  withPair(async ({ asker, seen, keys }) => {
    const [a, b, c] = keys(3) as [string, string, string];
    await textsOf([a, b, c].map((key) => ask(asker, key)));
    const { method, body, headers } = seen[1]!;
    assertEquals([method, [...body]], ["POST", [...encodeKeys([b, c])]]);
    const names = ["Geecache-Method", "Geecache-Wait", "Geecache-Peer"];
    assertEquals(names.map((name) => headers.get(name)), [
      ...["GET", "50", asker.origin],
    ]);
    assertEquals(seen.length, 2);
  }));

Deno.test("A key is in a batch once, however many callers ask for it", () =>
  withPair(async ({ asker, seen, keys }) => {
    const [a, b] = keys(2) as [string, string];
    const gets = [a, b, b, a, b].map((key) => ask(asker, key));
    assertEquals(await textsOf(gets), valuesOf([a, b, b, a, b]));
    assertEquals(seen.map(({ keys }) => keys), [[a], [b]]);
  }));

Deno.test("getMany() travels in batches, and its answer keeps the order of its keys", () =>
  withPair(async ({ asker, owner, seen, keys }) => {
    const all = keys(200);
    // The owner answers what it has before what it loads.
    for (const key of all.filter((_, i) => i % 3 === 0)) {
      await owner.group.get(key);
    }
    const order = [...all].reverse();
    const answers = await asker.group.getMany([...order, ...all]);
    assertEquals([...answers.keys()], order);
    const texts = [...answers.values()].map((one) => (one as ByteView).text());
    assertEquals(texts, valuesOf(order));
    assertEquals(seen.map(({ keys }) => keys.length), [1, 128, 71]);
  }));

Deno.test("removeMany() and requests for long keys use the same frames", () =>
  withPair(async ({ asker, owner, peer, seen, keys }) => {
    // The owner says which write was its newest, so that a value is sent once.
    await peer.remove("g", keys(1));
    seen.length = 0;
    const long = keys(1, "x".repeat(5_000))[0]!;
    assertEquals(await textOf(asker.group.get(long)), `<${long}>`);
    await peer.set("g", long, { value: ByteView.from("set") });
    assertEquals(owner.group.peek(long)?.text(), "set");
    const many = [...keys(3), long];
    await peer.remove("g", many);
    assertEquals(owner.group.peek(long), undefined);
    await peer.remove("g", [long]);
    assertEquals(methodsOf(seen), ["POST", "POST", "POST", "POST"]);
    assertEquals(
      seen.map(({ headers }) => headers.get("Geecache-Method")),
      ["GET", "PUT", "DELETE", "DELETE"],
    );
    const [get, set, removeMany, remove] = seen.map(({ body }) => body);
    assertEquals(get, encodeKeys([long]));
    const stored = decodeKeyAndValue(set!);
    assertEquals([stored?.key, stored?.value.text()], [long, "set"]);
    assertEquals(removeMany, encodeKeys(many));
    assertEquals(remove, encodeKeys([long]));
  }));

Deno.test("A peer is sent batches only after it has shown that it understands them", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const seen: Seen[] = [];
    watch(cluster, owner, seen);
    const keys = keysOwnedBy(cluster, owner, 20);
    const gets = keys.map((key) => ask(asker, key));
    assertEquals(await textsOf(gets), valuesOf(keys));
    assertEquals(methodsOf(seen), [...Array(8).fill("GET"), "POST"]);
    seen.length = 0;
    await textsOf(keys.map((key) => ask(asker, key)));
    assertEquals(methodsOf(seen), ["GET", "POST"]);
  }));

Deno.test("A peer shows that it understands batches with the head of its first answer, before the body has come", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const seen: Seen[] = [];
    const rest = gate();
    let isFirst = true;
    watch(cluster, owner, seen, async (_seen, next) => {
      const response = await next();
      if (!isFirst) return response;
      isFirst = false;
      const bytes = new Uint8Array(await response.arrayBuffer());
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          await rest.opened;
          controller.enqueue(bytes);
          controller.close();
        },
      }, { highWaterMark: 0 });
      const headers = new Headers(response.headers);
      headers.delete("Content-Length");
      return new Response(body, { headers });
    });
    const all = keysOwnedBy(cluster, owner, 6);
    const first = ask(asker, all[0]!);
    await settle();
    const more = all.slice(1).map((key) => ask(asker, key));
    assertEquals(await textsOf(more), valuesOf(all.slice(1)));
    assertEquals(methodsOf(seen), ["GET", "GET", "POST"]);
    rest.open();
    assertEquals(await textOf(first), `<${all[0]}>`);
  }));

Deno.test("A peer that sends no Geecache-Batch gets plain requests only, also for long keys", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const seen: Seen[] = [];
    watch(cluster, owner, seen, async (_seen, next) => {
      const response = await next();
      response.headers.delete("Geecache-Batch");
      return response;
    });
    const long = keysOwnedBy(cluster, owner, 2, "x".repeat(5_000));
    const keys = [...keysOwnedBy(cluster, owner, 20), ...long];
    for (let i = 0; i < 3; i++) {
      const answers = await asker.group.getMany(keys);
      const texts = [...answers.values()].map((one) =>
        (one as ByteView).text()
      );
      assertEquals(texts, valuesOf(keys));
    }
    assertEquals(seen.length, 66);
    for (const { method, headers, body } of seen) {
      assertEquals(headers.get("Geecache-Method"), null);
      // A long key is a body without a frame.
      if (method === "POST") assertEquals(body.length, long[0]!.length);
    }
  }));

Deno.test("A peer that stops sending Geecache-Batch gets no more batches", () =>
  withPair(async ({ asker, seen, keys, answer }) => {
    answer(async (_seen, next) => {
      const response = await next();
      response.headers.delete("Geecache-Batch");
      return response;
    });
    const all = keys(10);
    await asker.group.get(all[0]!);
    await asker.group.getMany(all);
    assertEquals([...new Set(methodsOf(seen))], ["GET"]);
  }));

Deno.test("More than 128 keys travel in several batches and all arrive", () =>
  withPair(async ({ asker, owner, seen, keys }) => {
    const all = keys(3_000);
    const answers = await asker.group.getMany(all);
    const texts = [...answers.values()].map((one) => (one as ByteView).text());
    assertEquals(texts, valuesOf(all));
    const sizes = seen.map(({ keys }) => keys.length);
    // The first key alone, since the peer was idle; keys that still load are asked for again.
    assertEquals(sizes[0], 1);
    assertEquals(Math.max(...sizes), 128);
    assert(sizes.length < 60, `${sizes}`);
    assertEquals(owner.loads.length, 3_000);
    assertEquals(asker.loads, []);
  }));

Deno.test("A batch has at most 1 MiB of keys, or one key", () =>
  withPair(async ({ asker, owner, seen, keys }) => {
    const all = [
      ...keys(30, "a".repeat(60_000)),
      ...keys(1, "b".repeat(1_500_000)),
      ...keys(2),
      ...keys(10, "ß".repeat(60_000)),
    ];
    const gets = all.map((key) => ask(asker, key));
    assertEquals(await textsOf(gets), valuesOf(all));
    for (const { keys, body } of seen) {
      assert(keys.length === 1 || body.length <= 1024 * 1024);
    }
    assertEquals(owner.loads.length, 43);
    assert(seen.length < 20, `${seen.length} requests`);
  }));

Deno.test("The bodies of batches stay within maxBodyBytes", () =>
  withPair(async ({ asker, owner, keys, seen }) => {
    const all = keys(300);
    for (const key of all) await owner.group.get(key);
    await asker.group.getMany(all);
    assertEquals(asker.loads, []);
    for (const { body } of seen) assert(body.length <= 1_000);
  }, { pool: { maxBodyBytes: 1_000 } }));

Deno.test("No more than a few batches with slow bodies are under way at a time", () =>
  withPair(async ({ clock, asker, owner, keys, answer }) => {
    const all = keys(90);
    for (const key of all) await owner.group.get(key);
    let open = 0;
    let most = 0;
    answer(async ({ method }, next) => {
      const response = await next();
      if (method === "GET") return response;
      const bytes = new Uint8Array(await response.arrayBuffer());
      most = Math.max(most, ++open);
      return new Response(
        new ReadableStream({
          start: (controller) =>
            void clock.after(1_000, () => {
              open--;
              controller.enqueue(bytes);
              controller.close();
            }),
        }),
        response,
      );
    });
    const gets: Promise<ByteView>[] = [];
    for (let i = 0; i < all.length; i += 3) {
      gets.push(...all.slice(i, i + 3).map((key) => ask(asker, key)));
      await settle();
    }
    assert(most <= 8, `${most} at once`);
    await clock.advance(60_000);
    assertEquals(await textsOf(gets), valuesOf(all));
  }));

Deno.test("The bodies of removeMany() stay within maxBodyBytes", async () => {
  const cluster = new Cluster(2, { pool: { maxBodyBytes: 1000 } });
  const keys = numberedKeys(300);
  const [a, b] = cluster.nodes as [Node, Node];
  await a.group.getMany(keys);
  try {
    await a.group.removeMany(keys);
    assertEquals([...b.group.keys()], []);
  } finally {
    await cluster.close();
  }
});
