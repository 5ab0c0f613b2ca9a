/** Pools over `toNodeHandler` and `keepAliveFetch`, in the clear and over TLS. */

import { spawn } from "node:child_process";
import type { Server } from "node:http";
import { connect as connectHttp2, createSecureServer } from "node:http2";
import { createServer as createTLSServer } from "node:https";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { HTTPPool, PeerError } from "../../mod.ts";
import { keepAliveFetch, toNodeHandler } from "../../node.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { end, portOf, withServer } from "../support/node_server.ts";
import { gate } from "../support/time.ts";
import { identities } from "../support/tls.ts";

Deno.test("Two pools over node:http are one cache for keys, links and writes", async () => {
  let first: HTTPPool;
  let second: HTTPPool;
  await withServer(
    (req, res) => toNodeHandler(first.handler)(req, res),
    (a) =>
      withServer(
        (req, res) => toNodeHandler(second.handler)(req, res),
        async (b) => {
          const fetches = [keepAliveFetch(), keepAliveFetch()];
          const origins = [a, b].map((port) => `http://127.0.0.1:${port}`);
          const pools = origins.map((origin, i) =>
            new HTTPPool(origin, { fetch: fetches[i]!, cluster: "shop" })
          );
          [first, second] = pools as [HTTPPool, HTTPPool];
          let loads = 0;
          const groups = pools.map((pool) => {
            pool.setPeers(origins);
            return pool.group("g", (key) => {
              loads++;
              if (key === "absent") return undefined;
              return key.startsWith("big") ? key.repeat(100_000) : `<${key}>`;
            });
          });
          const keys = [
            ...Array.from({ length: 300 }, (_, i) => `key ${i}`),
            ...[".", "..", "a/../b", "日本", "long ".repeat(2000)],
          ];
          // The first answer shows that the peer takes links.
          for (let i = 0; i < 10; i++) {
            for (const group of groups) await group.get(`key ${i}`);
          }
          for (const group of groups) {
            const found = await group.getMany(keys);
            for (const key of keys) {
              const value = found.get(key)!;
              assert(!(value instanceof Error), String(value));
              assertEquals(value.text(), `<${key}>`);
            }
            for (const key of ["big 1", "big 2", "big 3", "big 4"]) {
              assertEquals((await group.get(key)).byteLength, 500_000);
            }
            await assertRejects(() => group.get("absent"), Error, "absent");
          }
          assertEquals(loads, keys.length + 4 + 2);
          const asked = pools.map((pool) => pool.stats().peers[0]!);
          for (const { requests, errors } of asked) {
            assert(requests > 0 && requests < 100, `${requests} requests`);
            assertEquals(errors, 0);
          }
          for (const key of ["key 1", "key 2", ".."]) {
            await groups[0]!.set(key, "new");
            for (const group of groups) {
              assertEquals((await group.get(key)).text(), "new");
            }
            await groups[1]!.remove(key);
            for (const group of groups) {
              assertEquals((await group.get(key)).text(), `<${key}>`);
            }
          }
          await groups[0]!.clear();
          assertEquals(groups.map((group) => [...group.keys()].length), [0, 0]);
          await Promise.all(pools.map((pool) => pool.close()));
          for (const fetch of fetches) fetch.close();
        },
      ),
  );
});

Deno.test("Peers with mutual TLS answer only clients whose certificate their authority signed", async () => {
  const { ca, ours, strangers } = await identities();
  const urls: string[] = [];
  const owner = new HTTPPool("https://127.0.0.1:1");
  owner.group("g", (key) => `<${key}>`);
  const listener = toNodeHandler((request) => {
    urls.push(request.url);
    return owner.handler(request);
  });
  const server = createTLSServer({
    ...ours,
    ca,
    requestCert: true,
    rejectUnauthorized: true,
  }, listener);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const origin = `https://127.0.0.1:${portOf(server)}`;
  const ask = async (
    options: Parameters<typeof keepAliveFetch>[0],
  ): Promise<string> => {
    const fetch = keepAliveFetch(options);
    const pool = new HTTPPool("https://127.0.0.1:2", { fetch });
    pool.setPeers([origin]);
    const group = pool.group("g", () => "loaded here");
    try {
      return (await group.get("Tom")).text();
    } finally {
      await pool.close();
      fetch.close();
    }
  };
  assertEquals(await ask({ ca, ...ours }), "<Tom>");
  assertEquals(urls, [`${origin}/_geecache/g/Tom`]);
  assertEquals(await ask({ ca }), "loaded here");
  assertEquals(await ask({ ca, ...strangers }), "loaded here");
  assertEquals(await ask(ours), "loaded here");
  assertEquals(urls.length, 1);
  await end(server as unknown as Server);
  await owner.close();
});

Deno.test("A pool answers over HTTP/2", async () => {
  const { ca, ours } = await identities();
  const pool = new HTTPPool("https://127.0.0.1:1");
  pool.group("g", (key) => `<${key}>`);
  const urls: string[] = [];
  const signals: AbortSignal[] = [];
  const waits = gate();
  const server = createSecureServer(
    ours,
    toNodeHandler(async (request) => {
      urls.push(request.url);
      signals.push(request.signal);
      if (request.url.endsWith("/waits")) {
        waits.open();
        return await new Promise((_, reject) => {
          request.signal.onabort = () => reject(request.signal.reason);
        });
      }
      const response = await pool.handler(request);
      if (request.method === "GET") return response;
      return new Response(await request.text(), {
        headers: [
          ["Keep-Alive", "timeout=5"],
          ["Set-Cookie", "a=1"],
          ["Set-Cookie", "b=2"],
        ],
      });
    }),
  );
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const origin = `https://127.0.0.1:${portOf(server)}`;
  const session = connectHttp2(origin, { ca });
  const ask = (
    headers: Record<string, string>,
    body?: string,
  ): Promise<[head: Record<string, unknown>, text: string]> =>
    new Promise((resolve, reject) => {
      const stream = session.request(headers);
      let head = {};
      let text = "";
      stream.on("response", (headers) => head = headers);
      stream.setEncoding("utf8");
      stream.on("data", (part) => text += part);
      stream.on("end", () => resolve([head, text]));
      stream.on("error", reject);
      stream.end(body);
    });
  for (let i = 0; i < 2; i++) {
    const [head, text] = await ask({ ":path": "/_geecache/g/.." });
    assertEquals([head[":status"], text], [200, "<..>"]);
    assertEquals(head["geecache-result"], "value");
  }
  const [head, text] = await ask({ ":method": "POST", ":path": "/" }, "sent");
  assertEquals([head[":status"], text], [200, "sent"]);
  assertEquals(head["set-cookie"], ["a=1", "b=2"]);
  assertEquals(urls[0], `${origin}/_geecache/g%2F..`);
  const leaving = session.request({ ":path": "/waits" });
  leaving.on("error", () => {});
  await waits.opened;
  const aborted = new Promise((resolve) =>
    signals[3]!.addEventListener("abort", resolve)
  );
  leaving.close(8);
  await aborted;
  await new Promise<void>((done) => session.close(done));
  await new Promise((done) => server.close(done));
  assertEquals(
    signals.map(({ aborted }) => aborted),
    [false, false, false, true],
  );
  await pool.close();
});

Deno.test("An idle kept socket keeps no process alive", () =>
  withServer((_, res) => res.end("ok"), async (port, server) => {
    // The server never closes an idle socket.
    server.keepAliveTimeout = 0;
    const program = new URL("../support/node_client.ts", import.meta.url);
    const deno = "deno" in process.versions ? ["run", "-A", "--quiet"] : [];
    const child = spawn(
      process.execPath,
      [...deno, fileURLToPath(program), String(port)],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let said = "";
    child.stdout.on("data", (data) => said += data);
    const code = await new Promise((resolve) => child.on("close", resolve));
    assertEquals([code, said.trim()], [0, "ok"]);
  }));

Deno.test("A peer that does not speak TLS causes an error that names it", async () => {
  const fetch = keepAliveFetch();
  await withServer(() => {}, async (port) => {
    const origin = `https://127.0.0.1:${port}`;
    const pool = new HTTPPool("https://127.0.0.1:2", { fetch });
    pool.setPeers([origin]);
    const group = pool.group("g", () => "here");
    const written = await assertRejects(
      () => group.set("k", "v"),
      AggregateError,
    );
    assert(written.errors[0] instanceof PeerError);
    assertEquals((written.errors[0] as PeerError).peer, origin);
    await pool.close();
  });
  fetch.close();
});

Deno.test("A PeerError of each fetch says whether nobody listens, and whether http met https", async () => {
  const { ours } = await identities();
  const secure = createTLSServer(ours, () => {});
  secure.on("tlsClientError", () => {});
  await new Promise<void>((done) => secure.listen(0, "127.0.0.1", done));
  const none = await withServer(() => {}, (port) => Promise.resolve(port));
  const kept = keepAliveFetch();
  await withServer(() => {}, async (plain) => {
    for (const options of [{}, { fetch: kept }]) {
      const peers = {
        [`http://127.0.0.1:${none}`]: "does a server listen there?",
        [`http://127.0.0.1:${portOf(secure)}`]:
          "does it serve https, not http?",
        [`https://127.0.0.1:${plain}`]: "does it serve http, not https?",
      };
      for (const [origin, advice] of Object.entries(peers)) {
        const pool = new HTTPPool("http://client.invalid", options);
        pool.setPeers([origin]);
        const group = pool.group("g", (key) => key);
        const { errors } = await assertRejects(
          () => group.remove("k"),
          AggregateError,
        );
        const [{ message }] = errors as [PeerError];
        assert(message.endsWith(`: ${advice}`), message);
        assert(pool.stats().peers[0]!.lastError!.endsWith(advice));
        await pool.close();
      }
    }
  });
  kept.close();
  await end(secure as unknown as Server);
});
