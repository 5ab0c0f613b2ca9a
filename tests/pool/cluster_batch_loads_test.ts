/** Batches across processes: the misses of all of them that meet at an owner are one call. */

import {
  type BatchGetter,
  BusyError,
  type ByteView,
  LoadError,
  NotFoundError,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  type Cluster,
  type ClusterOptions,
  keysOwnedBy,
  linkOf,
  type Node,
  numberedKeys,
  openLink,
  originsOf,
  ownerAndAsker,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { type Gate, gate, settle } from "../support/time.ts";

type Found = Awaited<ReturnType<BatchGetter["loadMany"]>>;

interface Call {
  readonly node: string;
  readonly keys: readonly string[];
  readonly signal: AbortSignal;
}

/** Each key in angle brackets. */
const brackets = (keys: readonly string[]): Found =>
  new Map(keys.map((key) => [key, `<${key}>`]));

/** Options of a cluster that notes the calls of all nodes. */
function recorded(
  load: (call: Call) => Found | Promise<Found> = ({ keys }) => brackets(keys),
  options: Omit<ClusterOptions, "getter"> & { maxKeys?: number } = {},
) {
  const calls: Call[] = [];
  const { maxKeys = 1_000, ...others } = options;
  const getter = (node: string): BatchGetter => ({
    loadMany(keys, { signal }) {
      const call = { node, keys, signal };
      calls.push(call);
      return load(call);
    },
    maxKeys,
  });
  return { calls, options: { ...others, getter } };
}

/** The same, with calls that end when the test says so. */
function held(
  options?: Omit<ClusterOptions, "getter"> & { maxKeys?: number },
) {
  const gates: Gate<Found>[] = [];
  const all = recorded(() => {
    const one = gate<Found>();
    gates.push(one);
    return one.opened;
  }, options);
  const end = async (call: number) => {
    gates[call]!.open(brackets(all.calls[call]!.keys));
    await settle();
  };
  return { ...all, end };
}

/** Opens a link between all, and forgets the calls that this took. */
async function openLinks(cluster: Cluster, calls: Call[]): Promise<void> {
  for (const from of cluster.nodes) {
    for (const to of cluster.nodes) {
      if (from !== to) await openLink(cluster, from, to);
    }
  }
  calls.length = 0;
}

const keysOf = (calls: Call[]) => calls.map(({ keys }) => [...keys]);

Deno.test("The misses of three processes that meet at one owner in one turn are one call, over links and in requests", async () => {
  for (const way of ["links", "requests"]) {
    const { calls, options } = recorded();
    await withCluster(4, async (cluster) => {
      const [owner, ...others] = cluster.nodes as [Node, ...Node[]];
      if (way === "links") await openLinks(cluster, calls);
      else cluster.network.links(owner.origin, "refuse");
      const keys = keysOwnedBy(cluster, owner, 12);
      const values = await Promise.all([
        ...others.map(({ group }, i) =>
          group.getMany([...keys.slice(3 * i, 3 * i + 3), keys[11]!])
        ),
        owner.group.getMany([keys[9]!, keys[10]!]),
      ]);
      for (const found of values) {
        for (const [key, value] of found) assertEquals(`${value}`, `<${key}>`);
      }
      assertEquals(calls.map(({ node }) => node), [owner.origin], way);
      assertEquals([...calls[0]!.keys].sort(), [...keys].sort(), way);
      assertEquals(owner.group.stats().localLoads, 12, way);
    }, options);
  }
});

Deno.test("getMany() of 100 missing keys is one call for each owner, in the order of the keys", () => {
  const { calls, options } = recorded();
  return withCluster(3, async (cluster) => {
    await openLinks(cluster, calls);
    const keys = numberedKeys(100);
    const values = await cluster.nodes[0]!.group.getMany(keys);
    assertEquals([...values.keys()], keys);
    for (const [key, value] of values) assertEquals(`${value}`, `<${key}>`);
    assertEquals(calls.map(({ node }) => node).sort(), originsOf(cluster));
    for (const call of calls) {
      const own = keys.filter((key) =>
        cluster.ownerOf(key).origin === call.node
      );
      assertEquals(call.keys, own);
    }
  }, options);
});

Deno.test("Many keys that are asked for in one go wait for their link, and are one call", () => {
  const { calls, options } = recorded();
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const keys = keysOwnedBy(cluster, owner, 100);
    const values = await asker.group.getMany(keys);
    for (const [key, value] of values) assertEquals(`${value}`, `<${key}>`);
    assertEquals(calls.map(({ keys }) => keys.length), [100]);
    assertEquals(linkOf(asker, owner), "open");
  }, options);
});

Deno.test("One key's error is that key's in every process, and the other keys of the call have their values", () => {
  const { calls, options } = recorded(({ keys }) => {
    const found = new Map<string, string | Error>();
    for (const key of keys) {
      if (key.startsWith("bad")) found.set(key, new Error(`${key} is broken`));
      else if (key.startsWith("busy")) found.set(key, new BusyError("no room"));
      else if (!key.startsWith("none")) found.set(key, `<${key}>`);
    }
    return found;
  });
  return withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    await openLinks(cluster, calls);
    const [good, bad, none, busy] = ["good", "bad", "none", "busy"].map(
      (prefix) => keysOwnedBy(cluster, owner, 1, prefix)[0]!,
    ) as [string, string, string, string];
    for (const { group } of [asker, owner]) {
      const values = await group.getMany([bad, good, none, busy]);
      assertEquals(`${values.get(good)}`, `<${good}>`);
      assert(values.get(none) instanceof NotFoundError);
      const error = values.get(bad) as Error;
      assertEquals(error.message, `${bad} is broken`);
      assertEquals(error instanceof LoadError, group === asker.group);
      // It is the getter's own: the owner had time.
      const own = values.get(busy);
      assertEquals((own as Error).message, "no room");
      assertEquals(own instanceof LoadError, group === asker.group);
    }
    // What is there is not loaded again.
    assertEquals(keysOf(calls), [[bad, good, none, busy], [bad, none, busy]]);
    assertEquals(asker.loads, []);
  }, options);
});

Deno.test("Processes that leave end a call when nobody in any process waits for any of its keys", () => {
  const { calls, options, end } = held();
  return withCluster(3, async (cluster) => {
    await openLinks(cluster, calls);
    const [owner, ...askers] = cluster.nodes as [Node, Node, Node];
    const keys = keysOwnedBy(cluster, owner, 3);
    const leavers = askers.map(() => new AbortController());
    const gets = askers.map(({ group }, i) =>
      group.getMany(keys.slice(i, i + 2), { signal: leavers[i]!.signal })
    );
    const ends = gets.map((get) => assertRejects(() => get, Error, "left"));
    await settle();
    assertEquals(calls.length, 1);
    const { signal } = calls[0]!;
    for (const leaver of leavers) {
      assertEquals(signal.aborted, false);
      leaver.abort(new Error("left"));
      await settle();
    }
    assertEquals(signal.aborted, true);
    await Promise.all(ends);
    await end(0);
    assertEquals(
      [...owner.group.keys()].filter((key) => keys.includes(key)),
      [],
    );
  }, options);
});

Deno.test("A removal from another process during a call holds, and the other keys of the call are kept", () => {
  const { calls, options, end } = held();
  return withCluster(3, async (cluster) => {
    await openLinks(cluster, calls);
    const [owner, asker, remover] = cluster.nodes as [Node, Node, Node];
    const keys = keysOwnedBy(cluster, owner, 3) as [string, string, string];
    const values = asker.group.getMany(keys);
    await settle();
    await remover.group.remove(keys[1]);
    await end(0);
    assertEquals((await values).size, 3);
    const kept = keys.map((key) => owner.group.peek(key) !== undefined);
    assertEquals(kept, [true, false, true]);
    const again = asker.group.get(keys[1]);
    await settle();
    assertEquals(keysOf(calls).slice(1), [[keys[1]]]);
    await end(1);
    await again;
  }, options);
});

Deno.test("A call for an absent owner's keys takes one place among stand-ins; the next ones gather, and own keys do not wait", () => {
  const { calls, options, end } = held({ group: { maxStandInLoads: 1 } });
  return withCluster(2, async (cluster) => {
    const [dead, asker] = cluster.nodes as [Node, Node];
    cluster.network.kill(dead.origin);
    const absent = keysOwnedBy(cluster, dead, 9);
    const own = keysOwnedBy(cluster, asker, 3) as [string, string, string];
    const gets: Promise<unknown>[] = [];
    const get = async (...keys: string[]) => {
      gets.push(asker.group.getMany(keys));
      await settle();
    };
    await get(...absent.slice(0, 3));
    assertEquals(keysOf(calls), [absent.slice(0, 3)]);
    await get(...absent.slice(3, 5));
    await get(own[0], ...absent.slice(5, 6));
    assertEquals(keysOf(calls).slice(1), [[own[0]]]);
    await end(0);
    assertEquals(keysOf(calls).slice(2), [absent.slice(3, 6)]);
    // With a place for both, they leave together.
    await end(2);
    const last = [absent[6]!, own[1], absent[7]!, own[2], absent[8]!];
    await get(...last);
    assertEquals([...keysOf(calls)[3]!].sort(), [...last].sort());
    for (const call of [1, 3]) await end(call);
    await Promise.all(gets);
  }, options);
});

Deno.test("Keys for absent owners past those of 10,000 calls are refused with a BusyError; own keys are not", () => {
  const { calls, options, end } = held({
    group: { maxStandInLoads: 1 },
    maxKeys: 1,
  });
  return withCluster(2, async (cluster) => {
    const [dead, asker] = cluster.nodes as [Node, Node];
    cluster.network.kill(dead.origin);
    const keys = keysOwnedBy(cluster, dead, 10_002);
    const [own] = keysOwnedBy(cluster, asker, 1) as [string];
    const values = asker.group.getMany(keys.slice(0, 10_001));
    await settle();
    await assertRejects(
      () => asker.group.get(keys[10_001]!),
      BusyError,
      `Cannot load "${
        keys[10_001]
      }" of group "g", which another process owns: ` +
        "1 calls of loadMany run and 10000 keys wait",
    );
    const get = textOf(asker.group.get(own));
    await settle();
    assertEquals(keysOf(calls).slice(1), [[own]]);
    await end(1);
    assertEquals(await get, `<${own}>`);
    await end(0);
    assertEquals(calls.length, 3);
    await asker.pool.close();
    const [[first]] = keysOf(calls) as [[string]];
    assertEquals(`${(await values).get(first)}`, `<${first}>`);
  }, options);
});

Deno.test("Stand-ins' calls count among maxConcurrentLoads", () => {
  const { calls, options, end } = held({ group: { maxConcurrentLoads: 1 } });
  return withCluster(2, async (cluster) => {
    const [dead, asker] = cluster.nodes as [Node, Node];
    cluster.network.kill(dead.origin);
    const [first, second] = keysOwnedBy(cluster, dead, 2) as [string, string];
    const [own] = keysOwnedBy(cluster, asker, 1) as [string];
    const gets: Promise<ByteView>[] = [];
    for (const key of [first, own, second]) {
      gets.push(asker.group.get(key));
      await settle();
    }
    assertEquals(keysOf(calls), [[first]]);
    await end(0);
    assertEquals(keysOf(calls).slice(1), [[own, second]]);
    await end(1);
    await Promise.all(gets);
  }, options);
});

Deno.test("A new owner takes over what the last one has, and loads the rest in one call", () => {
  const { calls, options } = recorded(undefined, {
    pool: { handoverMs: 30_000 },
  });
  return withCluster(2, async (cluster) => {
    const [first, second] = cluster.nodes as [Node, Node];
    const keys = keysOwnedBy(cluster, second, 10);
    first.pool.setPeers([first.origin]);
    const held = keys.slice(0, 4);
    await first.group.getMany(held);
    assertEquals(keysOf(calls), [held]);
    first.pool.setPeers(originsOf(cluster));
    second.pool.setPeers([second.origin]);
    second.pool.setPeers(originsOf(cluster));
    const values = await second.group.getMany(keys);
    for (const [key, value] of values) assertEquals(`${value}`, `<${key}>`);
    const loaded = keysOf(calls).slice(1).flat();
    assertEquals(loaded.sort(), keys.slice(4).sort());
    assertEquals(second.group.stats().inherited, 4);
  }, options);
});
