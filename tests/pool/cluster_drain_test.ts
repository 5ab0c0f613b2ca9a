/** Processes that drain: they say so, load for no other process, and hand their values over. */

import { HTTPPool } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  type Node,
  numberedKeys,
  stateOf,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { noteIn } from "../support/logger.ts";
import { gate } from "../support/time.ts";

const KEYS = numberedKeys(200);

const HANDOVER = { pool: { handoverMs: 30_000 } };

Deno.test("A process that drains says so, loads for no other, and is asked for copies by the next node", () =>
  withCluster(3, async (cluster) => {
    const { clock } = cluster;
    const [leaver, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    const keys = KEYS.filter((key) =>
      cluster.ownerOf(key) === leaver && cluster.inOrder(key)[1] === next
    );
    const [held, fresh] = [keys.slice(0, 5), keys.slice(5, 10)];
    for (const key of held) await leaver.group.get(key);
    let drained = false;
    const drain = leaver.pool.drain({ timeoutMs: 10_000 })
      .then(() => drained = true);
    assert(leaver.pool.stats().draining);
    // The first answer says so; from then on the next node is asked.
    assertEquals(await textOf(asker.group.get(held[0]!)), `<${held[0]}>`);
    assertEquals(stateOf(asker, leaver), "draining");
    for (const key of [...held, ...fresh]) {
      assertEquals(await textOf(asker.group.get(key)), `<${key}>`);
    }
    assertEquals([...leaver.loads].sort(), [...held].sort());
    assertEquals([...next.loads].sort(), [...fresh].sort());
    assertEquals(next.group.stats().inherited, 5);
    // Its own gets go on, and so do writes to it.
    assertEquals(await textOf(leaver.group.get(fresh[0]!)), `<${fresh[0]}>`);
    await asker.group.remove(held[1]!);
    assertEquals(leaver.group.peek(held[1]!), undefined);
    await clock.advance(9_999);
    assert(!drained);
    await clock.advance(1);
    await drain;
    await assertRejects(() => leaver.group.get("other"), Error, "closed");
  }));

Deno.test("A process that drains is asked for copies also after it left the list, and its values live on as long as they would have", () =>
  withCluster(4, async (cluster) => {
    const { clock, network } = cluster;
    const [leaver, ...others] = cluster.inOrder("k") as [Node, ...Node[]];
    const keys = KEYS.filter((key) => cluster.ownerOf(key) === leaver);
    await leaver.group.getMany(keys);
    const drain = leaver.pool.drain({ timeoutMs: 10_000 });
    // The nodes next to it take over some values before the list changes.
    await others[0]!.group.getMany(keys.slice(0, 10));
    const rest = others.map(({ origin }) => origin);
    for (const { pool } of others) pool.setPeers(rest);
    await others[0]!.group.getMany(keys);
    await clock.advance(10_000);
    await drain;
    network.kill(leaver.origin);
    await clock.advance(30_000);
    network.sent.length = 0;
    await clock.advance(3_600_000);
    for (const { group } of others) await group.getMany(keys);
    assertEquals(others.flatMap(({ loads }) => loads), []);
    assertEquals(network.count({ to: leaver.origin }), 0);
    for (const { pool } of others) {
      assert(pool.stats().peers.every(({ id }) => id !== leaver.origin));
    }
  }, HANDOVER));

Deno.test("The next node loads a key even if it is the first that is asked for since the drain began", () =>
  withCluster(3, async (cluster) => {
    const [leaver, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    const drain = leaver.pool.drain({ timeoutMs: 1_000 });
    assertEquals(await textOf(asker.group.get("k")), "<k>");
    assertEquals([leaver.loads, next.loads], [[], ["k"]]);
    assertEquals(asker.pool.stats().peers.map(({ errors }) => errors), [0, 0]);
    await cluster.clock.advance(1_000);
    await drain;
  }));

Deno.test("A process that drained and was started again is asked for its keys again", () =>
  withCluster(3, async (cluster) => {
    const { clock, network } = cluster;
    const [leaver, , asker] = cluster.inOrder("k") as [Node, Node, Node];
    const drain = leaver.pool.drain({ timeoutMs: 1_000 });
    await asker.group.get("k");
    await clock.advance(1_000);
    await drain;
    network.kill(leaver.origin);
    await clock.advance(20_000);
    assertEquals(stateOf(asker, leaver), "open");
    const pool = new HTTPPool(leaver.origin, {
      fetch: network.fetchFrom(leaver.origin),
      clock,
    });
    pool.group("g", (key) => `again ${key}`);
    network.join(leaver.origin, pool.handler);
    await clock.advance(10_000);
    assertEquals(stateOf(asker, leaver), "closed");
    await asker.group.remove("k");
    assertEquals(await textOf(asker.group.get("k")), "again k");
    await pool.close();
  }));

Deno.test("drain() ends at once without peers or with close(), and refuses a bad time", async () => {
  const pool = new HTTPPool("http://a");
  await assertRejects(
    () => pool.drain({ timeoutMs: -1 }),
    RangeError,
    "Cannot drain HTTPPool: timeoutMs must be a non-negative number: received -1",
  );
  assert(!pool.stats().draining);
  await pool.drain();
  await assertRejects(
    () => Promise.resolve().then(() => pool.group("g", () => "")),
    TypeError,
    "closed",
  );
  await withCluster(2, async ({ nodes: [one] }) => {
    const drains = [one!.pool.drain(), one!.pool.drain({ timeoutMs: 1 })];
    await one!.pool.close();
    await Promise.all(drains);
  });
});

Deno.test("drain() with close: false lets gets of this process end, until close()", () => {
  const load = gate<string>();
  return withCluster(2, async (cluster) => {
    const [leaver, asker] = cluster.inOrder("k") as [Node, Node];
    const slow = textOf(leaver.group.get("k"));
    const drain = leaver.pool.drain({ timeoutMs: 1_000, close: false });
    await cluster.clock.advance(1_000);
    await drain;
    load.open("v");
    assertEquals(await slow, "v");
    assertEquals(await textOf(leaver.group.get("more")), "v");
    // Peers still ask elsewhere.
    const key = KEYS.find((key) => cluster.ownerOf(key) === leaver)!;
    assertEquals(await textOf(asker.group.get(key)), "v");
    assertEquals(stateOf(asker, leaver), "draining");
    assert(!leaver.loads.includes(key));
    await leaver.pool.close();
    await assertRejects(() => leaver.group.get("late"), Error, "closed");
  }, { getter: () => () => load.opened });
});

Deno.test("drain() with close: false ends at once without peers, and takes nothing but true or false", async () => {
  const pool = new HTTPPool("http://a");
  const group = pool.group("g", () => "v");
  await pool.drain({ close: false });
  assertEquals(await textOf(group.get("k")), "v");
  await assertRejects(
    () => pool.drain({ close: 0 as never }),
    TypeError,
    "Cannot drain HTTPPool: close must be true or false: received 0",
  );
  await pool.close();
});

Deno.test("The node next to one that drains takes over values for its own gets", () =>
  withCluster(2, async (cluster) => {
    const [leaver, asker] = cluster.inOrder("k") as [Node, Node];
    const keys = KEYS.filter((key) => cluster.ownerOf(key) === leaver);
    await leaver.group.getMany(keys);
    const drain = leaver.pool.drain({ timeoutMs: 1_000 });
    for (const key of keys.slice(0, 5)) await asker.group.get(key);
    assertEquals([asker.loads, asker.group.stats().inherited], [[], 4]);
    await cluster.clock.advance(1_000);
    await drain;
  }));

Deno.test("A process that drains does not report that other lists differ from its own", async () => {
  const lines: string[] = [];
  const logger = noteIn(lines);
  await withCluster(3, async (cluster) => {
    const [leaver, ...others] = cluster.nodes as [Node, Node, Node];
    const drain = leaver.pool.drain({ timeoutMs: 10_000 });
    for (const { pool } of others) {
      pool.setPeers(others.map(({ origin }) => origin));
    }
    await others[0].group.getMany(KEYS);
    assert(cluster.network.count({ to: leaver.origin }) > 5);
    await cluster.clock.advance(10_000);
    await drain;
    assertEquals([lines, leaver.pool.stats().ringDisagreements], [[], 0]);
  }, { pool: { logger, handoverMs: 30_000 } });
});
