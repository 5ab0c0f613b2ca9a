/** Loads: in which context, how many at a time, and what holds up what. */

import { AsyncLocalStorage } from "node:async_hooks";
import { BusyError, ByteView, Group, HTTPPool } from "../../mod.ts";
import { Loader } from "../../group/loader.ts";
import { systemClock } from "../../base/clock.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import {
  holdLoads,
  keysOwnedBy,
  type Node,
  numberedKeys,
  ownerAndAsker,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { SILENT } from "../support/logger.ts";
import { gate, settle } from "../support/time.ts";

/** One load at a time, as long as it likes. */
const LIMITS = {
  maxStandInLoads: 1,
  maxConcurrentLoads: 1,
  loadTimeoutMs: Infinity,
  clock: systemClock,
  life: {},
};

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

Deno.test("With maxConcurrentLoads that many loads run, and the others wait in order; without it all run", async () => {
  for (const [maxConcurrentLoads, runs] of [[2, 2], [2.9, 2], [Infinity, 6]]) {
    const { begun, end, options } = holdLoads({});
    const group = new Group("g", options.getter(), {
      maxConcurrentLoads: maxConcurrentLoads!,
    });
    const keys = numberedKeys(6);
    const values = group.getMany(keys);
    assertEquals(begun.length, runs);
    for (const [i, key] of keys.entries()) {
      end(key);
      await settle();
      assertEquals(begun.length, Math.min(6, runs! + 1 + i));
    }
    assertEquals(begun, keys);
    assertEquals((await values).get(keys[5]!)?.toString(), `<${keys[5]}>`);
  }
});

Deno.test("Of an owner's loads 10,000 may wait, and one more is refused with a BusyError", async () => {
  const { begun, end, options } = holdLoads({});
  const group = new Group("g", options.getter(), { maxConcurrentLoads: 1 });
  const keys = numberedKeys(10_001);
  const values = group.getMany(keys);
  await assertRejects(
    () => group.get("more"),
    BusyError,
    'Cannot load "more" of group "g": 1 such loads run and 10000 wait',
  );
  end(keys[0]!);
  await settle();
  assertEquals(begun, keys.slice(0, 2));
  group.close();
  await values;
});

Deno.test("Loads in place of owners count among maxConcurrentLoads, and wait in both queues", () => {
  const { begun, end, options } = holdLoads({
    group: { maxConcurrentLoads: 2, maxStandInLoads: 1 },
  });
  return withCluster(2, async (cluster) => {
    const [dead, asker] = cluster.nodes as [Node, Node];
    cluster.network.kill(dead.origin);
    const [a, b] = keysOwnedBy(cluster, dead, 2) as [string, string];
    const [c, d] = keysOwnedBy(cluster, asker, 2) as [string, string];
    const gets: Promise<ByteView>[] = [];
    for (const key of [a, b, c, d]) {
      gets.push(asker.group.get(key));
      await settle();
    }
    assertEquals(begun, [a, c]);
    const steps = [[a, d], [c, b], [d, undefined], [b, undefined]];
    for (const [i, [ends, begins]] of steps.entries()) {
      end(ends!);
      await settle();
      assertEquals(begun.slice(2 + i)[0], begins);
    }
    await Promise.all(gets);
  }, options);
});

Deno.test("Loads that wait for others of the group hold no place, whatever maxConcurrentLoads says", async () => {
  let most = 0;
  let running = 0;
  const group: Group = new Group("g", async (key) => {
    if (key.length < 5) return (await group.get(`${key}x`)).text();
    most = Math.max(most, ++running);
    await settle();
    running--;
    return key;
  }, { maxConcurrentLoads: 1 });
  const gets = ["a", "b", "c"].map((key) => textOf(group.get(key)));
  assertEquals(
    await Promise.all(gets),
    ["a", "b", "c"].map((key) => `${key}xxxx`),
  );
  assertEquals(most, 1);
});

Deno.test("A load in an owner's place that waits for another load gives up both of its places", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    cluster.network.kill(owner.origin);
    const keys = keysOwnedBy(cluster, owner, 4);
    const pool = new HTTPPool(asker.origin, {
      fetch: cluster.network.fetchFrom(asker.origin),
      clock: cluster.clock,
      logger: SILENT,
    });
    pool.setPeers(cluster.nodes.map(({ origin }) => origin));
    const group: Group = pool.group("nested", async (key) => {
      const next = keys[keys.indexOf(key) + 1];
      return next === undefined ? "end" : (await group.get(next)).text();
    }, { maxStandInLoads: 1, maxConcurrentLoads: 1 });
    const get = textOf(group.get(keys[0]!));
    await cluster.clock.advance(10_000);
    assertEquals(await get, "end");
    await pool.close();
  }));

Deno.test("Loader.hasRoom says whether a load would begin at once, or at the end of the turn", async () => {
  const flight = { signal: new AbortController().signal };
  const request = { isOwner: true, isPatient: false, flight };
  const open = gate<string>();
  const loadMany = async (keys: readonly string[]) => {
    const value = await open.opened;
    return new Map(keys.map((key) => [key, value]));
  };
  const single = new Loader("g", () => open.opened, LIMITS);
  const batch = new Loader("g", { loadMany, maxKeys: 2 }, LIMITS);
  const rooms = () => [single.hasRoom(true), batch.hasRoom(true)];
  assertEquals(rooms(), [true, true]);
  const loads = [single.load("a", request), batch.load("a", request)];
  assertEquals(rooms(), [false, true]);
  loads.push(batch.load("b", request));
  assertEquals(rooms(), [false, false]);
  await settle();
  assertEquals(rooms(), [false, false]);
  open.open("v");
  await Promise.all(loads);
  await settle();
  assertEquals(rooms(), [true, true]);
  const unbounded = new Loader("g", () => new Promise(() => {}), {
    ...LIMITS,
    maxConcurrentLoads: Infinity,
  });
  void unbounded.load("a", request);
  assertEquals(unbounded.hasRoom(true), true);
});

Deno.test("Loader.hasRoom counts loads in the place of owners, and those that wait for such a place are in nobody's way", async () => {
  const flight = { signal: new AbortController().signal };
  const request = { isOwner: false, isPatient: false, flight };
  for (const isBatch of [false, true]) {
    const open = gate<string>();
    const loadMany = async ([key]: readonly string[]) =>
      new Map([[key!, await open.opened]]);
    const getter = isBatch ? { loadMany, maxKeys: 1 } : () => open.opened;
    const loader = new Loader("g", getter, {
      ...LIMITS,
      maxConcurrentLoads: 2,
    });
    const rooms = () => [loader.hasRoom(true), loader.hasRoom(false)];
    assertEquals(rooms(), [true, true]);
    const loads = [loader.load("a", request)];
    assertEquals(rooms(), [true, false]);
    await settle();
    loads.push(loader.load("b", request));
    assertEquals(rooms(), [true, false]);
    loads.push(loader.load("c", { ...request, isOwner: true }));
    assertEquals(rooms(), [false, false]);
    open.open("v");
    await Promise.all(loads);
    await settle();
    assertEquals(rooms(), [true, true]);
  }
});

Deno.test("A key of a batch whose flight tells of its end by a signal alone leaves, too", async () => {
  const calls: string[][] = [];
  const loader = new Loader("g", {
    loadMany(keys) {
      calls.push([...keys]);
      return new Map();
    },
  }, LIMITS);
  const load = (signal: AbortSignal) =>
    loader.load(`${calls.length}`, {
      isOwner: true,
      isPatient: false,
      flight: { signal },
    });
  const leaver = new AbortController();
  const left = load(leaver.signal);
  leaver.abort(new Error("left"));
  await assertRejects(() => left, Error, "left");
  await assertRejects(() => load(leaver.signal), Error, "left");
  await settle();
  assertEquals(calls, []);
});

Deno.test("A load that is patient waits for its turn even if too many wait already", async () => {
  const open = gate<string>();
  const loadMany = async ([key]: readonly string[]) =>
    new Map([[key!, await open.opened]]);
  for (const getter of [() => open.opened, { loadMany, maxKeys: 1 }]) {
    for (const isOwner of [true, false]) {
      const loader = new Loader("g", getter, LIMITS);
      const load = (key: string, isPatient: boolean) => {
        const { signal } = new AbortController();
        return loader.load(key, { isOwner, isPatient, flight: { signal } });
      };
      const loads = numberedKeys(10_001).map((key) => load(key, false));
      await assertRejects(() => load("one more", false), BusyError);
      loads.push(load("a patient one", true));
      open.open("v");
      assertEquals((await Promise.all(loads)).length, 10_002);
    }
  }
});
