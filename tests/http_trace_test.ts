/** The span that a question belongs to travels with it, and the process that loads is told. */

import type { PeerStart, PoolObserver, ServeStart, WorkEnd } from "../mod.ts";
import { ASK } from "../protocol/link.ts";
import { assert, assertEquals } from "./support/assert.ts";
import {
  type Cluster,
  holdLoads,
  keysOwnedBy,
  linkOf,
  type Node,
  openLink,
  ownerAndAsker,
  withCluster,
} from "./support/cluster.ts";
import { ask, PEER, scoresPool } from "./support/handler.ts";
import { Asker } from "./support/links.ts";
import { FakeClock, settle } from "./support/time.ts";

const ONE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TWO = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00";

/** What a pool tells of the questions that wait, in lines. */
class Served implements PoolObserver {
  readonly lines: string[] = [];
  serve = ({ peer, group, keys, traceparent }: ServeStart) => {
    const about = `${peer} ${group} ${keys} ${traceparent}`;
    this.lines.push(about);
    return {
      end: ({ result, ms }: WorkEnd) =>
        void this.lines.push(`${keys} ${result} ${ms}`),
    };
  };

  take(): string[] {
    return this.lines.splice(0);
  }
}

/** Has a node say `traceparent` with all that it asks. */
function traceAll({ pool }: Node, traceparent: unknown): () => void {
  return pool.observe({ peer: () => ({ traceparent: traceparent as string }) });
}

/** The kinds and texts of what an asker sent that has to do with traces. */
function tracesOf({ network }: Cluster): (number | string)[][] {
  return network.frames.filter(({ way, kind }) =>
    way === "ask" && (kind === ASK.trace || kind === ASK.get)
  ).map(({ kind, bytes }) => {
    const text = new TextDecoder().decode(bytes);
    return kind === ASK.trace ? [kind, text] : [kind];
  });
}

Deno.test("A question says its traceparent in a request and on a link, and the owner is told when it waits", async () => {
  await withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const [first, second] = keysOwnedBy(cluster, owner, 2, "new") as string[];
    const served = new Served();
    owner.pool.observe(served);
    const stop = traceAll(asker, ONE);
    await asker.group.get(first!);
    assertEquals(served.take(), [
      `${asker.origin} g ${first} ${ONE}`,
      `${first} ok 0`,
    ]);
    stop();
    await openLink(cluster, asker, owner);
    assertEquals(served.take(), []);
    assert(tracesOf(cluster).every(([kind]) => kind === ASK.get));
    cluster.network.frames.length = 0;
    traceAll(asker, TWO);
    await asker.group.get(second!);
    // This one is in memory: nobody waits.
    await asker.pool.pickPeer(first!)!.get("g", first!);
    assertEquals(tracesOf(cluster), [
      [ASK.trace, TWO],
      [ASK.get],
      [ASK.trace, TWO],
      [ASK.get],
    ]);
    assertEquals(served.take(), [
      `${asker.origin} g ${second} ${TWO}`,
      `${second} ok 0`,
    ]);
  });
});

Deno.test("What an observer says in place of a traceparent is not sent", async () => {
  await withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const served = new Served();
    owner.pool.observe(served);
    const wrong = "a\r\nGeecache-Secret: guessed";
    for (const text of [wrong, 7, null, ONE.toUpperCase()]) {
      traceAll(asker, text);
    }
    asker.pool.observe({
      peer: () => ({
        get traceparent(): string {
          throw new Error("no");
        },
      }),
    });
    const keys = keysOwnedBy(cluster, owner, 3, "new");
    for (const key of keys) await asker.group.get(key);
    assertEquals(linkOf(asker, owner), "open");
    assertEquals(
      served.take(),
      keys.flatMap((key) => [
        `${asker.origin} g ${key} undefined`,
        `${key} ok 0`,
      ]),
    );
    assert(tracesOf(cluster).every(([kind]) => kind === ASK.get));
    // The first that says one counts.
    traceAll(asker, TWO);
    traceAll(asker, ONE);
    const [last] = keysOwnedBy(cluster, owner, 1, "last");
    await asker.group.get(last!);
    assertEquals(served.take()[0], `${asker.origin} g ${last} ${TWO}`);
  });
});

Deno.test("The end of a question that waits is told, over a link and in a request", async () => {
  const { options, end } = holdLoads({});
  await withCluster(2, async (cluster) => {
    const { clock } = cluster;
    const { owner, asker } = ownerAndAsker(cluster);
    const served = new Served();
    owner.pool.observe(served);
    const keys = keysOwnedBy(cluster, owner, 3, "new");
    const leaver = new AbortController();
    const [alone, left, linked] = keys as [string, string, string];
    const waiting = asker.group.get(alone);
    await settle();
    // It is told to ask again, and does so over the link.
    await clock.advance(2_500);
    assertEquals(served.take(), [
      `${asker.origin} g ${alone} undefined`,
      `${alone} canceled 2500`,
      `${asker.origin} g ${alone} undefined`,
    ]);
    end(alone);
    await waiting;
    await openLink(cluster, asker, owner);
    assertEquals(served.take(), [`${alone} ok 0`]);
    const gone = asker.group.get(left, { signal: leaver.signal });
    const stays = asker.group.get(linked);
    await settle();
    leaver.abort(new Error("left"));
    await gone.catch(() => {});
    await settle();
    end(linked);
    await stays;
    assertEquals(served.take(), [
      `${asker.origin} g ${left} undefined`,
      `${asker.origin} g ${linked} undefined`,
      `${left} canceled 0`,
      `${linked} ok 0`,
    ]);
    const cut = asker.group.get(left).catch(() => {});
    await settle();
    await owner.pool.close();
    assertEquals(served.take(), [
      `${asker.origin} g ${left} undefined`,
      `${left} canceled 0`,
    ]);
    // The asker loads it itself now.
    await settle();
    end(left);
    await cut;
  }, options);
});

Deno.test("A request with a traceparent of any form is answered, and the owner is told of a good one", async () => {
  const pool = scoresPool({ clock: new FakeClock() });
  const served = new Served();
  pool.observe(served);
  const get = async (key: string, headers: Record<string, string>) =>
    (await ask(pool, `/_geecache/scores/${key}`, { headers })).status;
  for (const [i, bad] of ["", "x", "0".repeat(9_000), `${ONE}1`].entries()) {
    assertEquals(await get(`a${i}`, { traceparent: bad }), 200);
    assertEquals(served.take(), [
      `undefined scores a${i} undefined`,
      `a${i} ok 0`,
    ]);
  }
  const traceparent = `${TWO}, ${ONE}`;
  assertEquals(await get("kkk", { ...PEER, traceparent }), 500);
  assertEquals(await get("absent", { ...PEER, "Geecache-Wait": "9" }), 404);
  assertEquals(served.take(), [
    `${PEER["Geecache-Peer"]} scores kkk ${TWO}`,
    "kkk failed 0",
    `${PEER["Geecache-Peer"]} scores absent undefined`,
    "absent not_found 0",
  ]);
  await pool.close();
});

Deno.test("On a link, a trace is that of the next question with its number, or of none", async () => {
  await withCluster(1, async ({ nodes: [node] }) => {
    const { pool } = node!;
    const served = new Served();
    pool.observe(served);
    const link = await Asker.open(pool);
    await link.say((to) => {
      to.text(ASK.group, 0, "g");
      to.text(ASK.trace, 1, ONE);
      to.head(ASK.ping, 0);
      to.question(ASK.get, 1, 0, 0, "a");
      to.question(ASK.get, 2, 0, 0, "b");
      // Of another number, of one that is asked later, and malformed ones.
      to.text(ASK.trace, 7, ONE);
      to.question(ASK.get, 3, 0, 0, "c");
      to.question(ASK.get, 7, 0, 0, "d");
      to.text(ASK.trace, 8, `${ONE}0`);
      to.question(ASK.get, 8, 0, 0, "e");
      to.text(ASK.trace, 9, "x".repeat(16_000));
      to.head(ASK.trace, 9);
      to.question(ASK.get, 9, 0, 0, "f");
      to.text(ASK.trace, 10, ONE);
      to.text(ASK.trace, 10, TWO);
      to.question(ASK.get, 10, 0, 0, "h");
    });
    const started = served.take().filter((line) => line.startsWith("http"));
    assertEquals(started, [
      `http://asker g a ${ONE}`,
      ...["b", "c", "d", "e", "f"].map((key) =>
        `http://asker g ${key} undefined`
      ),
      `http://asker g h ${TWO}`,
    ]);
    assertEquals(link.end, undefined);
    await link.finish();
  });
});

Deno.test("A request to a peer runs as its observer wants, and the opening of a link in no caller's context", async () => {
  const { AsyncLocalStorage } = await import("node:async_hooks");
  const span = new AsyncLocalStorage<string>();
  const user = new AsyncLocalStorage<string>();
  await withCluster(2, async (cluster) => {
    const { network } = cluster;
    const { owner, asker } = ownerAndAsker(cluster);
    const seen: unknown[] = [];
    asker.pool.observe({
      peer: ({ kind }: PeerStart) => ({ run: (run) => span.run(kind, run) }),
    });
    network.fault(owner.origin, (request, next) => {
      const isLink = request.headers.has("Geecache-Link");
      if (isLink || request.method !== "POST") {
        seen.push([
          isLink ? "link" : request.method,
          span.getStore(),
          user.getStore(),
        ]);
      }
      return next();
    }, "fault");
    await user.run("one", async () => {
      const keys = keysOwnedBy(cluster, owner, 3, "new");
      for (const key of keys) await asker.group.get(key);
      await asker.group.set(keys[0]!, "v");
    });
    assertEquals(seen, [
      ["GET", "get", "one"],
      ["link", undefined, undefined],
      ["GET", "get", "one"],
      // With what the owner said of its writes, the second time.
      ["PUT", "set", "one"],
      ["PUT", "set", "one"],
    ]);
  });
});
