/** What the handler answers to each request, to the letter. */

import fc from "fast-check";
import { Group, HTTPPool } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ask, PEER, scoresPool, SELF } from "../support/handler.ts";
import { FakeClock, settle } from "../support/time.ts";
import { CHARACTER } from "../support/text.ts";

Deno.test("The handler answers with the texts and statuses of GeeCache", async () => {
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

Deno.test("A path with a malformed escape or malformed UTF-8 gets a 400, never a crash", async () => {
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

Deno.test("An expiring value says how long it has left, also when it comes from memory", async () => {
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

Deno.test("A query that only looks like ?clear clears nothing", async () => {
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

Deno.test("Every answer forbids caches between peers to keep it", async () => {
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
    staleHits: 0,
    loads: 1,
    loadsDeduped: 1,
    peerLoads: 0,
    peerErrors: 0,
    localLoads: 1,
    localLoadErrs: 0,
    inherited: 0,
    refreshes: 0,
    staleAnswers: 0,
    negativeHits: 0,
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

Deno.test("A body that is too large gets a 413, and a malformed one a 400", async () => {
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

Deno.test("A getter that uses a closed group counts as a failed load, not as a missing group", async () => {
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

Deno.test("A write whose body arrives after its group was removed and made again reaches the new group", async () => {
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

Deno.test("HTTPPool.close() ends a request whose body has not come", async () => {
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

Deno.test("An answer that waits for no load does not look whether the client has left", async () => {
  // To look makes Deno's server print a warning, unless it is configured not to.
  const pool = scoresPool();
  const group = pool.getGroup("scores")!;
  await group.get("Tom");
  for (
    const [path, init, status] of [
      ["/Tom", {}, 200],
      ["/Tom", { method: "HEAD" }, 200],
      ["/no", { headers: { ...PEER, "Geecache-Peek": "1" } }, 404],
      ["", { method: "POST", headers: PEER, body: "Tom" }, 200],
      ["/Sam", { method: "PUT", headers: PEER, body: "567" }, 204],
      ["/Sam", { method: "DELETE", headers: PEER }, 204],
      ["?clear=copies", { method: "DELETE", headers: PEER }, 204],
      ["", {}, 400],
      ["/Tom", { method: "PATCH" }, 405],
      ["/Tom", { method: "PUT" }, 403],
    ] as [string, RequestInit, number][]
  ) {
    const url = `${SELF}/_geecache/scores${path}`;
    const request = new Request(url, init);
    let looked = false;
    Object.defineProperty(request, "signal", {
      get: () => {
        looked = true;
        return new AbortController().signal;
      },
    });
    const response = await pool.handler(request);
    await response.arrayBuffer();
    assertEquals([response.status, looked], [status, false], path);
  }
  await pool.close();
});

/** A request whose URL and method are not what a `Request` would make of them. */
function oddRequest(url: string, method: string, init: RequestInit): Request {
  const request = new Request(SELF, { ...init, method: "POST" });
  Object.defineProperties(request, {
    url: { value: url },
    method: { value: method },
  });
  return request;
}

Deno.test("A request whose URL has no host is a 400, as Bun's server gives it for HTTP/1.0", async () => {
  for (const secret of [undefined, "a-secret-of-this-test"]) {
    const pool = scoresPool(secret === undefined ? {} : { secret });
    for (
      const path of ["/_geecache/scores/Tom", "/x://h/_geecache/scores/Tom"]
    ) {
      const response = await pool.handler(oddRequest(path, "GET", {}));
      assertEquals([response.status, await response.text()], [
        400,
        "bad request\n",
      ]);
    }
    await pool.close();
  }
});

Deno.test("No request makes the handler throw", async () => {
  const words = fc.constantFrom(
    ...["", "/", "//", "_geecache/", "scores", "Tom", "?key=", "?clear", "#"],
    ...["%", "%2e%2e", "%ff", "..", "\\", "\0", "\ud800", "@", ":", "é", " "],
  );
  const tail = fc.array(fc.oneof(words, fc.string({ unit: CHARACTER })), {
    maxLength: 6,
  }).map((parts) => parts.join(""));
  const url = fc.tuple(
    fc.constantFrom("", `${SELF}/_geecache/`, SELF, "http:", "x://", "/"),
    tail,
  ).map((parts) => parts.join(""));
  const number = fc.oneof(fc.integer().map(String), fc.constantFrom("", "1e9"));
  const headers = fc.record({
    "Geecache-Peer": fc.constantFrom("", "http://localhost:8001", "%"),
    // Small, so that nothing has to wait.
    "Geecache-Wait": fc.constantFrom("", "0", "-1", "x", "1e99"),
    "Geecache-Ring": fc.constantFrom("", "00000000", "x"),
    "Geecache-Peek": fc.constantFrom("", "1"),
    "Geecache-Ttl": number,
    "Geecache-Method": fc.constantFrom("", "GET", "PUT", "DELETE", "x"),
    "Content-Length": number,
    "Content-Encoding": fc.constantFrom("gzip", ""),
  }, { requiredKeys: [] });
  const method = fc.oneof(
    fc.constantFrom("GET", "HEAD", "PUT", "POST", "DELETE", "TRACE", ""),
    fc.string(),
  );
  const body = fc.oneof(fc.uint8Array(), fc.constant(undefined));
  const protocol = fc.constantFrom("native", "geecache", "groupcache");
  const property = fc.asyncProperty(
    protocol,
    url,
    method,
    headers,
    body,
    fc.constantFrom("fresh", "read", "locked"),
    async (protocol, url, method, headers, bytes, state) => {
      const pool = scoresPool({ protocol, timeoutMs: 50 });
      try {
        const body = bytes === undefined ? {} : { body: bytes.slice() };
        const request = oddRequest(url, method, { headers, ...body });
        if (state === "read") await request.arrayBuffer();
        if (state === "locked") request.body?.getReader();
        const { status } = await pool.handler(request);
        assert(status >= 200 && status < 600, `${status}`);
      } finally {
        await pool.close();
      }
    },
  );
  await fc.assert(property, { numRuns: 500 });
});
