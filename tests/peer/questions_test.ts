/** Which way questions go: in requests of their own, or over a link. */

import { type ByteView, LoadError, NotFoundError } from "../../mod.ts";
import { decodeKeyAndValue, encodeKeys } from "../../protocol/key_lists.ts";
import { ByteView as View } from "../../base/byte_view.ts";
import { ANSWER } from "../../protocol/link.ts";
import { withHand } from "../support/asker.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  ask,
  fateOf,
  methodsOf,
  SLOW,
  slowGetter,
  textsOf,
  valuesOf,
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

Deno.test("A peer that is asked now and then is asked with a plain GET each time, and has no link", () =>
  withPair(async ({ cluster, clock, asker, keys }) => {
    const { sent, openings } = cluster.network;
    for (const key of keys(5)) {
      await clock.advance(1_000);
      sent.length = 0;
      const get = ask(asker, key);
      // Before anything else could run.
      assertEquals(sent.map(({ method }) => method), ["GET"]);
      assertEquals(await textOf(get), `<${key}>`);
    }
    assertEquals(openings, []);
    const { link, requests, questions } = asker.pool.stats().peers[0]!;
    assertEquals([link, requests, questions], ["idle", 6, 6]);
  }));

Deno.test("A second question within a second opens a link, which carries everything from then on", () =>
  withPair(async ({ cluster, clock, asker, seen, keys }) => {
    const all = keys(30);
    await clock.advance(1_000);
    await ask(asker, all[0]!);
    await clock.advance(999);
    await ask(asker, all[1]!);
    await settle();
    assertEquals(methodsOf(seen), ["GET", "GET"]);
    assertEquals(asker.pool.stats().peers[0]!.link, "open");
    for (const key of all.slice(2)) {
      assertEquals(await textOf(ask(asker, key)), `<${key}>`);
    }
    assertEquals(
      methodsOf(seen),
      ["GET", "GET", ...all.slice(2).map(() => "LINK")],
    );
    assertEquals(cluster.network.openings.length, 1);
    // The requests of keys and the one of the link.
    const { requests, questions } = asker.pool.stats().peers[0]!;
    assertEquals([requests, questions], [1 + 2 + 1, 1 + 30]);
  }));

Deno.test("Nobody waits for a link: while it opens, keys go in requests of their own, 15 at a time", () =>
  withPair(async ({ clock, asker, owner, seen, keys, answer, cluster }) => {
    const opened = gate();
    answer(async ({ headers }, next) => {
      if (headers.has("Geecache-Link")) {
        await opened.opened;
        return await next();
      }
      await new Promise<void>((run) => clock.after(10, run));
      return await next();
    }, "fault");
    const all = keys(100);
    const gets = all.map((key) => ask(asker, key));
    await settle();
    const asked = () => seen.filter(({ method }) => method === "GET").length;
    assertEquals(asked(), 15);
    await clock.advance(10);
    assertEquals(asked(), 30);
    opened.open();
    await clock.advance(20);
    assertEquals(await textsOf(gets), valuesOf(all));
    assertEquals([asked(), owner.loads.length], [30, 100]);
    assertEquals(cluster.network.openings.length, 1);
  }));

Deno.test("A peer that has shown nothing yet gets eight requests at a time", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const keys = keysOwnedBy(cluster, owner, 50);
    const gets = keys.map((key) => ask(asker, key));
    assertEquals(cluster.network.sent.length, 8);
    assertEquals(await textsOf(gets), valuesOf(keys));
    assertEquals(owner.loads.length, 50);
  }));

Deno.test("A link is opened for keys that wait, however long the first answers took", () =>
  withHand(async ({ clock, peer, hand, stats }) => {
    hand.onRequest = async (request, key) => {
      await new Promise<void>((run) => clock.after(1_500, run));
      return hand.valueOf(request, key);
    };
    const keys = numberedKeys(60);
    for (const key of keys) peer.get("g", key).catch(() => {});
    await clock.advance(1_500);
    assertEquals([stats().link, hand.links.length], ["open", 1]);
    // At most 8 went before anything was known of the peer, and 32 while it opened.
    const carried = hand.link.questions.map(({ key }) => key);
    assert(carried.length >= 20, `${carried.length}`);
    assertEquals(carried, keys.slice(-carried.length));
    await clock.advance(1_500);
  }));

Deno.test("A peer shows that it takes links with the head of its first answer, before the body has come", () =>
  withHand(async ({ peer, hand, stats }) => {
    const rest = gate();
    hand.onRequest = async (request, key) => {
      const response = hand.valueOf(request, `<${key}>`);
      if (key !== "first") return response;
      const bytes = await response.bytes();
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          await rest.opened;
          controller.enqueue(bytes);
          controller.close();
        },
      }, { highWaterMark: 0 });
      return new Response(body, response);
    };
    const first = peer.get("g", "first");
    await settle();
    await peer.get("g", "second");
    await settle();
    assertEquals(stats().link, "open");
    rest.open();
    assertEquals((await first).value.text(), "<first>");
  }));

Deno.test("A peer that does not say Geecache-Link gets requests only", () =>
  withHand(async ({ peer, hand, stats, clock }) => {
    hand.takesLinks = false;
    for (const key of numberedKeys(50)) {
      assertEquals((await peer.get("g", key)).value.text(), `<${key}>`);
    }
    const many = numberedKeys(200).map((key) => peer.get("g", key));
    await clock.advance(1);
    await Promise.all(many);
    assertEquals([hand.links.length, hand.requests.length], [0, 250]);
    assertEquals([stats().link, stats().linkError], ["idle", undefined]);
    // It may say so later.
    hand.takesLinks = true;
    await peer.get("g", "a");
    await peer.get("g", "b");
    await settle();
    assertEquals(stats().link, "open");
  }));

Deno.test("A peer that says a later version of links is opened one, and one that says none, or none any more, is not", () =>
  withHand(async ({ clock, peer, hand, open }) => {
    for (const version of ["0", "", "links"]) {
      hand.headers = { "Geecache-Link": version };
      await peer.get("g", "a");
      await peer.get("g", "b");
    }
    assertEquals(hand.links.length, 0);
    hand.headers = { "Geecache-Link": "2" };
    await open();
    hand.headers = {};
    await clock.advance(1_000);
    hand.takesLinks = false;
    for (const key of ["a", "b", "c"]) await peer.get("g", key);
    assertEquals(hand.links.length, 1);
  }));

Deno.test("The peers of a pool in a protocol of Go are asked in requests only", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const keys = keysOwnedBy(cluster, owner, 100);
    for (let i = 0; i < 2; i++) await asker.group.getMany(keys);
    assertEquals(cluster.network.openings, []);
    assertEquals(owner.loads.length, 100);
  }, { pool: { protocol: "geecache" } }));

Deno.test("A key is asked for once, however many callers ask for it", () =>
  withPair(async ({ asker, seen, keys }) => {
    const [a, b] = keys(2) as [string, string];
    const gets = [a, b, b, a, b].map((key) => ask(asker, key));
    assertEquals(await textsOf(gets), valuesOf([a, b, b, a, b]));
    assertEquals(seen.flatMap(({ keys }) => keys), [a, b]);
  }));

Deno.test("getMany() goes over the link, and its answer keeps the order of its keys", () =>
  withPair(async ({ asker, owner, seen, keys }) => {
    const all = keys(3_000);
    // The owner answers what it has before what it loads.
    for (const key of all.filter((_, i) => i % 3 === 0)) {
      await owner.group.get(key);
    }
    const order = [...all].reverse();
    const answers = await asker.group.getMany([...order, ...all]);
    assertEquals([...answers.keys()], order);
    const texts = [...answers.values()].map((one) => (one as ByteView).text());
    assertEquals(texts, valuesOf(order));
    const requests = seen.filter(({ method }) => method !== "LINK");
    assert(requests.length <= 64, `${requests.length} requests`);
    assertEquals([owner.loads.length, asker.loads], [3_000, []]);
  }));

Deno.test("Long keys go in requests of their own, and all keys arrive", () =>
  withPair(async ({ asker, owner, seen, keys, cluster }) => {
    const all = [
      ...keys(30, "a".repeat(60_000)),
      ...keys(1, "b".repeat(1_500_000)),
      ...keys(50),
      ...keys(10, "ß".repeat(60_000)),
      // The longest that fits on a link, and one that does not.
      ...keys(1, "c".repeat(5_400)),
      ...keys(1, "d".repeat(5_500)),
    ];
    for (let i = 0; i < 2; i++) {
      await asker.group.clear();
      seen.length = 0;
      const gets = all.map((key) => ask(asker, key));
      assertEquals(await textsOf(gets), valuesOf(all));
      const alone = seen.filter(({ method }) => method === "POST");
      assert(alone.length >= 42, `${alone.length}`);
    }
    const onLink = seen.filter(({ method }) => method === "LINK");
    for (const { keys } of onLink) {
      for (const key of keys) assert(key.length <= 5_461, `${key.length}`);
    }
    assertEquals(owner.loads.length, 2 * all.length);
    assert(cluster.network.linksTo(owner.origin) <= 1);
  }));

Deno.test("Long keys that wait for their turn hold up no key that fits on the link", () =>
  withHand(async ({ peer, hand, stats }) => {
    const opened = gate();
    hand.onRequest = async (request, key) => {
      if (key.startsWith("long")) await new Promise(() => {});
      return hand.valueOf(request, `<${key}>`);
    };
    const { onLink } = hand;
    hand.onLink = async (link, request) => {
      await opened.opened;
      return await onLink(link, request);
    };
    await peer.get("g", "a");
    await peer.get("g", "b");
    assertEquals(stats().link, "opening");
    // As many as may be under way, and some more; then one that would fit.
    for (let i = 0; i < 40; i++) {
      peer.get("g", `long-${"x".repeat(6_000)}${i}`).catch(() => {});
    }
    const fate = fateOf(peer.get("g", "short"));
    await settle();
    assertEquals(fate, {});
    opened.open();
    await settle();
    assertEquals(stats().link, "open");
    const { link } = hand;
    await link.say((to) =>
      to.value(ANSWER.value, link.idOf("short"), View.from("v"))
    );
    assertEquals(fate.value?.value.text(), "v");
  }));

Deno.test("Slow keys on a link hold up no other key, cached or loaded", () =>
  withPair(async ({ clock, asker, owner, keys }) => {
    const [first, cached, fast] = keys(3) as [string, string, string];
    await owner.group.get(cached);
    await textsOf([first, ...keys(3, "opens")].map((key) => ask(asker, key)));
    await settle();
    // Thousands are under way.
    for (const key of keys(5_000, SLOW)) ask(asker, key);
    await settle();
    for (const key of [cached, fast]) {
      const fate = fateOf(ask(asker, key));
      await settle();
      assertEquals([fate.value?.text(), clock.now()], [`<${key}>`, 0]);
    }
  }, slowGetter));

Deno.test("A cached key that is asked for together with slow ones arrives at once", () =>
  withPair(async ({ clock, asker, owner, keys }) => {
    const [first, cached] = keys(2) as [string, string];
    await owner.group.get(cached);
    const slow = keys(5, SLOW);
    const gets = [first, ...slow, cached].map((key) => ask(asker, key));
    assertEquals(await textOf(gets.at(-1)!), `<${cached}>`);
    assertEquals(clock.now(), 0);
  }, slowGetter));

Deno.test("Slow keys that were asked for before there was a link do not hold up a cached one", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const [shows, cached] = keysOwnedBy(cluster, owner, 2) as [string, string];
    await owner.group.get(cached);
    for (const key of keysOwnedBy(cluster, owner, 5, SLOW)) ask(asker, key);
    await asker.group.get(shows);
    const fate = fateOf(ask(asker, cached));
    await settle();
    assertEquals([fate.value?.text(), cluster.clock.now()], [`<${cached}>`, 0]);
  }, slowGetter));

Deno.test("A value that is loaded while others load arrives at once, and none is loaded twice", () => {
  const gates = new Map<string, ReturnType<typeof gate<string>>>();
  return withPair(async ({ clock, asker, owner, keys }) => {
    const slow = keys(50, SLOW);
    const gets = [...keys(3), ...slow].map((key) => ask(asker, key));
    await clock.advance(10_000);
    for (const [i, key] of slow.entries()) {
      gates.get(key)!.open(`${i}`);
      assertEquals(await textOf(gets[i + 3]!), `${i}`);
    }
    assertEquals([clock.now(), owner.loads.length], [10_000, 53]);
    assertEquals(asker.loads, []);
    assertEquals(asker.group.stats().peerErrors, 0);
  }, {
    getter: () => (key) => {
      if (!key.startsWith(SLOW)) return key;
      const opened = gate<string>();
      gates.set(key, opened);
      return opened.opened;
    },
  });
});

Deno.test("A load that takes long does not count as silence, however short timeoutMs is", () => {
  const opened = gate<string>();
  return withPair(async ({ clock, asker, owner, keys }) => {
    const gets = [...keys(3), ...keys(2, SLOW)].map((key) => ask(asker, key));
    await clock.advance(1_000);
    opened.open("slow");
    await clock.advance(100);
    await textsOf(gets);
    assertEquals([owner.loads.length, asker.loads], [5, []]);
  }, {
    pool: { timeoutMs: 40 },
    getter: () => (key) => key.startsWith(SLOW) ? opened.opened : key,
  });
});

Deno.test("A load that ends after its link broke answers the question that comes again, whatever its outcome", async () => {
  for (const kind of ["none", "bad", "uncached"] as const) {
    const opened = gate();
    await withPair(async ({ cluster, clock, asker, owner, keys }) => {
      await textsOf(keys(3).map((key) => ask(asker, key)));
      await settle();
      const [slow] = keys(1, SLOW) as [string];
      const fate = fateOf(ask(asker, slow));
      await clock.advance(2_000);
      cluster.network.cutLinks(owner.origin);
      await clock.advance(1_000);
      opened.open();
      await clock.advance(3_000);
      const { value, error } = fate;
      if (kind === "none") assert(error instanceof NotFoundError);
      else if (kind === "bad") assert(error instanceof LoadError);
      else assertEquals(value?.text(), "v");
      assertEquals(owner.loads.filter((key) => key === slow).length, 1);
    }, {
      getter: () => async (key) => {
        if (!key.startsWith(SLOW)) return key;
        await opened.opened;
        if (kind === "bad") throw new Error("broken");
        return kind === "none" ? undefined : { value: "v", ttlMs: 0 };
      },
    });
  }
});

Deno.test("Values, values that expire, missing keys and failed loads each arrive as what they are", () =>
  withPair(async ({ cluster, clock, asker, keys }) => {
    await textsOf(keys(3).map((key) => ask(asker, key)));
    await settle();
    const all = ["value", "empty", "bytes", "mortal", "none", "bad"].map(
      (kind) => keys(1, kind)[0]!,
    );
    const answers = [...(await asker.group.getMany(all)).values()];
    const [value, empty, bytes, mortal, none, bad] = answers;
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

Deno.test("Values that are too large for a link arrive whole, among small ones", () => {
  const valueOf = (key: string) => {
    const large = key.startsWith("large");
    const bytes = new Uint8Array(large ? 3 * 1024 * 1024 : 10).fill(key.length);
    bytes.set(new TextEncoder().encode(key).subarray(0, 10));
    return bytes;
  };
  return withPair(async ({ asker, owner, keys }) => {
    await textsOf(keys(3, "opens").map((key) => ask(asker, key)));
    await settle();
    const all = [...keys(8, "large"), ...keys(100)];
    const answers = await asker.group.getMany(all);
    for (const [key, value] of answers) {
      assert((value as ByteView).equals(valueOf(key)), key);
    }
    assertEquals([answers.size, owner.loads.length, asker.loads], [
      108,
      111,
      [],
    ]);
  }, { getter: () => valueOf });
});

Deno.test("The bodies of removeMany(), and writes of long keys, use key lists", () =>
  withPair(async ({ asker, owner, peer, seen, keys }) => {
    // The owner says which write was its newest, so that a value is sent once.
    await peer.remove("g", keys(1));
    seen.length = 0;
    const long = keys(1, "x".repeat(5_000))[0]!;
    assertEquals(await textOf(asker.group.get(long)), `<${long}>`);
    await peer.set("g", long, { value: View.from("set") });
    assertEquals(owner.group.peek(long)?.text(), "set");
    const many = [...keys(3), long];
    await peer.remove("g", many);
    assertEquals(owner.group.peek(long), undefined);
    await peer.remove("g", [long]);
    assertEquals(methodsOf(seen), ["POST", "POST", "POST", "POST"]);
    assertEquals(
      seen.map(({ headers }) => headers.get("Geecache-Method")),
      [null, "PUT", "DELETE", "DELETE"],
    );
    const [get, set, removeMany, remove] = seen.map(({ body }) => body);
    assertEquals(new TextDecoder().decode(get), long);
    const stored = decodeKeyAndValue(set!);
    assertEquals([stored?.key, stored?.value.text()], [long, "set"]);
    assertEquals(removeMany, encodeKeys(many));
    assertEquals(remove, encodeKeys([long]));
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
