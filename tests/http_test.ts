import { HTTPPool, type HTTPPoolOptions } from "../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "./support/assert.ts";
import { FakeClock, gate, settle } from "./support/gate.ts";

const SELF = "http://localhost:9999";
const PEER = { "Geecache-Peer": "http://localhost:8001" };

function scoresPool(options?: HTTPPoolOptions): HTTPPool {
  const pool = new HTTPPool(SELF, options);
  pool.group("scores", (key) => {
    if (key === "absent") return undefined;
    if (key === "kkk") throw new Error("kkk not exist");
    if (key === "brief") return { value: "b", ttlMs: 1500 };
    return `<${key}>`;
  });
  return pool;
}

async function ask(
  pool: HTTPPool,
  path: string,
  init?: RequestInit,
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await pool.handler(new Request(SELF + path, init));
  const { status, headers } = response;
  return { status, headers, text: await response.text() };
}

Deno.test("The handler answers as the seed does, to the letter", async () => {
  const pool = scoresPool();
  const base = "/_geecache/";
  for (
    const [path, status, text] of [
      ["scores/Tom", 200, "<Tom>"],
      ["scores/Tom", 200, "<Tom>"],
      ["scores", 400, "bad request\n"],
      ["", 400, "bad request\n"],
      ["nope/Tom", 404, "no such group: nope\n"],
      ["/Tom", 404, "no such group: \n"],
      ["scores/kkk", 500, "kkk not exist\n"],
    ] as const
  ) {
    const answer = await ask(pool, base + path);
    assertEquals([answer.status, answer.text], [status, text], path);
    const type = status === 200
      ? "application/octet-stream"
      : "text/plain; charset=utf-8";
    assertEquals(answer.headers.get("Content-Type"), type);
    const sniff = status === 200 ? null : "nosniff";
    assertEquals(answer.headers.get("X-Content-Type-Options"), sniff);
    assertEquals(answer.headers.get("Cache-Control"), "no-store");
  }
});

Deno.test("Geecache-Result says what an answer means", async () => {
  const pool = scoresPool();
  for (
    const [path, status, result] of [
      ["scores/Tom", 200, "value"],
      ["scores/absent", 404, "not-found"],
      ["scores/kkk", 500, "failed"],
      ["nope/Tom", 404, "no-group"],
      ["scores", 400, "bad-request"],
    ] as const
  ) {
    const answer = await ask(pool, `/_geecache/${path}`);
    assertEquals(
      [answer.status, answer.headers.get("Geecache-Result")],
      [status, result],
    );
  }
});

Deno.test("A path is decoded once, as bytes, and split at its first slash", async () => {
  const pool = scoresPool();
  for (
    const [path, text] of [
      ["scores/a/b", "<a/b>"],
      ["scores/a//b", "<a//b>"],
      ["scores/a%2Fb", "<a/b>"],
      ["scores%2F..", "<..>"],
      ["scores/a+b", "<a+b>"],
      ["scores/a%20b", "<a b>"],
      ["scores/%2541", "<%41>"],
      ["scores/%E6%97%A5", "<日>"],
      ["scores/日", "<日>"],
      ["scores/%00", "<\0>"],
      ["scores?key=.", "<.>"],
      ["scores?key=a+b%2B", "<a+b+>"],
      ["scores?t=1&key=..&key=x", "<..>"],
      ["scores/Tom?key=x", "<Tom>"],
    ] as const
  ) {
    const answer = await ask(pool, `/_geecache/${path}`);
    assertEquals([answer.status, answer.text], [200, text], path);
  }
});

Deno.test("What is no UTF-8 or no escape in a path gets a 400, never a crash", async () => {
  const pool = scoresPool();
  for (const bad of ["%FF", "%", "%zz", "%E6%97", "%ED%A0%80", "%C0%80"]) {
    for (const path of [`scores/${bad}`, `scores?key=${bad}`, `${bad}/k`]) {
      const answer = await ask(pool, `/_geecache/${path}`);
      assertEquals([answer.status, answer.text], [400, "bad request\n"], path);
    }
  }
});

Deno.test("A malformed path is a bad request for every method", async () => {
  const pool = scoresPool();
  for (const method of ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"]) {
    const init = { method, headers: PEER };
    const { status } = await ask(pool, "/_geecache/scores/%FF", init);
    assertEquals(status, 400, method);
  }
});

Deno.test("An empty key gets a 400", async () => {
  const pool = scoresPool();
  for (const path of ["scores/", "scores?key=", "scores/?key=Tom"]) {
    const { status, text } = await ask(pool, `/_geecache/${path}`);
    assert(status === 400 && text.startsWith("key is required"), path);
  }
});

Deno.test("A path outside the base path gets a 404 that says so", async () => {
  const pool = scoresPool();
  for (const path of ["/", "/_geecache", "/_groupcache/scores/Tom"]) {
    const { status, text, headers } = await ask(pool, path);
    assertEquals(status, 404);
    assertEquals(text, `${path} is outside of /_geecache/\n`);
    assertEquals(headers.get("Geecache-Result"), null);
  }
  const elsewhere = scoresPool({ basePath: "/my/cache/" });
  assertEquals((await ask(elsewhere, "/my/cache/scores/Tom")).text, "<Tom>");
});

Deno.test("HEAD is GET without the body", async () => {
  const pool = scoresPool();
  for (const path of ["scores/brief", "scores/kkk", "nope/Tom", "scores"]) {
    const get = await ask(pool, `/_geecache/${path}`);
    const head = await ask(pool, `/_geecache/${path}`, { method: "HEAD" });
    assertEquals([head.status, head.text], [get.status, ""]);
    assertEquals(head.headers.get("Content-Length"), `${get.text.length}`);
    const meaning = (h: Headers) => [...h].filter(([k]) => /type|gee/.test(k));
    assertEquals(meaning(head.headers).length, meaning(get.headers).length);
  }
});

Deno.test("Other methods get a 405 with Allow", async () => {
  for (const method of ["PATCH", "OPTIONS", "PROPFIND"]) {
    const { status, headers } = await ask(
      scoresPool(),
      "/_geecache/scores/Tom",
      { method },
    );
    assertEquals(status, 405);
    assertEquals(headers.get("Allow"), "GET, HEAD, PUT, DELETE, POST");
  }
});

Deno.test("An expiring value says how long it has left, from memory too", async () => {
  const clock = new FakeClock();
  const pool = scoresPool({ clock });
  const ttl = async () =>
    (await ask(pool, "/_geecache/scores/brief")).headers.get("Geecache-Ttl");
  assertEquals(await ttl(), "1500");
  await clock.advance(600);
  assertEquals(await ttl(), "900");
  const { headers } = await ask(pool, "/_geecache/scores/Tom");
  assertEquals(headers.get("Geecache-Ttl"), null);
});

Deno.test("Each request is one line of the log", async () => {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const not = () => assert(false, "a request is a matter of debug()");
  const logger = { debug: write, info: not, warn: not, error: not };
  const pool = scoresPool({ logger });
  await ask(pool, "/_geecache/scores/Tom");
  await ask(pool, "/elsewhere?x=1", { method: "PATCH" });
  assertEquals(lines, [
    "[Server http://localhost:9999] GET /_geecache/scores/Tom",
    "[Server http://localhost:9999] PATCH /elsewhere?x=1",
  ]);
});

Deno.test("Writing needs Geecache-Peer, which a web page cannot send unasked", async () => {
  const pool = scoresPool();
  for (const method of ["PUT", "DELETE", "POST"]) {
    const path = method === "POST" ? "scores" : "scores/Tom";
    const answer = await ask(pool, `/_geecache/${path}`, { method });
    assertEquals(answer.status, 403);
  }
});

Deno.test("A peer's PUT, DELETE and DELETE ?clear act on this process", async () => {
  const pool = scoresPool();
  const group = pool.getGroup("scores")!;
  const write = async (method: string, path: string, body?: string) => {
    const init = body === undefined ? {} : { body };
    const headers = { ...PEER, "Geecache-Ttl": "100000" };
    const answer = await ask(pool, path, { method, headers, ...init });
    assertEquals(
      [answer.status, answer.headers.get("Geecache-Result")],
      [204, "done"],
    );
  };
  await write("PUT", "/_geecache/scores/Tom", "631");
  assertEquals(group.peek("Tom")?.text(), "631");
  await write("DELETE", "/_geecache/scores/Tom");
  assertEquals(group.peek("Tom"), undefined);
  await write("PUT", "/_geecache/scores?key=..", "dots");
  assertEquals([...group.keys()], [".."]);
  await write("DELETE", "/_geecache/scores?clear");
  assertEquals([...group.keys()], []);
});

Deno.test("What only looks like ?clear clears nothing", async () => {
  const pool = scoresPool();
  const group = pool.getGroup("scores")!;
  await group.get("Tom");
  for (
    const path of ["scores", "scores?", "scores?clearly", "scores?x=clear"]
  ) {
    const init = { method: "DELETE", headers: PEER };
    const { status } = await ask(pool, `/_geecache/${path}`, init);
    assertEquals([status, [...group.keys()]], [400, ["Tom"]], path);
  }
});

Deno.test("No answer may be kept by a cache between peers", async () => {
  const pool = scoresPool();
  for (const method of ["GET", "HEAD", "PUT", "DELETE", "PATCH"]) {
    const init = { method, headers: PEER };
    const { headers } = await ask(pool, "/_geecache/scores/Tom", init);
    assertEquals(headers.get("Cache-Control"), "no-store", method);
  }
});

Deno.test("A peer's questions are counted as gets, and as questions of peers", async () => {
  const pool = scoresPool();
  const group = pool.getGroup("scores")!;
  await ask(pool, "/_geecache/scores/Tom");
  await ask(pool, "/_geecache/scores/Tom");
  await group.get("Tom");
  const { main: _main, hot: _hot, ...counts } = group.stats();
  assertEquals(counts, {
    gets: 3,
    cacheHits: 2,
    loads: 1,
    loadsDeduped: 1,
    peerLoads: 0,
    peerErrors: 0,
    localLoads: 1,
    localLoadErrs: 0,
    inherited: 0,
    serverRequests: 2,
  });
});

Deno.test("A POST carries a long key in its body", async () => {
  const pool = scoresPool();
  const key = "ä".repeat(40_000);
  const init = { method: "POST", headers: PEER, body: key };
  const answer = await ask(pool, "/_geecache/scores", init);
  assertEquals([answer.status, answer.text], [200, `<${key}>`]);
});

Deno.test("A POST below a key, or with a body that breaks off, is a bad request", async () => {
  const pool = scoresPool();
  const init = { method: "POST", headers: PEER, body: "Jack" };
  assertEquals((await ask(pool, "/_geecache/scores/Tom", init)).status, 400);
  const broken = new ReadableStream({
    start: (controller) => controller.error(new Error("reset")),
  });
  const answer = await ask(pool, "/_geecache/scores", {
    ...init,
    body: broken,
    duplex: "half",
  } as RequestInit);
  assertEquals([answer.status, answer.text], [
    400,
    "the body could not be read\n",
  ]);
  assertEquals([...pool.getGroup("scores")!.keys()], []);
});

Deno.test("A body that is too large gets a 413, one that is malformed a 400", async () => {
  const pool = scoresPool({ maxBodyBytes: 10 });
  const post = (body: BodyInit, method?: string) =>
    ask(pool, "/_geecache/scores", {
      method: "POST",
      headers: method ? { ...PEER, "Geecache-Method": method } : PEER,
      body,
    });
  assertEquals((await post("x".repeat(10))).status, 200);
  assertEquals((await post("x".repeat(11))).status, 413);
  let cancelled = false;
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(4)),
    cancel: () => void (cancelled = true),
  });
  const init = { method: "POST", headers: PEER, body: endless };
  const request = new Request(`${SELF}/_geecache/scores`, {
    ...init,
    duplex: "half",
  } as RequestInit);
  assertEquals((await pool.handler(request)).status, 413);
  assert(cancelled);
  assertEquals((await post(new Uint8Array([0xff]))).status, 400);
  assertEquals((await post("")).status, 400);
  assertEquals((await post("k", "PATCH")).status, 400);
  const frames = [[0], [0, 0, 0, 9, 97], [255, 255, 255, 255], [0, 0, 0, 0]];
  for (const frame of frames) {
    for (const method of ["PUT", "DELETE"]) {
      assertEquals((await post(new Uint8Array(frame), method)).status, 400);
    }
  }
  const ttl = { ...PEER, "Geecache-Ttl": "-5" };
  const put = { method: "PUT", headers: ttl, body: "v" };
  assertEquals((await ask(pool, "/_geecache/scores/Tom", put)).status, 400);
});

Deno.test("A client that leaves ends the getter's signal when nobody else waits", async () => {
  const pool = new HTTPPool(SELF);
  let signal: AbortSignal | undefined;
  pool.group("g", (_key, context) => {
    signal = context.signal;
    return new Promise<string>(() => {});
  });
  const [a, b] = [new AbortController(), new AbortController()];
  const asked = [a, b].map((c) =>
    ask(pool, "/_geecache/g/k", { signal: c.signal })
  );
  await settle();
  a.abort();
  await settle();
  assertEquals(signal?.aborted, false);
  b.abort();
  await settle();
  assertEquals(signal?.aborted, true);
  assertEquals((await Promise.all(asked)).map((r) => r.status), [499, 499]);
});

Deno.test("A request's signal is looked at on a miss alone", async () => {
  const pool = scoresPool();
  let looks = 0;
  for (let i = 0; i < 2; i++) {
    const request = new Request(`${SELF}/_geecache/scores/Tom`);
    const { signal } = request;
    Object.defineProperty(request, "signal", { get: () => (looks++, signal) });
    await (await pool.handler(request)).body?.cancel();
    assertEquals(looks, 1);
  }
});

Deno.test("A peer that waits so long and no longer is told that the load goes on", async () => {
  const clock = new FakeClock();
  const opened = gate<string>();
  const pool = new HTTPPool(SELF, { clock });
  let loads = 0;
  let signal: AbortSignal | undefined;
  pool.group("g", (_key, context) => {
    loads++;
    signal = context.signal;
    return opened.opened;
  });
  const headers = { ...PEER, "Geecache-Wait": "100" };
  for (let i = 0; i < 3; i++) {
    const asked = ask(pool, "/_geecache/g/k", { headers });
    await clock.advance(100);
    const answer = await asked;
    assertEquals(
      [answer.status, answer.headers.get("Geecache-Result")],
      [202, "pending"],
    );
  }
  const asked = ask(pool, "/_geecache/g/k", { headers });
  await settle();
  opened.open("v");
  assertEquals((await asked).text, "v");
  assertEquals([loads, signal?.aborted], [1, false]);
  assertEquals(clock.pending, 0);
});

Deno.test("A load whose asker does not ask again is given up", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool(SELF, { clock });
  let signal: AbortSignal | undefined;
  pool.group("g", (_key, context) => {
    signal = context.signal;
    return new Promise<string>(() => {});
  });
  const headers = { ...PEER, "Geecache-Wait": "100" };
  const asked = ask(pool, "/_geecache/g/k", { headers });
  await clock.advance(100);
  assertEquals((await asked).status, 202);
  await clock.advance(1000);
  assertEquals(signal?.aborted, false);
  await clock.advance(10_000);
  assertEquals([signal?.aborted, clock.pending], [true, 0]);
});

/** A pool whose groups "g" and "h" load for ever, with the getter's signal of each load. */
function stuckPool(clock: FakeClock): {
  pool: HTTPPool;
  signals: AbortSignal[];
} {
  const signals: AbortSignal[] = [];
  const pool = new HTTPPool(SELF, { clock });
  for (const name of ["g", "h"]) {
    pool.group(name, (_key, { signal }) => {
      signals.push(signal);
      return new Promise<string>(() => {});
    });
  }
  return { pool, signals };
}

Deno.test("Who sends no Geecache-Wait of whole milliseconds is never told pending", async () => {
  for (const wait of [undefined, "", "soon", "-1", "1.5"]) {
    const clock = new FakeClock();
    const opened = gate<string>();
    const pool = new HTTPPool(SELF, { clock });
    pool.group("g", () => opened.opened);
    const headers = wait === undefined
      ? PEER
      : { ...PEER, "Geecache-Wait": wait };
    const asked = ask(pool, "/_geecache/g/k", { headers });
    await clock.advance(60_000);
    opened.open("v");
    assertEquals((await asked).text, "v");
  }
});

Deno.test("An asker's next question takes the place of its last one, and of nobody else's", async () => {
  const other = { "Geecache-Peer": "http://localhost:8002" };
  for (
    const [path, asker] of [
      ["g/k", other],
      ["g/other", PEER],
      ["h/k", PEER],
    ] as const
  ) {
    const clock = new FakeClock();
    const { pool, signals } = stuckPool(clock);
    const wait = { "Geecache-Wait": "100" };
    const headers = { ...PEER, ...wait };
    const first = ask(pool, "/_geecache/g/k", { headers });
    await clock.advance(100);
    assertEquals((await first).status, 202);
    const controller = new AbortController();
    const second = ask(pool, `/_geecache/${path}`, {
      headers: { ...asker, ...wait },
      signal: controller.signal,
    });
    await settle();
    controller.abort();
    assertEquals((await second).status, 499);
    // The first asker still has time to ask again.
    assertEquals(signals[0]?.aborted, false, path);
    await clock.advance(5_000);
    assertEquals([signals[0]?.aborted, clock.pending], [true, 0]);
    await pool.close();
  }
});

Deno.test("A request that ends after its answer was pending aborts nothing", async () => {
  const clock = new FakeClock();
  const { pool, signals } = stuckPool(clock);
  const controller = new AbortController();
  const headers = { ...PEER, "Geecache-Wait": "100" };
  const init = { headers, signal: controller.signal };
  const asked = ask(pool, "/_geecache/g/k", init);
  await clock.advance(100);
  assertEquals((await asked).status, 202);
  // As Deno does after each response, unless told otherwise.
  controller.abort();
  await settle();
  assertEquals(signals[0]?.aborted, false);
  await pool.close();
});

Deno.test("What a load found while its asker is away is kept for it, and for no more than five seconds", async () => {
  for (const comesBack of [true, false]) {
    const clock = new FakeClock();
    const opened = gate<string>();
    const pool = new HTTPPool(SELF, { clock });
    let loads = 0;
    pool.group("g", () => {
      loads++;
      return opened.opened;
    });
    const headers = { ...PEER, "Geecache-Wait": "100" };
    const asked = ask(pool, "/_geecache/g/k", { headers });
    await clock.advance(100);
    assertEquals((await asked).status, 202);
    assertEquals(clock.pending, 1);
    opened.fail(new Error("no value to keep"));
    await settle();
    if (comesBack) {
      const again = await ask(pool, "/_geecache/g/k", { headers });
      assertEquals([again.status, loads], [500, 1]);
    } else {
      await clock.advance(5_000);
    }
    assertEquals(clock.pending, 0);
  }
});

Deno.test("An asker that comes back after a write is not given what was loaded before it", async () => {
  const clock = new FakeClock();
  const gates = [gate<string>(), gate<string>()];
  const pool = new HTTPPool(SELF, { clock });
  let loads = 0;
  const group = pool.group("g", () => gates[loads++]!.opened);
  const headers = { ...PEER, "Geecache-Wait": "100" };
  const asked = ask(pool, "/_geecache/g/k", { headers });
  await clock.advance(100);
  assertEquals((await asked).status, 202);
  await group.remove("k");
  gates[0]!.open("old");
  await settle();
  const again = ask(pool, "/_geecache/g/k", { headers });
  await settle();
  gates[1]!.open("new");
  assertEquals([(await again).text, loads], ["new", 2]);
  assertEquals(clock.pending, 0);
});

Deno.test("An asker that asked again and then leaves has left", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool(SELF, { clock });
  let signal: AbortSignal | undefined;
  pool.group("g", (_key, context) => {
    signal = context.signal;
    return new Promise<string>(() => {});
  });
  const headers = { ...PEER, "Geecache-Wait": "100" };
  const first = ask(pool, "/_geecache/g/k", { headers });
  await clock.advance(100);
  assertEquals((await first).status, 202);
  const controller = new AbortController();
  const init = { headers, signal: controller.signal };
  const second = ask(pool, "/_geecache/g/k", init);
  await settle();
  controller.abort();
  assertEquals((await second).status, 499);
  assertEquals([signal?.aborted, clock.pending], [true, 0]);
});

Deno.test("HTTPPool.close() ends every wait, and the pool answers no more", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool(SELF, { clock });
  const group = pool.group("g", () => new Promise<string>(() => {}));
  const waiting = group.get("k");
  const headers = { ...PEER, "Geecache-Wait": "100" };
  const lingering = ask(pool, "/_geecache/g/a", { headers });
  await clock.advance(100);
  assertEquals((await lingering).status, 202);
  const asked = ask(pool, "/_geecache/g/k");
  await settle();
  await pool.close();
  await assertRejects(() => waiting, Error, "the group is closed");
  assertEquals((await asked).headers.get("Geecache-Result"), "no-group");
  assertEquals((await ask(pool, "/_geecache/g/k")).status, 404);
  assertEquals(clock.pending, 0);
  assertThrows(() => pool.group("h", () => "v"), TypeError, "pool is closed");
  assertThrows(() => pool.setPeers([]), TypeError, "the pool is closed");
});

Deno.test("HTTPPool.removeGroup() takes the group out and closes it", async () => {
  const pool = scoresPool();
  const group = pool.getGroup("scores")!;
  assert(pool.removeGroup("scores"));
  assert(!pool.removeGroup("scores"));
  assertEquals(pool.getGroup("scores"), undefined);
  await assertRejects(() => group.get("Tom"), Error, "closed");
  pool.group("scores", () => "again");
  assertEquals((await ask(pool, "/_geecache/scores/Tom")).text, "again");
});

Deno.test("A pool has one group of a name", () => {
  assertThrows(
    () => scoresPool().group("scores", () => "v"),
    TypeError,
    'Cannot create Group "scores": the pool has a group of that name',
  );
});

Deno.test("A group has the pool's clock, or its own", async () => {
  const [clock, own] = [new FakeClock(), new FakeClock()];
  const pool = new HTTPPool(SELF, { clock });
  const getter = () => ({ value: "v", ttlMs: 100 });
  const first = pool.group("first", getter);
  const second = pool.group("second", getter, { clock: own });
  for (const group of [first, second]) await group.get("k");
  await clock.advance(100);
  assertEquals([first.peek("k"), second.peek("k")?.text()], [undefined, "v"]);
  await own.advance(100);
  assertEquals(second.peek("k"), undefined);
});

Deno.test("The runtime's fetch is looked up at each request", async () => {
  const pool = new HTTPPool(SELF);
  pool.setPeers(["http://peer"]);
  const group = pool.group("g", () => "mine");
  const own = globalThis.fetch;
  const headers = { "Geecache-Result": "value" };
  globalThis.fetch = () => Promise.resolve(new Response("theirs", { headers }));
  try {
    assertEquals((await group.get("k")).text(), "theirs");
  } finally {
    globalThis.fetch = own;
    await pool.close();
  }
});

Deno.test("HTTPPool takes an http or https origin and shows what else it got", () => {
  for (const self of ["http://h:80", "http://h/", "http://H", "http://h"]) {
    assertEquals(new HTTPPool(self).self, "http://h");
  }
  for (
    const self of ["", "h:80", "//h", "ftp://h", "http://h/a", "http://h?x"]
  ) {
    assertThrows(
      () => new HTTPPool(self),
      TypeError,
      `received ${JSON.stringify(self)}`,
    );
  }
});

Deno.test("HTTPPool refuses a bad option at once", () => {
  for (const basePath of ["", "a/", "/a", "/a b/", "/a?b/", "/../"]) {
    assertThrows(() => new HTTPPool(SELF, { basePath }), TypeError, "basePath");
  }
  for (const timeoutMs of [0, -1, NaN]) {
    assertThrows(
      () => new HTTPPool(SELF, { timeoutMs }),
      RangeError,
      `timeoutMs must be a number greater than 0: received ${timeoutMs}`,
    );
  }
  new HTTPPool(SELF, { maxBodyBytes: 0, timeoutMs: Infinity });
  for (const maxBodyBytes of [-1, NaN]) {
    assertThrows(
      () => new HTTPPool(SELF, { maxBodyBytes }),
      RangeError,
      `maxBodyBytes must be a non-negative number: received ${maxBodyBytes}`,
    );
  }
});

Deno.test("The handler refuses what Node's own servers hand out, in place of an answer that nobody looks at", () => {
  const pool = scoresPool();
  for (
    const [url, received] of [
      ["/_geecache/scores/Tom", '"/_geecache/scores/Tom"'],
      [undefined, "undefined"],
    ]
  ) {
    const { message } = assertThrows(
      () => pool.handler({ url, method: "GET", headers: {} } as never),
      TypeError,
    );
    assertEquals(
      message,
      "Cannot answer: a Request is needed, which toNodeHandler() makes on Node: " +
        `received one with the URL ${received}`,
    );
  }
});

Deno.test("A pool that is not in its own list says so, once for each list", async () => {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const logger = { debug: say, info: say, warn: say, error: say };
  const pool = new HTTPPool("http://localhost:8001", { logger });
  pool.setPeers(["http://localhost:8001", "http://localhost:8002"]);
  pool.setPeers([]);
  assertEquals(lines, []);
  pool.setPeers(["http://127.0.0.1:8001"]);
  pool.setPeers(["http://127.0.0.1:8001"]);
  assertEquals(lines, [
    "[Pool http://localhost:8001] is not in its own list of peers: it owns no key",
  ]);
  await pool.close();
});
