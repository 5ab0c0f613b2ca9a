/** The life of a link: how it opens, is pinged, grows idle or old, breaks and ends. */

import { PeerError } from "../../mod.ts";
import { ByteView } from "../../base/byte_view.ts";
import { ANSWER, ASK, MAX_KEY_BYTES, uint16 } from "../../protocol/link.ts";
import { type Asking, withHand } from "../support/asker.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { fateOf } from "../support/batches.ts";
import type { ServedByHand } from "../support/links.ts";
import { gate, settle } from "../support/time.ts";

/** Answers the question for `key` with the key in angle brackets. */
function answer(link: ServedByHand, ...keys: string[]): Promise<void> {
  return link.say((to) => {
    for (const key of keys) {
      to.value(ANSWER.value, link.idOf(key), ByteView.from(`<${key}>`));
    }
  });
}

/** How many pings came over a link since it was open. */
function pingsOf({ frames }: ServedByHand): number {
  return frames.filter(({ kind }) => kind === ASK.ping).length;
}

// ---- opening

Deno.test("A link is one POST to the base, with the headers of every request and a body that begins with a ping", () =>
  withHand(async ({ hand, open, pool }) => {
    let request!: Request;
    hand.headers = { "Geecache-Cluster": "shop" };
    const { onLink } = hand;
    hand.onLink = (link, given) => {
      request = given;
      return onLink(link, given);
    };
    await open();
    assertEquals([request.method, request.url], [
      "POST",
      "http://peer/_geecache/",
    ]);
    const { ring } = pool.stats();
    const headers = {
      "Geecache-Link": "1",
      "Geecache-Peer": "http://asker",
      "Geecache-Ring": ring,
      "Geecache-Secret": "sixteen-characters",
      "Geecache-Cluster": "shop",
      "Geecache-Target": "00000000811c9dc5",
      "Content-Length": null,
    };
    for (const [name, value] of Object.entries(headers)) {
      assertEquals(request.headers.get(name), value, name);
    }
  }, {
    secret: "sixteen-characters",
    cluster: "shop",
  }));

Deno.test("A peer that says no hello within a second has no link: its keys go in requests, and it is tried again later", async () => {
  const silent: Asking["hand"]["onLink"][] = [
    // Neither a head nor a pong, and a head alone.
    () => new Promise(() => {}),
    (link, request) => link.answer(request),
  ];
  for (const onLink of silent) {
    await withHand(async ({ clock, peer, hand, stats }) => {
      hand.onLink = onLink;
      await peer.get("g", "a");
      await peer.get("g", "b");
      assertEquals([stats().link, hand.links.length], ["opening", 1]);
      // Nobody waits for it.
      assertEquals((await peer.get("g", "c")).value.text(), "<c>");
      await clock.advance(999);
      assertEquals(stats().link, "opening");
      await clock.advance(1);
      assertEquals(stats().link, "unavailable");
      assertStringIncludes(
        stats().linkError!,
        "it said no hello within 1000 ms",
      );
      assert(hand.link.isAborted || hand.link.isLeft);
      assertEquals(hand.link.end !== undefined, true);
      assertEquals([stats().state, stats().errors], ["closed", 0]);
    });
  }
});

Deno.test("A link that could not be had is tried again after a second, then twice as long each time, up to a minute", () =>
  withHand(async ({ clock, peer, hand, stats }) => {
    hand.onLink = () => new Response("no such page", { status: 404 });
    const tried: number[] = [];
    let known = 0;
    for (let i = 0; i < 5_000 && tried.length < 9; i++) {
      await peer.get("g", "k");
      if (hand.links.length > known) tried.push(clock.now() / 1_000);
      known = hand.links.length;
      await clock.advance(100);
    }
    const pauses = tried.slice(1).map((at, i) => at - tried[i]!);
    assertEquals(pauses.map(Math.round), [1, 2, 4, 8, 16, 32, 60, 60]);
    assertStringIncludes(stats().linkError!, "404 without Geecache-Result");
    assertEquals([stats().state, stats().errors], ["closed", 0]);
  }));

Deno.test("The pause before a link is tried again is short again once there was a good one", () =>
  withHand(async ({ clock, peer, hand, open, stats }) => {
    const { onLink } = hand;
    const refuse = () => new Response("no such page", { status: 404 });
    hand.onLink = refuse;
    for (let i = 0; i < 300; i++) {
      await peer.get("g", "k");
      await clock.advance(100);
    }
    hand.onLink = onLink;
    while (stats().link !== "open") {
      await peer.get("g", "k");
      await clock.advance(100);
    }
    // It lives for a while, and ends because it is idle.
    await clock.advance(2_500);
    assertEquals(stats().link, "idle");
    hand.onLink = refuse;
    await peer.get("g", "k");
    await peer.get("g", "k");
    assertEquals(stats().link, "unavailable");
    hand.onLink = onLink;
    await clock.advance(1_001);
    await open();
  }));

Deno.test("What is no link is none, whatever it says, and tells why", async () => {
  type OnLink = Asking["hand"]["onLink"];
  const says = (status: number, result: string): OnLink => (link, request) => {
    const { headers } = link.answer(request);
    headers.set("Geecache-Result", result);
    return new Response("words", { status, headers });
  };
  const cases: [OnLink, string][] = [
    [() => new Response("<h1>a page</h1>"), "200 without Geecache-Result"],
    [() => new Response("", { status: 502 }), "502 without Geecache-Result"],
    [says(200, "value"), "200 value: it takes no link"],
    [says(429, "busy"), "429 busy: it takes no link"],
    [says(400, "bad-request"), "400 bad-request: it takes no link"],
    [says(401, "refused"), "401 refused: it takes no link"],
    [says(503, "draining"), "503 draining: it takes no link"],
    [says(200, "links"), "Geecache-Result: links is no answer"],
    [
      (link, request) =>
        link.answer(request, { "Geecache-Target": "01d41b76e20c2606" }),
      "not about what it was asked",
    ],
    [
      (link, request) => link.answer(request, { "Geecache-Cluster": "other" }),
      'it belongs to cluster "other"',
    ],
    [
      () => Promise.reject(new TypeError("connection reset")),
      "connection reset",
    ],
    [
      async (link, request) => {
        const response = link.answer(request);
        await link.finish();
        return response;
      },
      "the peer ended it",
    ],
    [
      async (link, request) => {
        const response = link.answer(request);
        await link.cut();
        return response;
      },
      "connection reset",
    ],
    [
      async (link, request) => {
        const response = link.answer(request);
        await link.say((to) => to.head(ANSWER.notFound, 1));
        return response;
      },
      "an answer to no question, 1",
    ],
  ];
  for (const [onLink, message] of cases) {
    await withHand(async ({ peer, hand, stats }) => {
      hand.onLink = onLink;
      await peer.get("g", "a");
      assertEquals((await peer.get("g", "b")).value.text(), "<b>");
      await settle();
      assertEquals([stats().link, hand.links.length], ["unavailable", 1]);
      assertStringIncludes(stats().linkError!, message);
      assertEquals([stats().state, stats().errors], ["closed", 0], message);
      assert(hand.link.end !== undefined, `${message}: its body goes on`);
    });
  }
});

Deno.test("A pool that closes while a link opens leaves nothing behind", async () => {
  for (const answers of [true, false]) {
    await withHand(async ({ peer, pool, hand }) => {
      const opened = gate();
      hand.onLink = async (link, request) => {
        await opened.opened;
        link.say((to) => to.head(ANSWER.pong, 0));
        return link.answer(request);
      };
      await peer.get("g", "a");
      await peer.get("g", "b");
      await pool.close();
      if (answers) opened.open();
      await settle();
      assert(hand.link.end !== undefined);
      opened.open();
    });
  }
});

// ---- questions

Deno.test("Questions of one turn leave together, a group is named once, and numbers go up", () =>
  withHand(async ({ peer, open }) => {
    const link = await open();
    for (const key of ["a", "b"]) peer.get("g", key).catch(() => {});
    peer.get("h", "c", { served: 40 }).catch(() => {});
    peer.get("g", "d", { served: 1e9 }).catch(() => {});
    await settle();
    const frames = link.frames.map(({ kind, id, text, bytes }) =>
      kind === ASK.group ? [kind, id, text] : [
        kind,
        id,
        uint16(bytes, 0),
        uint16(bytes, 2),
        text.slice(4),
      ]
    );
    const first = link.questions[0]!.id;
    assertEquals(
      frames.map((frame) => frame.slice(0, 1).concat(frame.slice(2))),
      [
        [ASK.group, "g"],
        [ASK.get, 0, 0, "a"],
        [ASK.get, 0, 0, "b"],
        [ASK.group, "h"],
        [ASK.get, 1, 40, "c"],
        [ASK.get, 0, 65_535, "d"],
      ].map((one) => one as (string | number)[]),
    );
    assertEquals(
      link.questions.map(({ id }) => id - first),
      [0, 1, 2, 3],
    );
  }));

Deno.test("A list of nodes that has changed is told before the next question, once", () =>
  withHand(async ({ peer, open, pool }) => {
    const link = await open();
    pool.setPeers(["http://peer", "http://other"]);
    const { ring } = pool.stats();
    for (const key of ["a", "b"]) {
      peer.get("g", key).catch(() => {});
      await settle();
    }
    const lists = link.frames.filter(({ kind }) => kind === ASK.list);
    assertEquals(lists.map(({ text }) => text), [ring]);
    assertEquals(link.frames[0]!.kind, ASK.list);
  }));

Deno.test("Names of groups begin again with number 0 before they are too long in all", () =>
  withHand(async ({ peer, open }) => {
    const link = await open();
    const name = "g".repeat(MAX_KEY_BYTES / 3 - 10);
    for (let i = 0; i < 250; i++) {
      peer.get(`${name}${i}`, "k").catch(() => {});
    }
    // 1 MiB of questions is sent at a time.
    for (let i = 0; i < 5; i++) await settle();
    const numbers = link.frames.filter(({ kind }) => kind === ASK.group)
      .map(({ id }) => id);
    assertEquals(numbers.length, 250);
    const again = numbers.lastIndexOf(0);
    assert(again > 150 && again < 250, `${again}`);
    assertEquals(numbers.slice(again), [...numbers.slice(again).keys()]);
    // Each question has the number of its own group.
    const named = new Map<number, string>();
    for (const { kind, id, text, bytes } of link.frames) {
      if (kind === ASK.group) named.set(id, text);
      else assert(named.has(uint16(bytes, 0)));
    }
  }));

Deno.test("More questions than a link may have wait until there is room, in their order", () =>
  withHand(async ({ peer, open }) => {
    const link = await open();
    const keys = Array.from({ length: 10_050 }, (_, i) => `k${i}`);
    const fates = keys.map((key) => fateOf(peer.get("g", key)));
    await settle();
    assertEquals(link.questions.length, 10_000);
    await answer(link, ...keys.slice(0, 20));
    await settle();
    assertEquals(link.questions.length, 10_020);
    assertEquals(link.questions.at(-1)!.key, "k10019");
    assertEquals(fates.filter(({ value }) => value !== undefined).length, 20);
  }));

Deno.test("A peer that does not read is asked no more than fits, and gets the rest when it reads", () =>
  withHand(async ({ peer, open, hand }) => {
    hand.reads = false;
    const link = await open();
    const keys = Array.from(
      { length: 2_000 },
      (_, i) => `${i}-${"x".repeat(2_000)}`,
    );
    const fates: { value?: unknown; error?: unknown }[] = [];
    for (const [i, key] of keys.entries()) {
      fates.push(fateOf(peer.get("g", key)));
      if (i % 50 === 0) await settle();
    }
    await settle();
    link.read();
    // What was written: 256 KiB that the stream takes, and 1 MiB that the link keeps.
    for (let i = 0; i < 20; i++) await settle();
    assertEquals(link.questions.length, 2_000);
    assertEquals(link.questions.map(({ key }) => key), keys);
    assertEquals(fates.every(({ error }) => error === undefined), true);
  }));

// ---- silence

Deno.test("A load that takes long is silence: the peer is pinged, and waited for as long as it answers", () =>
  withHand(async ({ clock, peer, open, stats }) => {
    const link = await open();
    const fate = fateOf(peer.get("g", "slow"));
    let pings = 0;
    for (let at = 0; at < 60_000; at += 500) {
      await clock.advance(500);
      while (pings < pingsOf(link)) {
        pings++;
        await link.say((to) => to.head(ANSWER.pong, 0));
      }
    }
    assertEquals(fate, {});
    // Each half of the five seconds that it may be silent.
    assert(pings >= 19 && pings <= 24, `${pings}`);
    await answer(link, "slow");
    assert(fate.value !== undefined);
    assertEquals([stats().link, stats().errors], ["open", 0]);
  }));

Deno.test("A peer that does not answer pings is silent, and all its questions fail when its time is over", () =>
  withHand(async ({ clock, peer, open, stats, group, loads }) => {
    const link = await open();
    const fates = ["a", "b"].map((key) => fateOf(peer.get("g", key)));
    const get = group.get("k");
    await clock.advance(4_999);
    assertEquals([fates, pingsOf(link)], [[{}, {}], 1]);
    await clock.advance(1);
    for (const { error } of fates) {
      assert(error instanceof PeerError);
      assertStringIncludes(error.message, "it was silent for 5000 ms");
    }
    assertEquals([(await get).text(), loads], ["own k", ["k"]]);
    assertEquals([stats().errors, stats().link], [1, "unavailable"]);
    assert(link.isLeft && link.end === "in order");
    // What comes too late counts for nothing.
    await answer(link, "a");
    assertEquals(fates[0]!.value, undefined);
  }));

Deno.test("A peer that was asked for nothing is not silent: its time begins with the next question", () =>
  withHand(async ({ clock, peer, open }) => {
    const link = await open();
    const first = peer.get("g", "a");
    await settle();
    await answer(link, "a");
    await first;
    await clock.advance(900);
    const fate = fateOf(peer.get("g", "b"));
    await clock.advance(4_900);
    assertEquals(fate, {});
    await answer(link, "b");
    assert(fate.value !== undefined);
  }));

Deno.test("A peer that answers one question goes on being waited for with the others", () =>
  withHand(async ({ clock, peer, open }) => {
    const link = await open();
    const fates = ["a", "b", "c"].map((key) => fateOf(peer.get("g", key)));
    for (const key of ["a", "b", "c"]) {
      await clock.advance(4_000);
      await answer(link, key);
    }
    assertEquals(fates.map(({ error }) => error), [
      undefined,
      undefined,
      undefined,
    ]);
  }));

// ---- ends

Deno.test("A link of which nothing was asked for a second ends in order", () =>
  withHand(async ({ clock, peer, open, stats }) => {
    const link = await open();
    const get = peer.get("g", "k");
    await clock.advance(700);
    await answer(link, "k");
    await get;
    await clock.advance(999);
    assertEquals([stats().link, link.end], ["open", undefined]);
    await clock.advance(1);
    assertEquals([stats().link, link.end], ["idle", "in order"]);
    assertEquals(clock.pending, 0);
  }));

Deno.test("A link that grew old is replaced, and answers what it was asked", () =>
  withHand(async ({ clock, peer, open, hand, stats }) => {
    const old = await open();
    const slow = fateOf(peer.get("g", "slow"));
    // It is in use all the time, as a slow load is.
    for (let at = 0; at < 239_000; at += 1_000) {
      await clock.advance(1_000);
      await old.say((to) => to.head(ANSWER.pong, 0));
    }
    assertEquals(hand.links.length, 1);
    for (let i = 0; i < 4 && hand.links.length === 1; i++) {
      await clock.advance(1_000);
      await old.say((to) => to.head(ANSWER.pong, 0));
    }
    assertEquals([hand.links.length, stats().link], [2, "open"]);
    const get = peer.get("g", "new");
    await settle();
    assertEquals(hand.link.questions.map(({ key }) => key), ["new"]);
    await answer(hand.link, "new");
    await get;
    assertEquals(old.end, undefined);
    await answer(old, "slow");
    assert(slow.value !== undefined);
    assertEquals(old.end, "in order");
  }));

Deno.test("A link that was replaced goes on until its last answer, however long that takes", () =>
  withHand(async ({ clock, peer, open, hand }) => {
    const old = await open();
    const slow = fateOf(peer.get("g", "slow"));
    for (let at = 0; at < 500_000; at += 2_000) {
      await clock.advance(2_000);
      for (const link of hand.links) {
        await link.say((to) => to.head(ANSWER.pong, 0));
      }
    }
    assert(hand.links.length >= 2);
    assertEquals([slow, old.end], [{}, undefined]);
    await answer(old, "slow");
    assertEquals(slow.value?.value.text(), "<slow>");
    assertEquals(old.end, "in order");
  }));

Deno.test("The questions of a link that broke are asked again, and each is answered once", async () => {
  const breaks: ((link: ServedByHand) => Promise<void>)[] = [
    (link) => link.cut(),
    (link) => link.finish(),
    // Within a frame.
    async (link) => {
      await link.send(new Uint8Array([0, 0, 0, 9, 1, 0]));
      await link.finish();
    },
  ];
  for (const breakIt of breaks) {
    for (const age of [0, 2_000]) {
      await withHand(async ({ clock, peer, open, hand, stats, loads }) => {
        const link = await open();
        const fates = ["a", "b", "c"].map((key) => fateOf(peer.get("g", key)));
        await clock.advance(age);
        await answer(link, "b");
        await breakIt(link);
        await settle();
        // A young link that broke counts as one that could not be had.
        assertEquals(stats().link, age === 0 ? "unavailable" : "open");
        assertEquals(hand.requests.slice(-2), ["GET a", "GET c"]);
        assertEquals(
          fates.map(({ value }) => value?.value.text()),
          ["<a>", "<b>", "<c>"],
        );
        assertEquals([stats().errors, stats().state, loads], [0, "closed", []]);
        // The peer must not take that for an end in order: it keeps the loads.
        assert(link.end !== "in order");
      });
    }
  }
});

Deno.test("Thousands of questions of a link that broke go over the next one, but for a few", () =>
  withHand(async ({ clock, peer, open, hand, loads }) => {
    const link = await open();
    const keys = Array.from({ length: 2_000 }, (_, i) => `k${i}`);
    const gets = keys.map((key) => peer.get("g", key));
    await clock.advance(2_000);
    hand.requests.length = 0;
    hand.onRequest = (request, key) =>
      new Promise((resolve) =>
        clock.after(10, () => resolve(hand.valueOf(request, `<${key}>`)))
      );
    await link.cut();
    await settle();
    assert(hand.requests.length <= 32, `${hand.requests.length} requests`);
    const again = hand.link.questions.map(({ key }) => key);
    assertEquals(again, keys.slice(hand.requests.length));
    await answer(hand.link, ...again);
    await clock.advance(10);
    const texts = (await Promise.all(gets)).map(({ value }) => value.text());
    assertEquals(texts, keys.map((key) => `<${key}>`));
    assertEquals(loads, []);
  }));

Deno.test("A question that was lost with two links goes in a request of its own, and new ones over the next link", () =>
  withHand(async ({ clock, peer, open, hand }) => {
    const link = await open();
    const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
    const gets = keys.map((key) => peer.get("g", key));
    await clock.advance(2_000);
    const opened = gate();
    hand.requests.length = 0;
    hand.onRequest = async (request, key) => {
      await opened.opened;
      return hand.valueOf(request, `<${key}>`);
    };
    await link.cut();
    await settle();
    assertEquals([hand.requests.length, hand.link.questions.length], [15, 35]);
    await clock.advance(2_000);
    await hand.link.cut();
    const fresh = peer.get("g", "fresh");
    await settle();
    assertEquals(hand.links.length, 3);
    assertEquals(hand.link.questions.map(({ key }) => key), ["fresh"]);
    await answer(hand.link, "fresh");
    await fresh;
    opened.open();
    const texts = (await Promise.all(gets)).map(({ value }) => value.text());
    assertEquals(texts, keys.map((key) => `<${key}>`));
    assertEquals(hand.requests, keys.map((key) => `GET ${key}`));
  }));

Deno.test("A pool that closes ends its link in order, and its questions with an error", () =>
  withHand(async ({ peer, open, pool }) => {
    const link = await open();
    const fates = ["a", "b"].map((key) => fateOf(peer.get("g", key)));
    await settle();
    await pool.close();
    await settle();
    for (const { error } of fates) {
      assert(error instanceof PeerError);
      assertStringIncludes(error.message, "it was closed");
    }
    assertEquals(link.end, "in order");
    await assertRejects(() => peer.get("g", "late"), PeerError, "closed");
  }));

Deno.test("A caller that leaves takes its question back, and the others get their answers", () =>
  withHand(async ({ peer, open, stats }) => {
    const link = await open();
    const controller = new AbortController();
    const { signal } = controller;
    const left = fateOf(peer.get("g", "left", { signal }));
    const stays = peer.get("g", "stays");
    await settle();
    const id = link.idOf("left");
    controller.abort(new Error("enough"));
    await settle();
    assertEquals(`${left.error}`, "Error: enough");
    const cancels = link.frames.filter(({ kind }) => kind === ASK.cancel);
    assertEquals(cancels.map(({ id }) => id), [id]);
    // It may have been answered before the peer knew.
    await link.say((to) => to.value(1, id, ByteView.from("late")));
    await answer(link, "stays");
    assertEquals((await stays).value.text(), "<stays>");
    assertEquals([stats().errors, stats().link], [0, "open"]);
    // But only once.
    const fate = fateOf(peer.get("g", "k"));
    await settle();
    await link.say((to) => to.value(1, id, ByteView.from("late")));
    assert(fate.error instanceof PeerError);
  }));

Deno.test("A key is not asked for if its caller has left already, and a caller that comes and goes keeps nothing", () =>
  withHand(async ({ clock, peer, open }) => {
    const link = await open();
    const signal = AbortSignal.abort(new Error("enough"));
    await assertRejects(() => peer.get("g", "k", { signal }), Error, "enough");
    await settle();
    assertEquals(link.questions, []);
    for (let i = 0; i < 1_000; i++) {
      const controller = new AbortController();
      const { signal } = controller;
      const fate = fateOf(peer.get(`g${i}`, "k", { signal }));
      controller.abort(new Error("enough"));
      await fate;
    }
    await settle();
    assertEquals(link.questions.length, 1_000);
    // Nobody waits for anything, so the link ends.
    await clock.advance(1_000);
    assertEquals([link.end, clock.pending], ["in order", 0]);
  }));
