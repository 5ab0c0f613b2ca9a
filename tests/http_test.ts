/** The pool itself: its options, its groups, and its end. */

import { Group, HTTPPool } from "../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "./support/assert.ts";
import { about } from "./support/network.ts";
import { ask, PEER, scoresPool, SELF } from "./support/handler.ts";
import { FakeClock, settle } from "./support/time.ts";

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

Deno.test('A pool is closed at the end of its block by "await using"', async () => {
  const pool = new HTTPPool(SELF);
  const group = pool.group("g", () => "v");
  // As the statement does. Not every runtime can parse it yet.
  await pool[Symbol.asyncDispose]();
  await assertRejects(() => group.get("k"), Error, "the group is closed");
  assertThrows(() => pool.setPeers([]), TypeError, "the pool is closed");
  await pool[Symbol.asyncDispose]();
  const disposable: AsyncDisposable = pool;
  assertEquals(Object.keys(disposable), Object.keys(pool));
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

Deno.test("A pool refuses a second group of the same name", () => {
  assertThrows(
    () => scoresPool().group("scores", () => "v"),
    TypeError,
    'Cannot create Group "scores": the pool has a group of that name',
  );
});

Deno.test("A group that is given a pool as its peers is told to be made by pool.group()", async () => {
  const pool = new HTTPPool(SELF);
  assertThrows(
    () =>
      // @ts-expect-error: a pool is no PeerPicker.
      new Group("g", () => "v", { peers: pool }),
    TypeError,
    'Cannot create Group "g": peers must not be a pool: call pool.group() instead',
  );
  await pool.close();
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

Deno.test("A pool looks up the runtime's fetch at each request", async () => {
  const pool = new HTTPPool(SELF);
  pool.setPeers(["http://peer"]);
  const group = pool.group("g", () => "mine");
  const own = globalThis.fetch;
  const headers = { "Geecache-Result": "value", "Geecache-Length": "6" };
  globalThis.fetch = (url, init) => {
    const answer = new Response("theirs", { headers });
    return Promise.resolve(about(new Request(url, init), answer));
  };
  try {
    assertEquals((await group.get("k")).text(), "theirs");
  } finally {
    globalThis.fetch = own;
    await pool.close();
  }
});

Deno.test("HTTPPool takes an http or https origin, and its error shows anything else that it is given", () => {
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

Deno.test("The handler throws when it is given the request of a Node server", () => {
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
    "[Pool http://localhost:8001] is not in its own list of peers: it owns no key: " +
    "self has a name as its host, and the list has addresses: is it one of http://127.0.0.1:8001?",
  ]);
  await pool.close();
});

Deno.test("The list of nodes in stats() cannot be changed", () => {
  const [a, b] = ["http://a", "http://b"].map((o) => new HTTPPool(o)) as [
    HTTPPool,
    HTTPPool,
  ];
  for (const p of [a, b]) p.setPeers(["http://a", "http://b"]);
  // Pools of one list share a ring.
  assertThrows(() => (b.stats().nodes as string[]).reverse(), TypeError);
  assertEquals(a.stats().nodes, ["http://a", "http://b"]);
});
