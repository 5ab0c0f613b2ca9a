/** Callers that leave, or close the pool, while their keys are in a batch. */

import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  ask,
  fillSlots,
  SLOW,
  slowGetter,
  textsOf,
  withPair,
} from "../support/batches.ts";
import { textOf } from "../support/cluster.ts";
import { gate, settle } from "../support/time.ts";

Deno.test("A batch is aborted when all its callers have left, and the getters' signals fire", () => {
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

Deno.test("The other callers of a batch get their answers when one leaves", () => {
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
    // Its key is not asked for again.
    assertEquals(seen.at(-1)!.keys, [slow[0], slow[2]]);
    opened.open("v");
    await clock.advance(50);
    assertEquals(await textsOf([gets[0]!, gets[2]!]), ["v", "v"]);
    assertEquals(owner.loads.length, 4);
  }, {
    getter: () => (key) => key.startsWith(SLOW) ? opened.opened : key,
  });
});

Deno.test("A key is not sent if its callers left before its turn", () =>
  withPair(async (pair) => {
    const { asker, seen, keys, answer } = pair;
    const opened = gate();
    answer(async (_seen, next) => {
      await opened.opened;
      return await next();
    });
    const { asked } = await fillSlots(pair);
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

Deno.test("A batch is aborted when the callers of its last unanswered keys leave", () => {
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

Deno.test("A key is not asked for if its signal has fired already", () =>
  withPair(async ({ peer, seen, keys }) => {
    const [first, key] = keys(2) as [string, string];
    const signal = AbortSignal.abort(new Error("enough"));
    const got = peer.get("g", first);
    await assertRejects(() => peer.get("g", key, { signal }), Error, "enough");
    await got;
    await settle();
    assertEquals(seen.map(({ keys }) => keys), [[first]]);
  }));

Deno.test("close() ends the keys of a batch, and those that wait for their turn, with an error", () =>
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
