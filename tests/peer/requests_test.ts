/** A single request to a peer: how it travels, what counts as its answer, and when it ends. */

import { ByteView, HTTPPool, NotFoundError, PeerError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import {
  Cluster,
  makeBusy,
  type Node,
  ownerAndAsker,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { about } from "../support/network.ts";
import { FakeClock, gate, settle } from "../support/time.ts";

Deno.test("A PeerError says what happened, with its cause and, if there was an answer, the status", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = ownerAndAsker(cluster);
    const { network } = cluster;
    const fail = async () => {
      const error = await assertRejects(() => peer.get("g", "k"), PeerError);
      assertEquals(error.peer, owner.origin);
      return error;
    };
    network.kill(owner.origin);
    const dead = await fail();
    assertEquals(dead.status, undefined);
    assertStringIncludes(dead.message, "connection refused");
    assert(dead.cause instanceof TypeError);
    network.join(owner.origin, owner.pool.handler);
    network.cut(owner.origin, 2);
    const cut = await fail();
    assertEquals(cut.status, 200);
    assertStringIncludes(cut.message, "broke off: connection reset");
    network.fault(owner.origin, () => new Response("", { status: 502 }));
    assertEquals((await fail()).status, 502);
  }));

Deno.test("A request that was refused rejects with the status and the peer's own words", async () => {
  for (const status of [400, 405, 413]) {
    await withCluster(2, async (cluster) => {
      const { owner, peer } = ownerAndAsker(cluster);
      cluster.network.fault(owner.origin, () =>
        new Response("not so\n", {
          status,
          headers: { "Geecache-Result": "bad-request" },
        }));
      for (
        const ask of [
          () => peer.get("g", "k"),
          () => peer.set("g", "k", { value: ByteView.from("v") }),
          () => peer.remove("g", ["k"]),
          () => peer.remove("g", ["k", "l"]),
          () => peer.clear("g"),
        ]
      ) {
        const error = await assertRejects(ask, PeerError);
        assertEquals(error.status, status);
        assert(error.message.endsWith(`${status} bad-request: not so`));
      }
    });
  }
});

Deno.test("A redirect is not followed, and the answer of a fetch that followed one is refused", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = ownerAndAsker(cluster);
    const modes: string[] = [];
    cluster.network.fault(owner.origin, async ({ redirect }, next) => {
      modes.push(redirect);
      return Object.defineProperty(await next(), "redirected", { value: true });
    });
    await assertRejects(() => peer.get("g", "k"), PeerError, "redirect");
    assertEquals(modes, ["manual"]);
  }));

Deno.test("The body of a response that is no answer is cancelled", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = ownerAndAsker(cluster);
    let cancelled = false;
    const body = new ReadableStream({ cancel: () => void (cancelled = true) });
    cluster.network.fault(owner.origin, () => new Response(body));
    await assertRejects(() => peer.get("g", "k"), PeerError, "no answer");
    assert(cancelled);
  }));

Deno.test("The Content-Length of a body that was decompressed on its way is ignored", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = ownerAndAsker(cluster);
    cluster.network.fault(owner.origin, () =>
      new Response("decoded", {
        headers: {
          "Geecache-Result": "value",
          "Content-Encoding": "gzip",
          "Content-Length": "3",
          "Geecache-Length": "7",
        },
      }));
    assertEquals((await peer.get("g", "k")).value.text(), "decoded");
  }));

Deno.test("A key whose path exceeds 4,096 characters travels in a POST, and each question says how long its asker waits", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = ownerAndAsker(cluster);
    const seen: [string, string | null][] = [];
    cluster.network.fault(owner.origin, ({ method, headers }, next) => {
      seen.push([method, headers.get("Geecache-Wait")]);
      return next();
    });
    const room = 4096 - "/_geecache/g/".length;
    await peer.get("g", "x".repeat(room + 1));
    await peer.get("g", "x".repeat(room));
    await peer.get("g", "x".repeat(room + 1));
    assertEquals(seen, [["POST", "500"], ["GET", "500"], ["POST", "500"]]);
  }, { pool: { timeoutMs: 1_001 } }));

Deno.test("A large answer whose parts keep coming does not count as silence", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf("k");
    const asker = cluster.nodes.find((node) => node !== owner)!;
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    cluster.network.fault(owner.origin, () =>
      new Response(
        new ReadableStream({ start: (c) => void (controller = c) }),
        { headers: { "Geecache-Result": "value", "Geecache-Length": "5" } },
      ));
    const get = textOf(asker.group.get("k"));
    await settle();
    for (let i = 0; i < 5; i++) {
      await cluster.clock.advance(4_000);
      controller.enqueue(new Uint8Array([65 + i]));
    }
    controller.close();
    assertEquals(await get, "ABCDE");
    const stuck = textOf(asker.group.get("k"));
    await cluster.clock.advance(5_000);
    assertEquals(await stuck, "<k>");
  }));

Deno.test("The head of an answer counts as a sign of life", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    cluster.network.fault(owner.origin, async () => {
      await new Promise<void>((run) => cluster.clock.after(4_000, run));
      return new Response(
        new ReadableStream({ start: (c) => void (controller = c) }),
        { headers: { "Geecache-Result": "value", "Geecache-Length": "1" } },
      );
    });
    const get = textOf(asker.group.get("k"));
    await cluster.clock.advance(8_000);
    controller.enqueue(new Uint8Array([65]));
    controller.close();
    assertEquals(await get, "A");
  }));

Deno.test("An answer that is too large is cancelled and does not count", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf("k");
    const asker = cluster.nodes.find((node) => node !== owner)!;
    let cancelled = false;
    cluster.network.fault(owner.origin, () =>
      new Response(
        new ReadableStream({
          pull: (c) => c.enqueue(new Uint8Array(1000)),
          cancel: () => void (cancelled = true),
        }),
        { headers: { "Geecache-Result": "value" } },
      ));
    assertEquals(await textOf(asker.group.get("k")), "<k>");
    assertEquals([asker.loads, cancelled], [["k"], true]);
  }, { pool: { maxBodyBytes: 10_000 } }));

Deno.test("Each request to a peer ends when its signal fires, and does not count as an error", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker, peer } = ownerAndAsker(cluster);
    const { sent } = cluster.network;
    cluster.network.silence(owner.origin);
    const value = { value: ByteView.from("v") };
    const long = "x".repeat(5_000);
    const requests: ((options: { signal: AbortSignal }) => Promise<unknown>)[] =
      [
        (options) => peer.get("g", "k", options),
        (options) => peer.get("g", long, options),
        (options) => peer.set("g", "k", value, options),
        (options) => peer.set("g", long, value, options),
        (options) => peer.remove("g", ["k"], options),
        (options) => peer.remove("g", ["k", "l"], options),
        (options) => peer.clear("g", options),
        (options) => asker.group.get("k", options),
      ];
    for (const [i, request] of requests.entries()) {
      const controller = new AbortController();
      const asked = request({ signal: controller.signal });
      await settle();
      assertEquals(sent.length, i + 1);
      controller.abort(new Error("enough"));
      await assertRejects(() => asked, Error, "enough");
      const signal = AbortSignal.abort(new Error("gone"));
      await assertRejects(() => request({ signal }), Error, "gone");
      assertEquals([sent.length, cluster.clock.pending], [i + 1, 0]);
    }
    await settle();
    const { peerErrors } = asker.group.stats();
    const { requests: count, errors } = asker.pool.stats().peers[0]!;
    assertEquals([peerErrors, count, errors], [0, requests.length, 0]);
    assertEquals(asker.loads, []);
  }));

Deno.test("A request leaves no listener on its caller's signal", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = ownerAndAsker(cluster);
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: [string, never]) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: [string, never]) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    await peer.get("g", "k", { signal });
    assertEquals(listeners, 0);
    makeBusy(cluster, owner.origin, "1");
    const busy = peer.get("g", "k", { signal });
    busy.catch(() => {});
    await cluster.clock.advance(5_000);
    await assertRejects(() => busy, PeerError, "busy");
    assertEquals(listeners, 0);
  }));

Deno.test("A finished request aborts no load", () => {
  const signals: AbortSignal[] = [];
  return withCluster(2, async (cluster) => {
    for (const { group } of cluster.nodes) await group.get("k");
    await settle();
    assertEquals(signals.map((signal) => signal.aborted), [false]);
  }, {
    getter: () => (key, { signal }) => {
      signals.push(signal);
      return key;
    },
  });
});

Deno.test("A request ends in time even if its fetch ignores the signal", () =>
  withCluster(2, async (cluster) => {
    const [a, b] = cluster.nodes as [Node, Node];
    const late = gate<Response>();
    const pool = new HTTPPool("http://client", {
      clock: cluster.clock,
      fetch: () => late.opened,
    });
    const group = pool.group("g", (key) => `mine: ${key}`);
    pool.setPeers([a.origin, b.origin]);
    const controller = new AbortController();
    const aborted = group.get("k", { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assertRejects(() => aborted, Error, "enough");
    const get = textOf(group.get("k"));
    await cluster.clock.advance(10_000);
    assertEquals(await get, "mine: k");
    // An answer that comes too late is cancelled, so that its connection is free again.
    let cancelled = false;
    late.open(
      new Response(
        new ReadableStream({ cancel: () => void (cancelled = true) }),
      ),
    );
    await settle();
    assert(cancelled);
    await pool.close();
  }));

Deno.test("A body that goes on after its caller left is cancelled and sets no timer", async () => {
  const clock = new FakeClock();
  let body!: ReadableStreamDefaultController<Uint8Array>;
  let cancelled = false;
  const pool = new HTTPPool("http://client", {
    clock,
    fetch: (request) =>
      Promise.resolve(about(
        request,
        new Response(
          new ReadableStream({
            start: (c) => void (body = c),
            cancel: () => void (cancelled = true),
          }),
          { headers: { "Geecache-Result": "value" } },
        ),
      )),
  });
  pool.setPeers(["http://a"]);
  const group = pool.group("g", (key) => key);
  const controller = new AbortController();
  const get = group.get("k", { signal: controller.signal });
  await settle();
  controller.abort(new Error("enough"));
  await assertRejects(() => get, Error, "enough");
  await settle();
  if (!cancelled) body.enqueue(new Uint8Array(1));
  await settle();
  const pending = clock.pending;
  await pool.close();
  await settle();
  assertEquals([pending, clock.pending, cancelled], [0, 0, true]);
});

Deno.test("A response that is no answer and also breaks off is a PeerError", async () => {
  const pool = new HTTPPool("http://self", {
    clock: new FakeClock(),
    fetch: () =>
      Promise.resolve(
        new Response(
          new ReadableStream({
            start: (c) => c.error(new Error("the line is cut")),
          }),
        ),
      ),
  });
  pool.setPeers(["http://a"]);
  const [peer] = pool.peers();
  await assertRejects(() => peer!.get("g", "k"), PeerError, "no answer");
  await pool.close();
});

Deno.test("The answer that a key was not found is final, however small maxBodyBytes is", async () => {
  const cluster = new Cluster(3, {
    pool: { maxBodyBytes: 10 },
    getter: () => () => undefined,
  });
  const [, , asker] = cluster.inOrder("k") as [Node, Node, Node];
  await assertRejects(() => asker.group.get("k"), NotFoundError);
  await cluster.close();
  assertEquals(cluster.loads, ["k"]);
});
