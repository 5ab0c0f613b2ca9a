/** Rings shared with Go programs, for which handlers stand in that answer as those do. */

import {
  HTTPPool,
  LoadError,
  NotFoundError,
  PeerError,
  type ProtocolName,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../support/assert.ts";
import { SILENT } from "../support/logger.ts";
import { FakeNetwork } from "../support/network.ts";

const LIST = [8001, 8002, 8003].map((port) => `http://localhost:${port}`);
const GO: ProtocolName[] = ["geecache", "geecache-protobuf", "groupcache"];
/** One key for each port of that list, which that node owns in the ring. */
const OWNED = { 8001: "Tom", 8002: "user:1", 8003: "Sam" };

interface Ours {
  network: FakeNetwork;
  pool: HTTPPool;
  group: ReturnType<HTTPPool["group"]>;
  loads: string[];
}

/** Our process on 8001, in a ring whose others answer as the test says. */
function ours(
  protocol: ProtocolName,
  answer: (request: Request) => Response = () => {
    throw new TypeError("connection refused");
  },
  origin = LIST[0]!,
  network: FakeNetwork = new FakeNetwork(),
): Ours {
  const pool = new HTTPPool(origin, {
    protocol,
    fetch: network.fetchFrom(origin),
    clock: network.clock,
  });
  pool.setPeers(LIST);
  const loads: string[] = [];
  const group = pool.group("scores", (key) => {
    loads.push(key);
    if (key.startsWith("absent")) return undefined;
    if (key.startsWith("bad")) throw new Error(`${key} is bad`);
    return `ours: ${key}`;
  });
  for (const other of LIST) if (other !== origin) network.join(other, answer);
  network.join(origin, pool.handler);
  return { network, pool, group, loads };
}

/** Go's `http.Error`. */
function goError(status: number, message: string): Response {
  return new Response(message + "\n", {
    status,
    headers: {
      "Content-Type": "text/plain; charset=utf-8",
      "X-Content-Type-Options": "nosniff",
    },
  });
}

function goValue(protocol: ProtocolName, value: string): Response {
  const text = new TextEncoder().encode(value);
  const type = protocol === "groupcache"
    ? "application/x-protobuf"
    : "application/octet-stream";
  const body = protocol === "geecache"
    ? text
    : new Uint8Array([0x0a, text.length, ...text]);
  return new Response(body, { headers: { "Content-Type": type } });
}

const bytesOf = async (
  response: Response | Promise<Response>,
) => [...new Uint8Array(await (await response).arrayBuffer())];

Deno.test("The ring of a Go protocol has the owners of the Go programs", async () => {
  for (const protocol of GO) {
    const { pool } = ours(protocol);
    for (
      const [key, port] of [
        ["Tom", 8001],
        ["Jack", 8001],
        ["Sam", 8003],
        ["foo", 8003],
        ["日本", 8003],
        ["user:1", 8002],
        ["key-1", 8003],
      ] as const
    ) {
      const owner = pool.pickPeer(key)?.id ?? pool.self;
      assertEquals(owner, `http://localhost:${port}`);
    }
    await pool.close();
  }
});

Deno.test("A Go ring hashes a node as it is listed, and compares nodes as origins", async () => {
  const pool = new HTTPPool("http://localhost:8001", { protocol: "geecache" });
  pool.setPeers(["http://LOCALHOST:8001/", "http://localhost:8002/"]);
  const { nodes, peers } = pool.stats();
  assertEquals(nodes, ["http://LOCALHOST:8001/", "http://localhost:8002/"]);
  assertEquals(peers.map(({ id }) => id), ["http://localhost:8002"]);
  const owners = new Set(
    Array.from({ length: 100 }, (_, i) => pool.pickPeer(`${i}`)?.id),
  );
  assertEquals([...owners].sort(), ["http://localhost:8002", undefined]);
  await pool.close();
});

Deno.test("The handler answers in a Go protocol as Go does", async () => {
  for (const protocol of GO) {
    const { pool } = ours(protocol);
    const base = protocol === "groupcache" ? "/_groupcache/" : "/_geecache/";
    const ask = (path: string, method = "GET") =>
      pool.handler(new Request(`${LIST[0]}${base}${path}`, { method }));
    const value = await ask("scores/Tom");
    assertEquals(
      value.headers.get("Content-Type"),
      protocol === "groupcache"
        ? "application/x-protobuf"
        : "application/octet-stream",
    );
    assertEquals(
      await bytesOf(value),
      await bytesOf(goValue(protocol, "ours: Tom")),
    );
    for (
      const [path, status, message] of [
        ["scores/bad", 500, "bad is bad"],
        [
          "scores/absent",
          500,
          'Cannot get "absent" of group "scores": no such key',
        ],
        ["scores/", 500, "key is required"],
        ["scores", 400, "bad request"],
        ["scores?key=Tom", 400, "bad request"],
        ["nope/Tom", 404, "no such group: nope"],
      ] as const
    ) {
      const answer = await ask(path);
      assertEquals([answer.status, await answer.text()], [
        status,
        message + "\n",
      ]);
      assertEquals(answer.headers.get("X-Content-Type-Options"), "nosniff");
    }
    // An encoded slash arrives as a slash: Go decodes first and then splits.
    assertEquals((await ask("scores%2F..")).status, 200);
    for (const method of ["PUT", "DELETE", "POST"]) {
      const refused = await ask("scores/Tom", method);
      assertEquals(refused.status, 405);
      assertEquals(refused.headers.get("Allow"), "GET, HEAD");
    }
    await pool.close();
  }
});

Deno.test("A Go owner's value and its failure are final, and every other response is no answer", async () => {
  for (const protocol of GO) {
    const answers: [string, (request: Request) => Response, string][] = [
      ["value", () => goValue(protocol, "go"), "go"],
      ["empty", () => goValue(protocol, ""), ""],
      ["failed", () => goError(500, "go is broken"), "LoadError: go is broken"],
      ["no group", () => goError(404, "no such group: scores"), "ours: Sam"],
      ["proxy", () => new Response("go", { status: 502 }), "ours: Sam"],
      ["page", () => new Response("go"), "ours: Sam"],
      ["plain 500", () => new Response("go", { status: 500 }), "ours: Sam"],
      ["moved", () => goError(301, "moved"), "ours: Sam"],
    ];
    if (protocol !== "geecache") {
      const { headers } = goValue(protocol, "");
      const cut = () => new Response(new Uint8Array([10, 9, 1]), { headers });
      answers.push(["cut", cut, "ours: Sam"]);
      const none = () => new Response(null, { headers });
      answers.push(["no bytes", none, ""]);
    }
    for (const [name, answer, expected] of answers) {
      const { pool, group } = ours(protocol, answer);
      const got = await group.get("Sam").then(
        (view) => view.text(),
        (error) => `${error}`,
      );
      assertEquals(got, expected, `${protocol}: ${name}`);
      await pool.close();
    }
  }
});

Deno.test("A Go program that redirects a key, lacks a group or fails is in reach, and one behind a proxy's error, or gone, is not", async () => {
  for (const protocol of GO) {
    const answers: [string, () => Response, "closed" | "open"][] = [
      ["moved", () => goError(301, "moved"), "closed"],
      ["no group", () => goError(404, "no such group: scores"), "closed"],
      ["failed", () => goError(500, "go is broken"), "closed"],
      ["proxy", () => new Response("go", { status: 502 }), "open"],
      ["gone", () => {
        throw new TypeError("connection refused");
      }, "open"],
    ];
    for (const [name, answer, expected] of answers) {
      const { pool } = ours(protocol, answer);
      const peer = pool.pickPeer("Sam")!;
      for (let i = 0; i < 3; i++) {
        await assertRejects(() => peer.get("scores", "Sam"), Error);
      }
      const { state } = pool.stats().peers.find(({ id }) => id === peer.id)!;
      assertEquals([protocol, name, state], [protocol, name, expected]);
      await pool.close();
    }
  }
});

Deno.test("Keys are sent so that every Go server reads them, and the asker loads those that are too long", async () => {
  for (const protocol of GO) {
    const paths: string[] = [];
    const { pool, group, loads } = ours(protocol, (request) => {
      paths.push(new URL(request.url).pathname.replace(/^\/_\w+\//, ""));
      return goValue(protocol, "go");
    }, "http://localhost:9");
    pool.setPeers(LIST);
    for (const key of ["a b", "a+b", "a//b", ".", "..", "%2e", "日"]) {
      assertEquals((await group.get(key)).text(), "go");
    }
    assertEquals(paths, [
      "scores/a%20b",
      "scores/a%2Bb",
      "scores/a%2F%2Fb",
      "scores%2F.",
      "scores%2F..",
      "scores/%252e",
      "scores/%E6%97%A5",
    ]);
    const long = "x".repeat(5000);
    assertEquals((await group.get(long)).text(), `ours: ${long}`);
    assertEquals([loads, paths.length], [[long], 7]);
    await pool.close();
  }
});

Deno.test("A write is not sent to Go peers: it acts here and names the peers that were not told", async () => {
  for (const protocol of GO) {
    const { network, pool, group } = ours(protocol);
    await group.get("Tom");
    for (
      const write of [
        () => group.remove("Tom"),
        () => group.set("Tom", "new"),
        () => group.clear(),
      ]
    ) {
      const error = await assertRejects(
        write,
        AggregateError,
        "could not tell",
      );
      assertEquals(
        (error.errors as PeerError[]).map(({ peer }) => peer).sort(),
        LIST.slice(1),
      );
      const held = group.peek("Tom")?.text();
      assertEquals(held, write.toString().includes("set") ? "new" : undefined);
    }
    assertEquals(network.sent, []);
    await pool.close();
  }
});

Deno.test("Our own processes in a ring with Go tell each other of values, missing keys and failures as usual", async () => {
  for (const protocol of GO) {
    const network = new FakeNetwork();
    const all = LIST.map((origin) =>
      ours(protocol, undefined, origin, network)
    );
    for (const [i, { pool }] of all.entries()) {
      network.join(LIST[i]!, pool.handler);
    }
    for (const key of Object.values(OWNED)) {
      for (const { group } of all) {
        assertEquals((await group.get(key)).text(), `ours: ${key}`);
      }
    }
    assertEquals(all.map(({ loads }) => loads), [["Tom"], ["user:1"], ["Sam"]]);
    const mine = (key: string, i: number) =>
      all[i]!.pool.pickPeer(key) === undefined;
    for (const [i, { group }] of all.entries()) {
      for (const key of ["absent", "absent-2", "absent-3"]) {
        await assertRejects(() => group.get(key), NotFoundError);
      }
      for (const key of ["bad", "bad-2", "bad-3"]) {
        const error = await assertRejects(
          () => group.get(key),
          Error,
          "is bad",
        );
        assertEquals(error instanceof LoadError, !mine(key, i));
      }
    }
    // Three processes ask, each time only the owner.
    const failed = all.flatMap(({ loads }) => loads).length - 3;
    assertEquals(failed, 18);
    assertEquals(network.count({ method: "POST" }), 0);
    for (const { pool } of all) await pool.close();
  }
});

Deno.test("A native pool and one in a protocol of Go under the same basePath take nothing from each other", async () => {
  const origins = ["http://a", "http://b"];
  for (const other of ["geecache", "geecache-protobuf"] as const) {
    const network = new FakeNetwork();
    const pools = (["native", other] as const).map((protocol, i) => {
      const pool = new HTTPPool(origins[i]!, {
        protocol,
        fetch: network.fetchFrom(origins[i]!),
        clock: network.clock,
        logger: SILENT,
      });
      network.join(origins[i]!, async (request) => {
        const answer = await pool.handler(request);
        const body = await answer.arrayBuffer();
        // As every server says it of such bodies.
        answer.headers.set("Content-Length", String(body.byteLength));
        return new Response(body, answer);
      });
      pool.setPeers(origins);
      return pool;
    });
    const [native, go] = pools as [HTTPPool, HTTPPool];
    // "(x" is a message without a value, if it is read as protobuf.
    const groups = [native, go].map((pool) => pool.group("g", () => "(x"));
    for (const [i, pool] of pools.entries()) {
      const peer = [...pool.peers()][0]!;
      for (const key of ["k", "absent", "a/b"]) {
        const error = await assertRejects(() => peer.get("g", key), PeerError);
        assert(/in (another )?protocol/.test(error.message), error.message);
        assertEquals((await groups[i]!.get(key)).text(), "(x");
      }
      assertEquals(pool.stats().peers[0]!.state, "open");
    }
    for (const pool of pools) await pool.close();
  }
});

Deno.test("An unknown protocol is refused by name", () => {
  assertThrows(
    () => new HTTPPool("http://a", { protocol: "toString" as ProtocolName }),
    TypeError,
    'protocol must be one of native, geecache, geecache-protobuf, groupcache: received "toString"',
  );
  assert(new HTTPPool("http://a", { protocol: "native" }));
});
