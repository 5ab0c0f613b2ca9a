/** Loads: in which context, how many at a time, and what holds up what. */

import { AsyncLocalStorage } from "node:async_hooks";
import { ByteView, Group, HTTPPool } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { keysOwnedBy, ownerAndAsker, withCluster } from "../support/cluster.ts";
import { gate, settle } from "../support/time.ts";

Deno.test("A getter runs in the context in which its group was made, whoever asks first", async () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const make = () => {
    const group = new Group("g", async () => {
      seen.push(storage.getStore());
      await settle();
      seen.push(storage.getStore());
      return "v";
    });
    return group;
  };
  const outside = make();
  const inside = storage.run("the program", make);
  await storage.run("a request", async () => {
    await outside.get("a");
    await inside.get("a");
    await inside.getMany(["b"]);
    // The caller's own context is untouched.
    seen.push(storage.getStore());
  });
  const none: unknown[] = [undefined, undefined];
  const program = Array.from({ length: 4 }, () => "the program");
  assertEquals(seen, [...none, ...program, "a request"]);
});

Deno.test("A getter that a peer's request starts, one in an owner's place, and shouldMirror run in that context, too", () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const note = () => void seen.push(storage.getStore());
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    await storage.run("a request", () => asker.group.get("k"));
    const [url, headers] = [`${owner.origin}/_geecache/g/k2`, {}];
    await storage.run(
      "a request",
      () => owner.pool.handler(new Request(url, { headers })),
    );
    cluster.network.kill(owner.origin);
    const [, key] = keysOwnedBy(cluster, owner, 2) as [string, string];
    await storage.run("a request", () => asker.group.get(key));
    assertEquals(seen.length, 4);
    assertEquals(seen.filter((store) => store !== undefined), []);
  }, {
    group: { shouldMirror: () => (note(), false) },
    getter: () => () => {
      note();
      return "v";
    },
  });
});

Deno.test("Loads in an owner's place that each ask for another such key do not block each other", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    cluster.network.kill(owner.origin);
    const keys = keysOwnedBy(cluster, owner, 200);
    const pool = new HTTPPool(asker.origin, {
      fetch: cluster.network.fetchFrom(asker.origin),
      clock: cluster.clock,
    });
    pool.setPeers(cluster.nodes.map(({ origin }) => origin));
    let most = 0;
    let running = 0;
    const group = pool.group("nested", async (key) => {
      const i = keys.indexOf(key);
      // The first hundred each ask for one of the second hundred.
      if (i < 100) return await group.get(keys[i + 100]!);
      most = Math.max(most, ++running);
      await settle();
      running--;
      return key;
    }, { maxStandInLoads: 4 });
    const gets = group.getMany(keys.slice(0, 100));
    await cluster.clock.advance(10_000);
    const values = [...(await gets).values()].map(String);
    assertEquals(values.filter((value) => value.includes("Error")), []);
    assertEquals(most, 4);
    await pool.close();
  }));

Deno.test("A load in an owner's place that nobody waits for any more gives its place to the next", () => {
  const begun: string[] = [];
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    cluster.network.kill(owner.origin);
    const keys = keysOwnedBy(cluster, owner, 5);
    const impatient = new AbortController();
    const { signal } = impatient;
    const left = keys.slice(0, 2).map((key) =>
      asker.group.get(key, { signal })
    );
    await settle();
    const getting = keys.slice(2).map((key) => asker.group.get(key));
    await settle();
    assertEquals(begun, keys.slice(0, 2));
    impatient.abort(new Error("enough"));
    await Promise.allSettled(left);
    await settle();
    assertEquals(begun, keys.slice(0, 4));
    for (const get of getting) get.catch(() => {});
  }, {
    group: { maxStandInLoads: 2 },
    getter: () => (key) => {
      begun.push(key);
      return new Promise(() => {});
    },
  });
});

Deno.test("A key is loaded once for all who wait; a load that nobody waits for holds nobody up", async () => {
  const gates = [gate<string>(), gate<string>()];
  const signals: AbortSignal[] = [];
  const group = new Group("g", (_key, { signal }) => {
    signals.push(signal);
    return gates[signals.length - 1]!.opened;
  });
  const impatient = new AbortController();
  const { signal } = impatient;
  const left = [group.get("k", { signal }), group.get("k", { signal })];
  assertEquals(signals.length, 1);
  impatient.abort(new Error("enough"));
  await Promise.allSettled(left);
  assertEquals(signals[0]?.aborted, true);
  // The getter ignores its signal, so its first call goes on.
  const later = [group.get("k"), group.get("k")];
  assertEquals(signals.length, 2);
  gates[1]!.open("new");
  for (const view of await Promise.all(later)) assertEquals(view.text(), "new");
  gates[0]!.open("old");
  await settle();
  assertEquals(group.peek("k")?.text(), "new");
});

Deno.test("A value that memory has no room for is answered all the same, and a set of one resolves", async () => {
  const { ArrayBuffer } = globalThis;
  const group = new Group("g", (key) => `<${key}>`);
  globalThis.ArrayBuffer = class {
    constructor() {
      throw new RangeError("Array buffer allocation failed");
    }
  } as unknown as ArrayBufferConstructor;
  try {
    for (let i = 0; i < 2; i++) {
      assertEquals((await group.get("k")).text(), "<k>");
    }
    assertEquals([group.stats().localLoads, group.stats().main.items], [2, 0]);
    await group.set("k", "written");
    assertEquals(group.peek("k"), undefined);
  } finally {
    globalThis.ArrayBuffer = ArrayBuffer;
  }
  assertEquals((await group.get("k")).text(), "<k>");
  assertEquals(group.peek("k")?.text(), "<k>");
});

Deno.test("A value whose buffer was transferred is refused, and not taken as empty", async () => {
  const bytes = new Uint8Array([54, 51, 48]);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  const group = new Group("g", () => bytes);
  const expected = "a Uint8Array whose buffer was transferred";
  for (
    const refused of [
      () => group.get("k"),
      () => group.set("k", bytes),
      // deno-lint-ignore require-await
      async () => ByteView.from(bytes),
    ]
  ) {
    const error = await refused().catch((error) => error);
    assertEquals([error.name, error.message.endsWith(expected)], [
      "TypeError",
      true,
    ]);
  }
  assertEquals(ByteView.from(new Uint8Array()).byteLength, 0);
});
