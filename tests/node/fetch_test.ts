/** `keepAliveFetch`, on real sockets. */

import { createServer as createServerOfSockets, type Socket } from "node:net";
import process from "node:process";
import { HTTPPool } from "../../mod.ts";
import { keepAliveFetch, toNodeHandler } from "../../node.ts";
import {
  Client,
  end,
  exchanges,
  portOf,
  withServer,
} from "../support/node_server.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { gate } from "../support/time.ts";

/** Runs a test with a `keepAliveFetch()` of its own, and closes it afterwards. */
async function withFetch(
  run: (fetch: ReturnType<typeof keepAliveFetch>) => Promise<void>,
): Promise<void> {
  const fetch = keepAliveFetch();
  try {
    await run(fetch);
  } finally {
    fetch.close();
  }
}

/**
 * Serves until `run` has ended; the test writes every answer: `answer` is called for
 * each request, with the numbers of its connection and of the request on it.
 */
async function withSockets(
  answer: (socket: Socket, connection: number, request: number) => void,
  run: (url: string) => Promise<void>,
): Promise<void> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServerOfSockets((socket) => {
    const connection = ++connections;
    let requests = 0;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.on("data", (data: Uint8Array) => {
      const text = new TextDecoder().decode(data);
      if (/^[A-Z]+ \//.test(text)) answer(socket, connection, ++requests);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    await run(`http://127.0.0.1:${portOf(server)}/x`);
  } finally {
    await end({
      close: (done) => server.close(done) as never,
      closeAllConnections: () => {
        for (const socket of sockets) socket.destroy();
      },
    });
  }
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Deno.test("keepAliveFetch sends each request as it is given and returns the answer as it comes", () =>
  withFetch((fetch) =>
    withServer((req, res) => {
      const chunks: Uint8Array[] = [];
      req.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      req.on("end", () => {
        const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        res.setHeader("X-Length", req.headers["content-length"] ?? "none");
        res.setHeader("Set-Cookie", ["a=1", "b=2"]);
        res.statusCode = req.method === "DELETE" ? 204 : 201;
        res.end(`${req.method} ${req.url} ${req.headers["x-a"]} ${length}`);
      });
    }, async (port) => {
      const url = `http://127.0.0.1:${port}/a?b`;
      const headers = { "X-A": "1" };
      const body = new Uint8Array(1000);
      const init = { method: "PUT", headers, body };
      for (
        const response of [
          await fetch(url, init),
          await fetch(new URL(url), init),
          await fetch(new Request(url, init)),
          await fetch(new Request(url), init),
          await fetch(url, { ...init, headers: new Headers(headers) }),
          await fetch(url, { ...init, headers: [["X-A", "1"]] }),
          await fetch(url, { ...init, body: "x".repeat(1000) }),
        ]
      ) {
        assert(response instanceof Response);
        assertEquals(
          [response.status, response.ok, response.redirected, response.url],
          [201, true, false, url],
        );
        assertEquals(response.headers.get("x-length"), "1000");
        assertEquals(response.headers.getSetCookie(), ["a=1", "b=2"]);
        assertEquals(response.bodyUsed, false);
        const copy = response.clone();
        assertEquals(await response.text(), "PUT /a?b 1 1000");
        assertEquals(await copy.text(), "PUT /a?b 1 1000");
      }
      const streamed = await fetch(url, {
        method: "PUT",
        body: new Blob([new Uint8Array(300_000)]).stream(),
      });
      assertEquals(streamed.headers.get("x-length"), "none");
      const bytes = await streamed.arrayBuffer();
      const text = new TextDecoder().decode(bytes);
      assertEquals(text, "PUT /a?b undefined 300000");
      assertEquals(streamed.bodyUsed, true);
      await assertRejects(() => streamed.text(), TypeError);
      const none = await fetch(url, { method: "DELETE" });
      assertEquals([none.status, none.body], [204, null]);
      const head = await fetch(url, { method: "HEAD" });
      assertEquals([head.status, await head.text()], [201, ""]);
      await assertRejects(
        () => fetch(url, { method: "PUT", body: new Blob(["x"]) }),
        TypeError,
        "Cannot fetch: body must be",
      );
    })
  ));

Deno.test("A long body that is sent as it comes prints no warning", () =>
  withFetch((fetch) =>
    withServer(async (req, res) => {
      let length = 0;
      for await (const chunk of req) length += chunk.length;
      res.end(String(length));
    }, async (port) => {
      const warnings: unknown[] = [];
      const note = (warning: Error) => void warnings.push(warning.name);
      process.on("warning", note);
      let parts = 20;
      // Each part is more than a socket takes at once.
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (parts-- > 0) controller.enqueue(new Uint8Array(300_000));
          else controller.close();
        },
      });
      const url = `http://127.0.0.1:${port}/`;
      const answer = await fetch(url, { method: "PUT", body });
      const text = new TextDecoder().decode(await answer.arrayBuffer());
      process.off("warning", note);
      assertEquals([text, warnings], ["6000000", []]);
    })
  ));

Deno.test("Requests that follow one another share a socket", () =>
  withFetch((fetch) => {
    const seen: string[] = [];
    return withSockets((socket, connection, request) => {
      seen.push(`${connection}.${request}`);
      socket.write(OK);
    }, async (url) => {
      for (let i = 0; i < 3; i++) {
        assertEquals(await (await fetch(url)).text(), "ok");
      }
      assertEquals(seen, ["1.1", "1.2", "1.3"]);
    });
  }));

Deno.test("A redirect is returned as the answer and not followed", () =>
  withFetch((fetch) =>
    withServer((req, res) => {
      assertEquals(req.url, "/a");
      res.writeHead(301, { Location: "/b" }).end("moved");
    }, async (port) => {
      for (const redirect of ["manual", "follow"] as const) {
        const url = `http://127.0.0.1:${port}/a`;
        const response = await fetch(url, { redirect });
        assertEquals([response.status, response.redirected], [301, false]);
        assertEquals(response.headers.get("location"), "/b");
        assertEquals(await response.text(), "moved");
      }
    })
  ));

Deno.test("A kept socket that was closed costs one more request, on a new socket", async () => {
  for (const body of [undefined, new Uint8Array(10)]) {
    const seen: string[] = [];
    await withFetch((fetch) =>
      withSockets((socket, connection, request) => {
        seen.push(`${connection}.${request}`);
        // As a process does that ends when the request arrives.
        if (request === 1) socket.write(OK);
        else socket.destroy();
      }, async (url) => {
        const init = body === undefined ? {} : { method: "POST", body };
        for (let i = 0; i < 2; i++) {
          assertEquals(await (await fetch(url, init)).text(), "ok");
        }
      })
    );
    assertEquals(seen, ["1.1", "1.2", "2.1"]);
  }
});

Deno.test("A kept socket that breaks costs one more request at most, and none if an answer began or the body is used up", async () => {
  const stream = () => new Blob(["x"]).stream();
  // Deno's own client asks once more in any case.
  const once = "deno" in process.versions ? 3 : 2;
  for (
    const [first, init, requests] of [
      ["", {}, 3],
      ["HTTP/1.1 200", {}, once],
      ["", { method: "PUT", body: stream }, once],
    ] as const
  ) {
    let seen = 0;
    await withFetch((fetch) =>
      withSockets((socket) => {
        if (++seen === 1) socket.write(OK);
        else if (first === "") socket.destroy();
        else socket.write(first, () => socket.destroy());
      }, async (url) => {
        await (await fetch(url)).text();
        const body = "body" in init ? { ...init, body: init.body() } : init;
        await assertRejects(() => fetch(url, body), Error);
      })
    );
    assertEquals(seen, requests, JSON.stringify([first, init]));
  }
});

Deno.test("A new socket that breaks is an error at once", () =>
  withFetch(async (fetch) => {
    let seen = 0;
    await withSockets((socket) => {
      seen++;
      socket.destroy();
    }, (url) => assertRejects(() => fetch(url), Error).then(() => {}));
    assertEquals(seen, 1);
  }));

Deno.test("An abort ends a request that waits for its answer", () =>
  withFetch((fetch) => {
    const arrived = gate();
    const left = gate();
    return withServer((_, res) => {
      res.on("close", left.open);
      arrived.open();
    }, async (port) => {
      const url = `http://127.0.0.1:${port}/`;
      const controller = new AbortController();
      const reason = new Error("enough");
      const answer = fetch(url, { signal: controller.signal });
      await arrived.opened;
      controller.abort(reason);
      assertEquals(await assertRejects(() => answer, Error), reason);
      await left.opened;
      // A request that has not been sent yet ends, too.
      const late = fetch(url, { signal: controller.signal });
      assertEquals(await assertRejects(() => late, Error), reason);
    });
  }));

Deno.test("An abort ends a request that waits for a socket", async () => {
  const fetch = keepAliveFetch({ maxSockets: 1 });
  const arrived = gate();
  try {
    await withServer(() => arrived.open(), async (port) => {
      const url = `http://127.0.0.1:${port}/`;
      const first = fetch(url);
      await arrived.opened;
      const controller = new AbortController();
      const { signal } = controller;
      const reason = new Error("enough");
      const second = fetch(url, { signal });
      const third = fetch(url, { method: "PUT", body: "x", signal });
      controller.abort(reason);
      assertEquals(await assertRejects(() => second, Error), reason);
      assertEquals(await assertRejects(() => third, Error), reason);
      fetch.close();
      await assertRejects(() => first, Error, "the fetch was closed");
    });
  } finally {
    fetch.close();
  }
});

Deno.test("close() ends the requests that wait for a socket", async () => {
  const fetch = keepAliveFetch({ maxSockets: 1 });
  const arrived = gate();
  await withServer(() => arrived.open(), async (port) => {
    const url = `http://127.0.0.1:${port}/`;
    const requests = [1, 2, 3, 4].map(() => fetch(url));
    for (const request of requests) request.catch(() => {});
    await arrived.opened;
    fetch.close();
    for (const request of requests) {
      await assertRejects(() => request, Error, "the fetch was closed");
    }
  });
});

Deno.test("An answer that switches to another protocol is an error", () =>
  withFetch((fetch) =>
    withSockets((socket) => {
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" +
          "Upgrade: other\r\n\r\n",
      );
    }, async (url) => {
      await assertRejects(() => fetch(url), Error);
    })
  ));

Deno.test("An abort or a cancel ends a body that is being read", () =>
  withFetch((fetch) => {
    let left = gate();
    const reason = new Error("enough");
    return withServer((_, res) => {
      res.on("close", () => left.open());
      res.writeHead(200, { "Content-Length": 1000 });
      res.write("begun");
    }, async (port) => {
      const url = `http://127.0.0.1:${port}/`;
      const ends: ((response: Response, abort: () => void) => Promise<void>)[] =
        [
          async (response, abort) => {
            const reader = response.body!.getReader();
            await reader.read();
            const next = reader.read();
            abort();
            assertEquals(await assertRejects(() => next, Error), reason);
          },
          async (response, abort) => {
            const whole = response.arrayBuffer();
            abort();
            assertEquals(await assertRejects(() => whole, Error), reason);
          },
          (response) => response.body!.cancel(),
        ];
      for (const endOf of ends) {
        left = gate();
        const controller = new AbortController();
        const { signal } = controller;
        await endOf(
          await fetch(url, { signal }),
          () => controller.abort(reason),
        );
        await left.opened;
      }
    });
  }));

Deno.test("A body that breaks off is an error, read as a whole or in parts", () =>
  withFetch((fetch) =>
    withSockets((socket) => {
      socket.write(
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        () => socket.end(),
      );
    }, async (url) => {
      const whole = await fetch(url);
      await assertRejects(() => whole.arrayBuffer(), Error);
      const late = await fetch(url);
      // It breaks off before it is read.
      await (await fetch(url)).arrayBuffer().catch(() => {});
      await assertRejects(() => late.arrayBuffer(), Error);
      const parts = await fetch(url);
      await assertRejects(() => parts.text(), Error);
    })
  ));

Deno.test("An answer is received no faster than its body is read", () =>
  withFetch((fetch) => {
    const bytes = 32 * 1024 * 1024;
    let sent = false;
    return withServer((req, res) => {
      if (req.url === "/other") res.end();
      else res.write(new Uint8Array(bytes), () => sent = true);
    }, async (port) => {
      const response = await fetch(`http://127.0.0.1:${port}/`);
      await exchanges(port, "/other");
      const reader = response.body!.getReader();
      let length = (await reader.read()).value!.length;
      await exchanges(port, "/other");
      assertEquals(sent, false);
      while (length < bytes) length += (await reader.read()).value!.length;
      await exchanges(port, "/other");
      assertEquals(sent, true);
      await reader.cancel();
    });
  }));

Deno.test("A compressed answer is refused, since none was asked for", () =>
  withFetch((fetch) =>
    withServer((req, res) => {
      assertEquals(req.headers["accept-encoding"], undefined);
      res.setHeader("Content-Encoding", "gzip");
      res.end("x");
    }, async (port) => {
      await assertRejects(
        () => fetch(`http://127.0.0.1:${port}/`),
        TypeError,
        "Cannot fetch: the answer is in gzip",
      );
    })
  ));

Deno.test("close() ends the requests under way and closes the kept sockets", async () => {
  const fetch = keepAliveFetch();
  const arrived = gate();
  const closed = [gate(), gate()] as const;
  await withSockets((socket, connection) => {
    socket.on("close", closed[connection - 1]!.open);
    if (connection === 1) socket.write(OK);
    else arrived.open();
  }, async (url) => {
    const kept = await fetch(url);
    const other = fetch(url);
    await kept.text();
    const failed = assertRejects(() => other, Error, "the fetch was closed");
    await arrived.opened;
    fetch.close();
    await failed;
    await Promise.all(closed.map(({ opened }) => opened));
  });
});

Deno.test("keepAliveFetch reports an error when nothing listens at the address", () =>
  withFetch(async (fetch) => {
    const port = await withServer(() => {}, (port) => Promise.resolve(port));
    await assertRejects(() => fetch(`http://127.0.0.1:${port}/`), Error);
    const client = new Client(port);
    assertEquals(await client.whole(), "");
  }));

Deno.test("A pool builds no Request for keepAliveFetch", async () => {
  const fetch = keepAliveFetch();
  const asRequest = () => Promise.reject(new Error("it was given a Request"));
  const direct = Symbol.for("geecache.fetch");
  const pool = new HTTPPool("http://127.0.0.1:1", {
    fetch: Object.assign(asRequest, {
      [direct]: (fetch as unknown as Record<symbol, unknown>)[direct],
    }),
  });
  const owner = new HTTPPool("http://127.0.0.1:2");
  owner.group("g", (key) => `<${key}>`);
  await withServer(toNodeHandler(owner.handler), async (port) => {
    pool.setPeers([`http://127.0.0.1:${port}`]);
    const group = pool.group("g", () => "loaded here");
    assertEquals((await group.get("Tom")).text(), "<Tom>");
  });
  await Promise.all([pool.close(), owner.close()]);
  fetch.close();
});
