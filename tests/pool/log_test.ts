/** What a pool writes to its log, and that the log cannot harm it. */

import type { Logger } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import {
  keysOwnedBy,
  type Node,
  stateOf,
  withCluster,
} from "../support/cluster.ts";
import { ask, PEER, scoresPool } from "../support/handler.ts";

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
