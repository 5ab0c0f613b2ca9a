/** Several pools on one fake network: the story of a get, and of a write, across processes. */

import {
  ByteView,
  HTTPPool,
  LoadError,
  NotFoundError,
  type Peer,
  PeerError,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { gate, settle } from "../support/gate.ts";
import {
  Cluster,
  type ClusterOptions,
  type Node,
  withCluster,
} from "../support/network.ts";

const keysOf = (count: number) =>
  Array.from({ length: count }, (_, i) => `key-${i}`);

/** The owner of "k" in a cluster of two, the other node, and what that one asks the owner through. */
function pair(cluster: Cluster): { owner: Node; asker: Node; peer: Peer } {
  const [owner, asker] = cluster.inOrder("k") as [Node, Node];
  return { owner, asker, peer: asker.pool.pickPeer("k")! };
}

async function textOf(get: Promise<ByteView>): Promise<string> {
  return (await get).text();
}

Deno.test("Each key is loaded once, by its owner, whoever asks", () =>
  withCluster(3, async (cluster) => {
    for (const key of keysOf(50)) {
      for (const { group } of cluster.nodes) {
        assertEquals(await textOf(group.get(key)), `<${key}>`);
      }
    }
    assertEquals(cluster.loads.length, 50);
    for (const { loads, pool } of cluster.nodes) {
      for (const key of loads) assertEquals(pool.pickPeer(key), undefined);
    }
  }));

Deno.test("Callers in all processes at once cause one load", () =>
  withCluster(8, async (cluster) => {
    const gets = cluster.nodes.flatMap(({ group }) => [
      textOf(group.get("k")),
      textOf(group.get("k")),
    ]);
    assertEquals([...new Set(await Promise.all(gets))], ["<k>"]);
    assertEquals(cluster.loads, ["k"]);
    // One question from each of the seven others.
    assertEquals(cluster.network.sent.length, 7);
  }));

Deno.test("Every string is a key, from every node, alone and in getMany()", () =>
  withCluster(3, async ({ nodes }) => {
    const keys = [
      ...[".", "..", "...", "/", "//", "a//b", "/a", "a/", "a/../b", "./a"],
      ...["%2e", "%2E%2E", "%", "%zz", "+", "a+b", " ", "a b", "\0", "\n"],
      ...["?", "a?b=c", "#", "&key=x", "key=x", "?clear", "😀", "日本", "é"],
      ...["\ufeff", "\u2028", "a\\b", "x".repeat(65536), "ß".repeat(5000)],
    ];
    for (const { group } of nodes) {
      for (const key of keys) {
        assertEquals(await textOf(group.get(key)), `<${key}>`);
      }
      const answers = await group.getMany(keys);
      assertEquals([...answers.keys()], keys);
      for (const [key, answer] of answers) {
        assertEquals((answer as ByteView).text(), `<${key}>`);
      }
    }
    const loads = nodes.flatMap((node) => node.loads);
    assertEquals(loads.sort(), [...keys].sort());
  }));

Deno.test("Writes carry every string, too", () =>
  withCluster(2, async ({ nodes }) => {
    const [a, b] = nodes as [Node, Node];
    for (const key of [".", "..", "a//b", "%", "?clear", "x".repeat(65536)]) {
      await a.group.set(key, "set");
      assertEquals(await textOf(b.group.get(key)), "set");
      await b.group.remove(key);
      assertEquals(await textOf(a.group.get(key)), `<${key}>`);
    }
    const many = keysOf(300).map((key) => key + "x".repeat(5000));
    await a.group.getMany(many);
    await b.group.removeMany(many);
    for (const { group } of nodes) {
      for (const key of many) assertEquals(group.peek(key), undefined);
    }
  }));

Deno.test("Bytes arrive as they are, from none to many", () =>
  withCluster(2, async ({ nodes }) => {
    for (const { group } of nodes) {
      for (const size of [0, 1, 256, 257, 1_000_000]) {
        const { byteLength } = await group.get(`${size}`);
        assertEquals(byteLength, size);
        const view = await group.get(`${size}`);
        assertEquals(view.at(-1), size === 0 ? undefined : 0xff);
      }
    }
  }, { getter: () => (key) => new Uint8Array(Number(key)).fill(0xff) }));

Deno.test("The owner's word is final: not found and failed are not asked elsewhere", () =>
  withCluster(4, async (cluster) => {
    for (
      const [key, kind] of [["none", NotFoundError], [
        "bad",
        LoadError,
      ]] as const
    ) {
      for (const { group, pool } of cluster.nodes) {
        const error = await assertRejects(() => group.get(key), Error);
        if (kind === NotFoundError) assert(error instanceof NotFoundError);
        else {
          assertEquals(error.message, "bad is broken");
          assertEquals(
            error instanceof LoadError,
            pool.pickPeer(key) !== undefined,
          );
        }
      }
      assertEquals(
        cluster.ownerOf(key).loads.filter((k) => k === key).length,
        4,
      );
    }
    assertEquals(cluster.loads.length, 8);
  }, {
    getter: () => (key) => {
      if (key === "bad") throw new Error("bad is broken");
      return undefined;
    },
  }));

Deno.test("A node without the group, as in a rolling deploy, is passed over for the next", () =>
  withCluster(4, async (cluster) => {
    const [owner, next, ...others] = cluster.inOrder("k") as [Node, Node];
    owner.pool.removeGroup("g");
    for (const { group } of others as Node[]) {
      assertEquals(await textOf(group.get("k")), "<k>");
    }
    assertEquals(cluster.loads, next.loads);
    assertEquals(next.loads, ["k"]);
  }));

Deno.test("An owner that refuses, is silent, or gives no answer is passed over for the next", async () => {
  const page = (status: number, headers: Record<string, string> = {}) => () =>
    new Response("<h1>a proxy's page</h1>", { status, headers });
  const result = (value: string) => ({ "Geecache-Result": value });
  const faults: [string, (cluster: Cluster, origin: string) => void][] = [
    ["dead", ({ network }, origin) => network.kill(origin)],
    ["silent", ({ network }, origin) => network.silence(origin)],
    ["cut", ({ network }, origin) => network.cut(origin, 2)],
    ...[
      page(200),
      page(404),
      page(500),
      page(502),
      page(301, { Location: "http://elsewhere/" }),
      page(301, { Location: "http://elsewhere/", ...result("value") }),
      page(503, result("value")),
      page(200, result("failed")),
      page(200, result("unheard-of")),
      page(200, { ...result("value"), "Geecache-Ttl": "soon" }),
      page(200, { ...result("value"), "Content-Length": "3" }),
      page(400, result("bad-request")),
    ].map((fault, i): typeof faults[number] => [
      `page ${i}`,
      ({ network }, origin) => network.fault(origin, fault as () => Response),
    ]),
  ];
  for (const [name, breakIt] of faults) {
    await withCluster(4, async (cluster) => {
      const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
      breakIt(cluster, owner.origin);
      const get = textOf(asker.group.get("k"));
      // The stand-in asks the owner for its copy, for half a second at most.
      await cluster.clock.advance(5_500);
      assertEquals(await get, "<k>", name);
      assertEquals(next.loads, ["k"], name);
      assertEquals(asker.loads, [], name);
      assertEquals(asker.group.stats().peerErrors, 1, name);
      const { peers } = asker.pool.stats();
      const { requests, errors } = peers.find((p) => p.id === owner.origin)!;
      assertEquals([requests, errors], [1, 1], name);
    });
  }
});

Deno.test("When no other node answers, the key is loaded where it was asked, and kept for mirrorTtlMs", () =>
  withCluster(3, async (cluster) => {
    const [owner, second, asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.kill(owner.origin);
    cluster.network.kill(second.origin);
    assertEquals(await textOf(asker.group.get("k")), "<k>");
    assertEquals(await textOf(asker.group.get("k")), "<k>");
    assertEquals(asker.loads, ["k"]);
    const { main, hot } = asker.group.stats();
    assertEquals([main.items, hot.items], [0, 1]);
    await cluster.clock.advance(1_000);
    assertEquals(asker.group.peek("k"), undefined);
  }, { group: { mirrorTtlMs: 1_000 } }));

Deno.test("Where this process is the next in order, it loads, though others further on are alive", () =>
  withCluster(4, async (cluster) => {
    const [owner, next] = cluster.inOrder("k") as [Node, Node];
    cluster.network.kill(owner.origin);
    assertEquals(await textOf(next.group.get("k")), "<k>");
    assertEquals(cluster.loads, next.loads);
    assertEquals(cluster.network.sent.map(({ to }) => to), [owner.origin]);
  }));

Deno.test("A value that arrived while a silent owner was waited for is not loaded again", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = pair(cluster);
    cluster.network.silence(owner.origin);
    const get = textOf(asker.group.get("k"));
    await settle();
    const url = `${asker.origin}/_geecache/g/k`;
    const answer = asker.pool.handler(new Request(url));
    await cluster.clock.advance(500);
    assertEquals(await (await answer).text(), "<k>");
    await cluster.clock.advance(4_500);
    assertEquals([await get, asker.loads], ["<k>", ["k"]]);
  }));

Deno.test("A PeerError says what happened, with the status if there was one and the cause", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = pair(cluster);
    const { network } = cluster;
    const fail = async () => {
      const error = await assertRejects(() => peer.get("g", "k"), PeerError);
      assertEquals(error.peer, owner.origin);
      return error;
    };
    network.kill(owner.origin);
    const dead = await fail();
    assertEquals(dead.status, undefined);
    assertStringIncludes(dead.message, "connection refused");
    assert(dead.cause instanceof TypeError);
    network.join(owner.origin, owner.pool.handler);
    network.cut(owner.origin, 2);
    const cut = await fail();
    assertEquals(cut.status, 200);
    assertStringIncludes(cut.message, "broke off: connection reset");
    network.fault(owner.origin, () => new Response("", { status: 502 }));
    assertEquals((await fail()).status, 502);
  }));

Deno.test("A request that was refused rejects with the status and the peer's own words", async () => {
  for (const status of [400, 405, 413]) {
    await withCluster(2, async (cluster) => {
      const { owner, peer } = pair(cluster);
      cluster.network.fault(owner.origin, () =>
        new Response("not so\n", {
          status,
          headers: { "Geecache-Result": "bad-request" },
        }));
      for (
        const ask of [
          () => peer.get("g", "k"),
          () => peer.set("g", "k", { value: ByteView.from("v") }),
          () => peer.remove("g", ["k"]),
          () => peer.remove("g", ["k", "l"]),
          () => peer.clear("g"),
        ]
      ) {
        const error = await assertRejects(ask, PeerError);
        assertEquals(error.status, status);
        assert(error.message.endsWith(`${status} bad-request: not so`));
      }
    });
  }
});

Deno.test("A redirect is not followed, nor is the answer of a fetch that followed one taken", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = pair(cluster);
    const modes: string[] = [];
    cluster.network.fault(owner.origin, async ({ redirect }, next) => {
      modes.push(redirect);
      return Object.defineProperty(await next(), "redirected", { value: true });
    });
    await assertRejects(() => peer.get("g", "k"), PeerError, "redirect");
    assertEquals(modes, ["manual"]);
  }));

Deno.test("The body of what is no answer is cancelled", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = pair(cluster);
    let cancelled = false;
    const body = new ReadableStream({ cancel: () => void (cancelled = true) });
    cluster.network.fault(owner.origin, () => new Response(body));
    await assertRejects(() => peer.get("g", "k"), PeerError, "no answer");
    assert(cancelled);
  }));

Deno.test("The Content-Length of a body that was decoded on its way counts for nothing", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = pair(cluster);
    cluster.network.fault(owner.origin, () =>
      new Response("decoded", {
        headers: {
          "Geecache-Result": "value",
          "Content-Encoding": "gzip",
          "Content-Length": "3",
        },
      }));
    assertEquals((await peer.get("g", "k")).value.text(), "decoded");
  }));

Deno.test("A path of more than 4,096 characters travels as a POST; each question says how long its asker waits", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = pair(cluster);
    const seen: [string, string | null][] = [];
    cluster.network.fault(owner.origin, ({ method, headers }, next) => {
      seen.push([method, headers.get("Geecache-Wait")]);
      return next();
    });
    const room = 4096 - "/_geecache/g/".length;
    // Alone, before the peer has shown that it takes batches; in one, after.
    await peer.get("g", "x".repeat(room + 1));
    await peer.get("g", "x".repeat(room));
    await peer.get("g", "x".repeat(room + 1));
    assertEquals(seen, [["POST", "500"], ["GET", "500"], ["POST", "50"]]);
  }, { pool: { timeoutMs: 1_001 } }));

Deno.test("What a stand-in loads for an absent owner is kept in hot, for mirrorTtlMs", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    cluster.network.kill(owner.origin);
    for (let i = 0; i < 3; i++) await asker.group.get("k");
    assertEquals(next.loads, ["k"]);
    assertEquals(next.group.stats().hot.items, 1);
    await cluster.clock.advance(60_000);
    await asker.group.get("k");
    assertEquals(next.loads, ["k", "k"]);
  }));

Deno.test("Slow is not dead: a getter of five times timeoutMs makes one load, and nobody asks elsewhere", () => {
  const opened = gate<string>();
  return withCluster(8, async (cluster) => {
    const gets = cluster.nodes.map(({ group }) => textOf(group.get("k")));
    await cluster.clock.advance(5_000);
    opened.open("slow");
    assertEquals([...new Set(await Promise.all(gets))], ["slow"]);
    assertEquals(cluster.loads, ["k"]);
    const owner = cluster.ownerOf("k");
    for (const { to } of cluster.network.sent) assertEquals(to, owner.origin);
    for (const { group } of cluster.nodes) {
      assertEquals(group.stats().peerErrors, 0);
    }
  }, { pool: { timeoutMs: 1_000 }, getter: () => () => opened.opened });
});

Deno.test("A large answer that keeps arriving is not silence", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf("k");
    const asker = cluster.nodes.find((node) => node !== owner)!;
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    cluster.network.fault(owner.origin, () =>
      new Response(
        new ReadableStream({ start: (c) => void (controller = c) }),
        { headers: { "Geecache-Result": "value" } },
      ));
    const get = textOf(asker.group.get("k"));
    await settle();
    for (let i = 0; i < 5; i++) {
      await cluster.clock.advance(4_000);
      controller.enqueue(new Uint8Array([65 + i]));
    }
    controller.close();
    assertEquals(await get, "ABCDE");
    const stuck = textOf(asker.group.get("k"));
    await cluster.clock.advance(5_000);
    assertEquals(await stuck, "<k>");
  }));

Deno.test("The head of an answer is a sign of life, too", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = pair(cluster);
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    cluster.network.fault(owner.origin, async () => {
      await new Promise<void>((run) => cluster.clock.after(4_000, run));
      return new Response(
        new ReadableStream({ start: (c) => void (controller = c) }),
        { headers: { "Geecache-Result": "value" } },
      );
    });
    const get = textOf(asker.group.get("k"));
    await cluster.clock.advance(8_000);
    controller.enqueue(new Uint8Array([65]));
    controller.close();
    assertEquals(await get, "A");
  }));

Deno.test("An owner that held the question before it said pending is asked again at once", () =>
  withCluster(2, async (cluster) => {
    const { asker } = pair(cluster);
    const controller = new AbortController();
    const get = asker.group.get("k", { signal: controller.signal });
    for (let asked = 1; asked < 4; asked++) {
      await settle();
      assertEquals(cluster.network.sent.length, asked);
      await cluster.clock.advance(2_500);
    }
    controller.abort(new Error("enough"));
    await assertRejects(() => get, Error, "enough");
  }, { getter: () => () => new Promise<string>(() => {}) }));

Deno.test("An answer that is too large is cancelled and is none", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf("k");
    const asker = cluster.nodes.find((node) => node !== owner)!;
    let cancelled = false;
    cluster.network.fault(owner.origin, () =>
      new Response(
        new ReadableStream({
          pull: (c) => c.enqueue(new Uint8Array(1000)),
          cancel: () => void (cancelled = true),
        }),
        { headers: { "Geecache-Result": "value" } },
      ));
    assertEquals(await textOf(asker.group.get("k")), "<k>");
    assertEquals([asker.loads, cancelled], [["k"], true]);
  }, { pool: { maxBodyBytes: 10_000 } }));

Deno.test("A busy owner is asked again until patience ends; then the asker loads, and nobody else", () =>
  withCluster(4, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    let busy = 3;
    cluster.network.fault(
      owner.origin,
      (_request, pass) =>
        busy-- > 0
          ? new Response("busy", {
            status: 429,
            headers: { "Geecache-Result": "busy", "Retry-After": "1" },
          })
          : pass(),
    );
    const patient = textOf(asker.group.get("k"));
    await cluster.clock.advance(3_000);
    assertEquals(await patient, "<k>");
    assertEquals([owner.loads, next.loads, asker.loads], [["k"], [], []]);
    busy = Infinity;
    const other = textOf(asker.group.get("k"));
    await cluster.clock.advance(4_900);
    assertEquals(asker.loads, []);
    await cluster.clock.advance(200);
    assertEquals(await other, "<k>");
    assertEquals([next.loads, asker.loads], [[], ["k"]]);
  }));

/** A node is busy; the moments at which it was asked. */
function makeBusy(
  { network, clock }: Cluster,
  origin: string,
  retryAfter?: string,
): number[] {
  const asked: number[] = [];
  const headers: Record<string, string> = { "Geecache-Result": "busy" };
  if (retryAfter !== undefined) headers["Retry-After"] = retryAfter;
  network.fault(origin, () => {
    asked.push(clock.now());
    return new Response("", { status: 429, headers });
  });
  return asked;
}

Deno.test("A busy owner is asked again when it said, a little later by chance, and not past patience", async () => {
  for (
    const [retryAfter, moments] of [
      ["2", [0, 2_400, 4_800, 5_000]],
      [undefined, [0, 60, 120, 180]],
      ["0", [0, 60, 120, 180]],
      ["soon", [0, 60, 120, 180]],
    ] as const
  ) {
    await withCluster(2, async (cluster) => {
      const { owner, asker } = pair(cluster);
      const asked = makeBusy(cluster, owner.origin, retryAfter);
      const get = textOf(asker.group.get("k"));
      await cluster.clock.advance(5_000);
      assertEquals(asked.slice(0, 4), [...moments]);
      assertEquals([await get, asker.loads], ["<k>", ["k"]]);
    }, { pool: { random: () => 0.8 } });
  }
});

Deno.test("By itself a pool spreads its waits by chance", async () => {
  const cluster = new Cluster(2);
  const pool = new HTTPPool("http://client", {
    clock: cluster.clock,
    fetch: cluster.network.fetchFrom("http://client"),
  });
  pool.setPeers(["http://n0"]);
  const asked = makeBusy(cluster, "http://n0", "1");
  const get = pool.group("g", () => "mine").get("k");
  await cluster.clock.advance(5_000);
  assertEquals((await get).text(), "mine");
  assert(asked[1]! > 1_000 && asked[1]! < 1_250, `${asked}`);
  await pool.close();
});

Deno.test("Patience with a busy owner begins anew when it says pending", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = pair(cluster);
    const { network, clock } = cluster;
    network.fault(owner.origin, (_request, next) => {
      const at = clock.now();
      if (at >= 8_000) return next();
      const [status, result] = at === 4_000 ? [202, "pending"] : [429, "busy"];
      const headers = { "Geecache-Result": `${result}`, "Retry-After": "1" };
      return new Response("", { status: Number(status), headers });
    });
    const get = textOf(asker.group.get("k"));
    await clock.advance(9_000);
    assertEquals([await get, asker.loads], ["<k>", []]);
  }));

Deno.test("The wait before asking again ends with its caller, or with the peer, and leaves nothing behind", async () => {
  for (const [status, result] of [[429, "busy"], [202, "pending"]] as const) {
    await withCluster(2, async (cluster) => {
      const { owner, asker, peer } = pair(cluster);
      const headers = { "Geecache-Result": result, "Retry-After": "3" };
      cluster.network.fault(
        owner.origin,
        () => new Response("", { status, headers }),
      );
      const controller = new AbortController();
      const { signal } = controller;
      const left = peer.get("g", "k", { signal });
      await settle();
      controller.abort(new Error("enough"));
      await assertRejects(() => left, Error, "enough");
      assertEquals(cluster.clock.pending, 0);
      const closed = peer.get("g", "k");
      await settle();
      asker.pool.setPeers([]);
      await assertRejects(() => closed, PeerError, "it was closed");
      assertEquals(cluster.clock.pending, 0);
    });
  }
});

Deno.test("A peer that says pending without waiting is not asked in a tight loop", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf("k");
    const asker = cluster.nodes.find((node) => node !== owner)!;
    const status = 202;
    const headers = { "Geecache-Result": "pending" };
    cluster.network.fault(
      owner.origin,
      () => new Response("", { status, headers }),
    );
    const get = textOf(asker.group.get("k"));
    await cluster.clock.advance(1_000);
    assertEquals(cluster.network.sent.length, 21);
    cluster.network.fault(owner.origin);
    await cluster.clock.advance(50);
    assertEquals(await get, "<k>");
  }));

Deno.test("An aborted caller leaves across the wire; the last one ends the getter's signal at the owner", () => {
  let signal: AbortSignal | undefined;
  const getter = () => (_key: string, context: { signal: AbortSignal }) => {
    signal = context.signal;
    return new Promise<string>(() => {});
  };
  return withCluster(3, async (cluster) => {
    const controllers = cluster.nodes.map(() => new AbortController());
    const gets = cluster.nodes.map(({ group }, i) =>
      group.get("k", { signal: controllers[i]!.signal })
    );
    await settle();
    // Askers that were told to ask again count, too.
    await cluster.clock.advance(4_000);
    for (const [i, controller] of controllers.entries()) {
      assertEquals(signal?.aborted, false);
      controller.abort(new Error(`${i} left`));
      await assertRejects(() => gets[i]!, Error, `${i} left`);
      await settle();
    }
    assertEquals(signal?.aborted, true);
  }, { getter });
});

Deno.test("Each request to a peer ends with its signal, and counts as nobody's error", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker, peer } = pair(cluster);
    const { sent } = cluster.network;
    cluster.network.silence(owner.origin);
    const value = { value: ByteView.from("v") };
    const long = "x".repeat(5_000);
    const requests: ((options: { signal: AbortSignal }) => Promise<unknown>)[] =
      [
        (options) => peer.get("g", "k", options),
        (options) => peer.get("g", long, options),
        (options) => peer.set("g", "k", value, options),
        (options) => peer.set("g", long, value, options),
        (options) => peer.remove("g", ["k"], options),
        (options) => peer.remove("g", ["k", "l"], options),
        (options) => peer.clear("g", options),
        (options) => asker.group.get("k", options),
      ];
    for (const [i, request] of requests.entries()) {
      const controller = new AbortController();
      const asked = request({ signal: controller.signal });
      await settle();
      assertEquals(sent.length, i + 1);
      controller.abort(new Error("enough"));
      await assertRejects(() => asked, Error, "enough");
      const signal = AbortSignal.abort(new Error("gone"));
      await assertRejects(() => request({ signal }), Error, "gone");
      assertEquals([sent.length, cluster.clock.pending], [i + 1, 0]);
    }
    await settle();
    const { peerErrors } = asker.group.stats();
    const { requests: count, errors } = asker.pool.stats().peers[0]!;
    assertEquals([peerErrors, count, errors], [0, requests.length, 0]);
    assertEquals(asker.loads, []);
  }));

Deno.test("A request leaves no listener on its caller's signal", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = pair(cluster);
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: [string, never]) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: [string, never]) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    await peer.get("g", "k", { signal });
    assertEquals(listeners, 0);
    makeBusy(cluster, owner.origin, "1");
    const busy = peer.get("g", "k", { signal });
    busy.catch(() => {});
    await cluster.clock.advance(5_000);
    await assertRejects(() => busy, PeerError, "busy");
    assertEquals(listeners, 0);
  }));

Deno.test("A finished request aborts nothing", () => {
  const signals: AbortSignal[] = [];
  return withCluster(2, async (cluster) => {
    for (const { group } of cluster.nodes) await group.get("k");
    await settle();
    assertEquals(signals.map((signal) => signal.aborted), [false]);
  }, {
    getter: () => (key, { signal }) => {
      signals.push(signal);
      return key;
    },
  });
});

Deno.test("A fetch that does not listen to its signal is raced", () =>
  withCluster(2, async (cluster) => {
    const [a, b] = cluster.nodes as [Node, Node];
    const late = gate<Response>();
    const pool = new HTTPPool("http://client", {
      clock: cluster.clock,
      fetch: () => late.opened,
    });
    const group = pool.group("g", (key) => `mine: ${key}`);
    pool.setPeers([a.origin, b.origin]);
    const controller = new AbortController();
    const aborted = group.get("k", { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assertRejects(() => aborted, Error, "enough");
    const get = textOf(group.get("k"));
    await cluster.clock.advance(10_000);
    assertEquals(await get, "mine: k");
    // What comes too late is cancelled, so that no connection hangs on it.
    let cancelled = false;
    late.open(
      new Response(
        new ReadableStream({ cancel: () => void (cancelled = true) }),
      ),
    );
    await settle();
    assert(cancelled);
    await pool.close();
  }));

Deno.test("Peers whose lists disagree, or lack themselves, answer and never wait for each other", () =>
  withCluster(3, async ({ nodes, clock }) => {
    const [a, b, c] = nodes as [Node, Node, Node];
    a.pool.setPeers([b.origin]);
    b.pool.setPeers([a.origin]);
    c.pool.setPeers([a.origin, b.origin]);
    const gets = nodes.map(({ group }) => textOf(group.get("k")));
    await clock.advance(60_000);
    assertEquals(await Promise.all(gets), ["<k>", "<k>", "<k>"]);
    // Loaded by those who were asked, for askers who hold them the owners: in hot.
    for (const { group, loads } of [a, b]) {
      const { main, hot } = group.stats();
      assertEquals([loads, main.items, hot.items], [["k"], 0, 1]);
    }
  }, { getter: () => async (key) => (await settle(), `<${key}>`) }));

Deno.test("A client that is not in its own list owns nothing", () =>
  withCluster(2, async ({ nodes, network, clock }) => {
    const origin = "http://client";
    const pool = new HTTPPool(origin, {
      clock,
      fetch: network.fetchFrom(origin),
    });
    pool.setPeers(nodes.map((node) => node.origin));
    const loads: string[] = [];
    const group = pool.group("g", (key) => {
      loads.push(key);
      return "mine";
    });
    for (const key of keysOf(20)) {
      assertEquals(await textOf(group.get(key)), `<${key}>`);
    }
    assertEquals([loads, group.stats().main.items], [[], 0]);
    assertEquals(pool.stats().nodes, ["http://n0", "http://n1"]);
    await pool.close();
  }));

Deno.test("A pool that was told of no peers, or of itself alone, owns every key", async () => {
  for (const list of [[], ["http://self:80/"]]) {
    const pool = new HTTPPool("http://self", {
      fetch: () => Promise.reject(new Error("nobody to ask")),
    });
    pool.setPeers(list);
    const group = pool.group("g", (key) => key);
    assertEquals(await textOf(group.get("k")), "k");
    assertEquals([...pool.peers()], []);
    await pool.close();
  }
});

Deno.test("Only shouldMirror's values are kept by those who do not own them, and for no longer than allowed", () =>
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
    // Its own life was over, by the time left that came with it.
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

Deno.test("setPeers() keeps peers that stay and ends requests to those that leave", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
    const before = new Set(asker.pool.peers());
    cluster.network.silence(owner.origin);
    const get = textOf(asker.group.get("k"));
    await settle();
    asker.pool.setPeers([asker.origin, `${next.origin}:80/`]);
    await cluster.clock.advance(500);
    assertEquals(await get, "<k>");
    const after = [...asker.pool.peers()];
    assertEquals(after.map((peer) => peer.id), [next.origin]);
    assert(before.has(after[0]!));
  }));

Deno.test("A peer that left is asked no more, and its stats go with it", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker, peer } = pair(cluster);
    asker.pool.setPeers(["http://z", "http://a"]);
    const ids = asker.pool.stats().peers.map(({ id }) => id);
    assertEquals(ids, ["http://a", "http://z"]);
    await assertRejects(() => peer.get("g", "k"), PeerError, "it was closed");
    assertEquals([owner.loads, cluster.network.sent], [[], []]);
  }));

Deno.test("A bad list of peers changes nothing", async () => {
  const pool = new HTTPPool("http://self");
  pool.setPeers(["http://self", "http://other"]);
  for (const bad of ["other", "http://x/path", "ws://x"]) {
    const error = await assertRejects(
      async () => await pool.setPeers(["http://third", bad]),
      TypeError,
      "Cannot set peers of HTTPPool",
    );
    assert(error.message.endsWith(`received ${JSON.stringify(bad)}`));
  }
  assertEquals([...pool.peers()].map((peer) => peer.id), ["http://other"]);
  await pool.close();
});

Deno.test("close() ends waits for peers with an error", () =>
  withCluster(2, async (cluster) => {
    const owner = cluster.ownerOf("k");
    const asker = cluster.nodes.find((node) => node !== owner)!;
    cluster.network.silence(owner.origin);
    const get = asker.group.get("k");
    const write = asker.group.set("k", "v");
    await settle();
    await asker.pool.close();
    await assertRejects(() => get, Error, "closed");
    await assertRejects(() => write, AggregateError, owner.origin);
    await assertRejects(() => asker.group.get("k"), Error, "closed");
  }));

Deno.test("removeGroup() ends waits for peers with an error", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = pair(cluster);
    cluster.network.silence(owner.origin);
    const get = asker.group.get("k");
    await settle();
    asker.pool.removeGroup("g");
    await assertRejects(() => get, Error, "the group is closed");
    await settle();
    assertEquals([cluster.clock.pending, asker.loads], [0, []]);
  }));

Deno.test("Group.stats() of an asker counts its questions and their answers", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = pair(cluster);
    await asker.group.get("k");
    cluster.network.kill(owner.origin);
    await asker.group.get("k");
    const { main: _main, hot: _hot, ...counts } = asker.group.stats();
    assertEquals(counts, {
      gets: 2,
      cacheHits: 0,
      loads: 2,
      // Two questions and one call of the getter.
      loadsDeduped: 3,
      peerLoads: 1,
      peerErrors: 1,
      localLoads: 1,
      localLoadErrs: 0,
      inherited: 0,
      serverRequests: 0,
    });
  }));

// ---- writing

const mirrorAll: ClusterOptions = { group: { shouldMirror: () => true } };

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
  }, mirrorAll));

Deno.test("set() takes ttlMs along, with a long key, too", () =>
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
    const keys = keysOf(20);
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
  }, mirrorAll));

Deno.test("removeMany() tells each owner its own keys first, then everybody the rest, and nobody a key twice", () =>
  withCluster(3, async (cluster) => {
    const [writer] = cluster.nodes as [Node];
    const keys = keysOf(12);
    const told = new Map<string, string[][]>();
    for (const { origin } of cluster.nodes) {
      told.set(origin, []);
      cluster.network.fault(origin, async (request, next) => {
        const { pathname } = new URL(request.url);
        // Frames, as text: the keys are short, and have no other dash.
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

Deno.test("Many keys to remove are cut into bodies of at most 1 MiB, none empty and none twice", () =>
  withCluster(2, async (cluster) => {
    const { owner, peer } = pair(cluster);
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

Deno.test("Who could not be told is named, each with its deadline, and everybody else is told", () =>
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
  }, mirrorAll));

Deno.test("A write to an owner out of reach rejects, and still removes everywhere else", () =>
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
  }, mirrorAll));

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

// ---- fences

/** A cluster whose getter answers what the test opens, load by load. */
function gated(): {
  gates: ReturnType<typeof gate<string>>[];
  options: ClusterOptions;
} {
  const gates: ReturnType<typeof gate<string>>[] = [];
  const getter = () => () => {
    const opened = gate<string>();
    gates.push(opened);
    return opened.opened;
  };
  return { gates, options: { ...mirrorAll, getter } };
}

Deno.test("No load that began before a write keeps an old value, at the owner or at an asker", async () => {
  for (const write of ["remove", "set", "clear"] as const) {
    const { gates, options } = gated();
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

Deno.test("A value that was fetched before a remove arrived is not mirrored after it", () =>
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
  }, mirrorAll));

Deno.test("A writer's own get, between telling the owner and telling others, leaves no old mirror", () =>
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
  }, mirrorAll));

Deno.test("A writer drops its own copy before it tells the owner, and once more afterwards", async () => {
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
    }, mirrorAll);
  }
});

Deno.test("clear() leaves no mirror that was made while it ran", () =>
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
    // `early` was told already; the owner was not.
    await early.group.get("k");
    assertEquals(early.group.peek("k")?.text(), "<k>");
    told.open();
    await cleared;
    for (const { group } of cluster.nodes) {
      assertEquals(group.peek("k"), undefined);
    }
  }, mirrorAll));

Deno.test("Both sides of a partition go on, and agree again afterwards", () =>
  withCluster(4, async (cluster) => {
    const [a, b, c, d] = cluster.nodes.map(({ origin }) => origin);
    cluster.network.partition([a!, b!], [c!, d!]);
    for (const { group } of cluster.nodes) {
      for (const key of keysOf(20)) {
        assertEquals(await textOf(group.get(key)), `<${key}>`);
      }
    }
    cluster.network.partition();
    cluster.nodes.forEach(({ loads }) => loads.length = 0);
    await cluster.clock.advance(60_000);
    for (const { group } of cluster.nodes) await group.getMany(keysOf(20));
    for (const { loads, pool } of cluster.nodes) {
      for (const key of loads) assertEquals(pool.pickPeer(key), undefined);
    }
  }));
