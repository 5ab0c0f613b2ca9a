/** How the answers of a batch arrive: each result as it is, and within the limits. */

import {
  type ByteView,
  HTTPPool,
  LoadError,
  NotFoundError,
} from "../../mod.ts";
import { encodeResults, KIND } from "../../protocol/frames.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  ask,
  BATCH,
  result,
  textsOf,
  valuesOf,
  withPair,
} from "../support/batches.ts";
import { withCluster } from "../support/cluster.ts";
import { FakeClock } from "../support/time.ts";

Deno.test("Values, values that expire, missing keys and failed loads each arrive as what they are", () =>
  withPair(async ({ cluster, clock, asker, keys }) => {
    const [first] = keys(1) as [string];
    const all = ["value", "empty", "bytes", "mortal", "none", "bad"].map(
      (kind) => keys(1, kind)[0]!,
    );
    const answers = [...(await asker.group.getMany([first, ...all])).values()];
    const [, value, empty, bytes, mortal, none, bad] = answers;
    assertEquals((value as ByteView).text(), "v");
    assertEquals((empty as ByteView).byteLength, 0);
    assertEquals((bytes as ByteView).bytes(), new Uint8Array(1_000).fill(255));
    assertEquals((mortal as ByteView).text(), "m");
    assert(none instanceof NotFoundError);
    assertEquals([none.group, none.key], ["g", all[4]!]);
    assert(bad instanceof LoadError);
    assertEquals([bad.key, bad.message], [all[5]!, "broken, 日本"]);
    // These answers are final: no other node was asked.
    assertEquals(cluster.nodes[1]!.loads, []);
    assertEquals(asker.group.peek(all[3]!)?.text(), "m");
    await clock.advance(500);
    assertEquals(asker.group.peek(all[3]!), undefined);
    assertEquals(asker.group.peek(all[0]!)?.text(), "v");
  }, {
    group: { shouldMirror: () => true },
    getter: () => (key) => {
      switch (key.split("-")[0]) {
        case "empty":
          return "";
        case "bytes":
          return new Uint8Array(1_000).fill(255);
        case "mortal":
          return { value: "m", ttlMs: 500 };
        case "none":
          return undefined;
        case "bad":
          throw new Error("broken, 日本");
        default:
          return "v";
      }
    },
  }));

Deno.test("A value from memory says how long it has left, also in a batch", () =>
  withPair(async ({ clock, owner, peer, keys }) => {
    const [a, b] = keys(2) as [string, string];
    await owner.group.get(b);
    await clock.advance(300);
    const [, value] = await Promise.all([peer.get("g", a), peer.get("g", b)]);
    assertEquals(value.ttlMs, 700);
  }, { getter: () => () => ({ value: "v", ttlMs: 1_000 }) }));

Deno.test("Values beyond 8 MiB of one answer are asked for again and arrive whole", () => {
  const size = 3 * 1024 * 1024;
  const valueOf = (key: string) => {
    const bytes = new Uint8Array(size).fill(key.length);
    bytes.set(new TextEncoder().encode(key));
    return bytes;
  };
  return withPair(async ({ clock, asker, owner, seen, keys }) => {
    const [first, ...all] = keys(9) as [string, ...string[]];
    for (const key of all) await owner.group.get(key);
    const many = asker.group.getMany([first, ...all]);
    await clock.advance(500);
    const answers = await many;
    for (const [key, value] of answers) {
      assert((value as ByteView).equals(valueOf(key)), key);
    }
    assertEquals(answers.size, 9);
    assertEquals(seen.map(({ keys }) => keys.length), [1, 8, 5, 2]);
    assertEquals([owner.loads.length, asker.loads.length], [9, 0]);
  }, { getter: () => valueOf });
});

Deno.test("A batch whose results keep coming does not count as silence", () =>
  withPair(async ({ clock, asker, keys, answer }) => {
    let body!: ReadableStreamDefaultController<Uint8Array>;
    answer(({ method }, next) =>
      method === "GET" ? next() : new Response(
        new ReadableStream({ start: (c) => void (body = c) }),
        { headers: BATCH },
      )
    );
    const all = keys(6);
    const gets = all.map((key) => ask(asker, key));
    for (const [i, key] of all.slice(1).entries()) {
      await clock.advance(4_000);
      body.enqueue(encodeResults([result(KIND.value, i, `<${key}>`)]));
    }
    body.close();
    assertEquals(await textsOf(gets), valuesOf(all));
    assertEquals(asker.loads, []);
  }));

Deno.test("A value that is too large leaves only its own key without an answer", () =>
  withPair(async ({ asker, owner, keys }) => {
    const big = keys(1, "big");
    const [first, ...all] = keys(10) as [string, ...string[]];
    for (const key of [...big, ...all]) await owner.group.get(key);
    await asker.group.getMany([first, ...big, ...all]);
    assertEquals(asker.loads, big);
  }, {
    pool: { maxBodyBytes: 1_000 },
    getter: () => (key) => key.startsWith("big") ? "b".repeat(1_001) : key,
  }));

Deno.test("A value that is just small enough on its own is small enough in a batch, also with a time to live", () =>
  withPair(async ({ peer, keys }) => {
    const gets = keys(3).map((key) => peer.get("g", key));
    for (const { value } of await Promise.all(gets)) {
      assertEquals(value.byteLength, 1_000);
    }
  }, {
    pool: { maxBodyBytes: 1_000 },
    getter: () => () => ({ value: "b".repeat(1_000), ttlMs: 1_000 }),
  }));

Deno.test("A final answer of a batch is final however small maxBodyBytes is", () =>
  withPair(async ({ peer, keys }) => {
    const [first] = keys(1) as [string];
    const bad = keys(2, "bad").map((key) => peer.get("g", key));
    await Promise.allSettled([peer.get("g", first), ...bad]);
    for (const get of bad) await assertRejects(() => get, LoadError);
  }, {
    pool: { maxBodyBytes: 100 },
    getter: () => (key) => {
      if (key.startsWith("bad")) throw new Error("m".repeat(101));
      return key;
    },
  }));

Deno.test("A value that expires between two readings of the clock has 0 ms left, and no negative time", () =>
  withCluster(1, async () => {
    const clock = new FakeClock();
    const looks: number[] = [];
    const owner = new HTTPPool("http://owner", {
      clock: {
        now: () => looks.shift() ?? clock.now(),
        after: (ms, run) => clock.after(ms, run),
      },
    });
    owner.group("g", () => ({ value: "v", ttlMs: 100 }));
    await owner.getGroup("g")!.get("k");
    const asker = new HTTPPool("http://asker", {
      clock,
      fetch: async (request) => {
        if (request.method === "POST") looks.push(99.95, 100.15);
        return await owner.handler(request);
      },
    });
    asker.setPeers(["http://owner"]);
    const group = asker.group("g", () => "loaded by the asker");
    await group.get("first");
    const gets = [group.get("first"), group.get("k")];
    assertEquals(await textsOf(gets), ["v", "v"]);
    await asker.close();
    await owner.close();
  }));
