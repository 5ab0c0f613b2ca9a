/** Copies of values that another process owns: which are kept, and what a write does to them. */

import { assertEquals } from "../support/assert.ts";
import {
  MIRROR_ALL,
  type Node,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { gate, settle } from "../support/time.ts";

Deno.test("A process keeps a copy only if shouldMirror says so, and no longer than mirrorTtlMs or the value's own life", () =>
  withCluster(2, async (cluster) => {
    const asker = (key: string) =>
      cluster.nodes.find((node) => node !== cluster.ownerOf(key))!;
    for (const key of ["hot-1", "hot-brief", "cold"]) {
      await asker(key).group.get(key);
    }
    const kept = (key: string) => asker(key).group.peek(key)?.text();
    assertEquals(kept("cold"), undefined);
    assertEquals(kept("hot-1"), "<hot-1>");
    await cluster.clock.advance(999);
    assertEquals(kept("hot-brief"), "<hot-brief>");
    await cluster.clock.advance(1);
    // The value's own life is over, by the time left that came with it.
    assertEquals(kept("hot-brief"), undefined);
    await cluster.clock.advance(4_000);
    assertEquals(kept("hot-1"), undefined);
  }, {
    group: {
      mirrorTtlMs: 5_000,
      shouldMirror: (key) => key.startsWith("hot"),
    },
    getter: () => (key) =>
      key === "hot-brief" ? { value: `<${key}>`, ttlMs: 1_000 } : `<${key}>`,
  }));

Deno.test("A value that was answered before a remove is not kept as a copy after it", () =>
  withCluster(3, async (cluster) => {
    const [owner, asker, writer] = cluster.inOrder("k") as [Node, Node, Node];
    const answered = gate();
    cluster.network.fault(owner.origin, async (request, next) => {
      const response = await next();
      if (request.method === "GET") await answered.opened;
      return response;
    });
    const get = textOf(asker.group.get("k"));
    await settle();
    await writer.group.remove("k");
    answered.open();
    assertEquals(await get, "<k>");
    assertEquals(asker.group.peek("k"), undefined);
  }, MIRROR_ALL));

Deno.test("A writer's own get during a remove leaves no old copy", () =>
  withCluster(3, async (cluster) => {
    const [owner, , writer] = cluster.inOrder("k") as [Node, Node, Node];
    const told = gate();
    cluster.network.fault(owner.origin, async (request, next) => {
      if (request.method === "DELETE") await told.opened;
      return await next();
    });
    await owner.group.get("k");
    const removed = writer.group.remove("k");
    await settle();
    // The owner has not been told yet and answers with the old value.
    assertEquals(await textOf(writer.group.get("k")), "<k>");
    assertEquals(writer.group.peek("k")?.text(), "<k>");
    told.open();
    await removed;
    assertEquals(writer.group.peek("k"), undefined);
  }, MIRROR_ALL));

Deno.test("A writer drops its own copy before it tells the owner, and again afterwards", async () => {
  const writes: [string, (node: Node) => Promise<void>][] = [
    ["set", ({ group }) => group.set("k", "new")],
    ["remove", ({ group }) => group.remove("k")],
    ["removeMany", ({ group }) => group.removeMany(["x", "k"])],
    ["clear", ({ group }) => group.clear()],
  ];
  for (const [name, write] of writes) {
    await withCluster(3, async (cluster) => {
      const [owner, , writer] = cluster.inOrder("k") as [Node, Node, Node];
      await writer.group.get("k");
      const told = gate();
      cluster.network.fault(owner.origin, async ({ method }, next) => {
        if (method !== "GET") await told.opened;
        return await next();
      });
      const written = write(writer);
      await settle();
      assertEquals(writer.group.peek("k"), undefined, name);
      // The owner has not been told yet and answers with the old value.
      assertEquals(await textOf(writer.group.get("k")), "<k>");
      assertEquals(writer.group.peek("k")?.text(), "<k>");
      told.open();
      await written;
      assertEquals(writer.group.peek("k"), undefined, name);
    }, MIRROR_ALL);
  }
});

Deno.test("clear() leaves no copy that was made while it ran", () =>
  withCluster(3, async (cluster) => {
    const [owner, early, writer] = cluster.inOrder("k") as [Node, Node, Node];
    const told = gate();
    cluster.network.fault(owner.origin, async (request, next) => {
      if (request.method === "DELETE") await told.opened;
      return await next();
    });
    await owner.group.get("k");
    const cleared = writer.group.clear();
    await settle();
    // `early` has been told already; the owner has not.
    await early.group.get("k");
    assertEquals(early.group.peek("k")?.text(), "<k>");
    told.open();
    await cleared;
    for (const { group } of cluster.nodes) {
      assertEquals(group.peek("k"), undefined);
    }
  }, MIRROR_ALL));
