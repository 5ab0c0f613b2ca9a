/** What a pool tells those who observe it. */

import { AsyncLocalStorage } from "node:async_hooks";
import { type Group, HTTPPool, type PoolObserver } from "../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "./support/assert.ts";
import { keysOwnedBy, ownerAndAsker, withCluster } from "./support/cluster.ts";
import { FakeClock, settle } from "./support/time.ts";

/** Notes all work with how it began and ended. */
class Notes implements PoolObserver {
  readonly all: string[] = [];
  readonly get = this.#noter("get");
  readonly load = this.#noter("load");
  readonly peer = this.#noter("peer");
  evict = ({ group, store }: { group: string; store: string }): void => {
    this.all.push(`evict ${group} ${store}`);
  };

  #noter(name: string) {
    return (start: object & { keys: readonly string[] }) => {
      const { keys, ...about } = start;
      const text = `${name} ${[...Object.values(about), keys].join(" ")}`;
      return {
        end: ({ result, ms, keys, error }: {
          result: string;
          ms: number;
          keys: object;
          error: unknown;
        }) => {
          const why = error instanceof Error ? `: ${error.message}` : "";
          const all = JSON.stringify(keys);
          this.all.push(`${text} ${result} ${all} ${ms}${why}`);
        },
      };
    };
  }

  /** What was noted since the last call. */
  take(): string[] {
    return this.all.splice(0);
  }
}

Deno.test("A pool lists its groups", async () => {
  const pool = new HTTPPool("http://a");
  const one = pool.group("one", () => "v");
  const two = pool.group("two", () => "v");
  assertEquals([...pool.groups()], [one, two]);
  pool.removeGroup("one");
  assertEquals([...pool.groups()], [two]);
  await pool.close();
});

Deno.test("A pool tells of what waits: gets, and calls of getters with their time and failure", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://a", { clock });
  const notes = new Notes();
  const before = pool.group("before", async (key) => {
    await new Promise<void>((resolve) => clock.after(5, resolve));
    if (key === "bad") throw new Error("no such table");
    return key === "none" ? undefined : "v";
  });
  const stop = pool.observe(notes);
  for (const key of ["k", "bad", "none"]) {
    const value = before.get(key).catch(() => {});
    await clock.advance(5);
    await value;
  }
  await before.get("k");
  assertEquals(notes.take(), [
    'load before miss k ok {"ok":1} 5',
    'get before k ok {"ok":1} 5',
    'load before miss bad failed {"failed":1} 5: no such table',
    'get before bad failed {"failed":1} 5: no such table',
    'load before miss none not_found {"not_found":1} 5: Cannot get "none" of group "before": no such key',
    'get before none not_found {"not_found":1} 5: Cannot get "none" of group "before": no such key',
  ]);
  const after = pool.group("after", () => "v");
  await after.getEntry("k");
  assertEquals(notes.take(), [
    'load after miss k ok {"ok":1} 0',
    'get after k ok {"ok":1} 0',
  ]);
  stop();
  await after.get("other");
  assertEquals(notes.take(), []);
  await pool.close();
});

Deno.test("A pool tells of the keys of a getMany that memory does not have, and of one call for all", async () => {
  const pool = new HTTPPool("http://a", { clock: new FakeClock() });
  const notes = new Notes();
  pool.observe(notes);
  const one = pool.group("one", (key) => key === "c" ? undefined : "v");
  const many = pool.group("many", {
    loadMany: (keys) =>
      new Map<string, string | Error>(
        keys.map((key) => [key, key === "b" ? new Error("no") : "v"]),
      ),
  });
  await one.get("a");
  await many.get("a");
  notes.take();
  await one.getMany(["a", "b", "c"]);
  await many.getMany(["a", "b", "c"]);
  assertEquals(notes.take(), [
    'load one miss b ok {"ok":1} 0',
    'load one miss c not_found {"not_found":1} 0: Cannot get "c" of group "one": no such key',
    'get one b,c ok {"ok":1,"not_found":1} 0',
    'load many miss b,c ok {"failed":1,"ok":1} 0',
    'get many b,c ok {"failed":1,"ok":1} 0',
  ]);
  await one.getMany(["a", "b"]);
  assertEquals(notes.take(), []);
  await pool.close();
});

Deno.test("A batch getter may use up its list of keys, which changes nothing of what is told", async () => {
  const pool = new HTTPPool("http://a", { clock: new FakeClock() });
  const notes = new Notes();
  pool.observe({ load: notes.load });
  const group = pool.group("g", {
    loadMany: (keys) => {
      (keys as string[]).length = 0;
      throw new Error("no such table");
    },
  });
  await group.getMany(["a", "b"]);
  assertEquals(notes.take(), [
    'load g miss a,b failed {"failed":2} 0: no such table',
  ]);
  await pool.close();
});

Deno.test("A pool tells of a caller that left, and of the load that nobody waits for any more", async () => {
  for (const isBatch of [false, true]) {
    const clock = new FakeClock();
    const pool = new HTTPPool("http://a", { clock });
    const notes = new Notes();
    pool.observe(notes);
    const get = (
      _: unknown,
      { signal }: { signal: AbortSignal },
    ): Promise<never> =>
      new Promise((_, reject) => {
        signal.onabort = () => reject(signal.reason);
      });
    const group = pool.group("g", isBatch ? { loadMany: get } : get);
    for (const key of ["one", "many"]) {
      const leaver = new AbortController();
      const { signal } = leaver;
      const value = key === "one"
        ? group.get(key, { signal })
        : group.getMany([key], { signal });
      await settle();
      leaver.abort(new Error("left"));
      await assertRejects(() => value, Error, "left");
      await settle();
      assertEquals(notes.take().sort(), [
        `get g ${key} canceled {"canceled":1} 0: left`,
        `load g miss ${key} canceled {"canceled":1} 0: left`,
      ]);
    }
    await pool.close();
  }
});

Deno.test("A pool tells the end of a load whose getter never ends, when nobody waits or its time is over", async () => {
  for (const isBatch of [false, true]) {
    const clock = new FakeClock();
    const pool = new HTTPPool("http://a", { clock });
    const notes = new Notes();
    pool.observe({ load: notes.load });
    const never = () => new Promise<never>(() => {});
    const getter = isBatch ? { loadMany: never } : never;
    const left = pool.group("left", getter);
    const late = pool.group("late", getter, { loadTimeoutMs: 100 });
    const leaver = new AbortController();
    const gets = Promise.allSettled([
      left.get("k", { signal: leaver.signal }),
      late.get("k"),
      settle().then(() => left.get("l")),
    ]);
    await settle();
    leaver.abort(new Error("gone"));
    await clock.advance(100);
    await settle();
    const [gone, slow] = notes.take();
    assertEquals(gone, 'load left miss k canceled {"canceled":1} 0: gone');
    assert(slow!.startsWith('load late miss k failed {"failed":1} 100: '));
    await pool.close();
    await gets;
    assertEquals(
      notes.take().map((line) => line.replace(/(?<=100): .*/, "")),
      ['load left miss l canceled {"canceled":1} 100'],
    );
  }
});

Deno.test("A pool tells why a key is loaded: anew because it is stale, or in place of its owner", async () => {
  await withCluster(2, async (cluster) => {
    const { clock, network } = cluster;
    const { owner, asker } = ownerAndAsker(cluster);
    const notes = new Notes();
    owner.pool.observe({ load: notes.load });
    asker.pool.observe({ load: notes.load });
    await owner.group.get("k");
    await clock.advance(150);
    await owner.group.get("k");
    await clock.advance(1);
    await settle();
    assertEquals(notes.take(), [
      'load g miss k ok {"ok":1} 0',
      'load g refresh k ok {"ok":1} 0',
    ]);
    network.kill(owner.origin);
    await asker.group.get("k");
    assertEquals(notes.take(), ['load g stand-in k ok {"ok":1} 0']);
  }, { group: { ttlMs: 100, staleWhileRevalidateMs: 100 } });
});

Deno.test("A pool tells of questions and writes to peers, and how they ended", async () => {
  const getter = (key: string): string | undefined => {
    if (key.startsWith("bad")) throw new Error("no such table");
    return key.startsWith("none") ? undefined : "v";
  };
  await withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const notes = new Notes();
    asker.pool.observe({ peer: notes.peer });
    const [bad, none] = ["bad", "none"].map((prefix) =>
      keysOwnedBy(cluster, owner, 1, prefix)[0]!
    );
    // The second one goes over the link.
    for (const key of ["k", bad!, none!, "k"]) {
      await asker.group.find(key).catch(() => {});
    }
    await asker.group.set("k", "v");
    await asker.group.removeMany(["k", bad!]);
    await asker.group.clear();
    cluster.network.kill(owner.origin);
    await asker.group.get("k");
    await assertRejects(() => asker.group.remove("k"), AggregateError);
    const to = owner.origin;
    assertEquals(
      notes.take().map((line) => line.replace(/ 0(: .*)?$/, "")),
      [
        `${to} get g k ok {"ok":1}`,
        `${to} get g ${bad} failed {"failed":1}`,
        `${to} get g ${none} not_found {"not_found":1}`,
        `${to} get g k ok {"ok":1}`,
        `${to} set g k ok {"ok":1}`,
        `${to} remove g k,${bad} ok {"ok":2}`,
        // In two waves.
        `${to} clear g  ok {"ok":0}`,
        `${to} clear g  ok {"ok":0}`,
        `${to} get g k unreachable {"unreachable":1}`,
        `${to} remove g k unreachable {"unreachable":1}`,
      ].map((line) => `peer ${line}`),
    );
  }, { getter: () => getter });
});

Deno.test("A getter runs as its observer wants, in the context of its group", async () => {
  const storage = new AsyncLocalStorage<string>();
  const other = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  for (const isBatch of [false, true]) {
    const pool = new HTTPPool("http://a");
    pool.observe({
      load: () => {
        seen.push(storage.getStore(), other.getStore());
        return { run: (run) => other.run("span", run) };
      },
    });
    const look = () => {
      seen.push(storage.getStore(), other.getStore());
    };
    const getter = isBatch
      ? {
        loadMany: (keys: readonly string[]) => {
          look();
          return new Map(keys.map((key) => [key, "v"]));
        },
      }
      : () => {
        look();
        return "v";
      };
    const group = storage.run("the program", () => pool.group("g", getter));
    await storage.run("a request", () => group.get("k"));
    await pool.close();
  }
  const each = ["the program", undefined, "the program", "span"];
  assertEquals(seen, [...each, ...each]);
});

Deno.test("A getter gives up its place for another load, also in a context that its observer kept from before", async () => {
  const kept = AsyncLocalStorage.snapshot();
  for (const isBatch of [false, true]) {
    const pool = new HTTPPool("http://a");
    pool.observe({ load: () => ({ run: (call) => kept(call) }) });
    const load = async (key: string): Promise<string> =>
      key === "outer" ? (await group.get("inner")).text() : "v";
    const loadMany = async ([key]: readonly string[]) =>
      new Map([[key!, await load(key!)]]);
    const getter = isBatch ? { loadMany, maxKeys: 1 } : load;
    const group: Group = pool.group("g", getter, { maxConcurrentLoads: 1 });
    const outer = group.get("outer").then((value) => value.text());
    await settle();
    // A get that still waits fails when the pool closes.
    await pool.close();
    assertEquals(await outer, "v");
  }
});

Deno.test("A pool tells of each entry that leaves to make room", async () => {
  const pool = new HTTPPool("http://a");
  const notes = new Notes();
  pool.observe({ evict: notes.evict });
  // With room for two entries.
  const group = pool.group("g", () => "v", { maxBytes: 1224 });
  for (const key of ["a", "b", "c"]) await group.get(key);
  assertEquals(notes.take(), ["evict g main"]);
  await pool.close();
});

Deno.test("observe() refuses what is no observer", async () => {
  const pool = new HTTPPool("http://a");
  const observe = (observer: unknown) => () => pool.observe(observer as never);
  const action = "Cannot observe HTTPPool";
  assertThrows(
    observe(undefined),
    TypeError,
    `${action}: it must be an object: received undefined`,
  );
  assertThrows(
    observe({ load: 5 }),
    TypeError,
    `${action}: load must be a function: received 5`,
  );
  await pool.close();
});
