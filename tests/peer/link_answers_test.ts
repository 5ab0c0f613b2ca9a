/** What comes over a link: every answer means what it says, and what is no answer ends the link. */

import {
  BusyError,
  LoadError,
  NotFoundError,
  PeerError,
  type PeerValue,
} from "../../mod.ts";
import { ByteView } from "../../base/byte_view.ts";
import { ANSWER, ASK, HOT, MAX_ANSWER_BYTES } from "../../protocol/link.ts";
import { withHand } from "../support/asker.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { fateOf } from "../support/batches.ts";
import { concat, framesBy, rawFrame } from "../support/links.ts";
import { settle } from "../support/time.ts";

/** The bytes of an answer with a time left. */
function expiring(id: number, ttlMs: number, waitedMs = 0) {
  return framesBy((to) =>
    to.expiring(ANSWER.expiringValue, id, ByteView.from("v"), ttlMs, waitedMs)
  );
}

/** The frame of a value with windows. */
function windowed(id: number, ttlMs: number, staleIfErrorMs: number) {
  const life = { ttlMs, staleWhileRevalidateMs: 0, staleIfErrorMs };
  return framesBy((to) =>
    to.windowed(
      ANSWER.windowedValue,
      id,
      { value: ByteView.from("v"), ...life },
      0,
    )
  );
}

Deno.test("Each answer on a link is taken for what it is", () =>
  withHand(async ({ peer, open, stats, hand }) => {
    const link = await open();
    const names = ["value", "empty", "hot", "none", "failed", "bad", "group"];
    const fates = names.map((name) => fateOf(peer.get("g", name)));
    await settle();
    const id = (name: string) => link.idOf(name);
    await link.say((to) => {
      // In whatever order they are ready.
      to.head(ANSWER.noGroup, id("group"));
      to.text(ANSWER.badKey, id("bad"), "the key is bad");
      to.text(ANSWER.failed, id("failed"), "no db, 日本");
      to.head(ANSWER.notFound, id("none"));
      to.value(ANSWER.value | HOT, id("hot"), ByteView.from("h"));
      to.value(ANSWER.value, id("empty"), ByteView.from(""));
      to.value(ANSWER.value, id("value"), ByteView.from("v"));
    });
    const [value, empty, hot, none, failed, bad, noGroup] = fates;
    const found = (one?: { value?: PeerValue }) => [
      one?.value?.value.text(),
      one?.value?.ttlMs,
      one?.value?.isHot,
    ];
    assertEquals(found(value), ["v", undefined, undefined]);
    assertEquals(found(empty), ["", undefined, undefined]);
    assertEquals(found(hot), ["h", undefined, true]);
    assert(none!.error instanceof NotFoundError);
    assert(failed!.error instanceof LoadError);
    assertEquals(failed!.error.message, "no db, 日本");
    for (
      const [fate, what] of [[bad, "the key is bad"], [
        noGroup,
        "no such group: g",
      ]] as const
    ) {
      assert(fate!.error instanceof PeerError);
      assertStringIncludes(fate!.error.message, what);
    }
    // The peer is in order, and the link goes on.
    assertEquals([stats().state, stats().link], ["closed", "open"]);
    assertEquals(hand.links.length, 1);
  }));

Deno.test("The time left of a value is less by its way here, and not by its wait at the peer", () =>
  withHand(async ({ clock, peer, open }) => {
    const link = await open();
    const cases: [ttlMs: number, waitedMs: number, left: number][] = [
      // 1,000 ms passed, of which the question waited so many at the peer.
      [5_000, 1_000, 5_000],
      [5_000, 400, 4_400],
      [5_000, 0, 4_000],
      [500, 0, 0],
      // It cannot have waited for longer than was asked.
      [5_000, 99_000, 5_000],
      [0, 0, 0],
      [Infinity, 0, Infinity],
    ];
    for (const [i, [ttlMs, waitedMs, left]] of cases.entries()) {
      const get = peer.get("g", `k${i}`);
      await clock.advance(1_000);
      await link.send(expiring(link.idOf(`k${i}`), ttlMs, waitedMs));
      assertEquals((await get).ttlMs, left, `${ttlMs}, ${waitedMs}`);
    }
  }));

Deno.test("Answers that come byte by byte are taken as those that come together", () =>
  withHand(async ({ peer, open }) => {
    const link = await open();
    const gets = ["a", "b", "c"].map((key) => peer.get("g", key));
    await settle();
    const bytes = concat(
      framesBy((to) =>
        to.value(1, link.idOf("b"), ByteView.from("long value"))
      ),
      expiring(link.idOf("a"), 1_000),
      framesBy((to) => to.value(1, link.idOf("c"), ByteView.from(""))),
    );
    for (const byte of bytes) await link.send(new Uint8Array([byte]));
    const texts = (await Promise.all(gets)).map(({ value }) => value.text());
    assertEquals(texts, ["v", "long value", ""]);
  }));

Deno.test("A value keeps no part of what it came in", () =>
  withHand(async ({ peer, open }) => {
    const link = await open();
    for (const size of [3, 500]) {
      const get = peer.get("g", `k${size}`);
      await settle();
      const value = ByteView.from(new Uint8Array(size).fill(7));
      const bytes = framesBy((to) => to.value(1, link.idOf(`k${size}`), value));
      await link.send(bytes);
      bytes.fill(0);
      assert((await get).value.equals(value));
    }
  }));

Deno.test("A value that is larger than maxBodyBytes leaves only its own key without an answer", () =>
  withHand(async ({ peer, open, stats, group, loads }) => {
    const link = await open();
    const big = group.get("big");
    const just = peer.get("g", "just");
    const brief = peer.get("g", "brief");
    const words = peer.get("g", "words");
    words.catch(() => {});
    await settle();
    await link.say((to) => {
      to.value(1, link.idOf("big"), ByteView.from("b".repeat(101)));
      to.value(1, link.idOf("just"), ByteView.from("j".repeat(100)));
      to.expiring(2, link.idOf("brief"), ByteView.from("b".repeat(100)), 9, 0);
      to.text(4, link.idOf("words"), "w".repeat(101));
    });
    assertEquals((await just).value.byteLength, 100);
    assertEquals((await brief).value.byteLength, 100);
    await assertRejects(() => words, LoadError);
    assertEquals([(await big).text(), loads], ["own big", ["big"]]);
    assertEquals([stats().link, stats().state], ["open", "closed"]);
  }, { maxBodyBytes: 100 }));

Deno.test("What is malformed ends the link, fails its questions with an error that says so, and counts as one failure", async () => {
  const cases: [string, (id: number) => Uint8Array<ArrayBuffer>, string][] = [
    [
      "too long",
      (id) => rawFrame(1, id, [], MAX_ANSWER_BYTES + 1),
      "a frame claims 262173 bytes",
    ],
    [
      "a lie",
      (id) => rawFrame(1, id, [], 2 ** 32 - 1),
      "a frame claims 4294967295 bytes",
    ],
    ["kind 0", (id) => rawFrame(0, id), "0 is no kind of answer"],
    ["kind 13", (id) => rawFrame(13, id), "13 is no kind of answer"],
    ["kind 131", (id) => rawFrame(131, id), "131 is no kind of answer"],
    ["kind 255", (id) => rawFrame(255, id), "255 is no kind of answer"],
    [
      "no time left",
      (id) => rawFrame(2, id, new Array(11).fill(0)),
      "an expiring value has no time left",
    ],
    [
      "an empty expiring value",
      (id) => rawFrame(2, id),
      "an expiring value has no time left",
    ],
    ["a time of -1", (id) => expiring(id, -1), "-1 ms is no time left"],
    ["a time of NaN", (id) => expiring(id, NaN), "NaN ms is no time left"],
    [
      "a time of -Infinity",
      (id) => expiring(id, -Infinity),
      "-Infinity ms is no time left",
    ],
    [
      "no windows",
      (id) => rawFrame(12, id, new Array(27).fill(0)),
      "an expiring value has no time left",
    ],
    ["a window of -1", (id) => windowed(id, 5, -1), "-1 ms is no window"],
    ["a window of NaN", (id) => windowed(id, 5, NaN), "NaN ms is no window"],
    [
      "NaN ms left in windows",
      (id) => windowed(id, NaN, 5),
      "NaN ms is no time left",
    ],
    [
      "an answer to nothing",
      () => rawFrame(1, 77_777),
      "an answer to no question, 77777",
    ],
    [
      "none to nothing",
      () => rawFrame(3, 2 ** 32 - 1),
      "an answer to no question, 4294967295",
    ],
    [
      "an answer twice",
      (id) => concat(rawFrame(3, id), rawFrame(3, id)),
      "an answer to no question",
    ],
  ];
  for (const [name, bytesFor, message] of cases) {
    await withHand(async ({ clock, peer, group, loads, open, stats, hand }) => {
      const link = await open();
      const { errors } = stats();
      const first = fateOf(peer.get("g", "first"));
      const others = ["a", "b"].map((key) => fateOf(peer.get("g", key)));
      const get = group.get("k");
      await settle();
      await link.send(bytesFor(link.idOf("first")));
      for (
        const { error } of name.endsWith("twice") ? others : [first, ...others]
      ) {
        assert(error instanceof PeerError, `${name}: ${error}`);
        assertStringIncludes(
          error.message,
          `its link is malformed: ${message}`,
        );
        assertStringIncludes(error.message, "http://peer");
      }
      assertEquals([(await get).text(), loads], ["own k", ["k"]], name);
      assertEquals(stats().errors, errors + 1, name);
      assertStringIncludes(stats().lastError!, message);
      assert(link.isLeft, name);
      assertEquals(link.end, "in order", name);
      // The peer is asked without a link for a while.
      assertEquals([stats().link, stats().state], ["unavailable", "closed"]);
      assertStringIncludes(stats().linkError!, message);
      assertEquals((await peer.get("g", "later")).value.text(), "<later>");
      assertEquals(hand.links.length, 1);
      await clock.advance(1);
    });
  }
});

Deno.test("A link that fails counts as a request that fails, and the third failure gives the peer up", () =>
  withHand(async ({ peer, open, stats, hand }) => {
    const link = await open();
    const fate = fateOf(peer.get("g", "k"));
    await settle();
    await link.send(rawFrame(99, link.idOf("k")));
    assert(fate.error instanceof PeerError);
    hand.onRequest = () => new Response("a page");
    await assertRejects(() => peer.get("g", "k"), PeerError);
    assertEquals(stats().state, "closed");
    await assertRejects(() => peer.get("g", "k"), PeerError);
    assertEquals(stats().state, "open");
  }));

Deno.test("Nothing that comes behind something malformed counts", () =>
  withHand(async ({ peer, open }) => {
    const link = await open();
    const fates = ["a", "b"].map((key) => fateOf(peer.get("g", key)));
    await settle();
    await link.send(concat(
      framesBy((to) => to.value(1, link.idOf("a"), ByteView.from("v"))),
      rawFrame(99, 1),
      framesBy((to) => to.value(1, link.idOf("b"), ByteView.from("v"))),
    ));
    assertEquals(fates[0]!.value?.value.text(), "v");
    assert(fates[1]!.error instanceof PeerError);
  }));

Deno.test("A flood of pongs, or of words that it is about to close, is no answer and keeps nothing", () =>
  withHand(async ({ peer, open, stats }) => {
    const link = await open();
    const get = peer.get("g", "k");
    await settle();
    const flood = framesBy((to) => {
      for (let i = 0; i < 20_000; i++) to.head(ANSWER.pong, i);
      for (let i = 0; i < 20_000; i++) to.head(ANSWER.closing, i);
    });
    for (let i = 0; i < 3; i++) await link.send(flood);
    assertEquals([link.unread, stats().state], [0, "draining"]);
    await link.say((to) => to.value(1, link.idOf("k"), ByteView.from("v")));
    assertEquals((await get).value.text(), "v");
  }));

Deno.test("A peer that is busy is asked again after a while, for as long as it may be silent", () =>
  withHand(async ({ clock, peer, open, group, loads }) => {
    const link = await open();
    const patient = peer.get("g", "a");
    await settle();
    for (let i = 0; i < 3; i++) {
      const asked = link.questions.length;
      await link.say((to) => to.head(ANSWER.busy, link.idOf("a")));
      await clock.advance(49);
      assertEquals(link.questions.length, asked);
      await clock.advance(1);
      assertEquals(link.questions.length, asked + 1);
    }
    await link.say((to) => to.value(1, link.idOf("a"), ByteView.from("v")));
    assertEquals((await patient).value.text(), "v");
    const fate = fateOf(peer.get("g", "b"));
    const get = group.get("c");
    await settle();
    for (let i = 0; i < 101 && fate.error === undefined; i++) {
      await link.say((to) => {
        to.head(ANSWER.busy, link.idOf("b"));
        to.head(ANSWER.busy, link.idOf("c"));
      });
      await clock.advance(50);
    }
    assert(fate.error instanceof PeerError);
    assert(fate.error.cause instanceof BusyError);
    assertEquals(fate.error.status, 429);
    assertEquals(clock.now(), 150 + 5_050);
    assertEquals([(await get).text(), loads], ["own c", ["c"]]);
  }));

Deno.test("A question that the peer had no time for is not asked again if its caller leaves", () =>
  withHand(async ({ clock, peer, open }) => {
    const link = await open();
    const controller = new AbortController();
    const { signal } = controller;
    const left = peer.get("g", "a", { signal });
    const stays = peer.get("g", "b");
    await settle();
    await link.say((to) => {
      to.head(ANSWER.busy, link.idOf("a"));
      to.head(ANSWER.busy, link.idOf("b"));
    });
    controller.abort(new Error("enough"));
    await assertRejects(() => left, Error, "enough");
    await clock.advance(50);
    assertEquals(link.questions.map(({ key }) => key), ["a", "b", "b"]);
    await link.say((to) => to.value(1, link.idOf("b"), ByteView.from("v")));
    await stays;
  }));

Deno.test("A question whose answer needs a request of its own gets one", () =>
  withHand(async ({ peer, open, hand }) => {
    const link = await open();
    const get = peer.get("g", "large");
    await settle();
    hand.requests.length = 0;
    await link.say((to) => to.head(ANSWER.alone, link.idOf("large")));
    assertEquals((await get).value.text(), "<large>");
    assertEquals(hand.requests, ["GET large"]);
  }));

Deno.test("A peer that says that it is about to close is asked no more, and answers what it was asked", async () => {
  for (const says of ["closing", "draining"]) {
    await withHand(async ({ peer, open, stats }) => {
      const link = await open();
      const first = fateOf(peer.get("g", "first"));
      const get = peer.get("g", "k");
      await settle();
      await link.say((to) => {
        if (says === "closing") to.head(ANSWER.closing, 0);
        to.head(ANSWER.draining, link.idOf("first"));
      });
      assert(first.error instanceof PeerError);
      assertEquals([first.error.status, stats().errors], [503, 0]);
      assertEquals(stats().state, "draining");
      await assertRejects(
        () => peer.get("g", "other"),
        PeerError,
        "about to close",
      );
      // It is peeked at all the same.
      const peek = peer.peek!("g", "held");
      await settle();
      assertEquals(link.questions.at(-1)!.kind, ASK.peek);
      await link.say((to) => {
        to.value(1, link.idOf("held"), ByteView.from("h"));
        to.value(1, link.idOf("k"), ByteView.from("v"));
      });
      assertEquals((await peek)?.value.text(), "h");
      assertEquals((await get).value.text(), "v");
    });
  }
});
