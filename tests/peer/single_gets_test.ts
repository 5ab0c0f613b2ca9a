/** One key in one request: what its answers mean, and how a key that still loads is asked for again. */

import { BusyError, LoadError, NotFoundError, PeerError } from "../../mod.ts";
import { withHand } from "../support/asker.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { fateOf } from "../support/batches.ts";
import { settle } from "../support/time.ts";

Deno.test("A request for a key says how long its asker waits, how often a copy was served, and that it peeks", () =>
  withHand(async ({ peer, hand }) => {
    hand.takesLinks = false;
    const seen: (string | null)[][] = [];
    const { onRequest } = hand;
    hand.onRequest = (request, key) => {
      seen.push(
        ["Wait", "Served", "Peek"].map((name) =>
          request.headers.get(`Geecache-${name}`)
        ),
      );
      return onRequest(request, key);
    };
    await peer.get("g", "a");
    await peer.get("g", "a", { served: 40 });
    await peer.peek!("g", "a");
    assertEquals(seen, [
      ["2500", null, null],
      ["2500", "40", null],
      ["2500", null, "1"],
    ]);
  }));

Deno.test("A key that still loads is asked for again at once, as long as the peer holds each request", () =>
  withHand(async ({ clock, peer, hand }) => {
    hand.takesLinks = false;
    let pending = 5;
    hand.onRequest = async (request, key) => {
      if (pending-- <= 0) return hand.valueOf(request, `<${key}>`);
      await new Promise<void>((run) => clock.after(2_500, run));
      return hand.say(request, 202, "pending");
    };
    const fate = fateOf(peer.get("g", "k"));
    await clock.advance(12_499);
    assertEquals([fate, hand.requests.length], [{}, 5]);
    await clock.advance(1);
    assertEquals(fate.value?.value.text(), "<k>");
    assertEquals(hand.requests.length, 6);
  }));

Deno.test("A peer that says that a key still loads, without waiting, is not asked in a tight loop", () =>
  withHand(async ({ clock, peer, hand }) => {
    hand.takesLinks = false;
    let isLoaded = false;
    hand.onRequest = (request, key) =>
      isLoaded
        ? hand.valueOf(request, `<${key}>`)
        : hand.say(request, 202, "pending");
    const fate = fateOf(peer.get("g", "k"));
    await clock.advance(1_000);
    assertEquals([fate, hand.requests.length], [{}, 21]);
    isLoaded = true;
    await clock.advance(50);
    assertEquals(fate.value?.value.text(), "<k>");
  }));

Deno.test("A key that still loads moves to the link, once there is one", () =>
  withHand(async ({ clock, peer, hand, open }) => {
    const { onRequest } = hand;
    hand.onRequest = async (request, key) => {
      if (key !== "slow") return onRequest(request, key);
      await new Promise<void>((run) => clock.after(2_500, run));
      return hand.say(request, 202, "pending");
    };
    const fate = fateOf(peer.get("g", "slow"));
    await settle();
    await clock.advance(2_000);
    const link = await open();
    await clock.advance(500);
    assertEquals(link.questions.map(({ key }) => key), ["slow"]);
    await link.say((to) => to.head(3, link.idOf("slow")));
    assert(fate.error instanceof NotFoundError);
  }));

Deno.test("Each answer to a request is taken for what it is", () =>
  withHand(async ({ peer, hand, stats }) => {
    hand.takesLinks = false;
    const answers: [number, string, string, (error: unknown) => boolean][] = [
      [404, "not-found", "", (error) => error instanceof NotFoundError],
      [
        500,
        "failed",
        "no db",
        (error) => error instanceof LoadError && error.message === "no db",
      ],
      [
        404,
        "no-group",
        "no such group: g",
        (error) => error instanceof PeerError && error.status === 404,
      ],
      [
        503,
        "draining",
        "about to close",
        (error) => error instanceof PeerError && error.status === 503,
      ],
      [
        400,
        "bad-request",
        "bad",
        (error) => error instanceof PeerError && error.status === 400,
      ],
    ];
    for (const [status, result, text, isRight] of answers) {
      hand.onRequest = (request) => hand.say(request, status, result, text);
      const { error } = await settled(peer.get("g", "k"));
      assert(isRight(error), `${result}: ${error}`);
      assertEquals(stats().state, "closed");
    }
  }));

async function settled<T>(promise: Promise<T>) {
  const fate = fateOf(promise);
  await settle();
  return fate;
}

Deno.test("A value says how long it has left, and that many ask for it", () =>
  withHand(async ({ peer, hand }) => {
    hand.takesLinks = false;
    hand.headers = { "Geecache-Ttl": "700", "Geecache-Hot": "1" };
    const { ttlMs, isHot } = await peer.get("g", "k");
    assertEquals([ttlMs, isHot], [700, true]);
    hand.headers = { "Geecache-Ttl": "soon" };
    const error = await assertRejects(() => peer.get("g", "k"), PeerError);
    assertStringIncludes(error.message, "not whole milliseconds: soon");
  }));

Deno.test("A busy peer is asked again when it says, until patience ends", () =>
  withHand(async ({ clock, peer, hand }) => {
    hand.onRequest = (request) =>
      hand.say(request, 429, "busy", "", { "Retry-After": "1" });
    const fate = fateOf(peer.get("g", "k"));
    await clock.advance(4_999);
    assertEquals([fate, hand.requests.length], [{}, 5]);
    await clock.advance(1);
    assert(fate.error instanceof PeerError);
    assert(fate.error.cause instanceof BusyError);
  }));

Deno.test("A caller that leaves ends its request, and one that waits for its turn is not sent", () =>
  withHand(async ({ peer, hand, clock }) => {
    hand.takesLinks = false;
    await peer.get("g", "a");
    const signals: AbortSignal[] = [];
    hand.onRequest = ({ signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    };
    const controller = new AbortController();
    const { signal } = controller;
    const fates = Array.from(
      { length: 40 },
      (_, i) => fateOf(peer.get("g", `k${i}`, { signal })),
    );
    await settle();
    assertEquals(signals.length, 15);
    controller.abort(new Error("enough"));
    await settle();
    for (const { error } of fates) assertEquals(`${error}`, "Error: enough");
    assert(signals.every(({ aborted }) => aborted));
    assertEquals([signals.length, clock.pending], [15, 0]);
  }));
