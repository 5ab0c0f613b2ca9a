/** How many requests to a peer are under way at a time, from the first one on. */

import { type ByteView, HTTPPool, type HTTPPoolOptions } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { valuesOf } from "../support/batches.ts";
import { FakeNetwork } from "../support/network.ts";
import { settle } from "../support/time.ts";

type Fetch = HTTPPoolOptions["fetch"] & object;

/** A fetch with so many sockets: other requests wait, without a word, for one to be free. */
function withSockets(
  fetch: Fetch,
  sockets: number,
): { fetch: Fetch; most(): number } {
  let open = 0;
  let most = 0;
  const queue: (() => void)[] = [];
  return {
    most: () => most,
    fetch: async (request) => {
      if (open === sockets) await new Promise<void>((go) => queue.push(go));
      else open++;
      most = Math.max(most, open);
      const free = (): void => {
        const next = queue.shift();
        if (next === undefined) open--;
        else next();
      };
      try {
        request.signal.throwIfAborted();
        const response = await fetch(request);
        const { status, headers } = response;
        const body = status === 204 ? null : response.body!
          .pipeThrough(new TransformStream({ flush: free, cancel: free }));
        if (body === null) free();
        return new Response(body, { status, headers });
      } catch (error) {
        free();
        throw error;
      }
    },
  };
}

/** A process that owns every key, one that owns none, and the sockets between them. */
function pairOf(
  sockets: number,
  loadMs: (key: string) => number,
  options: HTTPPoolOptions = {},
) {
  const network = new FakeNetwork();
  const { clock } = network;
  const line = withSockets(network.fetchFrom("http://asker"), sockets);
  const loads: string[] = [];
  const common = { clock, random: () => 0, handoverMs: 0, ...options };
  const owner = new HTTPPool("http://owner", common);
  const asker = new HTTPPool("http://asker", { ...common, fetch: line.fetch });
  owner.setPeers(["http://owner"]);
  asker.setPeers(["http://owner"]);
  const groups = [owner, asker].map((pool) =>
    pool.group("g", async (key) => {
      loads.push(key);
      const ms = loadMs(key);
      if (ms > 0) await new Promise<void>((run) => clock.after(ms, run));
      return `<${key}>`;
    })
  );
  network.join("http://owner", owner.handler);
  const close = () => Promise.all([owner.close(), asker.close()]);
  return {
    network,
    clock,
    most: line.most,
    loads,
    owner,
    asker,
    groups,
    close,
  };
}

const KEYS = Array.from({ length: 2_000 }, (_, i) => `key-${i}`);

Deno.test("A peer that has never been asked gets a few requests at a time, however many keys are wanted at once", async () => {
  for (const ms of [0, 20, 1_000]) {
    const { clock, groups, most, loads, asker, close } = pairOf(
      Infinity,
      () => ms,
    );
    const many = groups[1]!.getMany(KEYS);
    await clock.advance(30_000);
    const values = [...(await many).values()] as ByteView[];
    assertEquals(values.map((value) => value.text()), valuesOf(KEYS));
    assertEquals(loads.length, 2_000);
    // 32 for keys, and one that tries to open a link.
    assert(most() <= 16, `${most()} requests at once`);
    assertEquals(asker.stats().peers[0]!.errors, 0);
    await close();
  }
});

Deno.test("Slow keys behind four sockets do not make the peer look silent", async () => {
  // As many groups ask, and none of them may take all turns.
  const { clock, groups, loads, owner, asker, close } = pairOf(
    4,
    () => 6_000,
  );
  const others = Array.from({ length: 10 }, (_, i) => {
    owner.group(`g${i}`, async (key) => {
      loads.push(key);
      await new Promise<void>((run) => clock.after(6_000, run));
      return `<${key}>`;
    });
    return asker.group(`g${i}`, () => "loaded by the asker");
  });
  const keys = KEYS.slice(0, 20);
  const all = [groups[1]!, ...others].map((group) => group.getMany(keys));
  await clock.advance(15_000);
  for (const many of all) {
    const values = [...(await many).values()] as ByteView[];
    assertEquals(values.map((value) => value.text()), valuesOf(keys));
  }
  const { state, errors } = asker.stats().peers[0]!;
  assertEquals([loads.length, state, errors], [220, "closed", 0]);
  await close();
});

Deno.test("Writes, and questions to a peer without links, are bounded as well", async () => {
  for (const protocol of ["native", "geecache"] as const) {
    const { clock, groups, most, loads, network, close } = pairOf(
      Infinity,
      () => 100,
      { protocol },
    );
    const before = network.sent.length;
    const all = protocol === "native"
      ? Promise.all(KEYS.map((key) => groups[1]!.remove(key)))
      : groups[1]!.getMany(KEYS);
    await settle();
    await clock.advance(10_000);
    await all;
    assertEquals(network.sent.length - before, 2_000);
    assertEquals(loads.length, protocol === "native" ? 0 : 2_000);
    assert(most() <= 64, `${most()} requests at once`);
    await close();
  }
});

Deno.test("What waits for its turn ends with its caller, with the pool, and when the peer is given up", async () => {
  const { clock, groups, network, asker, close } = pairOf(
    Infinity,
    () => 0,
    { protocol: "geecache" },
  );
  const [, group] = groups;
  network.silence("http://owner");
  const controller = new AbortController();
  const { signal } = controller;
  const left = Promise.allSettled(
    KEYS.slice(100, 200).map((key) => group!.get(key, { signal })),
  );
  const many = group!.getMany(KEYS.slice(0, 100));
  await settle();
  assertEquals(network.sent.length, 64);
  controller.abort(new Error("enough"));
  for (const { status } of await left) assertEquals(status, "rejected");
  await settle();
  assertEquals(network.sent.length, 128);
  await clock.advance(5_000);
  // The peer is given up, so the rest is not sent any more.
  assertEquals((await many).size, 100);
  assertEquals(network.count({ path: "/_geecache/g/key-99" }), 0);
  const closed = Promise.allSettled(KEYS.map((key) => group!.get(`x${key}`)));
  await close();
  await closed;
  await settle();
  assertEquals([asker.stats().peers.length, clock.pending], [0, 0]);
});
