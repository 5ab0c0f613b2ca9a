/** Slow keys in batches: they hold up no other key, and are asked for again until they are there. */

import { LoadError, NotFoundError } from "../../mod.ts";
import { encodeResults, KIND } from "../../protocol/frames.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  ask,
  BATCH,
  fateOf,
  result,
  SLOW,
  slowGetter,
  textsOf,
  valuesOf,
  withPair,
} from "../support/batches.ts";
import {
  keysOwnedBy,
  type Node,
  textOf,
  withCluster,
} from "../support/cluster.ts";
import { type FakeClock, gate, settle } from "../support/time.ts";

Deno.test("A cached key is answered in one round trip while every slot holds a slow key", () =>
  withPair(async ({ clock, asker, owner, seen, keys, answer }) => {
    const [first, ...cached] = keys(20) as [string, ...string[]];
    for (const key of cached) await owner.group.get(key);
    const slow = keys(20, SLOW);
    // A few at a time, so that every batch that may be held has some.
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
      assertEquals(fates.map(({ value }) => value?.text()), valuesOf(some));
    }
    assertEquals(clock.now(), 14);
  }, slowGetter));

Deno.test("A cached key that shares a batch with slow ones arrives at once", () =>
  withPair(async ({ clock, asker, owner, keys }) => {
    const [first, cached] = keys(2) as [string, string];
    await owner.group.get(cached);
    const slow = keys(5, SLOW);
    const gets = [first, ...slow, cached].map((key) => ask(asker, key));
    assertEquals(await textOf(gets.at(-1)!), `<${cached}>`);
    assertEquals(clock.now(), 0);
  }, slowGetter));

Deno.test("Slow keys are asked for again together, without a second load and without a tight loop", () => {
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

Deno.test("Slow keys beyond the batches that may be held are marked pending at once and take turns", () => {
  const opened = gate<string>();
  return withPair(async ({ clock, asker, owner, seen, keys }) => {
    const [first] = keys(1) as [string];
    // Each is so long that 17 fill a batch.
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

Deno.test("A value that is loaded while its batch is held arrives at once", () => {
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

Deno.test("A batch that is held for a slow key does not count as silence, however short timeoutMs is", () => {
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

Deno.test("A load that ends between two questions answers the second one, whatever its outcome", async () => {
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
      // The batch is held until 70, the next question comes at 90, the load ends at 85.
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

Deno.test("Slow keys that were asked for before the peer showed that it takes batches do not hold up a cached one", () =>
  withCluster(2, async (cluster) => {
    const [owner, asker] = cluster.nodes as [Node, Node];
    const [shows, cached] = keysOwnedBy(cluster, owner, 2) as [string, string];
    await owner.group.get(cached);
    for (const key of keysOwnedBy(cluster, owner, 5, SLOW)) ask(asker, key);
    await asker.group.get(shows);
    const fate = fateOf(ask(asker, cached));
    await settle();
    assertEquals([fate.value?.text(), cluster.clock.now()], [`<${cached}>`, 0]);
  }, slowGetter));

Deno.test("A slow key that is asked for while another is about to be asked for again holds up no other key", () =>
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

Deno.test("A key in a busy owner's memory is answered at once, however many others were told to come back", () =>
  withPair(async ({ clock, asker, owner, seen, keys, answer }) => {
    const [first, ...cached] = keys(4) as [string, string, string, string];
    for (const key of cached) await owner.group.get(key);
    answer(({ method, keys }, next) =>
      method === "GET" || keys.some((key) => !key.startsWith(SLOW))
        ? next()
        : new Response("", {
          status: 429,
          headers: {
            "Geecache-Result": "busy",
            "Geecache-Batch": "1",
            "Retry-After": "1",
          },
        })
    );
    const slow = keys(300, SLOW);
    const got = ask(asker, first);
    const busy = slow.map((key) => ask(asker, key));
    await got;
    for (const key of cached) {
      const fate = fateOf(ask(asker, key));
      await settle();
      assertEquals([fate.value?.text(), clock.now()], [`<${key}>`, 0]);
    }
    // The others are asked for again when the owner said, until patience ends.
    const { length } = seen;
    await clock.advance(999);
    assertEquals(seen.length, length);
    await clock.advance(1);
    assert(seen.length > length);
    await clock.advance(4_000);
    assertEquals(asker.loads.length, 64);
    await asker.pool.close();
    await Promise.allSettled(busy);
    assertEquals(clock.pending, 0);
  }, slowGetter));
