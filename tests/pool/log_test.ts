/** What a pool writes to its log, and that the log cannot harm it. */

import {
  HTTPPool,
  type HTTPPoolOptions,
  type Logger,
  type PeerError,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import {
  keysOwnedBy,
  type Node,
  stateOf,
  withCluster,
} from "../support/cluster.ts";
import { ask, PEER, scoresPool } from "../support/handler.ts";
import { noteIn, SILENT } from "../support/logger.ts";
import { FakeNetwork } from "../support/network.ts";

/** A logger whose every method does `run`, and the messages that it was given. */
function misbehaving(run: () => unknown): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push(line);
    return run() as void;
  };
  const logger = { debug: write, info: write, warn: write, error: write };
  return { logger, lines };
}

const FAULTS = {
  throws: () => {
    throw new Error("the disk is full");
  },
  rejects: () => Promise.reject(new Error("the disk is full")),
};

for (const [what, fault] of Object.entries(FAULTS)) {
  Deno.test(`A logger that ${what} disturbs no answer, no list and no timer`, async () => {
    const { logger, lines } = misbehaving(fault);
    const pool = scoresPool({ logger });
    assertEquals((await ask(pool, "/_geecache/scores/Tom")).text, "<Tom>");
    const headers = { ...PEER, "Geecache-Ring": "other" };
    const answer = await ask(pool, "/_geecache/scores/Tom", { headers });
    assertEquals(answer.status, 200);
    pool.setPeers(["http://elsewhere"]);
    assertEquals(pool.stats().nodes, ["http://elsewhere"]);
    assertEquals(lines.length, 4);
    await pool.close();
  });
}

Deno.test("A probe finds a peer that is back, although the logger and random throw", async () => {
  const { logger } = misbehaving(FAULTS.throws);
  await withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    cluster.network.kill(owner.origin);
    for (const key of keysOwnedBy(cluster, owner, 3)) {
      await asker.group.get(key);
    }
    assertEquals(stateOf(asker, owner), "open");
    cluster.network.join(owner.origin, owner.pool.handler);
    await cluster.clock.advance(10_000);
    assertEquals(stateOf(asker, owner), "closed");
  }, { pool: { logger, random: FAULTS.throws } });
});

/** What a server without the pool's handler answers. */
const plain = (status: number) => () => new Response("?", { status });
/** The handler of another pool. */
const pool = (options: HTTPPoolOptions) => {
  const { handler } = scoresPool({ logger: SILENT, ...options });
  return (request: Request) => handler(request);
};

/** Mistakes, each with what serves at the peer's origin and what the pool should say. */
const MISTAKES: [
  mistake: string,
  serves: ((request: Request) => Promise<Response> | Response) | undefined,
  says: string,
][] = [
  [
    "does not have the handler",
    plain(404),
    "404 without Geecache-Result is no answer in protocol native: is pool.handler mounted there, under the same basePath, /_geecache/?",
  ],
  [
    "wants a login",
    plain(401),
    "401 without Geecache-Result is no answer in protocol native: does something in front of pool.handler ask who we are?",
  ],
  [
    "wants another secret",
    pool({ secret: "a-secret-of-another-pool" }),
    "401 refused: requests need this pool's secret: this one has none",
  ],
  [
    "reads bodies itself",
    plain(415),
    "415 without Geecache-Result is no answer in protocol native: does the server read bodies before pool.handler can?",
  ],
  [
    "serves https, and says so",
    plain(400),
    "400 without Geecache-Result is no answer in protocol native: does it serve https, or is it a pool in another protocol?",
  ],
  [
    "has another basePath",
    pool({ basePath: "/cache/" }),
    "404 without Geecache-Result is no answer in protocol native: is pool.handler mounted there, under the same basePath, /_geecache/?",
  ],
  [
    "has another protocol, and so another basePath",
    pool({ protocol: "groupcache" }),
    "404 without Geecache-Result is no answer in protocol native: is pool.handler mounted there, under the same basePath, /_geecache/?",
  ],
  [
    "has another protocol under the same basePath",
    pool({ protocol: "geecache-protobuf" }),
    "400 without Geecache-Result is no answer in protocol native: does it serve https, or is it a pool in another protocol?",
  ],
  [
    "is a Go program",
    plain(200),
    "200 without Geecache-Result is no answer in protocol native: is that another program, or a pool in another protocol?",
  ],
  [
    "redirects",
    () =>
      new Response(null, { status: 301, headers: { Location: "https://b/" } }),
    "301 without Geecache-Result is no answer in protocol native: is its origin as it serves, http or https?",
  ],
  [
    "does not listen",
    undefined,
    "connection refused: does a server listen there?",
  ],
];

for (const [mistake, serves, says] of MISTAKES) {
  Deno.test(`A peer that ${mistake} is out of reach, and the warning, the stats and the error say why`, async () => {
    const network = new FakeNetwork();
    const { clock } = network;
    const lines: string[] = [];
    const own = new HTTPPool("http://a", {
      fetch: network.fetchFrom("http://a"),
      clock,
      random: () => 0,
      logger: noteIn(lines),
    });
    const group = own.group("scores", (key) => key);
    if (serves !== undefined) network.join("http://b", serves);
    own.setPeers(["http://a", "http://b"]);
    for (let i = 0; own.stats().peers[0]!.state === "closed"; i++) {
      await group.get(`key-${i}`);
    }
    assertEquals(lines, [
      `[Pool http://a] http://b is out of reach, so the next node is asked for its keys: ${says}`,
    ]);
    assertEquals(own.stats().peers[0]!.lastError, says);
    const { errors } = await assertRejects(
      () => group.remove("k"),
      AggregateError,
    );
    assertEquals(
      (errors[0] as PeerError).message,
      "Cannot ask peer http://b: it was out of reach, and is not asked until it " +
        `answers a probe: ${says}`,
    );
    const { requests } = own.stats().peers[0]!;
    await clock.advance(10_000);
    assert(own.stats().peers[0]!.requests > requests);
    assertEquals(own.stats().peers[0]!.lastError, says, "after a probe");
    await own.close();
  });
}

Deno.test("A peer that does not have the group is warned of once", async () => {
  const lines: string[] = [];
  await withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    owner.pool.removeGroup("g");
    for (const key of keysOwnedBy(cluster, owner, 10)) {
      assertEquals((await asker.group.get(key)).text(), `<${key}>`);
    }
    assertEquals(lines, [
      `[Pool ${asker.origin}] ${owner.origin} is asked in vain: no such group: g`,
    ]);
    assertEquals(stateOf(asker, owner), "closed");
  }, { pool: { logger: noteIn(lines) } });
});

Deno.test("A self that is in no list is a warning, once, and none for a client", async () => {
  const told: [origin: string, level: string, line: string][] = [];
  for (
    const origin of [
      "http://a:1",
      "http://0.0.0.0:2",
      "http://client.invalid",
    ]
  ) {
    const write = (level: string) => (line: string) =>
      void told.push([origin, level, line.slice(`[Pool ${origin}] `.length)]);
    const logger = { ...SILENT, info: write("info"), warn: write("warn") };
    const pool = new HTTPPool(origin, { logger });
    pool.setPeers(["http://a:2"]);
    pool.setPeers([2, 3, 4, 5, 6, 7].map((port) => `http://a:${port}`));
    await pool.close();
  }
  const what = "is not in its own list of peers: it owns no key";
  const one = `${what}: is it one of http://a:2?`;
  const many =
    `${what}: is it one of http://a:2, http://a:3, http://a:4, http://a:5, http://a:6, …?`;
  const anywhere =
    `${what}: 0.0.0.0 is where a server listens, not how others reach it`;
  assertEquals(told, [
    ["http://a:1", "warn", one],
    ["http://a:1", "info", many],
    ["http://0.0.0.0:2", "warn", anywhere],
    ["http://0.0.0.0:2", "info", anywhere],
    ["http://client.invalid", "info", one],
    ["http://client.invalid", "info", many],
  ]);
});

for (
  const [mistake, self, origins] of [
    ["two processes have one self", "http://a", ["http://a", "http://b"]],
    ["a list has this process under another name", "http://x", ["http://b"]],
  ] as const
) {
  Deno.test(`A warning says so, once, if ${mistake}`, async () => {
    const network = new FakeNetwork();
    const lines: string[] = [];
    const pool = new HTTPPool(self, {
      fetch: network.fetchFrom(self),
      clock: network.clock,
      logger: { ...SILENT, warn: (line) => void lines.push(line) },
    });
    const group = pool.group("g", (key) => key);
    network.join("http://b", pool.handler);
    pool.setPeers(origins);
    for (let i = 0; i < 2; i++) await group.remove("k");
    assertEquals(lines.filter((line) => !line.includes("own list")), [
      `[Pool ${self}] is asked by a process of the same name: does another one have this self, or does the list have this one under another name?`,
    ]);
    await pool.close();
  });
}

/** Runs with a console that notes what it is given. */
async function noteConsole(run: () => Promise<void>): Promise<string[]> {
  const lines: string[] = [];
  const levels = ["debug", "info", "warn", "error"] as const;
  const own = levels.map((level) => console[level]);
  for (const level of levels) {
    console[level] = (line) => void lines.push(`${level}: ${line}`);
  }
  try {
    await run();
  } finally {
    levels.forEach((level, i) => console[level] = own[i]!);
  }
  return lines;
}

Deno.test("Warnings reach the console without a logger, and the console never gets a line for each request", async () => {
  const withLogger = (logger?: Logger) =>
    noteConsole(async () => {
      const pool = scoresPool(logger === undefined ? {} : { logger });
      await ask(pool, "/_geecache/scores/Tom");
      pool.setPeers(["http://elsewhere"]);
      pool.setPeers(["http://elsewhere:1"]);
      await pool.close();
    });
  const line = "[Pool http://localhost:9999] is not in its own list of peers";
  const [warning, info] = await withLogger(console) as [string, string];
  assertStringIncludes(warning, `warn: ${line}`);
  assertStringIncludes(info, `info: ${line}`);
  assertEquals(await withLogger(), [warning]);
  assertEquals(await withLogger(SILENT), []);
});
