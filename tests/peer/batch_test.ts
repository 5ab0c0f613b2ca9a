/** Keys that leave together: which, when, how many, and what becomes of each. */

import fc from "fast-check";
import {
  decodeKeyAndValue,
  decodeKeys,
  encodeKeys,
  encodeResults,
  KIND,
  type Kind,
  type ResultFrame,
  ResultReader,
} from "../../protocol/frames.ts";
import {
  ByteView,
  HTTPPool,
  LoadError,
  NotFoundError,
  type Peer,
  PeerError,
  type PeerValue,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { FakeClock, gate, settle } from "../support/gate.ts";
import {
  type Cluster,
  type ClusterOptions,
  type Node,
  withCluster,
} from "../support/network.ts";

/** A request as its receiver saw it. */
interface Seen {
  readonly at: number;
  readonly method: string;
  /** The keys of a batch; of a plain GET, its one key. */
  readonly keys: string[];
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** What answers a request in a node's place, or lets it pass. */
type Answer = (
  seen: Seen,
  next: () => Promise<Response>,
) => Promise<Response> | Response;

interface Pair {
  readonly cluster: Cluster;
  readonly clock: FakeClock;
  readonly owner: Node;
  readonly asker: Node;
  /** What the asker asks the owner through. */
  readonly peer: Peer;
  /** All that reached the owner since it was shown to take batches. */
  readonly seen: Seen[];
  /** Keys of the owner's. */
  keys(count: number, prefix?: string): string[];
  /** Puts something before the owner. */
  answer(answer?: Answer): void;
}

const BATCH = { "Geecache-Result": "batch", "Geecache-Batch": "1" };

const SLOW = "slow";

/** A getter that never answers keys that begin with "slow". */
const slowGetter: ClusterOptions = {
  getter: () => (key) =>
    key.startsWith(SLOW) ? new Promise<string>(() => {}) : `<${key}>`,
};

function keysOf(cluster: Cluster, owner: Node, count: number, prefix = "k") {
  const { pool } = cluster.nodes.find((node) => node !== owner)!;
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) {
    const key = `${prefix}-${i}`;
    if (pool.pickPeer(key)?.id === owner.origin) keys.push(key);
  }
  return keys;
}

/** Keeps a record of what reaches a node. */
function watch(cluster: Cluster, node: Node, seen: Seen[], answer?: Answer) {
  cluster.network.fault(node.origin, async (request, next) => {
    const { method, url, headers, signal } = request;
    const body = new Uint8Array(await request.clone().arrayBuffer());
    const key = decodeURIComponent(new URL(url).pathname.split("/").pop()!);
    const keys = method === "POST" ? decodeKeys(body) ?? [] : [key];
    const one = {
      at: cluster.clock.now(),
      method,
      keys,
      headers,
      body,
      signal,
    };
    seen.push(one);
    return await (answer?.(one, next) ?? next());
  });
}

/** An owner that has shown that it takes batches, and an asker that is idle. */
function withPair(
  run: (pair: Pair) => Promise<void>,
  options?: ClusterOptions,
): Promise<void> {
  return withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const [shown] = keysOf(cluster, owner, 1, "shown") as [string];
    await asker.group.get(shown);
    owner.loads.length = 0;
    const seen: Seen[] = [];
    const answer = (answer?: Answer) => watch(cluster, owner, seen, answer);
    answer();
    await run({
      cluster,
      clock: cluster.clock,
      owner,
      asker,
      peer: asker.pool.pickPeer(shown)!,
      seen,
      keys: (count, prefix) => keysOf(cluster, owner, count, prefix),
      answer,
    });
  }, options);
}

/** What became of a promise so far. */
function fateOf<T>(promise: Promise<T>): { value?: T; error?: unknown } {
  const fate: { value?: T; error?: unknown } = {};
  promise.then((value) => fate.value = value, (error) => fate.error = error);
  return fate;
}

/** Gets a key and lets nobody miss it if that fails. */
function ask({ group }: Node, key: string, signal?: AbortSignal) {
  const get = group.get(key, signal && { signal });
  get.catch(() => {});
  return get;
}

async function textOf(get: Promise<ByteView>): Promise<string> {
  return (await get).text();
}

const textsOf = (gets: Promise<ByteView>[]) => Promise.all(gets.map(textOf));

const named = (keys: readonly string[]) => keys.map((key) => `<${key}>`);

const methodsOf = (seen: Seen[]) => seen.map(({ method }) => method);

function result(kind: Kind, index: number, value: PeerValue | string = "") {
  const frame: ResultFrame = {
    kind,
    index,
    value: typeof value === "string" ? { value: ByteView.from(value) } : value,
  };
  return frame;
}

/** A pool of its own, to be asked by hand. */
function server(
  getter: (key: string, signal: AbortSignal) => string | Promise<string>,
) {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://self", { clock });
  const group = pool.group("g", (key, { signal }) => getter(key, signal));
  const post = (
    body: Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ) =>
    pool.handler(
      new Request("http://self/_geecache/g", {
        method: "POST",
        headers: {
          "Geecache-Peer": "http://a",
          "Geecache-Method": "GET",
          ...headers,
        },
        body,
        ...(signal && { signal }),
      }),
    );
  return { clock, pool, group, post };
}

async function resultsOf(response: Response, expected: number) {
  assertEquals(response.status, 200);
  const reader = new ResultReader(expected, Infinity);
  const body = new Uint8Array(await response.arrayBuffer());
  const frames = [...reader.push(body)];
  reader.end();
  return frames;
}

// ---- when keys leave

Deno.test("An idle peer is asked at once with a plain GET, and again after it answered", () =>
  withPair(async ({ cluster, asker, seen, keys }) => {
    const { sent } = cluster.network;
    for (const key of keys(5)) {
      sent.length = 0;
      const get = ask(asker, key);
      // Before anything else could run.
      assertEquals(sent.map(({ method }) => method), ["GET"]);
      assertEquals(await textOf(get), `<${key}>`);
    }
    assertEquals(methodsOf(seen), ["GET", "GET", "GET", "GET", "GET"]);
  }));

/**
 * Asks for keys one after the other, of a peer that does not answer yet, until
 * one has to wait for its turn.
 */
async function fill(
  { asker, seen, keys }: Pair,
): Promise<{ asked: string[]; gets: Promise<ByteView>[] }> {
  const asked: string[] = [];
  const gets: Promise<ByteView>[] = [];
  for (const key of keys(10, "fill")) {
    const { length } = seen;
    gets.push(ask(asker, key));
    asked.push(key);
    await settle();
    if (seen.length === length) return { asked, gets };
  }
  throw new Error("ten requests are under way, and still no key waits");
}

Deno.test("Gets while requests are under way leave together in the next one, and no time passes", () =>
  withPair(async (pair) => {
    const { asker, clock, seen, keys, answer } = pair;
    const gates: ReturnType<typeof gate<void>>[] = [];
    answer(async (_seen, next) => {
      const opened = gate();
      gates.push(opened);
      await opened.opened;
      return await next();
    });
    const { asked, gets } = await fill(pair);
    const under = asked.slice(0, -1).map((key) => [key]);
    assertEquals(seen.map(({ keys }) => keys), under);
    const more = keys(5);
    for (const key of more) {
      gets.push(ask(asker, key));
      await settle();
    }
    assertEquals(seen.length, under.length);
    // As soon as any of them is answered.
    gates.pop()!.open();
    await settle();
    const together = [asked.at(-1)!, ...more];
    assertEquals(seen.map(({ keys }) => keys), [...under, together]);
    assertEquals([...new Set(methodsOf(seen.slice(1)))], ["POST"]);
    for (const { open } of gates) open();
    assertEquals(await textsOf(gets), named([...asked, ...more]));
    assertEquals(clock.now(), 0);
  }));

Deno.test("A busy peer gets fuller requests, and few whose answers have not begun", () =>
  withPair(async ({ cluster, clock, asker, seen, keys, answer }) => {
    let open = 0;
    let most = 0;
    answer(async (_seen, next) => {
      most = Math.max(most, ++open);
      await new Promise<void>((run) => clock.after(10, run));
      open--;
      return await next();
    });
    const all = keys(100);
    const gets: Promise<ByteView>[] = [];
    for (const key of all) {
      gets.push(ask(asker, key));
      await clock.advance(1);
    }
    await clock.advance(20);
    assertEquals(await textsOf(gets), named(all));
    assert(most <= 3, `${most} at once`);
    assert(seen.length <= 3 * 13, `${seen.length} requests`);
    assertEquals(seen.flatMap(({ keys }) => keys).sort(), [...all].sort());
    assertEquals(cluster.loads.length, 100);
  }));

Deno.test("A batch is one POST of keys in frames, and says that it waits 50 ms for loads", () =>
  withPair(async ({ asker, seen, keys }) => {
    const [a, b, c] = keys(3) as [string, string, string];
    await textsOf([a, b, c].map((key) => ask(asker, key)));
    const { method, body, headers } = seen[1]!;
    assertEquals([method, [...body]], ["POST", [...encodeKeys([b, c])]]);
    const names = ["Geecache-Method", "Geecache-Wait", "Geecache-Peer"];
    assertEquals(names.map((name) => headers.get(name)), [
      ...["GET", "50", asker.origin],
    ]);
    assertEquals(seen.length, 2);
  }));

Deno.test("A key is in one batch once, however many ask for it", () =>
  withPair(async ({ asker, seen, keys }) => {
    const [a, b] = keys(2) as [string, string];
    const gets = [a, b, b, a, b].map((key) => ask(asker, key));
    assertEquals(await textsOf(gets), named([a, b, b, a, b]));
    assertEquals(seen.map(({ keys }) => keys), [[a], [b]]);
  }));

Deno.test("getMany() travels as a batch, and keeps the order asked for", () =>
  withPair(async ({ asker, owner, seen, keys }) => {
    const all = keys(200);
    // The owner answers what it has before what it loads.
    for (const key of all.filter((_, i) => i % 3 === 0)) {
      await owner.group.get(key);
    }
    const order = [...all].reverse();
    const answers = await asker.group.getMany([...order, ...all]);
    assertEquals([...answers.keys()], order);
    const texts = [...answers.values()].map((one) => (one as ByteView).text());
    assertEquals(texts, named(order));
    assertEquals(seen.map(({ keys }) => keys.length), [1, 128, 71]);
  }));

Deno.test("removeMany() and long keys use the same frames", () =>
  withPair(async ({ asker, owner, peer, seen, keys }) => {
    const long = keys(1, "x".repeat(5_000))[0]!;
    assertEquals(await textOf(asker.group.get(long)), `<${long}>`);
    await peer.set("g", long, { value: ByteView.from("set") });
    assertEquals(owner.group.peek(long)?.text(), "set");
    const many = [...keys(3), long];
    await peer.remove("g", many);
    assertEquals(owner.group.peek(long), undefined);
    await peer.remove("g", [long]);
    assertEquals(methodsOf(seen), ["POST", "POST", "POST", "POST"]);
    assertEquals(
      seen.map(({ headers }) => headers.get("Geecache-Method")),
      ["GET", "PUT", "DELETE", "DELETE"],
    );
    const [get, set, removeMany, remove] = seen.map(({ body }) => body);
    assertEquals(get, encodeKeys([long]));
    const stored = decodeKeyAndValue(set!);
    assertEquals([stored?.key, stored?.value.text()], [long, "set"]);
    assertEquals(removeMany, encodeKeys(many));
    assertEquals(remove, encodeKeys([long]));
  }));

// ---- who is sent batches

Deno.test("A peer is sent batches only after it has shown that it understands them", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const seen: Seen[] = [];
    watch(cluster, owner, seen);
    const keys = keysOf(cluster, owner, 20);
    assertEquals(
      await textsOf(keys.map((key) => ask(asker, key))),
      named(keys),
    );
    assertEquals([...new Set(methodsOf(seen))], ["GET"]);
    seen.length = 0;
    await textsOf(keys.map((key) => ask(asker, key)));
    assertEquals(methodsOf(seen), ["GET", "POST"]);
  }));

Deno.test("A peer without Geecache-Batch gets plain requests only, long keys and all", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const seen: Seen[] = [];
    watch(cluster, owner, seen, async (_seen, next) => {
      const response = await next();
      response.headers.delete("Geecache-Batch");
      return response;
    });
    const long = keysOf(cluster, owner, 2, "x".repeat(5_000));
    const keys = [...keysOf(cluster, owner, 20), ...long];
    for (let i = 0; i < 3; i++) {
      const answers = await asker.group.getMany(keys);
      const texts = [...answers.values()].map((one) =>
        (one as ByteView).text()
      );
      assertEquals(texts, named(keys));
    }
    assertEquals(seen.length, 66);
    for (const { method, headers, body } of seen) {
      assertEquals(headers.get("Geecache-Method"), null);
      // A long key is a body without a frame.
      if (method === "POST") assertEquals(body.length, long[0]!.length);
    }
  }));

Deno.test("A peer that shows it no more is sent batches no more", () =>
  withPair(async ({ asker, seen, keys, answer }) => {
    answer(async (_seen, next) => {
      const response = await next();
      response.headers.delete("Geecache-Batch");
      return response;
    });
    const all = keys(10);
    await asker.group.get(all[0]!);
    await asker.group.getMany(all);
    assertEquals([...new Set(methodsOf(seen))], ["GET"]);
  }));

// ---- limits

Deno.test("More than 128 keys travel in several batches and all arrive", () =>
  withPair(async ({ asker, owner, seen, keys }) => {
    const all = keys(3_000);
    const answers = await asker.group.getMany(all);
    const texts = [...answers.values()].map((one) => (one as ByteView).text());
    assertEquals(texts, named(all));
    const sizes = seen.map(({ keys }) => keys.length);
    // One alone, since the peer was idle; what still loads is asked for again.
    assertEquals(sizes[0], 1);
    assertEquals(Math.max(...sizes), 128);
    assert(sizes.length < 60, `${sizes}`);
    assertEquals(owner.loads.length, 3_000);
    assertEquals(asker.loads, []);
  }));

Deno.test("A batch has at most 1 MiB of keys, or one key", () =>
  withPair(async ({ asker, owner, seen, keys }) => {
    const all = [
      ...keys(30, "a".repeat(60_000)),
      ...keys(1, "b".repeat(1_500_000)),
      ...keys(2),
      ...keys(10, "ß".repeat(60_000)),
    ];
    const gets = all.map((key) => ask(asker, key));
    assertEquals(await textsOf(gets), named(all));
    for (const { keys, body } of seen) {
      assert(keys.length === 1 || body.length <= 1024 * 1024);
    }
    assertEquals(owner.loads.length, 43);
    assert(seen.length < 20, `${seen.length} requests`);
  }));

Deno.test("A server takes 4,096 keys in one request and refuses more, and what is malformed, with 400", async () => {
  const { pool, post } = server((key) => key);
  const keys = Array.from({ length: 4_097 }, (_, i) => `${i}`);
  const response = await post(encodeKeys(keys.slice(1)), {
    "Geecache-Wait": "50",
  });
  assertEquals((await resultsOf(response, 4_096)).length, 4_096);
  for (
    const body of [
      encodeKeys(keys),
      encodeKeys(["a", "b"]).slice(0, -1),
      new Uint8Array([0xff, 0xff, 0xff, 0xff]),
      new Uint8Array([0, 0, 0, 1, 0xff]),
      new Uint8Array([0]),
    ]
  ) {
    const refused = await post(body);
    assertEquals(refused.status, 400);
    assertEquals(refused.headers.get("Geecache-Result"), "bad-request");
    assertStringIncludes(await refused.text(), "4096 keys in frames");
  }
  await pool.close();
});

Deno.test("A server refuses a bad key of a batch alone", async () => {
  const { pool, post } = server((key) => key);
  const frames = await resultsOf(
    await post(encodeKeys(["", "a"]), {
      "Geecache-Wait": "50",
    }),
    2,
  );
  const kinds = frames.map(({ kind, index }) => [index, kind]);
  assertEquals(kinds, [[0, KIND.badKey], [1, KIND.value]]);
  assertStringIncludes(frames[0]!.value.value.text(), "key is required");
  assertEquals(await resultsOf(await post(encodeKeys([])), 0), []);
  await pool.close();
});

Deno.test("Whatever is POSTed as frames gets a 200, a 204 or a 400, never a crash", async () => {
  const { pool, post } = server((key) => key);
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.tuple(fc.array(fc.string({ unit: "binary" })), fc.nat(), flips).map(
      ([keys, cut, flips]) => {
        const body = encodeKeys(keys);
        for (const [at, byte] of flips) {
          if (body.length > 0) body[at % body.length] = byte;
        }
        return cut % 2 ? body : body.slice(0, cut % (body.length + 1));
      },
    ),
  );
  const method = fc.constantFrom("GET", "PUT", "DELETE");
  await fc.assert(
    fc.asyncProperty(body, method, async (body, method) => {
      const bytes = new Uint8Array(body);
      const { status, body: answer } = await post(bytes, {
        "Geecache-Method": method,
        "Geecache-Wait": "50",
      });
      await answer?.cancel();
      assert([200, 204, 400].includes(status), `${status}`);
      if (method === "GET") {
        assertEquals(status, decodeKeys(bytes) === undefined ? 400 : 200);
      }
    }),
  );
  await pool.close();
});

// ---- slow keys

Deno.test("No batch stays open longer than 50 ms for loads: what is ready goes out, the rest is marked pending", async () => {
  const { clock, pool, group, post } = server((key) =>
    key.startsWith(SLOW) ? new Promise<string>(() => {}) : key
  );
  await group.get("hit");
  for (const wait of ["50", "60000", "9".repeat(16)]) {
    const keys = encodeKeys(["slow-1", "hit", "slow-2", "quick"]);
    const response = await post(keys, { "Geecache-Wait": wait });
    const frames: ResultFrame[] = [];
    let ended = false;
    const reader = new ResultReader(4, 100);
    const reading = (async () => {
      for await (const chunk of response.body!) {
        for (const frame of reader.push(chunk)) frames.push(frame);
      }
      reader.end();
      ended = true;
    })();
    await clock.advance(49);
    assertEquals(frames.map(({ index }) => index).sort(), [1, 3]);
    assertEquals(ended, false);
    await clock.advance(1);
    assert(ended);
    await reading;
    const kinds = frames.map(({ index, kind }) => [index, kind]);
    assertEquals(kinds.sort(), [
      [0, KIND.pending],
      [1, KIND.value],
      [2, KIND.pending],
      [3, KIND.value],
    ]);
  }
  await pool.close();
  await settle();
  assertEquals(clock.pending, 0);
});

Deno.test("A shorter patience is kept to; without one, or with a bad one, pending is said at once", async () => {
  const { clock, pool, post } = server(() => new Promise<string>(() => {}));
  for (const wait of ["20", "0", "soon", undefined]) {
    const response = await post(
      encodeKeys(["k"]),
      wait === undefined ? {} : { "Geecache-Wait": wait },
    );
    const fate = fateOf(resultsOf(response, 1));
    if (wait === "20") {
      await clock.advance(19);
      assertEquals(fate, {});
      await clock.advance(1);
    }
    await settle();
    assertEquals(fate.value?.map(({ kind }) => kind), [KIND.pending], wait);
  }
  await pool.close();
});

Deno.test("With every slot holding a slow key, a cached key still answers in one round trip", () =>
  withPair(async ({ clock, asker, owner, seen, keys, answer }) => {
    const [first, ...cached] = keys(20) as [string, ...string[]];
    for (const key of cached) await owner.group.get(key);
    const slow = keys(20, SLOW);
    // A few at a time, so that each batch that may be held holds some.
    for (let i = 0; i < slow.length; i += 2) {
      const together = [ask(asker, first), ask(asker, slow[i]!)];
      ask(asker, slow[i + 1]!);
      await together[0];
    }
    const holds = seen.filter(({ headers, signal }) =>
      headers.get("Geecache-Wait") === "50" && !signal.aborted
    );
    assertEquals(holds.length, 4);
    answer(async (_seen, next) => {
      await new Promise<void>((run) => clock.after(7, run));
      return await next();
    });
    // Alone, then several together.
    for (const some of [cached.slice(0, 1), cached.slice(1)]) {
      const fates = some.map((key) => fateOf(ask(asker, key)));
      await clock.advance(7);
      assertEquals(fates.map(({ value }) => value?.text()), named(some));
    }
    assertEquals(clock.now(), 14);
  }, slowGetter));

Deno.test("A cached key beside slow ones in its batch arrives at once", () =>
  withPair(async ({ clock, asker, owner, keys }) => {
    const [first, cached] = keys(2) as [string, string];
    await owner.group.get(cached);
    const slow = keys(5, SLOW);
    const gets = [first, ...slow, cached].map((key) => ask(asker, key));
    assertEquals(await textOf(gets.at(-1)!), `<${cached}>`);
    assertEquals(clock.now(), 0);
  }, slowGetter));

Deno.test("Slow keys are asked for again, together, without a second load and in no tight loop", () => {
  const opened = gate<string>();
  return withPair(async ({ clock, asker, owner, seen, keys }) => {
    const [first] = keys(1) as [string];
    const slow = keys(30, SLOW);
    const gets = [first, ...slow].map((key) => ask(asker, key));
    await clock.advance(10_000);
    assertEquals(owner.loads, [first, ...slow]);
    // Held for 50 ms at a time, and asked again at once.
    assert(seen.length <= 2 + 10_000 / 50, `${seen.length} requests`);
    assert(seen.length >= 10_000 / 50, `${seen.length} requests`);
    for (const { keys } of seen.slice(2)) assertEquals(keys, slow);
    opened.open("slow");
    await clock.advance(50);
    assertEquals((await textsOf(gets)).slice(1), slow.map(() => "slow"));
    assertEquals([owner.loads.length, asker.loads.length], [31, 0]);
    assertEquals(asker.group.stats().peerErrors, 0);
    const { length } = seen;
    await clock.advance(10_000);
    assertEquals(seen.length, length);
  }, {
    getter: () => (key) => key.startsWith(SLOW) ? opened.opened : `<${key}>`,
  });
});

Deno.test("Slow keys past what may be held are marked pending at once and take their turns", () => {
  const opened = gate<string>();
  return withPair(async ({ clock, asker, owner, seen, keys }) => {
    const [first] = keys(1) as [string];
    // So long that 17 fill a batch.
    const slow = keys(120, SLOW + "x".repeat(20_000));
    const gets = [first, ...slow].map((key) => ask(asker, key));
    await clock.advance(200);
    assertEquals(owner.loads.length, 121);
    const held = new Map<number, number>();
    for (const { at, headers } of seen) {
      if (headers.get("Geecache-Wait") !== "50") continue;
      held.set(at, (held.get(at) ?? 0) + 1);
    }
    for (const [, count] of held) assert(count <= 4, `${count} held`);
    assert(seen.length <= 10 + 5 * 5, `${seen.length} requests`);
    opened.open("slow");
    await clock.advance(200);
    assertEquals((await textsOf(gets)).length, 121);
    assertEquals(owner.loads.length, 121);
  }, {
    getter: () => (key) => key.startsWith(SLOW) ? opened.opened : `<${key}>`,
  });
});

Deno.test("A peer that marks keys pending without waiting is not asked in a tight loop", () =>
  withPair(async ({ clock, asker, seen, keys, answer }) => {
    answer(({ method, keys }, next) =>
      method === "GET" ? next() : new Response(
        encodeResults(keys.map((_, i) => result(KIND.pending, i))),
        { headers: BATCH },
      )
    );
    const gets = keys(5).map((key) => ask(asker, key));
    await clock.advance(1_000);
    assertEquals(seen.length, 1 + 21);
    answer();
    await clock.advance(50);
    assertEquals((await textsOf(gets)).length, 5);
  }));

Deno.test("A getter that answers while its batch is held answers at once", () => {
  const gates = new Map<string, ReturnType<typeof gate<string>>>();
  const getter = (key: string) => {
    if (!key.startsWith(SLOW)) return key;
    const opened = gate<string>();
    gates.set(key, opened);
    return opened.opened;
  };
  return withPair(async ({ clock, asker, seen, keys }) => {
    const slow = keys(3, SLOW);
    const gets = [...keys(1), ...slow].map((key) => ask(asker, key));
    await clock.advance(10);
    for (const [i, key] of slow.entries()) {
      gates.get(key)!.open(`${i}`);
      await clock.advance(10);
      assertEquals(await textOf(gets[i + 1]!), `${i}`);
    }
    assertEquals([clock.now(), seen.length], [40, 2]);
  }, { getter: () => getter });
});

// ---- results

Deno.test("Values, values with a life, what is not found and what failed arrive each as it is", () =>
  withPair(async ({ cluster, clock, asker, keys }) => {
    const [first] = keys(1) as [string];
    const all = ["value", "empty", "bytes", "mortal", "none", "bad"].map(
      (kind) => keys(1, kind)[0]!,
    );
    const answers = [...(await asker.group.getMany([first, ...all])).values()];
    const [, value, empty, bytes, mortal, none, bad] = answers;
    assertEquals((value as ByteView).text(), "v");
    assertEquals((empty as ByteView).byteLength, 0);
    assertEquals((bytes as ByteView).bytes(), new Uint8Array(1_000).fill(255));
    assertEquals((mortal as ByteView).text(), "m");
    assert(none instanceof NotFoundError);
    assertEquals([none.group, none.key], ["g", all[4]!]);
    assert(bad instanceof LoadError);
    assertEquals([bad.key, bad.message], [all[5]!, "broken, 日本"]);
    // Final: nobody else was asked.
    assertEquals(cluster.nodes[1]!.loads, []);
    assertEquals(asker.group.peek(all[3]!)?.text(), "m");
    await clock.advance(500);
    assertEquals(asker.group.peek(all[3]!), undefined);
    assertEquals(asker.group.peek(all[0]!)?.text(), "v");
  }, {
    group: { shouldMirror: () => true },
    getter: () => (key) => {
      switch (key.split("-")[0]) {
        case "empty":
          return "";
        case "bytes":
          return new Uint8Array(1_000).fill(255);
        case "mortal":
          return { value: "m", ttlMs: 500 };
        case "none":
          return undefined;
        case "bad":
          throw new Error("broken, 日本");
        default:
          return "v";
      }
    },
  }));

Deno.test("A value from memory says how long it has left, in a batch, too", () =>
  withPair(async ({ clock, owner, peer, keys }) => {
    const [a, b] = keys(2) as [string, string];
    await owner.group.get(b);
    await clock.advance(300);
    const [, value] = await Promise.all([peer.get("g", a), peer.get("g", b)]);
    assertEquals(value.ttlMs, 700);
  }, { getter: () => () => ({ value: "v", ttlMs: 1_000 }) }));

Deno.test("Answers larger than 8 MiB are asked for again and arrive whole", () => {
  const size = 3 * 1024 * 1024;
  const valueOf = (key: string) => {
    const bytes = new Uint8Array(size).fill(key.length);
    bytes.set(new TextEncoder().encode(key));
    return bytes;
  };
  return withPair(async ({ clock, asker, owner, seen, keys }) => {
    const [first, ...all] = keys(9) as [string, ...string[]];
    for (const key of all) await owner.group.get(key);
    const many = asker.group.getMany([first, ...all]);
    await clock.advance(500);
    const answers = await many;
    for (const [key, value] of answers) {
      assert((value as ByteView).equals(valueOf(key)), key);
    }
    assertEquals(answers.size, 9);
    assertEquals(seen.map(({ keys }) => keys.length), [1, 8, 5, 2]);
    assertEquals([owner.loads.length, asker.loads.length], [9, 0]);
  }, { getter: () => valueOf });
});

Deno.test("A batch that keeps arriving is not silence", () =>
  withPair(async ({ clock, asker, keys, answer }) => {
    let body!: ReadableStreamDefaultController<Uint8Array>;
    answer(({ method }, next) =>
      method === "GET" ? next() : new Response(
        new ReadableStream({ start: (c) => void (body = c) }),
        { headers: BATCH },
      )
    );
    const all = keys(6);
    const gets = all.map((key) => ask(asker, key));
    for (const [i, key] of all.slice(1).entries()) {
      await clock.advance(4_000);
      body.enqueue(encodeResults([result(KIND.value, i, `<${key}>`)]));
    }
    body.close();
    assertEquals(await textsOf(gets), named(all));
    assertEquals(asker.loads, []);
  }));

// ---- callers that leave

Deno.test("When all callers of a batch have left, it is aborted, and the getters' signals fire", () => {
  const signals = new Map<string, AbortSignal>();
  return withPair(async ({ clock, asker, seen, keys }) => {
    const [first] = keys(1) as [string];
    const slow = keys(3, SLOW);
    const controllers = slow.map(() => new AbortController());
    const got = ask(asker, first);
    const gets = slow.map((key, i) => ask(asker, key, controllers[i]!.signal));
    await got;
    await settle();
    const { signal } = seen[1]!;
    for (const [i, controller] of controllers.entries()) {
      assertEquals(signal.aborted, false);
      for (const one of signals.values()) assertEquals(one.aborted, false);
      controller.abort(new Error(`${i} left`));
      await assertRejects(() => gets[i]!, Error, `${i} left`);
      await settle();
    }
    assert(signal.aborted);
    for (const one of signals.values()) assert(one.aborted);
    assertEquals([signals.size, clock.pending], [3, 0]);
    const { peers } = asker.pool.stats();
    assertEquals([peers[0]!.errors, asker.group.stats().peerErrors], [0, 0]);
    assertEquals(asker.loads, []);
  }, {
    getter: () => (key, { signal }) => {
      if (!key.startsWith(SLOW)) return key;
      signals.set(key, signal);
      return new Promise<string>(() => {});
    },
  });
});

Deno.test("When one caller of a batch leaves, the others get their answers", () => {
  const opened = gate<string>();
  return withPair(async ({ clock, asker, owner, seen, keys }) => {
    const [first] = keys(1) as [string];
    const slow = keys(3, SLOW);
    const controller = new AbortController();
    const got = ask(asker, first);
    const gets = slow.map((key, i) =>
      ask(asker, key, i === 1 ? controller.signal : undefined)
    );
    await got;
    await clock.advance(10);
    controller.abort(new Error("enough"));
    await assertRejects(() => gets[1]!, Error, "enough");
    await clock.advance(100);
    // It is not asked for again.
    assertEquals(seen.at(-1)!.keys, [slow[0], slow[2]]);
    opened.open("v");
    await clock.advance(50);
    assertEquals(await textsOf([gets[0]!, gets[2]!]), ["v", "v"]);
    assertEquals(owner.loads.length, 4);
  }, {
    getter: () => (key) => key.startsWith(SLOW) ? opened.opened : key,
  });
});

Deno.test("A key whose callers left before its turn is not sent", () =>
  withPair(async (pair) => {
    const { asker, seen, keys, answer } = pair;
    const opened = gate();
    answer(async (_seen, next) => {
      await opened.opened;
      return await next();
    });
    const { asked } = await fill(pair);
    const [c, d] = keys(2) as [string, string];
    const controller = new AbortController();
    const left = ask(asker, c, controller.signal);
    const stays = ask(asker, d);
    await settle();
    controller.abort(new Error("enough"));
    await assertRejects(() => left, Error, "enough");
    opened.open();
    assertEquals(await textOf(stays), `<${d}>`);
    assertEquals(seen.at(-1)!.keys, [asked.at(-1)!, d]);
  }));

Deno.test("A request that the asker ends leaves the load to other askers", async () => {
  let signal: AbortSignal | undefined;
  const { clock, pool, post } = server((_key, given) => {
    signal = given;
    return new Promise<string>(() => {});
  });
  const controllers = [new AbortController(), new AbortController()];
  const answers = await Promise.all(
    controllers.map(({ signal }, i) =>
      post(encodeKeys(["k", "l"]), {
        "Geecache-Wait": "50",
        "Geecache-Peer": `http://${i}`,
      }, signal)
    ),
  );
  await clock.advance(10);
  controllers[0]!.abort();
  await clock.advance(10);
  assertEquals(signal?.aborted, false);
  controllers[1]!.abort();
  await settle();
  assertEquals([signal?.aborted, clock.pending], [true, 0]);
  for (const { body } of answers) await body?.cancel();
  await pool.close();
});

Deno.test("A load that was marked pending goes on for five seconds, and is given up if its asker does not ask again", async () => {
  for (const wait of [50, 0]) {
    let signal: AbortSignal | undefined;
    const { clock, pool, post } = server((_key, given) => {
      signal = given;
      return new Promise<string>(() => {});
    });
    const headers = { "Geecache-Wait": `${wait}` };
    for (let i = 0; i < 2; i++) {
      const response = await post(encodeKeys(["k"]), headers);
      await clock.advance(wait);
      const [{ kind }] = await resultsOf(response, 1) as [ResultFrame];
      assertEquals(kind, KIND.pending);
      await clock.advance(4_999);
      assertEquals(signal?.aborted, false);
    }
    await clock.advance(1);
    assertEquals([signal?.aborted, clock.pending], [true, 0]);
    await pool.close();
  }
});

Deno.test("An asker whose body was cancelled has left, as one that ended its request", async () => {
  let signal: AbortSignal | undefined;
  const { clock, pool, post } = server((_key, given) => {
    signal = given;
    return new Promise<string>(() => {});
  });
  const { body } = await post(encodeKeys(["k"]), { "Geecache-Wait": "50" });
  await settle();
  await body!.cancel();
  await settle();
  assertEquals([signal?.aborted, clock.pending], [true, 0]);
  await pool.close();
});

// ---- batches without an answer

/** Keys whose nodes are, in order, the cluster's first, second and third. */
function inOrder(cluster: Cluster, count: number): string[] {
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) {
    const order = cluster.inOrder(`k-${i}`);
    if (order.every((node, i) => node === cluster.nodes[i])) {
      keys.push(`k-${i}`);
    }
  }
  return keys;
}

/** A body that breaks off after some bytes. */
function broken(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
      bytes = new Uint8Array();
      controller.error(new TypeError("connection reset"));
    },
  });
}

Deno.test("When a batch has no answer, each of its keys is asked of the next node", async () => {
  const page = (status: number, result?: string) => () =>
    new Response("<h1>a proxy's page</h1>", {
      status,
      headers: result === undefined ? {} : { "Geecache-Result": result },
    });
  const frames = (...frames: ResultFrame[]) => () =>
    new Response(encodeResults(frames), { headers: BATCH });
  const bytes = (...bytes: number[]) => () =>
    new Response(new Uint8Array(bytes), { headers: BATCH });
  const answers: [string, Answer][] = [
    ["silence", () => new Promise(() => {})],
    ["no group", page(404, "no-group")],
    ["a page", page(200)],
    ["a page with 502", page(502)],
    ["a refusal", page(400, "bad-request")],
    ["too large", page(413, "bad-request")],
    ["a redirect", page(301)],
    ["a value", page(200, "value")],
    ["not found", page(404, "not-found")],
    ["failed", page(500, "failed")],
    ["pending", page(202, "pending")],
    [
      "done",
      () =>
        new Response(null, {
          status: 204,
          headers: { ...BATCH, "Geecache-Result": "done" },
        }),
    ],
    ["no body", () => new Response(null, { headers: BATCH })],
    ["no results", frames()],
    ["a bad key", frames(result(KIND.badKey, 0))],
    [
      "bad keys",
      ({ keys }) => frames(...keys.map((_, i) => result(KIND.badKey, i)))(),
    ],
    ["no such place", frames(result(KIND.value, 99))],
    ["no such kind", bytes(9, 0, 0, 0, 0, 0, 0, 0, 0)],
    ["a lie", bytes(0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)],
    ["a cut head", bytes(0, 0, 0)],
    ["a cut result", bytes(0, 0, 0, 0, 0, 0, 0, 0, 9, 1)],
    [
      "a time left of -1",
      frames(result(KIND.expiringValue, 0, {
        value: ByteView.from(""),
        ttlMs: -1,
      })),
    ],
    [
      "a broken body",
      () => new Response(broken(new Uint8Array(3)), { headers: BATCH }),
    ],
    ["an error", () => Promise.reject(new TypeError("connection reset"))],
  ];
  for (const [name, answer] of answers) {
    await withCluster(3, async (cluster) => {
      const [owner, next, asker] = cluster.nodes as [Node, Node, Node];
      const [first, ...keys] = inOrder(cluster, 6) as [string, ...string[]];
      await asker.group.get(first);
      const seen: Seen[] = [];
      watch(
        cluster,
        owner,
        seen,
        (one, next) => one.method === "POST" ? answer(one, next) : next(),
      );
      const many = asker.group.getMany([first, ...keys]);
      await cluster.clock.advance(5_500);
      const values = [...(await many).values()];
      assertEquals(
        values.map((value) => value instanceof ByteView ? value.text() : value),
        named([first, ...keys]),
        name,
      );
      // Beside what a stand-in asks for of the owner's memory.
      const asked = seen.filter(({ headers }) => !headers.has("Geecache-Peek"));
      assertEquals(methodsOf(asked), ["GET", "POST"], name);
      assertEquals([...next.loads].sort(), [...keys].sort(), name);
      assertEquals([owner.loads, asker.loads], [[first], []], name);
      assertEquals(asker.group.stats().peerErrors, 5, name);
    });
  }
});

Deno.test("What a broken batch answered before it broke counts, and only the rest is asked elsewhere", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.nodes as [Node, Node, Node];
    const [first, ...keys] = inOrder(cluster, 4) as [string, ...string[]];
    await asker.group.get(first);
    const frames = keys.map((key, i) => result(KIND.value, i, `<${key}>`));
    const whole = encodeResults(frames);
    const ends = frames.map((_, i) =>
      encodeResults(frames.slice(0, i + 1)).length
    );
    for (let cut = 0; cut < whole.length; cut++) {
      for (const ending of ["breaks off", "ends"]) {
        next.loads.length = 0;
        await next.group.clear();
        watch(cluster, owner, [], ({ method }, next) => {
          if (method !== "POST") return next();
          const part = whole.slice(0, cut);
          const body = ending === "ends" ? part : new ReadableStream({
            start: (controller) => controller.enqueue(part),
            pull: (controller) => controller.error(new TypeError("reset")),
          });
          return new Response(body, { headers: BATCH });
        });
        const answers = await asker.group.getMany([first, ...keys]);
        for (const [key, value] of answers) {
          assertEquals((value as ByteView).text(), `<${key}>`);
        }
        const rest = keys.filter((_, i) => ends[i]! > cut);
        assertEquals(
          [...next.loads].sort(),
          rest.sort(),
          `${ending} at ${cut}`,
        );
        assertEquals(asker.loads, []);
      }
    }
  }));

Deno.test("A busy owner is asked for a batch again; when patience ends the asker loads its keys, and nobody else", () =>
  withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.nodes as [Node, Node, Node];
    const [first, ...keys] = inOrder(cluster, 4) as [string, ...string[]];
    await asker.group.get(first);
    let busy = 2;
    const seen: Seen[] = [];
    watch(
      cluster,
      owner,
      seen,
      ({ method }, next) =>
        method === "GET" || busy-- <= 0 ? next() : new Response("", {
          status: 429,
          headers: {
            "Geecache-Result": "busy",
            "Geecache-Batch": "1",
            "Retry-After": "1",
          },
        }),
    );
    const patient = asker.group.getMany([first, ...keys]);
    await cluster.clock.advance(2_000);
    assertEquals((await patient).size, 4);
    assertEquals([next.loads, asker.loads], [[], []]);
    assertEquals(seen.map(({ at }) => at), [0, 0, 1_000, 2_000]);
    await owner.group.clear();
    busy = Infinity;
    const other = asker.group.getMany([first, ...keys]);
    await cluster.clock.advance(4_900);
    assertEquals(asker.loads, []);
    await cluster.clock.advance(200);
    assertEquals((await other).size, 4);
    assertEquals([next.loads, asker.loads], [[], keys]);
  }));

Deno.test("An owner that closes while it holds a batch sends its keys on", () => {
  const stuck = new Set<string>();
  return withCluster(3, async (cluster) => {
    const [owner, next, asker] = cluster.nodes as [Node, Node, Node];
    const [first, ...keys] = inOrder(cluster, 4) as [string, ...string[]];
    await asker.group.get(first);
    for (const key of keys) stuck.add(owner.origin + key);
    const many = asker.group.getMany([first, ...keys]);
    await cluster.clock.advance(10);
    await owner.pool.close();
    await cluster.clock.advance(10);
    assertEquals((await many).size, 4);
    assertEquals([next.loads, asker.loads], [keys, []]);
  }, {
    getter: (node) => (key) =>
      stuck.has(node + key) ? new Promise<string>(() => {}) : `<${key}>`,
  });
});

Deno.test("close() during a batch ends its keys, and those that wait for their turn, with an error", () =>
  withPair(async ({ cluster, clock, asker, keys, answer }) => {
    const [first] = keys(1) as [string];
    const slow = keys(3_000, SLOW);
    const got = ask(asker, first);
    const held = slow.slice(0, 5).map((key) => ask(asker, key));
    await got;
    await clock.advance(10);
    answer(() => new Promise(() => {}));
    const queued = slow.slice(5).map((key) => ask(asker, key));
    await settle();
    await asker.pool.close();
    for (const get of [...held, ...queued]) {
      await assertRejects(() => get, Error, "closed");
    }
    await settle();
    assertEquals(asker.loads, []);
    const { length } = cluster.network.sent;
    await clock.advance(10_000);
    assertEquals([cluster.network.sent.length, clock.pending], [length, 0]);
  }, slowGetter));

Deno.test("A peer that leaves during a batch sends its keys to their new owner", () =>
  withPair(async ({ clock, asker, keys }) => {
    const [first] = keys(1) as [string];
    const slow = keys(5, SLOW);
    const got = ask(asker, first);
    const gets = slow.map((key) => ask(asker, key));
    await got;
    await clock.advance(60);
    asker.pool.setPeers([asker.origin]);
    await clock.advance(10);
    assertEquals(await textsOf(gets), slow.map(() => asker.origin));
  }, {
    getter: (node) => (key) =>
      node === "http://n0" && key.startsWith(SLOW)
        ? new Promise<string>(() => {})
        : node,
  }));

// ---- what went wrong once

Deno.test("A load that ends while its asker is away answers the asker when it is back, however it ended", async () => {
  const kinds = ["none", "bad", "uncached"] as const;
  for (const kind of kinds) {
    let clock!: FakeClock;
    await withPair(async (pair) => {
      const { asker, owner, keys, answer } = pair;
      clock = pair.clock;
      answer(async (_seen, next) => {
        await new Promise<void>((run) => clock.after(20, run));
        return await next();
      });
      const [first] = keys(1) as [string];
      const [slow] = keys(1, SLOW) as [string];
      ask(asker, first);
      const fate = fateOf(ask(asker, slow));
      // Held until 70, away until 90; the load takes until 85.
      await clock.advance(300);
      const { value, error } = fate;
      if (kind === "none") assert(error instanceof NotFoundError);
      else if (kind === "bad") assert(error instanceof LoadError);
      else assertEquals(value?.text(), "v");
      assertEquals(owner.loads.filter((key) => key === slow).length, 1);
    }, {
      getter: () => async (key) => {
        if (!key.startsWith(SLOW)) return key;
        await new Promise<void>((run) => clock.after(65, run));
        if (kind === "bad") throw new Error("broken");
        return kind === "none" ? undefined : { value: "v", ttlMs: 0 };
      },
    });
  }
});

Deno.test("Slow keys that were asked for before the peer showed batches do not hold up a cached one", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const [shows, cached] = keysOf(cluster, owner, 2) as [string, string];
    await owner.group.get(cached);
    for (const key of keysOf(cluster, owner, 5, SLOW)) ask(asker, key);
    await asker.group.get(shows);
    const fate = fateOf(ask(asker, cached));
    await settle();
    assertEquals([fate.value?.text(), cluster.clock.now()], [`<${cached}>`, 0]);
  }, slowGetter));

Deno.test("A slow key asked for between another's pending and its next question holds up nobody", () =>
  withPair(async ({ clock, asker, owner, keys, answer }) => {
    const [cached] = keys(1) as [string];
    const [a, b] = keys(2, SLOW) as [string, string];
    await owner.group.get(cached);
    // The body of "pending" comes a little after its head.
    answer(async (_seen, next) => {
      const response = await next();
      if (response.status !== 202) return response;
      const bytes = new Uint8Array(await response.arrayBuffer());
      return new Response(
        new ReadableStream({
          start: (controller) =>
            void clock.after(2, () => {
              controller.enqueue(bytes);
              controller.close();
            }),
        }),
        response,
      );
    });
    ask(asker, a);
    await clock.advance(2_501);
    ask(asker, b);
    await clock.advance(5);
    const fate = fateOf(ask(asker, cached));
    await settle();
    assertEquals(fate.value?.text(), `<${cached}>`);
  }, slowGetter));

Deno.test("The bodies of batches fit maxBodyBytes", () =>
  withPair(async ({ asker, owner, keys, seen }) => {
    const all = keys(300);
    for (const key of all) await owner.group.get(key);
    await asker.group.getMany(all);
    assertEquals(asker.loads, []);
    for (const { body } of seen) assert(body.length <= 1_000);
  }, { pool: { maxBodyBytes: 1_000 } }));

Deno.test("A value that is too large is no answer for its own key alone", () =>
  withPair(async ({ asker, owner, keys }) => {
    const big = keys(1, "big");
    const [first, ...all] = keys(10) as [string, ...string[]];
    for (const key of [...big, ...all]) await owner.group.get(key);
    await asker.group.getMany([first, ...big, ...all]);
    assertEquals(asker.loads, big);
  }, {
    pool: { maxBodyBytes: 1_000 },
    getter: () => (key) => key.startsWith("big") ? "b".repeat(1_001) : key,
  }));

Deno.test("A value that is just small enough alone is so in a batch, whatever its life", () =>
  withPair(async ({ peer, keys }) => {
    const gets = keys(3).map((key) => peer.get("g", key));
    for (const { value } of await Promise.all(gets)) {
      assertEquals(value.byteLength, 1_000);
    }
  }, {
    pool: { maxBodyBytes: 1_000 },
    getter: () => () => ({ value: "b".repeat(1_000), ttlMs: 1_000 }),
  }));

Deno.test("A final answer of a batch is final however small maxBodyBytes is", () =>
  withPair(async ({ peer, keys }) => {
    const [first] = keys(1) as [string];
    const bad = keys(2, "bad").map((key) => peer.get("g", key));
    await Promise.allSettled([peer.get("g", first), ...bad]);
    for (const get of bad) await assertRejects(() => get, LoadError);
  }, {
    pool: { maxBodyBytes: 100 },
    getter: () => (key) => {
      if (key.startsWith("bad")) throw new Error("m".repeat(101));
      return key;
    },
  }));

Deno.test("A value that ends between two looks at the clock has no time left, and no less", () =>
  withCluster(1, async () => {
    const clock = new FakeClock();
    const looks: number[] = [];
    const owner = new HTTPPool("http://owner", {
      clock: {
        now: () => looks.shift() ?? clock.now(),
        after: (ms, run) => clock.after(ms, run),
      },
    });
    owner.group("g", () => ({ value: "v", ttlMs: 100 }));
    await owner.getGroup("g")!.get("k");
    const asker = new HTTPPool("http://asker", {
      clock,
      fetch: async (request) => {
        if (request.method === "POST") looks.push(99.95, 100.15);
        return await owner.handler(request);
      },
    });
    asker.setPeers(["http://owner"]);
    const group = asker.group("g", () => "loaded by the asker");
    await group.get("first");
    const gets = [group.get("first"), group.get("k")];
    assertEquals(await textsOf(gets), ["v", "v"]);
    await asker.close();
    await owner.close();
  }));

Deno.test("Every batch without an answer rejects with a PeerError, and counts as one of the peer's", () =>
  withPair(async ({ asker, peer, keys, answer }) => {
    const [first, key] = keys(2) as [string, string];
    for (
      const body of [
        new Uint8Array(),
        new Uint8Array([0, 0, 0]),
        new Uint8Array([9, 0, 0, 0, 0, 0, 0, 0, 0]),
        encodeResults([result(KIND.badKey, 0)]),
      ]
    ) {
      answer(({ method }, next) =>
        method === "GET" ? next() : new Response(body, { headers: BATCH })
      );
      const [before] = asker.pool.stats().peers;
      const [, settled] = await Promise.allSettled([
        peer.get("g", first),
        peer.get("g", key),
      ]);
      assert(settled.status === "rejected");
      assert(settled.reason instanceof PeerError, `${settled.reason}`);
      assertStringIncludes(settled.reason.message, "malformed");
      const [after] = asker.pool.stats().peers;
      assertEquals(after!.errors, before!.errors + 1);
    }
  }));

Deno.test("Keys that wait behind a silent peer go on when its time is over, however many", () =>
  withPair(async ({ clock, asker, keys, answer }) => {
    answer(() => new Promise(() => {}));
    const gets = keys(5_000).map((key) => ask(asker, key));
    await clock.advance(1_000);
    const late = ask(asker, keys(1, "late")[0]!);
    await clock.advance(4_000);
    assertEquals(asker.loads.length >= 5_000, true, `${asker.loads.length}`);
    await clock.advance(1_000);
    assertEquals((await textsOf([...gets, late])).length, 5_001);
    assertEquals(clock.now(), 6_000);
  }));

Deno.test("When the last keys without an answer are left by their callers, the request is aborted", () => {
  let signal: AbortSignal | undefined;
  return withPair(async ({ asker, owner, keys }) => {
    const [first, cached] = keys(2) as [string, string];
    const [slow] = keys(1, SLOW) as [string];
    await owner.group.get(cached);
    const controller = new AbortController();
    const gets = [ask(asker, first), ask(asker, cached)];
    const left = ask(asker, slow, controller.signal);
    await textsOf(gets);
    assertEquals(signal?.aborted, false);
    controller.abort(new Error("enough"));
    await assertRejects(() => left, Error, "enough");
    await settle();
    assertEquals(signal?.aborted, true);
  }, {
    getter: () => (key, context) => {
      if (!key.startsWith(SLOW)) return key;
      signal = context.signal;
      return new Promise<string>(() => {});
    },
  });
});

Deno.test("A key whose signal has fired is not asked for", () =>
  withPair(async ({ peer, seen, keys }) => {
    const [first, key] = keys(2) as [string, string];
    const signal = AbortSignal.abort(new Error("enough"));
    const got = peer.get("g", first);
    await assertRejects(() => peer.get("g", key, { signal }), Error, "enough");
    await got;
    await settle();
    assertEquals(seen.map(({ keys }) => keys), [[first]]);
  }));

Deno.test("A batch that is held for a slow key is not silence, however short timeoutMs is", () => {
  let clock!: FakeClock;
  return withPair(async (pair) => {
    const { asker, owner, keys } = pair;
    clock = pair.clock;
    const gets = [...keys(1), ...keys(2, SLOW)].map((key) => ask(asker, key));
    await clock.advance(1_000);
    await textsOf(gets);
    assertEquals([owner.loads.length, asker.loads], [3, []]);
  }, {
    pool: { timeoutMs: 40 },
    getter: () => async (key) => {
      if (key.startsWith(SLOW)) {
        await new Promise<void>((run) => clock.after(200, run));
      }
      return key;
    },
  });
});

Deno.test("Batches whose bodies are slow are no more than a few at a time", () =>
  withPair(async ({ clock, asker, owner, keys, answer }) => {
    const all = keys(90);
    for (const key of all) await owner.group.get(key);
    let open = 0;
    let most = 0;
    answer(async ({ method }, next) => {
      const response = await next();
      if (method === "GET") return response;
      const bytes = new Uint8Array(await response.arrayBuffer());
      most = Math.max(most, ++open);
      return new Response(
        new ReadableStream({
          start: (controller) =>
            void clock.after(1_000, () => {
              open--;
              controller.enqueue(bytes);
              controller.close();
            }),
        }),
        response,
      );
    });
    const gets: Promise<ByteView>[] = [];
    for (let i = 0; i < all.length; i += 3) {
      gets.push(...all.slice(i, i + 3).map((key) => ask(asker, key)));
      await settle();
    }
    assert(most <= 8, `${most} at once`);
    await clock.advance(60_000);
    assertEquals(await textsOf(gets), named(all));
  }));

Deno.test("A DELETE has a limit of keys, too", async () => {
  const { pool, post } = server((key) => key);
  const body = new Uint8Array(4 * 1024 * 1024);
  // A million empty keys.
  let decoded = 0;
  const { decode } = TextDecoder.prototype;
  TextDecoder.prototype.decode = function (...args) {
    decoded++;
    return decode.apply(this, args);
  };
  try {
    const { status } = await post(body, { "Geecache-Method": "DELETE" });
    assertEquals(status, 400);
  } finally {
    TextDecoder.prototype.decode = decode;
  }
  // As many as fit into the 1 MiB that a pool sends.
  assert(decoded <= 1024 * 1024 / 5, `${decoded} keys`);
  await pool.close();
});
