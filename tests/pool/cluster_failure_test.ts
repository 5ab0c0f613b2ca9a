/** What a dead, silent or busy process costs the others. */

import { failure } from "../../handler/answers.ts";
import type { LocalGroup } from "../../group/local_group.ts";
import {
  BusyError,
  type ByteView,
  HTTPPool,
  type HTTPPoolOptions,
  type PeerError,
} from "../../mod.ts";
import { ANSWER } from "../../protocol/link.ts";
import { PROTOCOLS } from "../../protocol/protocols.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  askedOf,
  Cluster,
  holdLoads,
  keysOwnedBy,
  linkOf,
  type Node,
  openLink,
  stateOf,
  withCluster,
} from "../support/cluster.ts";
import { Asker } from "../support/links.ts";
import { noteIn } from "../support/logger.ts";
import { settle } from "../support/time.ts";

Deno.test("An owner that fails three times in a row is not asked again, and the next node is asked for its keys", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.kill(owner.origin);
    const keys = keysOwnedBy(cluster, owner, 20);
    for (const [i, key] of keys.entries()) {
      assertEquals(stateOf(asker, owner), i < 3 ? "closed" : "open");
      assertEquals((await asker.group.get(key)).text(), `<${key}>`);
    }
    assertEquals(askedOf(cluster, asker, owner), 3);
    assertEquals(stateOf(asker, next), "closed");
  }));

Deno.test("Stand-ins that are out of reach themselves are passed over without being asked", () =>
  withCluster(6, async (cluster) => {
    const [owner, ...others] = cluster.inOrder("k") as Node[];
    const asker = others.pop()!;
    const alive = others.pop()!;
    const dead = [owner!, ...others];
    for (const { origin } of dead) cluster.network.kill(origin);
    for (const node of dead) {
      for (const key of keysOwnedBy(cluster, node, 3)) {
        await asker.group.get(key);
      }
      assertEquals(stateOf(asker, node), "open");
    }
    const { peerErrors } = asker.group.stats();
    await asker.group.get("k");
    assertEquals(alive.loads.at(-1), "k");
    assertEquals(asker.group.stats().peerErrors, peerErrors + 1);
  }));

Deno.test("A peer whose server refuses POSTs stays out of reach, although it answers GETs", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    await asker.group.get("k");
    // As Fastify answers what it has no parser for.
    cluster.network.fault(
      owner.origin,
      (request, next) =>
        request.method === "POST"
          ? new Response("Unsupported Media Type", { status: 415 })
          : next(),
    );
    // Keys that are too long for a path are asked with a POST.
    for (const key of keysOwnedBy(cluster, owner, 3, "x".repeat(5_000))) {
      await asker.group.get(key);
    }
    assertEquals(stateOf(asker, owner), "open");
    const states = new Set<string>();
    for (let i = 0; i < 100; i++) {
      await cluster.clock.advance(500);
      states.add(stateOf(asker, owner));
    }
    assertEquals([...states], ["open"]);
    cluster.network.fault(owner.origin);
    await cluster.clock.advance(10_000);
    assertEquals(stateOf(asker, owner), "closed");
  }));

Deno.test("A silent owner costs a wait of timeoutMs three times at most", () =>
  withCluster(3, async (cluster) => {
    const [owner, , asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.silence(owner.origin);
    const keys = keysOwnedBy(cluster, owner, 20);
    const gets = keys.slice(0, 3).map((key) => asker.group.get(key));
    await cluster.clock.advance(5_500);
    await Promise.all(gets);
    assert(stateOf(asker, owner) !== "closed");
    const before = cluster.clock.now();
    for (const key of keys.slice(3)) {
      const get = asker.group.get(key);
      await cluster.clock.advance(500);
      await get;
    }
    assertEquals(askedOf(cluster, asker, owner), 3);
    assert(cluster.clock.now() - before <= 17 * 500);
  }));

Deno.test("A dead owner costs the whole cluster one load per key in each mirrorTtlMs", () =>
  withCluster(5, async (cluster) => {
    const [dead, ...others] = cluster.inOrder("k");
    cluster.network.kill(dead!.origin);
    const keys = keysOwnedBy(cluster, dead!, 30);
    for (let life = 1; life <= 3; life++) {
      for (let i = 0; i < 2; i++) {
        const all = others.map(({ group }) => group.getMany(keys));
        await settle();
        for (const values of await Promise.all(all)) {
          for (const [key, value] of values) {
            assertEquals((value as ByteView).text(), `<${key}>`);
          }
        }
      }
      assertEquals(cluster.loads.length, life * keys.length);
      await cluster.clock.advance(10_000);
    }
  }, { group: { mirrorTtlMs: 10_000 } }));

Deno.test("A breaker counts only silence and refusals, but not pending, busy, a missing group or a failed getter", async () => {
  const answers: [status: number, result: string, opens: boolean][] = [
    [202, "pending", false],
    [429, "busy", false],
    [404, "no-group", false],
    [404, "not-found", false],
    [500, "failed", false],
    [503, "draining", false],
    [400, "bad-request", false],
    [200, "value", false],
    [401, "refused", true],
    [502, "none", true],
    [404, "none", true],
  ];
  for (const [status, result, opens] of answers) {
    await withCluster(2, async (cluster) => {
      const [owner, asker] = cluster.inOrder("k") as [Node, Node];
      cluster.network.fault(
        owner.origin,
        () =>
          new Response("x".repeat(result === "value" ? 11 : 1), {
            status,
            headers: { "Geecache-Result": result },
          }),
      );
      const peer = asker.pool.pickPeer("k")!;
      for (let i = 0; i < 4; i++) {
        const leave = new AbortController();
        const get = peer.get("g", "k", { signal: leave.signal });
        get.catch(() => {});
        await settle();
        leave.abort(new Error("enough"));
        await assertRejects(() => get, Error);
      }
      const label = `${status} ${result}`;
      assertEquals([label, stateOf(asker, owner)], [
        label,
        opens ? "open" : "closed",
      ]);
      // A value that is larger than the asker takes is not the peer's fault.
    }, { pool: { maxBodyBytes: 10 } });
  }
});

Deno.test("A caller that leaves does not count as a failure of the peer", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    cluster.network.silence(owner.origin);
    for (let i = 0; i < 5; i++) {
      const leave = new AbortController();
      const get = asker.group.get("k", { signal: leave.signal });
      await settle();
      leave.abort(new Error("enough"));
      await assertRejects(() => get, Error, "enough");
    }
    assertEquals(stateOf(asker, owner), "closed");
  }));

Deno.test("A peer that is back is found by a probe that no caller waits for, and is asked again", async () => {
  const lines: string[] = [];
  const logger = noteIn(lines);
  await withCluster(3, async (cluster) => {
    const [owner, , asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.kill(owner.origin);
    const keys = keysOwnedBy(cluster, owner, 10);
    for (const key of keys.slice(0, 3)) await asker.group.get(key);
    await cluster.clock.advance(5_000);
    assertEquals([askedOf(cluster, asker, owner), stateOf(asker, owner)], [
      3,
      "open",
    ]);
    cluster.network.join(owner.origin, owner.pool.handler);
    await cluster.clock.advance(10_000);
    assertEquals(stateOf(asker, owner), "closed");
    assertEquals((await asker.group.get(keys[3]!)).text(), `<${keys[3]}>`);
    assertEquals(owner.loads, [keys[3]]);
    assertEquals(
      lines.filter((line) => line.includes(`[Pool ${asker.origin}]`)),
      [
        `[Pool ${asker.origin}] ${owner.origin} is out of reach, so the next node is asked for its keys: connection refused: does a server listen there?`,
        `[Pool ${asker.origin}] ${owner.origin} is back`,
      ],
    );
  }, { pool: { logger } });
});

Deno.test("A write to a peer that is out of reach rejects at once", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    cluster.network.kill(owner.origin);
    for (const key of keysOwnedBy(cluster, owner, 3)) {
      await asker.group.get(key);
    }
    const before = cluster.network.sent.length;
    const { errors } = await assertRejects(
      () => asker.group.remove("k"),
      AggregateError,
    );
    assertEquals((errors[0] as PeerError).peer, owner.origin);
    assertEquals(cluster.network.sent.length, before);
  }));

Deno.test("A peer beyond maxPeerRequests is told to wait, asks the same owner again, and gets the owner's value", () => {
  const { begun, end, options } = holdLoads({ pool: { maxPeerRequests: 1 } });
  return withCluster(3, async (cluster) => {
    const [owner, one, two] = cluster.inOrder("k") as [Node, Node, Node];
    const [a, b] = keysOwnedBy(cluster, owner, 2) as [string, string];
    const first = one.group.get(a);
    await settle();
    const second = two.group.get(b);
    await cluster.clock.advance(2_000);
    assertEquals(begun, [a]);
    assert(askedOf(cluster, two, owner) >= 2);
    assertEquals(owner.pool.stats().serving, 1);
    end(a);
    await first;
    await cluster.clock.advance(1_000);
    assertEquals(begun, [a, b]);
    end(b);
    assertEquals((await second).text(), `<${b}>`);
    assertEquals([owner.loads, one.loads, two.loads], [[a, b], [], []]);
    assertEquals(owner.pool.stats().serving, 0);
  }, options);
});

Deno.test("An asker whose patience with a busy owner ends loads for itself, within its own limit", () => {
  const { end, options } = holdLoads({
    pool: { maxPeerRequests: 1 },
    group: { maxStandInLoads: 1 },
  });
  return withCluster(3, async (cluster) => {
    const [owner, one, two] = cluster.inOrder("k") as [Node, Node, Node];
    const [a, b, c] = keysOwnedBy(cluster, owner, 3) as [
      string,
      string,
      string,
    ];
    const gets = [one.group.get(a)];
    await settle();
    gets.push(two.group.get(b), two.group.get(c));
    await cluster.clock.advance(7_000);
    assertEquals([owner.loads, two.loads], [[a], [b]]);
    end(b);
    await settle();
    assertEquals(two.loads, [b, c]);
    end(a);
    end(c);
    await cluster.clock.advance(1_000);
    await Promise.all(gets);
  }, options);
});

Deno.test("A proxy that answers 429 in place of the owner is passed over for the next node", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.fault(
      owner.origin,
      () => new Response("slow down", { status: 429 }),
    );
    assertEquals((await asker.group.get("k")).text(), "<k>");
    assertEquals([next.loads, asker.loads], [["k"], []]);
  }));

Deno.test("Values in memory are answered however many requests wait, on their own and on a link", () => {
  const { end, options } = holdLoads({ pool: { maxPeerRequests: 1 } });
  return withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    const [slow, ...held] = keysOwnedBy(cluster, owner, 12) as [
      string,
      ...string[],
    ];
    await Promise.all(
      held.map((key) => owner.group.set(key, `<${key}>`)),
    );
    const get = asker.group.get(slow);
    await settle();
    assertEquals((await asker.group.get(held[0]!)).text(), `<${held[0]}>`);
    const values = await asker.group.getMany(held);
    assertEquals(linkOf(asker, owner), "open");
    assertEquals([...values.keys()], held);
    end(slow);
    await get;
  }, options);
});

Deno.test("Values in memory are answered on a link also beside keys that have to wait", () => {
  const { begun, end, options } = holdLoads({ pool: { maxPeerRequests: 1 } });
  return withCluster(3, async (cluster) => {
    const [owner, one, two] = cluster.inOrder("k") as [Node, Node, Node];
    const [slow, fresh, ...held] = keysOwnedBy(cluster, owner, 5) as [
      string,
      string,
      ...string[],
    ];
    for (const key of held) await owner.group.set(key, "v");
    await openLink(cluster, two, owner);
    const get = one.group.get(slow);
    await settle();
    const answered: string[] = [];
    const all = [fresh, ...held].map((key) =>
      two.group.get(key).then(() => answered.push(key))
    );
    await settle();
    assertEquals([answered, begun], [held, [slow]]);
    end(slow);
    await get;
    await cluster.clock.advance(100);
    assertEquals(begun, [slow, fresh]);
    end(fresh);
    await Promise.all(all);
    assertEquals(two.loads, []);
  }, options);
});

Deno.test("A Go process is never told to wait", async () => {
  for (const protocol of ["geecache", "groupcache"] as const) {
    const { begun, end, options } = holdLoads({});
    const pool = new HTTPPool("http://a", { protocol, maxPeerRequests: 1 });
    const { basePath } = { basePath: `/_${protocol}/` };
    pool.group("g", options.getter());
    const answers = ["a", "b", "c"].map((key) =>
      pool.handler(
        new Request(`http://a${basePath}g/${key}`, {
          // One of our own processes says how long it waits, also in a ring with Go.
          headers: key === "c" ? { "Geecache-Wait": "1000" } : {},
        }),
      )
    );
    await settle();
    assertEquals(begun, ["a", "b", "c"]);
    for (const key of begun) end(key);
    for (const answer of answers) assertEquals((await answer).status, 200);
    await pool.close();
  }
});

Deno.test("A Go process waits for its load, however full the queue is", () => {
  const { begun, end, options } = holdLoads({
    pool: { protocol: "geecache" },
    group: { maxStandInLoads: 1 },
  });
  return withCluster(2, async (cluster) => {
    const [dead, asker] = cluster.nodes as [Node, Node];
    cluster.network.kill(dead.origin);
    const keys = keysOwnedBy(cluster, dead, 10_004);
    const last = keys.splice(0, 2);
    const [oneTooMany] = keys.splice(0, 1) as [string];
    const leave = new AbortController();
    const gets = keys.map((key) => asker.group.get(key, leave));
    const all = Promise.allSettled(gets);
    await settle();
    // Some other list names this process as the owner.
    const asking: Record<string, string>[] = [{}, { "Geecache-Wait": "1000" }];
    const answers = asking.map((headers, i) =>
      asker.pool.handler(
        new Request(`${asker.origin}/_geecache/g/${last[i]}`, { headers }),
      )
    );
    await assertRejects(() => asker.group.get(oneTooMany), BusyError);
    leave.abort(new Error("enough"));
    await all;
    for (const [i, answer] of answers.entries()) {
      await settle();
      assertEquals(begun, [keys[0], ...last.slice(0, i + 1)]);
      end(last[i]!);
      assertEquals(await (await answer).text(), `<${last[i]}>`);
    }
  }, options);
});

Deno.test("What a busy owner refused on a link is asked for again", () => {
  const { end, options } = holdLoads({ pool: { maxPeerRequests: 1 } });
  return withCluster(3, async (cluster) => {
    const [owner, one, two] = cluster.inOrder("k") as [Node, Node, Node];
    const [slow, ...rest] = keysOwnedBy(cluster, owner, 7) as [
      string,
      ...string[],
    ];
    await openLink(cluster, two, owner);
    const get = one.group.get(slow);
    await settle();
    const many = two.group.getMany(rest);
    await cluster.clock.advance(1_000);
    assertEquals(owner.loads, [slow]);
    end(slow);
    await get;
    await cluster.clock.advance(1_300);
    for (const key of rest) if (owner.loads.includes(key)) end(key);
    for (let i = 0; i < 10; i++) {
      await cluster.clock.advance(300);
      for (const key of owner.loads) end(key);
    }
    assertEquals(
      [...(await many).values()].map((value) => (value as ByteView).text()),
      rest.map((key) => `<${key}>`),
    );
    assertEquals(two.loads, []);
  }, options);
});

Deno.test("HTTPPool and Group refuse bad limits at once", () => {
  const bad: [HTTPPoolOptions, string][] = [
    [{ maxPeerRequests: 0 }, "maxPeerRequests must be a number of at least 1"],
    [
      { maxPeerRequests: NaN },
      "maxPeerRequests must be a number of at least 1",
    ],
    [{ handoverMs: -1 }, "handoverMs must be a non-negative number"],
  ];
  for (const [options, message] of bad) {
    let error: unknown;
    try {
      new HTTPPool("http://a", options);
    } catch (thrown) {
      error = thrown;
    }
    assert(error instanceof RangeError && error.message.includes(message));
  }
  const pool = new HTTPPool("http://a");
  for (const maxStandInLoads of [0, -1, NaN]) {
    let error: unknown;
    try {
      pool.group("g", () => "", { maxStandInLoads });
    } catch (thrown) {
      error = thrown;
    }
    assert(error instanceof RangeError);
    assert(
      error.message ===
        'Cannot create Group "g": maxStandInLoads must be a number of at least 1: ' +
          `received ${maxStandInLoads}`,
    );
  }
});

Deno.test("An asker that sends no Geecache-Wait is answered, however many wait", () => {
  const { end, options } = holdLoads({ pool: { maxPeerRequests: 1 } });
  return withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    const [a, b] = keysOwnedBy(cluster, owner, 2) as [string, string];
    const get = asker.group.get(a);
    await settle();
    const answer = owner.pool.handler(
      new Request(`${owner.origin}/_geecache/g/${b}`),
    );
    await settle();
    end(b);
    assertEquals((await answer).status, 200);
    end(a);
    await get;
  }, options);
});

Deno.test("Slow loads of strangers take no room from peers", () => {
  const { end, options } = holdLoads({ pool: { maxPeerRequests: 1 } });
  return withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    const [a, b] = keysOwnedBy(cluster, owner, 2) as [string, string];
    const answer = owner.pool.handler(
      new Request(`${owner.origin}/_geecache/g/${a}`),
    );
    await settle();
    assertEquals(owner.pool.stats().serving, 0);
    const get = asker.group.get(b);
    await settle();
    assertEquals(owner.loads, [a, b]);
    for (const key of [a, b]) end(key);
    assertEquals((await get).text(), `<${b}>`);
    assertEquals((await answer).status, 200);
  }, options);
});

Deno.test("A key counts as being served while it waits for its load, alone or on a link", () => {
  const { end, options } = holdLoads({});
  return withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    const keys = keysOwnedBy(cluster, owner, 8);
    const serving = () => owner.pool.stats().serving;
    const first = keys.slice(0, 2);
    const alone = asker.group.getMany(first);
    await settle();
    assertEquals(serving(), 2);
    for (const key of first) end(key);
    await alone;
    await openLink(cluster, asker, owner);
    const next = keys.slice(2, 5);
    const all = asker.group.getMany(next);
    await settle();
    assertEquals(serving(), 3);
    for (const key of next) end(key);
    await settle();
    assertEquals(serving(), 0);
    await all;
    // A key whose asker leaves counts until then.
    const leave = new AbortController();
    const left = asker.group.getMany(keys.slice(5), { signal: leave.signal });
    await settle();
    assertEquals(serving(), 3);
    leave.abort(new Error("enough"));
    await assertRejects(() => left, Error, "enough");
    await settle();
    assertEquals(serving(), 0);
  }, options);
});

Deno.test("A probe that a proxy answers with a 400 of its own does not count as answered", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.inOrder("k") as [Node, Node];
    cluster.network.fault(
      owner.origin,
      () => new Response("bad request", { status: 400 }),
    );
    for (const key of keysOwnedBy(cluster, owner, 3)) {
      await asker.group.get(key);
    }
    await cluster.clock.advance(60_000);
    assertEquals(stateOf(asker, owner), "open");
  }));

Deno.test("A load without room is answered as busy to our own processes, and as a failure to Go's", () => {
  const error = new BusyError("no room");
  const local = { name: "g" } as LocalGroup;
  const request = new Request("http://a/_geecache/g/k");
  const statuses = (["native", "groupcache"] as const).map((name) => {
    const { status, headers } = failure(request, local, error, PROTOCOLS[name]);
    return [status, headers.get("Geecache-Result")];
  });
  assertEquals(statuses, [[429, "busy"], [500, "failed"]]);
});

Deno.test("A load without room is answered as busy on a link", () => {
  const { end, options } = holdLoads({ group: { maxStandInLoads: 1 } });
  return withCluster(2, async (cluster) => {
    const [dead, asker] = cluster.nodes as [Node, Node];
    cluster.network.kill(dead.origin);
    // One load, and as many as may wait for their turn.
    const keys = keysOwnedBy(cluster, dead, 10_003);
    const last = keys.splice(0, 2) as [string, string];
    const leave = new AbortController();
    const all = Promise.allSettled(
      keys.map((key) => asker.group.get(key, leave)),
    );
    await settle();
    const link = await Asker.open(asker.pool);
    await link.ask([last[0]]);
    assertEquals(link.frames.map(({ kind }) => kind), [ANSWER.busy]);
    leave.abort(new Error("enough"));
    await all;
    await link.ask([last[1]]);
    end(keys[0]!);
    await settle();
    end(last[1]);
    await settle();
    const { kind, text } = link.frames.at(-1)!;
    assertEquals([kind, text], [ANSWER.value, `<${last[1]}>`]);
    await link.finish();
  }, options);
});

Deno.test("A missing group does not count as an error of the peer", async () => {
  const cluster = new Cluster(3);
  const [owner, , asker] = cluster.inOrder("k") as [Node, Node, Node];
  owner.pool.removeGroup("g");
  await asker.group.get("k");
  const s = asker.pool.stats().peers.find((p) => p.id === owner.origin)!;
  assertEquals(s.errors, 0);
  await cluster.close();
});
