/** Clusters that must not mix: an address that another service has by now, and how it is told apart. */

import { HTTPPool, type HTTPPoolOptions, PeerError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { FakeNetwork } from "../support/network.ts";
import { settle } from "../support/time.ts";

const [SHOP, REUSED] = ["http://shop", "http://reused"];

/** A process of a service, whose values say whose they are. */
function start(network: FakeNetwork, origin: string, cluster?: string) {
  const options: HTTPPoolOptions = {
    fetch: network.fetchFrom(origin),
    clock: network.clock,
    random: () => 0,
    handoverMs: 0,
  };
  if (cluster !== undefined) options.cluster = cluster;
  const pool = new HTTPPool(origin, options);
  const group = pool.group("g", () => cluster ?? "nameless");
  network.join(origin, pool.handler);
  return { pool, group };
}

/** Two services that have one group name; the first still lists the address of the second. */
async function withServices(
  names: [string | undefined, string | undefined],
  run: (services: {
    shop: ReturnType<typeof start>;
    other: ReturnType<typeof start>;
    network: FakeNetwork;
    /** Keys that the other address would own. */
    keys: string[];
  }) => Promise<void>,
): Promise<void> {
  const network = new FakeNetwork();
  const shop = start(network, SHOP, names[0]);
  const other = start(network, REUSED, names[1]);
  shop.pool.setPeers([SHOP, REUSED]);
  const keys = Array.from({ length: 40 }, (_, i) => `key-${i}`)
    .filter((key) => shop.pool.pickPeer(key) !== undefined);
  await run({ shop, other, network, keys });
  await shop.pool.close();
  await other.pool.close();
  await settle();
  assertEquals(network.clock.pending, 0);
}

const STRANGERS: [string | undefined, string | undefined][] = [
  ["shop", "mail"],
  ["shop", undefined],
  [undefined, "mail"],
];

for (const names of STRANGERS) {
  const [mine, theirs] = names.map((name) => name ?? "nameless") as [
    string,
    string,
  ];
  Deno.test(`A ${mine} process takes no value of a ${theirs} one at an address that it still lists`, () =>
    withServices(names, async ({ shop, other, network, keys }) => {
      for (const key of keys) {
        assertEquals((await shop.group.get(key)).text(), mine);
      }
      assertEquals(other.group.stats().serverRequests, 0);
      const [peer] = shop.pool.stats().peers;
      assertEquals([peer!.id, peer!.state], [REUSED, "open"]);
      assertEquals(network.count({ to: REUSED }), 3);
      // A probe is no sign that it is back.
      await network.clock.advance(1_000);
      assert(network.count({ to: REUSED, path: "/_geecache/" }) > 0);
      assertEquals(shop.pool.stats().peers[0]!.state, "open");
    }));

  Deno.test(`A write of a ${mine} process changes nothing in a ${theirs} one, and names it as not told`, () =>
    withServices(names, async ({ shop, other, keys }) => {
      const [key] = keys as [string];
      await other.group.get(key);
      for (
        const write of [
          () => shop.group.set(key, "bad"),
          () => shop.group.remove(key),
          () => shop.group.clear(),
        ]
      ) {
        const { errors } = await assertRejects(write, AggregateError);
        assert(errors[0] instanceof PeerError);
        assertEquals(errors[0].peer, REUSED);
      }
      assertEquals(other.group.peek(key)?.text(), theirs);
    }));
}

Deno.test("The error of a peer of another cluster names both clusters", async () => {
  const says: [(typeof STRANGERS)[number], string][] = [
    [
      ["shop", "mail"],
      'it belongs to cluster "mail", and this process to cluster "shop"',
    ],
    [
      ["shop", undefined],
      'it belongs to no cluster, and this process to cluster "shop"',
    ],
    [
      [undefined, "mail"],
      'it belongs to cluster "mail", and this process to no cluster',
    ],
  ];
  for (const [names, message] of says) {
    await withServices(names, async ({ shop, keys }) => {
      const peer = shop.pool.pickPeer(keys[0]!)!;
      const error = await assertRejects(
        () => peer.get("g", keys[0]!),
        PeerError,
      );
      assertStringIncludes(error.message, message);
      assertEquals(error.status, 403);
    });
  }
});

Deno.test("Processes of one cluster ask and tell each other", () =>
  withServices(["shop", "shop"], async ({ shop, other, keys }) => {
    other.pool.setPeers([SHOP, REUSED]);
    const values = await shop.group.getMany(keys);
    assertEquals(values.size, keys.length);
    assertEquals(shop.group.stats().localLoads, 0);
    await shop.group.set(keys[0]!, "new");
    assertEquals(other.group.peek(keys[0]!)?.text(), "new");
    await shop.group.removeMany(keys);
    assertEquals([...other.group.keys()], []);
    assertEquals(shop.pool.stats().peers[0]!.errors, 0);
    assertEquals(other.pool.stats().ringDisagreements, 0);
  }));

Deno.test("Every answer to a peer names the cluster, and a program that is no peer is let in", async () => {
  const pool = new HTTPPool("http://a", {
    cluster: "shop",
    secret: "0123456789abcdef",
  });
  const group = pool.group("g", (key) => {
    if (key === "bad") throw new Error("no");
    return key === "none"
      ? undefined
      : key === "slow"
      ? new Promise(() => {})
      : key;
  });
  await group.set("held", "v");
  const secret = { "Geecache-Secret": "0123456789abcdef" };
  const peer = {
    ...secret,
    "Geecache-Peer": "http://b",
    "Geecache-Cluster": "shop",
    "Geecache-Wait": "1",
  };
  const ask = async (
    path: string,
    headers: Record<string, string>,
    init: RequestInit = {},
  ): Promise<[number, string | null]> => {
    const response = await pool.handler(
      new Request(`http://a/_geecache/${path}`, { headers, ...init }),
    );
    await response.body?.cancel();
    return [response.status, response.headers.get("Geecache-Cluster")];
  };
  assertEquals(await ask("g/held", peer), [200, "shop"]);
  assertEquals(await ask("g/held", peer, { method: "HEAD" }), [200, "shop"]);
  assertEquals(await ask("g/loaded", peer), [200, "shop"]);
  assertEquals(await ask("g/slow", peer), [202, "shop"]);
  assertEquals(await ask("g/none", peer), [404, "shop"]);
  assertEquals(await ask("g/bad", peer), [500, "shop"]);
  assertEquals(await ask("none/k", peer), [404, "shop"]);
  assertEquals(await ask("", peer), [400, "shop"]);
  assertEquals(await ask("g/k", {}), [401, "shop"]);
  assertEquals(await ask("g/k", peer, { method: "DELETE" }), [204, "shop"]);
  const link = { ...peer, "Geecache-Link": "1" };
  const ping = new Uint8Array([0, 0, 0, 0, 5, 0, 0, 0, 0]);
  assertEquals(await ask("", link, { method: "POST", body: ping }), [
    200,
    "shop",
  ]);
  // Somebody with curl.
  assertEquals(await ask("g/held", secret), [200, "shop"]);
  assertEquals(pool.stats().refused, 1);
  // A peer of another cluster.
  for (const cluster of ["mail", "", "Shop"]) {
    const headers = { ...peer, "Geecache-Cluster": cluster };
    assertEquals(await ask("g/held", headers), [403, "shop"]);
    assertEquals(await ask("g?clear", headers, { method: "DELETE" }), [
      403,
      "shop",
    ]);
  }
  const { "Geecache-Cluster": _, ...nameless } = peer;
  assertEquals(await ask("g/held", nameless), [403, "shop"]);
  assertEquals(pool.stats().refused, 8);
  assertEquals(group.peek("held")?.text(), "v");
  const draining = pool.drain({ timeoutMs: 5_000 });
  assertEquals(await ask("g/k", peer), [404, "shop"]);
  await draining;
});

Deno.test("The name of the cluster is part of the ring's fingerprint", async () => {
  const rings = [undefined, "shop", "mail"].map((cluster) => {
    const pool = new HTTPPool(
      "http://localhost:8001",
      cluster === undefined ? {} : { cluster },
    );
    pool.setPeers([8001, 8002, 8003].map((port) => `http://localhost:${port}`));
    return pool;
  });
  assertEquals(rings.map((pool) => pool.stats().ring), [
    "ba799250",
    "1d2bc4d3",
    "3f611d78",
  ]);
  for (const pool of rings) await pool.close();
});

Deno.test("A cluster that is not set, is no name, or is in a ring with Go is a TypeError", () => {
  const action = "Cannot create HTTPPool: cluster";
  const refusals: [unknown, string][] = [
    [
      { cluster: undefined },
      `${action} must have a value (is its variable set?) or be left out: received undefined`,
    ],
    [
      { cluster: "" },
      `${action} must be a name of 1 to 100 visible ASCII characters: received ""`,
    ],
    [{ cluster: "a b" }, 'received "a b"'],
    [{ cluster: "x".repeat(101) }, "1 to 100 visible ASCII characters"],
    [{ cluster: 5 }, "received 5"],
    [
      { cluster: "shop", protocol: "groupcache" },
      `${action} is for protocol native alone: received protocol "groupcache"`,
    ],
  ];
  for (const [options, message] of refusals) {
    assertThrows(
      () => new HTTPPool("http://a", options as HTTPPoolOptions),
      TypeError,
      message,
    );
  }
});
