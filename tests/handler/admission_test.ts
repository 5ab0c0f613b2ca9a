/** Which requests are let in: the pool's secret, and bodies that do not come. */

import { type ByteView, HTTPPool, PeerError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../support/assert.ts";
import { FakeClock, settle } from "../support/time.ts";
import { type Cluster, type Node, withCluster } from "../support/cluster.ts";

const OLD = "the-old-secret-of-all";
const NEW = "the-new-secret-of-all";

function restart(
  { network }: Cluster,
  { origin }: Node,
  secret: string | string[],
): HTTPPool {
  const pool = new HTTPPool(origin, {
    secret,
    fetch: network.fetchFrom(origin),
    clock: network.clock,
    handoverMs: 0,
  });
  pool.group("g", (key) => `<${key}>`);
  network.join(origin, pool.handler);
  return pool;
}

Deno.test("A secret from a variable that is not set does not open the pool in silence", () => {
  const unset: { SECRET?: string } = {};
  for (const options of [{ secret: unset.SECRET! }, { secret: undefined! }]) {
    assertThrows(
      () => new HTTPPool("http://a", options),
      TypeError,
      "Cannot create HTTPPool: secret must have a value (is its variable set?) or be left out: received undefined",
    );
  }
  new HTTPPool("http://a", {});
});

Deno.test("Every request without the secret gets a 401, and nothing is done", async () => {
  const loads: string[] = [];
  const pool = new HTTPPool("http://a", { secret: OLD });
  const group = pool.group("g", (key) => {
    loads.push(key);
    return key;
  });
  await group.set("held", "v");
  const peer = { "Geecache-Peer": "http://b" };
  let refused = 0;
  for (
    const secret of [undefined, "", NEW, OLD.slice(1), `${OLD}x`, `${OLD} x`]
  ) {
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"]) {
      for (
        const path of ["g/k", "g/held", "g?clear", "g", "", "nowhere/k", "g/%"]
      ) {
        const headers: Record<string, string> = { ...peer };
        if (secret !== undefined) headers["Geecache-Secret"] = secret;
        const body = /PUT|POST/.test(method) ? { body: "x" } : {};
        const request = new Request(`http://a/_geecache/${path}`, {
          method,
          headers,
          ...body,
        });
        const response = await pool.handler(request);
        assertEquals(response.status, 401);
        assertEquals(response.headers.get("Geecache-Result"), "refused");
        assert(!request.bodyUsed);
        await response.body?.cancel();
        refused++;
      }
    }
  }
  assertEquals([group.peek("held")?.text(), loads], ["v", []]);
  assertEquals(pool.stats().refused, refused);
  // The pool guards no paths but its own.
  const outside = await pool.handler(new Request("http://a/health"));
  assertEquals(outside.status, 404);
  await pool.close();
});

Deno.test("Processes with one secret are one cache, in every way of asking and writing", () =>
  withCluster(3, async (cluster) => {
    const sent = new Set<string | null>();
    for (const { origin } of cluster.nodes) {
      cluster.network.fault(origin, (request, next) => {
        sent.add(request.headers.get("Geecache-Secret"));
        return next();
      });
    }
    const keys = Array.from({ length: 60 }, (_, i) => `key-${i}`);
    keys.push(...keys.map((key) => key + "x".repeat(5_000)));
    for (const { group } of cluster.nodes) {
      for (const [key, value] of await group.getMany(keys)) {
        assertEquals((value as ByteView).text(), `<${key}>`);
      }
    }
    assertEquals(cluster.loads.length, keys.length);
    const [{ group }] = cluster.nodes as [Node];
    await group.set("k", "v");
    await group.removeMany(keys);
    await group.clear();
    assertEquals([...sent], [OLD]);
  }, { pool: { secret: [OLD, NEW] } }));

Deno.test("A secret is changed one process at a time", () =>
  withCluster(2, async (cluster) => {
    const [a, b] = cluster.nodes as [Node, Node];
    const origins = [a.origin, b.origin];
    let [one, two] = [
      restart(cluster, a, [OLD]),
      restart(cluster, b, [OLD, NEW]),
    ];
    const check = async () => {
      for (const pool of [one, two]) {
        pool.setPeers(origins);
        const group = pool.getGroup("g")!;
        await group.remove("k");
        assertEquals((await group.get("k")).text(), "<k>");
      }
    };
    await check();
    for (const secrets of [[OLD, NEW], [NEW, OLD], [NEW]]) {
      for (const which of [1, 0]) {
        const pool = restart(cluster, which === 0 ? a : b, secrets);
        if (which === 0) {
          await one.close();
          one = pool;
        } else {
          await two.close();
          two = pool;
        }
        // Where only one of them knows the new one, the old one is still sent.
        await check();
      }
    }
    await one.close();
    await two.close();
  }));

Deno.test("A peer with another secret is out of reach: a PeerError says so, and other nodes are asked for its keys", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    const other = restart(cluster, owner, NEW);
    const error = await assertRejects(
      () => asker.pool.pickPeer("k")!.get("g", "k"),
      PeerError,
      "401 refused: requests need this pool's secret: this one has another",
    );
    assertEquals(error.status, 401);
    assert(!error.message.includes(OLD));
    assertEquals((await asker.group.get("k")).text(), "<k>");
    assertEquals([owner.loads, next.loads], [[], ["k"]]);
    // It does not answer a probe as it should, either.
    for (let i = 0; i < 2; i++) await asker.group.get(`k${i}`).catch(() => {});
    const peer = asker.pool.pickPeer("k")!;
    for (let i = 0; i < 3; i++) {
      await assertRejects(() => peer.get("g", "k"), Error);
    }
    await cluster.clock.advance(60_000);
    assertEquals(
      asker.pool.stats().peers.find(({ id }) => id === owner.origin)!.state,
      "open",
    );
    await other.close();
  }, { pool: { secret: OLD } }));

Deno.test("The secret is sent only to listed peers", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    cluster.network.join("http://elsewhere", () => {
      throw new Error("it was asked");
    });
    const redirects: string[] = [];
    cluster.network.fault(owner.origin, (request) => {
      redirects.push(request.redirect);
      return new Response(null, {
        status: 307,
        headers: { Location: "http://elsewhere/_geecache/g/k" },
      });
    });
    assertEquals((await asker.group.get("k")).text(), "<k>");
    await assertRejects(() => asker.group.remove("k"), AggregateError);
    assert(redirects.length > 1);
    assertEquals([...new Set(redirects)], ["manual"]);
    assertEquals(cluster.network.count({ to: "http://elsewhere" }), 0);
  }, { pool: { secret: OLD } }));

Deno.test("A secret that is too short, or that comes with a Go protocol, is refused", () => {
  const make = (options: ConstructorParameters<typeof HTTPPool>[1]) => () =>
    new HTTPPool("http://a", options);
  assertThrows(
    make({ secret: "too-short" }),
    TypeError,
    "Cannot create HTTPPool: secret must have at least 16 characters: received 9",
  );
  for (
    const protocol of ["geecache", "geecache-protobuf", "groupcache"] as const
  ) {
    assertThrows(
      make({ secret: OLD, protocol }),
      TypeError,
      `Cannot create HTTPPool: secret is for protocol native alone: received protocol "${protocol}"`,
    );
  }
});

// ---- bodies that do not come

function slowRequest(headers: Record<string, string> = {}): {
  request: Request;
  send: (bytes: number) => void;
  cancelled: () => boolean;
} {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: () => void (cancelled = true),
  });
  const init = {
    method: "PUT",
    headers: { "Geecache-Peer": "http://b", ...headers },
    body,
    duplex: "half",
  };
  return {
    request: new Request("http://a/_geecache/g/k", init),
    send: (bytes) => controller.enqueue(new Uint8Array(bytes)),
    cancelled: () => cancelled,
  };
}

Deno.test("A body that pauses for timeoutMs gets a 408 and is cancelled; one that keeps coming does not", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://a", { clock, timeoutMs: 1_000 });
  const group = pool.group("g", (key) => key);
  const { request, send, cancelled } = slowRequest();
  const answer = Promise.resolve(pool.handler(request));
  for (let i = 0; i < 5; i++) {
    await clock.advance(900);
    send(1);
  }
  await settle();
  await clock.advance(999);
  assertEquals(cancelled(), false);
  await clock.advance(1);
  const response = await answer;
  assertEquals(response.status, 408);
  assertEquals(response.headers.get("Geecache-Result"), "bad-request");
  assertEquals(await response.text(), "the body was silent for 1000 ms\n");
  assertEquals([cancelled(), group.peek("k")], [true, undefined]);
  await pool.close();
  assertEquals(clock.pending, 0);
});

Deno.test("A short body that states its length has timeoutMs in all", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://a", { clock, timeoutMs: 1_000 });
  pool.group("g", (key) => key);
  const { request, send } = slowRequest({ "Content-Length": "10" });
  const answer = Promise.resolve(pool.handler(request));
  send(1);
  await clock.advance(900);
  send(1);
  await clock.advance(100);
  const response = await answer;
  assertEquals(response.status, 408);
  assertEquals(await response.text(), "the body took longer than 1000 ms\n");
  await pool.close();
  assertEquals(clock.pending, 0);
});

Deno.test("A body that comes in drops gets a 408 in the end", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://a", { clock, timeoutMs: 1_000 });
  pool.group("g", (key) => key);
  const { request, send, cancelled } = slowRequest();
  const answer = Promise.resolve(pool.handler(request));
  for (let i = 0; i < 30 && !cancelled(); i++) {
    send(1);
    await clock.advance(900);
  }
  const response = await answer;
  assertEquals(response.status, 408);
  assertEquals(
    await response.text(),
    "the body took longer than 12000 ms\n",
  );
  assertEquals(clock.now(), 13_500);
  await pool.close();
  assertEquals(clock.pending, 0);
});

Deno.test("A body that is coming while the pool closes is cancelled, and the answer is that there is no group", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://a", { clock });
  pool.group("g", (key) => key);
  const { request, cancelled } = slowRequest();
  const answer = Promise.resolve(pool.handler(request));
  await settle();
  await pool.close();
  const response = await answer;
  assertEquals(
    [response.status, response.headers.get("Geecache-Result"), cancelled()],
    [404, "no-group", true],
  );
  assertEquals(clock.pending, 0);
});

Deno.test("A body that has come leaves no listener behind", async () => {
  const { addEventListener, removeEventListener } = AbortSignal.prototype;
  let listeners = 0;
  AbortSignal.prototype.addEventListener = function (
    ...given: Parameters<typeof addEventListener>
  ) {
    listeners++;
    addEventListener.apply(this, given);
  };
  AbortSignal.prototype.removeEventListener = function (
    ...given: Parameters<typeof removeEventListener>
  ) {
    listeners--;
    removeEventListener.apply(this, given);
  };
  const pool = new HTTPPool("http://a");
  const group = pool.group("g", (key) => key);
  try {
    const response = await pool.handler(
      new Request("http://a/_geecache/g/k", {
        method: "PUT",
        headers: { "Geecache-Peer": "http://b", "Content-Length": "1" },
        body: "v",
      }),
    );
    assertEquals([response.status, group.peek("k")?.text()], [204, "v"]);
    assertEquals(listeners, 0);
  } finally {
    delete (AbortSignal.prototype as Partial<AbortSignal>).addEventListener;
    delete (AbortSignal.prototype as Partial<AbortSignal>).removeEventListener;
    await pool.close();
  }
});

/** What a browser of today sends with every request. */
const BROWSER = {
  "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0",
  "Accept-Language": "en",
};

Deno.test("A page under a name that was pointed here neither reads nor writes", async () => {
  const pool = new HTTPPool("http://10.0.0.1:9999");
  const loads: string[] = [];
  const group = pool.group("g", (key) => {
    loads.push(key);
    return key;
  });
  await group.set("held", "v");
  const url = "http://evil.example:9999/_geecache/g";
  const origin = { Origin: "http://evil.example:9999" };
  const peer = { "Geecache-Peer": "http://10.0.0.1:9999" };
  const pages: Record<string, string>[] = [
    { ...BROWSER, ...origin, "Sec-Fetch-Site": "same-origin" },
    { "Sec-Fetch-Site": "none" },
    origin,
    { Origin: "null" },
    { Referer: "http://evil.example:9999/" },
    BROWSER,
  ];
  let refused = 0;
  for (const page of pages) {
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "POST"]) {
      for (const path of ["/held", "/other", "?clear", ""]) {
        const init = { method, headers: { ...page, ...peer } };
        const body = /PUT|POST/.test(method) ? { body: "x" } : {};
        const request = new Request(url + path, { ...init, ...body });
        const response = await pool.handler(request);
        assertEquals(response.status, 403);
        assertEquals(response.headers.get("Geecache-Result"), "refused");
        await response.body?.cancel();
        refused++;
      }
    }
  }
  assertEquals([group.peek("held")?.text(), loads], ["v", []]);
  assertEquals(pool.stats().refused, refused);
  await pool.close();
});

Deno.test("A page of another origin or site is refused, whatever it asks for", async () => {
  const pool = new HTTPPool("http://10.0.0.1:9999");
  pool.group("g", (key) => key);
  const pages: Record<string, string>[] = [
    { "Sec-Fetch-Site": "cross-site" },
    { "Sec-Fetch-Site": "same-site" },
    { "Sec-Fetch-Site": "anything" },
    { Origin: "http://10.0.0.1:3000" },
    { Origin: "http://localhost:9999" },
    { Origin: "https://evil.example", "Sec-Fetch-Site": "none" },
    { Origin: "null" },
    { Origin: "" },
  ];
  for (const headers of pages) {
    for (const method of ["GET", "OPTIONS"]) {
      const request = new Request("http://10.0.0.1:9999/_geecache/g/k", {
        method,
        headers: { ...BROWSER, ...headers },
      });
      const response = await pool.handler(request);
      assertEquals(response.status, 403, JSON.stringify(headers));
      await response.body?.cancel();
    }
  }
  await pool.close();
});

Deno.test("A key can be opened in a browser's address bar, and asked for by programs under any name", async () => {
  const pool = new HTTPPool("http://10.0.0.1:9999");
  pool.group("g", (key) => key);
  const bar = { ...BROWSER, "Sec-Fetch-Site": "none" };
  const own = { ...BROWSER, "Sec-Fetch-Site": "same-origin" };
  const asked: [host: string, headers: Record<string, string>][] = [
    ...["10.0.0.1:9999", "10.0.0.1", "localhost:9999", "a.localhost"].map((
      host,
    ): [string, Record<string, string>] => [host, bar]),
    ["127.0.0.1:9999", bar],
    ["[::1]:9999", bar],
    ["localhost:1", { ...own, Origin: "http://localhost:1" }],
    // Over TLS in front of this process.
    ["10.0.0.1", { ...own, Origin: "https://10.0.0.1" }],
    ["cache.example:9999", { "User-Agent": "curl/8.0" }],
    // Node's fetch sends these.
    ["cache.example", { "Sec-Fetch-Mode": "cors", "User-Agent": "node" }],
  ];
  for (const [host, headers] of asked) {
    const url = `http://${host}/_geecache/g/k`;
    const response = await pool.handler(new Request(url, { headers }));
    assertEquals(await response.text(), "k", host);
  }
  await pool.close();
});
