/** Connections that are lost while the peer is well. */

import { ByteView } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  ask,
  SLOW,
  slowGetter,
  valuesOf,
  withPair,
} from "../support/batches.ts";
import { textOf } from "../support/cluster.ts";
import { settle } from "../support/time.ts";

const reset = () => Promise.reject(new TypeError("connection reset"));

Deno.test("A request that met a reset before its answer began is sent once more, and no other key notices", async () => {
  for (const which of [0, 1, 2]) {
    await withPair(async ({ asker, owner, keys, answer }) => {
      let sent = 0;
      answer((_seen, next) => sent++ === which ? reset() : next());
      const all = keys(2_000);
      const values = [...(await asker.group.getMany(all)).values()];
      assertEquals(
        values.map((value) => (value as ByteView).text()),
        valuesOf(all),
      );
      assertEquals([owner.loads.length, asker.loads], [2_000, []]);
      assertEquals(asker.group.stats().peerErrors, 0);
      // The statistics count what was lost all the same.
      assertEquals(asker.pool.stats().peers[0]!.errors, 1);
    });
  }
});

Deno.test("Only the keys of a request that was lost twice are asked elsewhere, not those that wait for their turn", () =>
  withPair(async ({ asker, owner, keys, answer }) => {
    const lost = new Set<string>();
    answer((seen, next) => {
      if (lost.size === 0 && seen.method === "POST") {
        for (const key of seen.keys) lost.add(key);
      }
      return lost.has(seen.keys[0]!) ? reset() : next();
    });
    const all = keys(2_000);
    await asker.group.getMany(all);
    assertEquals(lost.size, 128);
    assertEquals([...asker.loads].sort(), [...lost].sort());
    assertEquals(owner.loads.length, 2_000 - 128);
  }));

Deno.test("Keys that wait for their turn are not failed by one silent connection if others are answered", () =>
  withPair(async ({ asker, owner, keys, clock, answer }) => {
    let silent: readonly string[] = [];
    answer(async (seen, next) => {
      if (silent.length === 0 && seen.method === "POST") {
        silent = seen.keys;
        return new Promise<Response>(() => {});
      }
      await new Promise<void>((resolve) => clock.after(1_000, resolve));
      return await next();
    });
    const many = asker.group.getMany(keys(1_500));
    await clock.advance(30_000);
    await many;
    assertEquals([...asker.loads].sort(), [...silent].sort());
    assertEquals(owner.loads.length, 1_500 - silent.length);
  }));

Deno.test("A write that met a reset is not sent again by itself: it may have arrived", () =>
  withPair(async ({ peer, keys, seen, answer }) => {
    answer(reset);
    const set = peer.set("g", keys(1)[0]!, { value: ByteView.from("v") });
    await set.catch(() => {});
    assertEquals(seen.length, 1);
  }));

Deno.test("A key that was put off is not failed when the other callers of its request leave", () =>
  withPair(async ({ clock, asker, owner, keys, answer }) => {
    const [first] = keys(1) as [string];
    const [slow] = keys(1, SLOW) as [string];
    // More values than one answer takes: the last key of the batch is put off at once.
    const large = "x".repeat(5_000_000);
    const big = keys(2, "big");
    for (const key of big) await owner.group.set(key, large);
    const [late] = keys(1, "late") as [string];
    const got = ask(asker, first);
    const controller = new AbortController();
    const left = ask(asker, slow, controller.signal);
    const gets = [...big, late].map((key) => ask(asker, key));
    await got;
    await settle();
    controller.abort(new Error("enough"));
    await clock.advance(5);
    await left.catch(() => {});
    const value = await textOf(gets[2]!);
    assertEquals([value, asker.loads], [`<${late}>`, []]);
    assert((await gets[1]!).byteLength === large.length);
    answer();
  }, slowGetter));
