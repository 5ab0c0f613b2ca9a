/** Writes across processes: which processes are told, in which order, and what a failure says. */

import { type Group, PeerError } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  type ClusterOptions,
  copyEverywhere,
  MIRROR_ALL,
  type Node,
  numberedKeys,
  ownerAndAsker,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { detached } from "../support/network.ts";
import { gate, settle } from "../support/time.ts";

/** Options for a cluster whose loads end one by one, with the values that the test gives. */
function gatedLoads(): {
  gates: ReturnType<typeof gate<string>>[];
  options: ClusterOptions;
} {
  const gates: ReturnType<typeof gate<string>>[] = [];
  const getter = () => () => {
    const opened = gate<string>();
    gates.push(opened);
    return opened.opened;
  };
  return { gates, options: { ...MIRROR_ALL, getter } };
}

Deno.test("Writes take every string as a key", () =>
  withCluster(2, async ({ nodes }) => {
    const [a, b] = nodes as [Node, Node];
    for (const key of [".", "..", "a//b", "%", "?clear", "x".repeat(65536)]) {
      await a.group.set(key, "set");
      assertEquals(await textOf(b.group.get(key)), "set");
      await b.group.remove(key);
      assertEquals(await textOf(a.group.get(key)), `<${key}>`);
    }
    const many = numberedKeys(300).map((key) => key + "x".repeat(5000));
    await a.group.getMany(many);
    await b.group.removeMany(many);
    for (const { group } of nodes) {
      for (const key of many) assertEquals(group.peek(key), undefined);
    }
  }));

Deno.test("set() stores at the owner and removes everywhere else", () =>
  withCluster(4, async (cluster) => {
    for (const writer of cluster.nodes) {
      for (const { group } of cluster.nodes) await group.get("k");
      await writer.group.set("k", writer.origin);
      for (const node of cluster.nodes) {
        const held = node.group.peek("k")?.text();
        const owner = node === cluster.ownerOf("k");
        assertEquals(held, owner ? writer.origin : undefined);
      }
      const { main } = cluster.ownerOf("k").group.stats();
      assertEquals(main.items, 1);
    }
  }, MIRROR_ALL));

Deno.test("set() sends its ttlMs to the owner, also with a long key", () =>
  withCluster(2, async (cluster) => {
    for (const key of ["k", "x".repeat(5_000), "y".repeat(5_000)]) {
      const owner = cluster.ownerOf(key);
      for (const writer of cluster.nodes) {
        await writer.group.set(key, "v", { ttlMs: 500 });
        assertEquals(owner.group.peek(key)?.text(), "v");
        await cluster.clock.advance(500);
        assertEquals(owner.group.peek(key), undefined);
      }
    }
  }));

Deno.test("remove(), removeMany() and clear() reach every process", () =>
  withCluster(4, async (cluster) => {
    const keys = numberedKeys(20);
    const held = () => cluster.nodes.flatMap(({ group }) => [...group.keys()]);
    for (const { group } of cluster.nodes) await group.getMany(keys);
    assertEquals(held().length, 80);
    await cluster.nodes[0]!.group.remove("key-0");
    assertEquals(held().length, 76);
    await cluster.nodes[1]!.group.removeMany([...keys.slice(0, 10), "key-1"]);
    assertEquals(held().sort().length, 40);
    assert(!held().includes("key-9"));
    await cluster.nodes[2]!.group.clear();
    assertEquals(held(), []);
  }, MIRROR_ALL));

Deno.test("removeMany() tells each owner its own keys first, then each process the rest, and no process a key twice", () =>
  withCluster(3, async (cluster) => {
    const [writer] = cluster.nodes as [Node];
    const keys = numberedKeys(12);
    const told = new Map<string, string[][]>();
    for (const { origin } of cluster.nodes) {
      told.set(origin, []);
      cluster.network.fault(origin, async (request, next) => {
        const { pathname } = new URL(request.url);
        // Frames read as text: the keys are short, and only they have a dash.
        const text = pathname + await request.clone().text();
        told.get(origin)!.push(text.match(/key-\d+/g)!);
        return await next();
      });
    }
    await writer.group.removeMany([...keys, ...keys]);
    for (const node of cluster.nodes) {
      const owned = keys.filter((key) => cluster.ownerOf(key) === node);
      const rest = keys.filter((key) => !owned.includes(key));
      const expected = node === writer ? [] : [owned, rest];
      assertEquals(told.get(node.origin), expected);
    }
    for (const list of told.values()) list.length = 0;
    const node = cluster.nodes[1]!;
    const owned = keys.filter((key) => cluster.ownerOf(key) === node);
    await writer.group.removeMany(owned);
    assertEquals(told.get(node.origin), [owned]);
    assertEquals(told.get(cluster.nodes[2]!.origin), [owned]);
  }));

Deno.test("Many removed keys are sent in bodies of at most 1 MiB, no body empty and no key twice", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = ownerAndAsker(cluster);
    const sizes: number[] = [];
    cluster.network.fault(owner.origin, async (request, next) => {
      sizes.push((await request.clone().arrayBuffer()).byteLength);
      return await next();
    });
    const lengths = [[400_000], [10, 10, 200_000, 100_000], [100_000, 50, 50]];
    const keys = lengths.flat().map((length, i) => `${i}`.repeat(length));
    for (const key of keys) await owner.group.set(key, "v");
    sizes.length = 0;
    await peer.remove("g", keys);
    assertEquals([...owner.group.keys()], []);
    const sum = (row: number[]) => row.reduce((all, n) => all + 4 + n, 0);
    assertEquals(sizes, lengths.map(sum));
  }));

Deno.test("The owner is told first, then all others at once", () =>
  withCluster(4, async (cluster) => {
    const [owner, ...rest] = cluster.inOrder("k");
    const writer = rest.pop()!;
    const { sent } = cluster.network;
    for (const write of ["remove", "set"] as const) {
      const written = gate();
      cluster.network.fault(owner!.origin, async (_request, next) => {
        await written.opened;
        return await next();
      });
      sent.length = 0;
      const done = write === "set"
        ? writer.group.set("k", "v")
        : writer.group.remove("k");
      await settle();
      assertEquals(sent.map(({ to }) => to), [owner!.origin]);
      written.open();
      await done;
      const others = sent.slice(1).map(({ to, method }) => [to, method]);
      assertEquals(
        others.sort(),
        rest.map(({ origin }) => [origin, "DELETE"]).sort(),
      );
    }
  }));

Deno.test("A write names every process that it could not tell, and tells all others", () =>
  withCluster(4, async (cluster) => {
    const [owner, dead, silent, writer] = cluster.inOrder("k") as [
      Node,
      Node,
      Node,
      Node,
    ];
    for (
      const write of [
        (node: Node) => node.group.remove("k"),
        (node: Node) => node.group.set("k", "v"),
        (node: Node) => node.group.clear(),
      ]
    ) {
      for (const { group } of cluster.nodes) await group.get("k");
      cluster.network.kill(dead.origin);
      cluster.network.silence(silent.origin);
      const done = write(writer);
      done.catch(() => {});
      await cluster.clock.advance(5_000);
      const error = await assertRejects(() => done, AggregateError);
      const failures = error.errors as PeerError[];
      for (const failure of failures) assert(failure instanceof PeerError);
      assertEquals(
        failures.map(({ peer }) => peer).sort(),
        [dead.origin, silent.origin].sort(),
      );
      assert(error.message.includes(dead.origin), error.message);
      assert(owner.group.peek("k")?.text() !== "<k>");
      assertEquals(writer.group.peek("k"), undefined);
      cluster.network.join(dead.origin, dead.pool.handler);
      cluster.network.fault(silent.origin);
      await owner.group.remove("k");
    }
  }, MIRROR_ALL));

Deno.test("A write to an owner that is out of reach rejects, and still removes the key everywhere else", () =>
  withCluster(3, async (cluster) => {
    const [owner, other, writer] = cluster.inOrder("k") as [Node, Node, Node];
    for (const { group } of cluster.nodes) await group.get("k");
    cluster.network.kill(owner.origin);
    const error = await assertRejects(
      () => writer.group.set("k", "v"),
      AggregateError,
      `Cannot set "k" of group "g"`,
    );
    assertEquals(error.errors.length, 1);
    assertEquals(other.group.peek("k"), undefined);
    assertEquals(writer.group.peek("k"), undefined);
  }, MIRROR_ALL));

Deno.test("A node without the group has nothing to remove, and cannot set", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf("k");
    const writer = cluster.nodes.find((node) => node !== owner)!;
    owner.pool.removeGroup("g");
    await writer.group.remove("k");
    await writer.group.clear();
    const error = await assertRejects(
      () => writer.group.set("k", "v"),
      AggregateError,
    );
    assertEquals((error.errors[0] as PeerError).status, 404);
  }));

Deno.test("No load that began before a write keeps an old value, at the owner or at an asker", async () => {
  for (const write of ["remove", "set", "clear"] as const) {
    const { gates, options } = gatedLoads();
    await withCluster(3, async (cluster) => {
      const [owner, asker, writer] = cluster.inOrder("k") as [Node, Node, Node];
      const gets = [owner, asker].map(({ group }) => textOf(group.get("k")));
      await settle();
      await (write === "set"
        ? writer.group.set("k", "new")
        : write === "remove"
        ? writer.group.remove("k")
        : writer.group.clear());
      gates[0]!.open("old");
      assertEquals(await Promise.all(gets), ["old", "old"]);
      const held = cluster.nodes.map(({ group }) => group.peek("k")?.text());
      const left = write === "set" ? ["new"] : [];
      assertEquals(held.filter((value) => value !== undefined), left, write);
    }, options);
  }
});

Deno.test("A write to a closed pool or group rejects, since no peer would be told", () =>
  withCluster(2, async (cluster) => {
    const [writer, other] = cluster.inOrder("k") as [Node, Node];
    await copyEverywhere(cluster);
    await writer.pool.close();
    const { group } = writer;
    for (
      const [write, action] of [
        [() => group.set("k", "v"), 'Cannot set "k" of group "g"'],
        [() => group.remove("k"), 'Cannot remove keys of group "g"'],
        [() => group.clear(), 'Cannot clear group "g"'],
      ] as const
    ) {
      const { message } = await assertRejects(write, Error);
      assertEquals(message, `${action}: the group is closed`);
    }
    assert(other.group.peek("k") !== undefined);
  }, MIRROR_ALL));

Deno.test("A write that is under way when its pool closes rejects", async () => {
  const writes: ((group: Group) => Promise<void>)[] = [
    (group) => group.set("k", "v"),
    (group) => group.remove("k"),
    (group) => group.clear(),
  ];
  for (const write of writes) {
    await withCluster(2, async (cluster) => {
      const { group, pool } = cluster.ownerOf("k");
      const written = assertRejects(() => write(group), Error);
      await pool.close();
      await written;
    });
  }
});

for (const late of ["A rejected set()", "A killed process's set()"]) {
  for (const next of ["set() elsewhere", "set() at the owner", "remove()"]) {
    Deno.test(`${late} that arrives late changes nothing after a later ${next} that resolved`, () =>
      withCluster(3, async (cluster) => {
        const { network, clock } = cluster;
        const [owner, first, second] = cluster.inOrder("k") as [
          Node,
          Node,
          Node,
        ];
        await first.group.set("k", "before");
        const held: Promise<Request>[] = [];
        network.fault(owner.origin, (request, pass) => {
          if (request.headers.get("Geecache-Peer") !== first.origin) {
            return pass();
          }
          if (request.method === "PUT") held.push(detached(request));
          return new Promise(() => {});
        });
        const old = first.group.set("k", "old").catch((error) => error);
        if (late.startsWith("A killed")) {
          await settle();
          await first.pool.close();
        } else await clock.advance(5_000);
        assert(await old instanceof Error);
        assertEquals(held.length, 1);
        if (next === "remove()") await second.group.remove("k");
        else {
          const writer = next === "set() elsewhere" ? second : owner;
          await writer.group.set("k", "new");
        }
        // Twice: something on the way may repeat a request.
        for (let i = 0; i < 2; i++) {
          await owner.pool.handler((await held[0]!).clone());
        }
        const now = next === "remove()" ? "<k>" : "new";
        assertEquals(await textOf(second.group.get("k")), now);
        assertEquals(await textOf(owner.group.get("k")), now);
      }));
  }
}

Deno.test("A value is sent to its owner once, and twice if another process wrote the key meanwhile", () =>
  withCluster(3, async (cluster) => {
    const { network } = cluster;
    const [owner, first, second] = cluster.inOrder("k") as [Node, Node, Node];
    const puts = async (node: Node, value: string): Promise<number> => {
      const before = network.count({ to: owner.origin, method: "PUT" });
      await node.group.set("k", value);
      assertEquals(await textOf(second.group.get("k")), value);
      return network.count({ to: owner.origin, method: "PUT" }) - before;
    };
    await first.group.remove("k");
    await second.group.remove("k");
    assertEquals(await puts(second, "1"), 1);
    assertEquals(await puts(second, "2"), 1);
    assertEquals(await puts(first, "3"), 2);
    assertEquals(await puts(first, "4"), 1);
  }));

Deno.test("However many sets of one key are under way, each sends its value twice at most", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    await Promise.all(
      numberedKeys(100).map((value) => asker.group.set("k", value)),
    );
    assert(cluster.network.count({ method: "PUT" }) <= 200);
    assert(owner.group.peek("k") !== undefined);
  }));
