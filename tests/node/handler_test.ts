/** `toNodeHandler`, on real sockets. */

import { HTTPPool, type HTTPPoolOptions } from "../../mod.ts";
import { toNodeHandler } from "../../node.ts";
import { urlOf } from "../../node/request.ts";
import {
  answerTo,
  Client,
  exchanges,
  withServer,
} from "../support/node_server.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertThrows,
} from "../support/assert.ts";
import { gate } from "../support/time.ts";

const PEER = "Geecache-Peer: http://p";
const CLOSE = "Connection: close";

function echoPool(options?: HTTPPoolOptions): HTTPPool {
  const pool = new HTTPPool("http://h", options);
  pool.group("g", (key) => key === "absent" ? undefined : `<${key}>`);
  return pool;
}

function request(line: string, ...rest: string[]): string {
  return [`${line} HTTP/1.1`, "Host: h", CLOSE, ...rest, "", ""].join("\r\n");
}

/** The status and the body of an answer whose length is stated. */
function parsed(answer: string): [status: number, body: string] {
  const [head, body] = answer.split(/\r\n\r\n([^]*)/);
  return [Number(head!.split(" ")[1]), body!];
}

Deno.test("toNodeHandler() refuses a value that is no handler before a request comes", () => {
  const pool = new HTTPPool("http://h");
  for (const handler of [pool, undefined]) {
    const error = assertThrows(
      () => toNodeHandler(handler as unknown as HTTPPool["handler"]),
      TypeError,
    );
    assertEquals(
      error.message,
      "Cannot make a Node handler: handler must be a function, such as pool.handler: " +
        `received ${handler}`,
    );
  }
  assertThrows(
    () => toNodeHandler(pool.handler, { onError: 5 as never }),
    TypeError,
    "onError must be a function, such as console.error: received 5",
  );
});

Deno.test("A pool behind node:http answers with stated lengths on one connection", async () => {
  const pool = echoPool();
  await withServer(toNodeHandler(pool.handler), async (port) => {
    const client = new Client(port);
    await client.get("/_geecache/g/Tom").until(/<Tom>$/);
    // The second time from memory.
    client.text = "";
    const hit = await client.get("/_geecache/g/Tom").until(/<Tom>$/);
    assertMatch(hit, /^HTTP\/1.1 200 /);
    assertMatch(hit, /\r\ncontent-length: 5\r\n/i);
    assertMatch(hit, /\r\ngeecache-result: value\r\n/i);
    assertMatch(hit, /\r\ncontent-type: application\/octet-stream\r\n/i);
    client.text = "";
    await client.get("/_geecache/g/absent").until(/404 [^]*not-found/);
    client.text = "";
    await client.get("/elsewhere").until(/404 [^]*is outside of/);
    await client.close();
  });
  await pool.close();
});

Deno.test("A client that leaves aborts the getter's signal", async () => {
  const begun = gate();
  const aborted = gate();
  const pool = new HTTPPool("http://h");
  pool.group("g", (_, { signal }) => {
    signal.addEventListener("abort", () => aborted.open());
    begun.open();
    return new Promise<string>(() => {});
  });
  await withServer(toNodeHandler(pool.handler), async (port) => {
    const client = new Client(port);
    client.get("/_geecache/g/Tom");
    await begun.opened;
    await client.close();
    await aborted.opened;
  });
  await pool.close();
});

Deno.test("A signal that is first read after the client has left is aborted", async () => {
  const begun = gate();
  const left = gate();
  const seen = gate<boolean>();
  const listener = toNodeHandler(async (request) => {
    begun.open();
    await left.opened;
    seen.open(request.signal.aborted);
    return new Response("late");
  });
  await withServer((req, res) => {
    res.once("close", () => left.open());
    listener(req, res);
  }, async (port) => {
    const client = new Client(port);
    client.get("/");
    await begun.opened;
    await client.close();
    assertEquals(await seen.opened, true);
  });
});

Deno.test("The signal of an answered request does not fire, whichever side closes the connection", async () => {
  const signals: AbortSignal[] = [];
  const ends: Promise<void>[] = [];
  const listener = toNodeHandler((request) => {
    signals.push(request.signal);
    return new Response(`answer ${signals.length}.`);
  });
  await withServer((req, res) => {
    ends.push(new Promise((resolve) => res.once("close", resolve)));
    listener(req, res);
  }, async (port) => {
    const client = new Client(port);
    await client.get("/").until(/answer 1\./);
    await client.get("/").until(/answer 2\./);
    await client.close();
    await answerTo(port, request("GET /"));
    await Promise.all(ends);
  });
  assertEquals(signals.map(({ aborted }) => aborted), [false, false, false]);
});

Deno.test("A body beyond the limit gets a 413 and is not read to its end", async () => {
  const pool = echoPool({ maxBodyBytes: 1000 });
  await withServer(toNodeHandler(pool.handler), async (port) => {
    for (
      const [header, part] of [
        ["Content-Length: 1000000000", "x".repeat(2000)],
        ["Transfer-Encoding: chunked", `7d0\r\n${"x".repeat(2000)}\r\n`],
      ] as const
    ) {
      const client = new Client(port);
      client.send(
        ["PUT /_geecache/g/k HTTP/1.1", "Host: h", PEER, header, "", part]
          .join("\r\n"),
      );
      // The client keeps sending as fast as it can.
      client.socket.on("drain", () => client.send(part.repeat(100)));
      client.send(part.repeat(100));
      const answer = await client.whole();
      assertMatch(answer, /^HTTP\/1.1 413 /);
      assertMatch(answer, /larger than 1000 bytes/);
    }
  });
  await pool.close();
});

Deno.test("A client whose body ends after its 413 keeps its connection", async () => {
  const pool = echoPool({ maxBodyBytes: 1000 });
  await withServer(toNodeHandler(pool.handler), async (port) => {
    const client = new Client(port);
    client.send(
      `PUT /_geecache/g/k HTTP/1.1\r\nHost: h\r\n${PEER}\r\nContent-Length: 300000\r\n\r\n`,
    );
    await client.until(/413 [^]*larger than 1000 bytes/);
    client.send("x".repeat(300_000));
    await client.get("/_geecache/g/Tom").until(/ 200 [^]*<Tom>$/);
    await client.close();
  });
  await pool.close();
});

Deno.test("The body of an answer is pulled no faster than the client reads, and is cancelled when the client leaves", async () => {
  const PART = new Uint8Array(64 * 1024);
  let pulls = 0;
  const cancelled = gate();
  const listener = toNodeHandler((request) => {
    if (request.url.endsWith("/other")) return new Response("");
    return new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          pulls++;
          controller.enqueue(PART);
        },
        cancel: () => cancelled.open(),
      }),
    );
  });
  await withServer(listener, async (port) => {
    const client = new Client(port);
    client.get("/");
    await client.until(/ 200 /);
    client.socket.pause();
    // No more than the kernel buffers for a connection.
    let before = -1;
    while (pulls !== before) {
      before = pulls;
      await exchanges(port, "/other");
    }
    assert(pulls * PART.length < 64 * 1024 * 1024, `${pulls} parts`);
    await client.close();
    await cancelled.opened;
  });
});

Deno.test("Pipelined requests reach the handler one after the other, and not after their client has left", async () => {
  const gates = [gate(), gate()];
  const log: string[] = [];
  const listener = toNodeHandler(async (request) => {
    const path = new URL(request.url).pathname;
    log.push(path);
    if (path === "/other") return new Response("");
    await gates[Number(path.slice(1))]!.opened;
    return new Response(`answer${path}.${await request.text()}`);
  });
  await withServer(listener, async (port) => {
    const client = new Client(port);
    client.get("/0").send(
      "PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody",
    ).get("/2");
    const seen = () => log.filter((path) => path !== "/other");
    while (seen().length < 1) await exchanges(port, "/other");
    await exchanges(port, "/other");
    assertEquals(seen(), ["/0"]);
    gates[0]!.open();
    await client.until(/answer\/0\./);
    while (seen().length < 2) await exchanges(port, "/other");
    assertEquals(seen(), ["/0", "/1"]);
    await client.close();
    await exchanges(port, "/other");
    gates[1]!.open();
    await exchanges(port, "/other");
    assertEquals(seen(), ["/0", "/1"]);
  });
});

Deno.test("A request's body is read no faster than the handler reads it", async () => {
  const first = gate<number>();
  const goOn = gate();
  const listener = toNodeHandler(async (request) => {
    if (request.body === null) return new Response("");
    const reader = request.body.getReader();
    let length = (await reader.read()).value!.length;
    first.open(length);
    await goOn.opened;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Response(`${length} bytes.`);
      length += value.length;
    }
  });
  const bytes = 32 * 1024 * 1024;
  await withServer(listener, async (port) => {
    const client = new Client(port);
    client.send(
      `PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: ${bytes}\r\n\r\n`,
    );
    const sent = new Promise<string>((resolve) =>
      client.socket.write(new Uint8Array(bytes), () => resolve("sent"))
    );
    assert(await first.opened < bytes / 4);
    await exchanges(port, "/other");
    const waits = exchanges(port, "/other").then(() => "waits");
    assertEquals(await Promise.race([sent, waits]), "waits");
    goOn.open();
    await client.until(new RegExp(`${bytes} bytes\\.`));
    await client.close();
  });
});

/** The parts of a request that `urlOf` reads. */
function incoming(
  url: string,
  headers: Record<string, string> = { host: "h" },
  encrypted = false,
): Parameters<typeof urlOf>[0] {
  return { url, headers, socket: { encrypted } } as unknown as Parameters<
    typeof urlOf
  >[0];
}

Deno.test("A body that something else has read before is an error, and a 400 from a pool", async () => {
  const pool = echoPool();
  const errors: unknown[] = [];
  const pooled = toNodeHandler(pool.handler);
  const reads = toNodeHandler(async (request) => {
    for (const read of [() => request.clone().text(), () => request.text()]) {
      await read().catch((error) => errors.push(error));
    }
    return new Response("read");
  });
  await withServer((req, res) => {
    // As a body parser does.
    req.on("data", () => {});
    req.on("end", () => (req.url === "/" ? reads : pooled)(req, res));
  }, async (port) => {
    const body = ["Content-Length: 1", "", "k"];
    const post = (path: string) => request(`POST ${path}`, PEER, ...body);
    const trimmed = (text: string) => text.replace(/\r\n\r\n$/, "");
    const own = await answerTo(port, trimmed(post("/")));
    assertEquals(parsed(own), [200, "read"]);
    assertEquals(errors.length, 2);
    assert(errors.every((error) => error instanceof TypeError));
    const answer = await answerTo(port, trimmed(post("/_geecache/g")));
    assertEquals(parsed(answer), [400, "the body could not be read\n"]);
  });
  await pool.close();
});

Deno.test("A path keeps its segments of dots, so that the handler gets the key that was sent", async () => {
  const pool = echoPool({ protocol: "groupcache" });
  const root = echoPool({ basePath: "/" });
  const at = async (pool: HTTPPool, path: string): Promise<string> => {
    const response = await pool.handler(new Request(urlOf(incoming(path))!));
    return (await response.text()).replace(/^\n./, "").trim();
  };
  for (
    const [raw, key] of [
      ["..", ".."],
      [".", "."],
      ["%2e", "."],
      ["%2E.", ".."],
      [".%2e", ".."],
      ["%2e%2e", ".."],
      ["a/../b", "a/../b"],
      ["../../x", "../../x"],
      ["a/./", "a/./"],
      ["/..", "/.."],
      ["...", "..."],
      [".a/b.", ".a/b."],
      ["a\\..", "a\\.."],
      ["a#b", "a#b"],
      ["\xe6\x97\xa5/..", "日/.."],
      ["..?q=/..", ".."],
      ["a'b", "a'b"],
      ["<a>|{b}^`", "<a>|{b}^`"],
    ] as const
  ) {
    assertEquals(await at(pool, `/_groupcache/g/${raw}`), `<${key}>`, raw);
    assertEquals(await at(root, `/g/${raw}`), `<${key}>`, raw);
  }
  // Only paths that can be those of keys keep their dots.
  assertMatch(await at(pool, "/_groupcache/../x"), /outside/);
  assertEquals(urlOf(incoming("/../x")), "http://h/x");
  await Promise.all([pool.close(), root.close()]);
});

Deno.test("urlOf() gives the URL that Request would make", () => {
  for (
    const path of [
      "/",
      "//x",
      "/a?b=c&d='e'",
      "/a%20b",
      "/a?b#c".replace("#", "%23"),
      '/"<>`{}|^[]',
      '/?"<>`{}|^[]',
      "/~!$&'()*+,;=:@",
      "/a?/../b",
    ]
  ) {
    assertEquals(
      urlOf(incoming(path)),
      new Request(`http://h${path}`).url,
      path,
    );
  }
});

Deno.test("Scheme and host come from the connection and the Host header", () => {
  for (
    const [headers, encrypted, url] of [
      [{ host: "h:8080" }, false, "http://h:8080/x"],
      [{ host: "h:80" }, false, "http://h/x"],
      [{ host: "H" }, true, "https://h/x"],
      [{ host: "[::1]:80" }, true, "https://[::1]:80/x"],
      [{ ":authority": "h2:443" }, true, "https://h2/x"],
      [{}, false, "http://localhost/x"],
    ] as const
  ) assertEquals(urlOf(incoming("/x", headers, encrypted)), url);
  assertEquals(urlOf(incoming("http://p:81/x/../y")), "http://p:81/y");
  for (
    const host of ["a/b", "/a", "a?b", "a#b", "u@h", "a b", "h:99999", "["]
  ) {
    assertEquals(urlOf(incoming("/x", { host })), undefined, host);
  }
  const named = ["http://u@h/", "http://u:p@h/", "http://:p@h/"];
  for (const target of ["*", "x", "h:80", "ftp://h/", "http://[", ...named]) {
    assertEquals(urlOf(incoming(target)), undefined, target);
  }
});

Deno.test("A pool that Express mounts at a path answers below that path", async () => {
  const pool = echoPool({ basePath: "/cache/_geecache/" });
  const listener = toNodeHandler(pool.handler);
  await withServer((req, res) => {
    // As Express does where a handler is mounted.
    const { url = "" } = req;
    Object.assign(req, { originalUrl: url, url: url.replace("/cache", "") });
    listener(req, res);
  }, async (port) => {
    const answer = await answerTo(
      port,
      request("GET /cache/_geecache/g/k%2F1"),
    );
    assertEquals(parsed(answer), [200, "<k/1>"]);
  });
  await pool.close();
});

Deno.test("A malformed Host or target gets a 400, also over a socket", async () => {
  await withServer(
    toNodeHandler((request) => new Response(request.url)),
    async (port) => {
      const ask = async (line: string, host: string): Promise<number> => {
        const text = `${line} HTTP/1.1\r\nHost: ${host}\r\n${CLOSE}\r\n\r\n`;
        return parsed(await answerTo(port, text))[0];
      };
      assertEquals(await ask("GET /", "a/b"), 400);
      assertEquals(await ask("OPTIONS *", "h"), 400);
      assertEquals(await ask("GET /", "h"), 200);
    },
  );
});

Deno.test("An onError that throws or rejects ends neither the answer nor the process", async () => {
  const fail = (): never => {
    throw new Error("the disk is full");
  };
  for (const onError of [fail, () => Promise.reject(new Error("full"))]) {
    const handlers = [fail, () => Promise.reject(new Error("a fault"))];
    for (const handler of handlers) {
      await withServer(toNodeHandler(handler, { onError }), async (port) => {
        const answer = await fetch(`http://127.0.0.1:${port}/`);
        assertEquals(answer.status, 500);
        assertEquals(await answer.text(), "internal server error\n");
      });
    }
  }
});

Deno.test("A handler that throws causes a 500, and the server goes on", async () => {
  const told: unknown[] = [];
  const thrown = new Error("no luck");
  const listener = toNodeHandler((request) => {
    if (request.url.endsWith("/throw")) throw thrown;
    if (request.url.endsWith("/reject")) return Promise.reject(thrown);
    if (request.url.endsWith("/none")) return undefined as unknown as Response;
    if (request.url.endsWith("/used")) {
      const response = new Response("x");
      return response.text().then(() => response);
    }
    return new Response("fine", { statusText: "Very Well" });
  }, { onError: (error) => told.push(error) });
  await withServer(listener, async (port) => {
    for (const path of ["throw", "reject", "none", "used"]) {
      const answer = await answerTo(port, request(`GET /${path}`));
      assertEquals(parsed(answer), [500, "internal server error\n"], path);
    }
    const fine = await answerTo(port, request("GET /"));
    assertEquals(parsed(fine), [200, "fine"]);
    assertMatch(fine, /^HTTP\/1.1 200 Very Well\r\n/);
  });
  assertEquals(told.slice(0, 2), [thrown, thrown]);
  assertEquals(told.length, 4);
});

Deno.test("An answer whose body fails is cut off instead of ended", async () => {
  const told = gate<unknown>();
  const sent = gate();
  const listener = toNodeHandler(() => {
    let parts = 0;
    return new Response(
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (parts++ === 0) controller.enqueue(new Uint8Array([65, 66]));
          else {
            await sent.opened;
            controller.error(new Error("the source broke"));
          }
        },
      }),
    );
  }, { onError: told.open });
  await withServer(listener, async (port) => {
    const client = new Client(port);
    await client.get("/").until(/AB/);
    sent.open();
    const answer = await client.whole();
    assert(!/\r\n0\r\n/.test(answer), answer);
    assertEquals(String(await told.opened), "Error: the source broke");
  });
});

Deno.test("HEAD, 204 and 304 have no body, and each cookie has a header of its own", async () => {
  let cancelled = 0;
  const listener = toNodeHandler(({ url, method }) => {
    const headers = new Headers({ "X-Method": method });
    headers.append("Set-Cookie", "a=1");
    headers.append("Set-Cookie", "b=2");
    const status = Number(url.slice(-3));
    const body = status === 200
      ? new ReadableStream({ cancel: () => void cancelled++ })
      : null;
    return new Response(body, { status, headers });
  });
  await withServer(listener, async (port) => {
    for (
      const line of [
        "HEAD /200",
        "GET /204",
        "GET /304",
        "HEAD /404",
        "GET /404",
      ]
    ) {
      const answer = await answerTo(port, request(line));
      const [method, path] = line.split(" /");
      assertEquals(parsed(answer), [Number(path), ""], line);
      assertMatch(answer, new RegExp(`x-method: ${method}`, "i"));
      assertMatch(answer, /set-cookie: a=1\r\nset-cookie: b=2/i);
    }
  });
  assertEquals(cancelled, 1);
  const pool = echoPool();
  await withServer(toNodeHandler(pool.handler), async (port) => {
    for (let i = 0; i < 2; i++) {
      const answer = await answerTo(port, request("HEAD /_geecache/g/Tom"));
      assertMatch(answer, /content-length: 5/i);
      assertEquals(parsed(answer), [200, ""]);
    }
  });
  await pool.close();
});

Deno.test("A handler gets a Request with every property of one", async () => {
  let run: (request: Request) => Promise<unknown>;
  const listener = toNodeHandler(async (request) =>
    Response.json(await run(request))
  );
  await withServer(listener, async (port) => {
    const ask = async (
      as: (request: Request) => Promise<unknown>,
    ): Promise<unknown> => {
      run = as;
      const body = '{"a":"b"}';
      const length = new TextEncoder().encode(body).length;
      const client = new Client(port);
      client.send(
        `POST /x HTTP/1.1\r\nHost: h\r\n${CLOSE}\r\nX-A: 1\r\nX-A: 2\r\n` +
          `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n` +
          body,
      );
      return JSON.parse(parsed(await client.whole())[1]);
    };
    const rejects = (promise: Promise<unknown>): Promise<string> =>
      promise.then(() => "resolved", (error) => error.name);
    assertEquals(
      await ask((request) =>
        Promise.resolve([
          request instanceof Request,
          request.method,
          request.url,
          request.headers.get("x-a"),
          request.redirect,
          request.bodyUsed,
          request.body instanceof ReadableStream,
        ])
      ),
      [true, "POST", "http://h/x", "1, 2", "follow", false, true],
    );
    assertEquals(await ask((r) => r.json()), { a: "b" });
    assertEquals(await ask((r) => r.text()), '{"a":"b"}');
    assertEquals(
      await ask(async (r) => {
        const bytes = new Uint8Array(await r.arrayBuffer());
        return [bytes.length, r.bodyUsed, await rejects(r.text())];
      }),
      [9, true, "TypeError"],
    );
    assertEquals(
      await ask(async (r) => {
        const copy = r.clone();
        return [await copy.json(), await new Request(copy.url, r).json()];
      }),
      [{ a: "b" }, { a: "b" }],
    );
    assertEquals(
      await ask(async (r) => {
        const other = new Request("http://h/_geecache/g/k", r);
        return [other.method, other.url, await other.text()];
      }),
      ["POST", "http://h/_geecache/g/k", '{"a":"b"}'],
    );
  });
});

Deno.test("A wrapper may read and change the answers of a pool", async () => {
  const pool = echoPool();
  const listener = toNodeHandler(async (request) => {
    const response = await pool.handler(request);
    if (request.url.endsWith("read")) {
      return new Response(`[${await response.text()}]`, response);
    }
    assert(response instanceof Response && response.ok);
    response.headers.set("X-Extra", "yes");
    return response;
  });
  await withServer(listener, async (port) => {
    for (let i = 0; i < 2; i++) {
      const changed = await answerTo(port, request("GET /_geecache/g/Tom"));
      assertEquals(parsed(changed), [200, "<Tom>"]);
      assertMatch(changed, /x-extra: yes/i);
      const read = await answerTo(port, request("GET /_geecache/g/read"));
      assertEquals(parsed(read), [200, "[<read>]"]);
      assertMatch(read, /geecache-result: value/i);
    }
  });
  await pool.close();
});

Deno.test("A target that a framework has decoded is escaped again, whatever its characters", () => {
  assertEquals(urlOf(incoming("/\u{10000}")), "http://h/%F0%90%80%80");
  assertEquals(urlOf(incoming("/\ud800")), "http://h/%EF%BF%BD");
});
