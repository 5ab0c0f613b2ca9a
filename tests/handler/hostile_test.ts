/** What a hostile reading found: each of these went wrong once. */

import { encodeKeys } from "../../protocol/frames.ts";
import {
  type Clock,
  Group,
  HTTPPool,
  NotFoundError,
  PeerError,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../support/assert.ts";
import { FakeClock, settle } from "../support/gate.ts";
import { Cluster, type Node } from "../support/network.ts";

Deno.test("A body that goes on after its asker left sets no timer and is cancelled", async () => {
  const clock = new FakeClock();
  let body!: ReadableStreamDefaultController<Uint8Array>;
  let cancelled = false;
  const pool = new HTTPPool("http://client", {
    clock,
    fetch: () =>
      Promise.resolve(
        new Response(
          new ReadableStream({
            start: (c) => void (body = c),
            cancel: () => void (cancelled = true),
          }),
          { headers: { "Geecache-Result": "value" } },
        ),
      ),
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

Deno.test("Close() at any moment leaves no timer (busy/pending)", async () => {
  for (const [status, result] of [[429, "busy"], [202, "pending"]] as const) {
    const bad: number[] = [];
    for (let n = 0; n < 60; n++) {
      const clock = new FakeClock();
      const pool = new HTTPPool("http://client", {
        clock,
        fetch: () =>
          Promise.resolve(
            new Response("", {
              status,
              headers: { "Geecache-Result": result, "Retry-After": "3" },
            }),
          ),
      });
      pool.setPeers(["http://a"]);
      const group = pool.group("g", (key) => key);
      group.get("k").catch(() => {});
      for (let i = 0; i < n; i++) await null;
      await pool.close();
      await settle();
      if (clock.pending) bad.push(n);
    }
    assertEquals(bad, [], result);
  }
});
Deno.test("Abort at any moment leaves no timer (busy/pending)", async () => {
  for (const [status, result] of [[429, "busy"], [202, "pending"]] as const) {
    const bad: number[] = [];
    for (let n = 0; n < 60; n++) {
      const clock = new FakeClock();
      const pool = new HTTPPool("http://client", {
        clock,
        fetch: () =>
          Promise.resolve(
            new Response("", {
              status,
              headers: { "Geecache-Result": result, "Retry-After": "3" },
            }),
          ),
      });
      pool.setPeers(["http://a"]);
      const group = pool.group("g", (key) => key);
      const c = new AbortController();
      group.get("k", { signal: c.signal }).catch(() => {});
      for (let i = 0; i < n; i++) await null;
      c.abort();
      await settle();
      if (clock.pending) bad.push(n);
    }
    assertEquals(bad, [], result);
  }
});

Deno.test("A request that was aborted before it was handled starts no load", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://self", { clock });
  let loads = 0;
  pool.group("g", () => {
    loads++;
    return new Promise<string>(() => {});
  });
  const answer = pool.handler(
    new Request("http://self/_geecache/g/k", {
      headers: { "Geecache-Peer": "http://a", "Geecache-Wait": "100" },
      signal: AbortSignal.abort(),
    }),
  );
  await clock.advance(100);
  assertEquals([(await answer).status, loads, clock.pending], [499, 0, 0]);
  await pool.close();
});

Deno.test("A final answer is final however small maxBodyBytes is", async () => {
  const cluster = new Cluster(3, {
    pool: { maxBodyBytes: 10 },
    getter: () => () => undefined,
  });
  const [, , asker] = cluster.inOrder("k") as [Node, Node, Node];
  await assertRejects(() => asker.group.get("k"), NotFoundError);
  await cluster.close();
  assertEquals(cluster.loads, ["k"]);
});

Deno.test("A getter that uses a closed group has failed; the group is there", async () => {
  const inner = new Group("inner", () => "v");
  inner.close();
  const pool = new HTTPPool("http://self");
  pool.group("g", (key) => inner.get(key));
  const answer = await pool.handler(new Request("http://self/_geecache/g/k"));
  assertEquals([answer.status, answer.headers.get("Geecache-Result")], [
    500,
    "failed",
  ]);
});

Deno.test("RemoveMany() fits its bodies to maxBodyBytes", async () => {
  const cluster = new Cluster(2, { pool: { maxBodyBytes: 1000 } });
  const keys = Array.from({ length: 300 }, (_, i) => `key-${i}`);
  const [a, b] = cluster.nodes as [Node, Node];
  await a.group.getMany(keys);
  try {
    await a.group.removeMany(keys);
    assertEquals([...b.group.keys()], []);
  } finally {
    await cluster.close();
  }
});

Deno.test("A write whose body arrives after removeGroup()+group() reaches the new group, or is not done", async () => {
  const pool = new HTTPPool("http://self");
  pool.group("g", () => "v");
  let body!: ReadableStreamDefaultController<Uint8Array>;
  const answer = pool.handler(
    new Request(
      "http://self/_geecache/g/k",
      {
        method: "PUT",
        headers: { "Geecache-Peer": "http://a" },
        body: new ReadableStream({ start: (c) => void (body = c) }),
        duplex: "half",
      } as RequestInit,
    ),
  );
  await settle();
  pool.removeGroup("g");
  const fresh = pool.group("g", () => "v");
  body.enqueue(new TextEncoder().encode("put"));
  body.close();
  const { status } = await answer;
  assertEquals([status, fresh.peek("k")?.text()], [204, "put"]);
});
Deno.test("Close() ends a request whose body has not come", async () => {
  const pool = new HTTPPool("http://self");
  pool.group("g", () => "v");
  let cancelled = false;
  const answer = pool.handler(
    new Request(
      "http://self/_geecache/g/k",
      {
        method: "PUT",
        headers: { "Geecache-Peer": "http://a" },
        body: new ReadableStream({ cancel: () => void (cancelled = true) }),
        duplex: "half",
      } as RequestInit,
    ),
  );
  let done = false;
  Promise.resolve(answer).then(() => done = true);
  await settle();
  await pool.close();
  await settle();
  assert(done && cancelled);
});
Deno.test("No-group is no fault of the peer", async () => {
  const cluster = new Cluster(3);
  const [owner, , asker] = cluster.inOrder("k") as [Node, Node, Node];
  owner.pool.removeGroup("g");
  await asker.group.get("k");
  const s = asker.pool.stats().peers.find((p) => p.id === owner.origin)!;
  assertEquals(s.errors, 0);
  await cluster.close();
});
Deno.test("A tiny timeoutMs asks no tight loop", async () => {
  const cluster = new Cluster(2, {
    pool: { timeoutMs: 1 },
    getter: () => () => new Promise<string>(() => {}),
  });
  const asker = cluster.nodes.find((n) => n !== cluster.ownerOf("k"))!;
  const c = new AbortController();
  asker.group.get("k", { signal: c.signal }).catch(() => {});
  for (let i = 0; i < 5; i++) await settle();
  // one ms
  let n = 0;
  const p = cluster.clock.advance(1);
  for (let i = 0; i < 200; i++) await settle();
  n = cluster.network.sent.length;
  c.abort();
  await cluster.close();
  await p;
  assert(n < 5, `${n}`);
});
Deno.test("A busy owner is asked to write again until patience ends", async () => {
  const cluster = new Cluster(2);
  const owner = cluster.ownerOf("k");
  const writer = cluster.nodes.find((n) => n !== owner)!;
  let busy = 1;
  cluster.network.fault(
    owner.origin,
    (_r, pass) =>
      busy-- > 0
        ? new Response("busy", {
          status: 429,
          headers: { "Geecache-Result": "busy", "Retry-After": "1" },
        })
        : pass(),
  );
  const done = writer.group.set("k", "v");
  done.catch(() => {});
  await cluster.clock.advance(2000);
  await done;
  assertEquals(owner.group.peek("k")?.text(), "v");
});
Deno.test("The nodes that stats() shows cannot be changed", () => {
  const [a, b] = ["http://a", "http://b"].map((o) => new HTTPPool(o)) as [
    HTTPPool,
    HTTPPool,
  ];
  for (const p of [a, b]) p.setPeers(["http://a", "http://b"]);
  // Pools of one list share a ring.
  assertThrows(() => (b.stats().nodes as string[]).reverse(), TypeError);
  assertEquals(a.stats().nodes, ["http://a", "http://b"]);
});
Deno.test("An asker with two waits for one key that asked again and left has left", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://self", { clock });
  let signal: AbortSignal | undefined;
  pool.group("g", (_k, c) => {
    signal = c.signal;
    return new Promise<string>(() => {});
  });
  const headers = { "Geecache-Peer": "http://a", "Geecache-Wait": "100" };
  const ask = (s?: AbortSignal) =>
    pool.handler(
      new Request(
        "http://self/_geecache/g/k",
        s ? { headers, signal: s } : { headers },
      ),
    );
  const two = [ask(), ask()];
  await clock.advance(100);
  for (const t of two) assertEquals((await t).status, 202);
  const c = [new AbortController(), new AbortController()];
  const again = c.map((c) => ask(c.signal));
  await settle();
  c.forEach((c) => c.abort());
  await Promise.all(again);
  await settle();
  const seen = [signal?.aborted, clock.pending];
  await pool.close();
  assertEquals(seen, [true, 0]);
});
Deno.test("What is no answer, and breaks off besides, is a PeerError", async () => {
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
Deno.test("An asker that leaves just as the last of its answer is handed over stops no process", async () => {
  let onPatienceOver!: () => void;
  const clock: Clock = {
    now: () => 0,
    after: (ms, run) => {
      if (ms === 50) onPatienceOver = run;
      return () => {};
    },
  };
  const pool = new HTTPPool("http://self", { clock });
  pool.group("g", () => new Promise<string>(() => {}));
  const answer = await pool.handler(
    new Request("http://self/_geecache/g", {
      method: "POST",
      headers: {
        "Geecache-Peer": "http://a",
        "Geecache-Method": "GET",
        "Geecache-Wait": "50",
      },
      body: encodeKeys(["k"]),
    }),
  );
  const reader = answer.body!.getReader();
  const read = reader.read();
  // A server whose socket is gone cancels while it is given the part. Only what a
  // part passes through on its way to a reader lets a test do the same.
  Object.defineProperty(Object.prototype, "then", {
    configurable: true,
    get(this: object): undefined {
      if ("done" in this) reader.cancel();
      return undefined;
    },
  });
  try {
    onPatienceOver();
  } finally {
    delete (Object.prototype as { then?: unknown }).then;
  }
  assertEquals((await read).done, false);
  await pool.close();
});
