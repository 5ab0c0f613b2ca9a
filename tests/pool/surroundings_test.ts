/** Bad surroundings, such as a proxy that drops headers: the next node is asked, and a `PeerError` says what is wrong. */

import { ByteView, HTTPPool, type Peer, PeerError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { Cluster, type Node, withCluster } from "../support/cluster.ts";
import {
  type FakeNetwork,
  type Fault,
  type LinksMeanwhile,
  tidied,
  withPath,
} from "../support/network.ts";

/** Three nodes in the order in which they are asked for "k", with a fault before the first. */
async function withFault(
  fault: Fault,
  run: (
    nodes: {
      owner: Node;
      next: Node;
      asker: Node;
      peer: Peer;
      network: FakeNetwork;
    },
  ) => Promise<void>,
  links?: LinksMeanwhile,
): Promise<void> {
  const cluster = new Cluster(3);
  const [owner, next, asker] = cluster.inOrder("k") as [Node, Node, Node];
  const { network } = cluster;
  network.fault(owner.origin, fault, links);
  const peer = asker.pool.pickPeer("k")!;
  try {
    await run({ owner, next, asker, peer, network });
  } finally {
    await cluster.close();
  }
  assertEquals(cluster.clock.pending, 0, "timers are left");
}

/** Checks that every write to the peer rejects with that message. */
async function assertWritesFail(fault: Fault, message: string): Promise<void> {
  const writes: ((peer: Peer) => Promise<void>)[] = [
    (peer) => peer.set("g", "k", { value: ByteView.from("v") }),
    (peer) => peer.remove("g", ["k"]),
    (peer) => peer.remove("g", ["k", "l"]),
    (peer) => peer.clear("g"),
  ];
  for (const write of writes) {
    await withFault(fault, async ({ peer }) => {
      const error = await assertRejects(() => write(peer), PeerError, message);
      assertEquals(error.peer, peer.id);
    });
  }
}

/** A copy of the headers that a proxy lets through. */
function without(headers: Headers, dropped: RegExp): Headers {
  return new Headers([...headers].filter(([name]) => !dropped.test(name)));
}

Deno.test("A process without a fetch loads for itself, and a PeerError names the option", async () => {
  const pool = new HTTPPool("http://a");
  pool.setPeers(["http://b"]);
  const group = pool.group("g", (key) => `<${key}>`);
  const own = Object.getOwnPropertyDescriptor(globalThis, "fetch")!;
  Object.defineProperty(globalThis, "fetch", {
    configurable: true,
    value: undefined,
  });
  try {
    assertEquals((await group.get("k")).text(), "<k>");
    assertEquals(group.stats().peerErrors, 1);
    const { errors } = await assertRejects(
      () => group.remove("k"),
      AggregateError,
    );
    assert(errors[0] instanceof PeerError);
    assertStringIncludes(
      errors[0].message,
      "Cannot ask peer http://b: this runtime has no fetch: " +
        "give HTTPPool one as its option",
    );
  } finally {
    Object.defineProperty(globalThis, "fetch", own);
    await pool.close();
  }
});

Deno.test("The answer of a fetch that follows redirects anyway does not count, and the next node is asked", async () => {
  const fault: Fault = async (_request, next) =>
    Object.defineProperties(await next(), {
      redirected: { value: true },
      url: { value: "http://elsewhere/_geecache/g/k" },
    });
  await withFault(fault, async ({ next, asker }) => {
    assertEquals((await asker.group.get("k")).text(), "<k>");
    assertEquals(next.loads, ["k"]);
  });
  await assertWritesFail(
    fault,
    'a redirect to "http://elsewhere/_geecache/g/k" was followed',
  );
});

Deno.test("An answer without our headers, which a proxy dropped, does not count, and the next node is asked", async () => {
  const fault: Fault = async (_request, next) => {
    const { status, body, headers } = await next();
    return new Response(body, {
      status,
      headers: without(headers, /^geecache-/),
    });
  };
  await withFault(fault, async ({ next, asker, peer }) => {
    assertEquals((await asker.group.get("k")).text(), "<k>");
    assertEquals(next.loads, ["k"]);
    const error = await assertRejects(() => peer.get("g", "k"), PeerError);
    assertEquals(error.status, 200);
    assertStringIncludes(
      error.message,
      "200 without Geecache-Result is no answer",
    );
  });
  await assertWritesFail(fault, "without Geecache-Result is no answer");
});

Deno.test("A request without our headers, which a proxy dropped, is answered if it is a get, and a write says why it was refused", async () => {
  const fault: Fault = async (request, next) => {
    for (const [name] of [...request.headers]) {
      if (name.startsWith("geecache-")) request.headers.delete(name);
    }
    return await next();
  };
  await withFault(fault, async ({ owner, next, asker }) => {
    assertEquals((await asker.group.get("k")).text(), "<k>");
    assertEquals([owner.loads, next.loads], [["k"], []]);
    // A body of keys in frames is never read as a single key.
    const answers = await asker.group.getMany(
      Array.from({ length: 50 }, (_, i) => `key-${i}`),
    );
    for (const [key, answer] of answers) {
      assertEquals((answer as ByteView).text(), `<${key}>`);
    }
    assertEquals(owner.loads.filter((key) => /[^\w-]/.test(key)), []);
  });
  await assertWritesFail(fault, "it needs a Geecache-Peer header");
});

Deno.test("Behind a proxy that decodes paths, merges slashes and resolves dots, every get and write is about its own key", () =>
  withCluster(2, async ({ network, nodes }) => {
    for (const { origin } of nodes) {
      network.fault(
        origin,
        (request, next) => next(withPath(request, tidied)),
      );
    }
    const keys = [
      ...["http://e.com/0", "http:/e.com/0", "a//b", "a/b", "x/../y", "y"],
      ...["/lead", "lead", "trail/", "trail", "./a", "a/.", ".", "..", "/"],
      ...["%2F", "a%2Fb", "100%", "a b", "a+b", "a;b=c", "a?b", "a#b", "a\\b"],
      ...["日本", "\n", "user:1", "user@e.com", "v1.2,x=y"],
    ];
    for (const { group } of nodes) {
      for (const [key, answer] of await group.getMany(keys)) {
        assertEquals((answer as ByteView).text(), `<${key}>`);
      }
      for (const key of keys) {
        assertEquals((await group.get(key)).text(), `<${key}>`);
      }
    }
    const loads = nodes.flatMap((node) => node.loads);
    assertEquals(loads.sort(), keys.toSorted());
    const [a, b] = nodes as [Node, Node];
    for (const key of keys) await a.group.set(key, `set ${key}`);
    for (const key of keys) {
      assertEquals((await b.group.get(key)).text(), `set ${key}`);
    }
    for (const key of keys) {
      await b.group.remove(key);
      for (const { group } of nodes) assertEquals(group.peek(key), undefined);
    }
    for (const { group } of nodes) assertEquals([...group.keys()], []);
  }));

Deno.test("A request whose path was changed to that of another key is refused, and writes nothing", async () => {
  const fault: Fault = (request, next) =>
    next(withPath(request, (path) => path.replace(/g(\/k)?$/, "other$1")));
  await withFault(fault, async ({ owner, next, asker }) => {
    const other = owner.pool.group("other", () => "another's");
    await other.set("k", "another's");
    assertEquals((await asker.group.get("k")).text(), "<k>");
    assertEquals(next.loads, ["k"]);
    await assertRejects(() => asker.group.set("k", "new"), AggregateError);
    await assertRejects(() => asker.group.remove("k"), AggregateError);
    await assertRejects(() => asker.group.clear(), AggregateError);
    assertEquals(other.peek("k")?.text(), "another's");
  });
  await assertWritesFail(fault, "Geecache-Target is that of another path");
});

Deno.test("The answer to another request, which a proxy kept, does not count", async () => {
  let kept: Response | undefined;
  const fault: Fault = async (_request, next) => {
    kept ??= await next();
    return kept.clone();
  };
  await withFault(fault, async ({ owner, asker, peer }) => {
    const key = [..."abcdefghij"].find((key) =>
      asker.pool.pickPeer(key) === peer
    )!;
    await owner.group.set(key, "another's");
    assertEquals((await peer.get("g", key)).value.text(), "another's");
    assertEquals((await asker.group.get("k")).text(), "<k>");
    await assertRejects(
      () => peer.get("g", "k"),
      PeerError,
      "its answer is not about what it was asked: Geecache-Target must be",
    );
  });
});

Deno.test("A peer of a newer version is understood if it uses results that we know; otherwise the next node is asked", async () => {
  let meaning = "value";
  const methods = new Set<string>();
  await withFault(async (request, next) => {
    methods.add(request.method);
    request.headers.set("Geecache-Newer", "1");
    const response = await next();
    response.headers.set("Geecache-Link", "2");
    response.headers.set("Geecache-Newer", "1");
    if (meaning !== "value") {
      response.headers.set("Geecache-Result", meaning);
    }
    return response;
  }, async ({ owner, next, asker, peer, network }) => {
    const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`);
    for (const key of keys.slice(0, 10)) await asker.group.get(key);
    for (let i = 0; i < 2; i++) {
      const answers = await asker.group.getMany(keys);
      assertEquals(
        [...answers.values()].map((one) => (one as ByteView).text()),
        keys.map((key) => `<${key}>`),
      );
    }
    assertEquals([...owner.loads, ...next.loads, ...asker.loads].length, 50);
    assertEquals([...methods].sort(), ["GET", "POST"]);
    await peer.remove("g", ["k", "l"]);
    network.links(owner.origin, "refuse");
    meaning = "value; zstd";
    assertEquals((await asker.group.get("k")).text(), "<k>");
    assertEquals(next.loads.filter((key) => key === "k"), ["k"]);
    await assertRejects(
      () => peer.get("g", "k"),
      PeerError,
      "200 with Geecache-Result: value; zstd is no answer in protocol native",
    );
  }, "fault");
});
