/** Connections that are lost while the peer is well. */

import { ByteView } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { valuesOf, withPair } from "../support/batches.ts";

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

Deno.test("Only the key of a request that was lost twice is asked elsewhere, not those that wait for their turn", () =>
  withPair(async ({ asker, owner, keys, answer }) => {
    let lost: string | undefined;
    answer((seen, next) => {
      lost ??= seen.keys[0]!;
      return seen.keys[0] === lost ? reset() : next();
    });
    const all = keys(2_000);
    await asker.group.getMany(all);
    assertEquals(asker.loads, [lost]);
    assertEquals(owner.loads.length, 2_000 - 1);
  }));

Deno.test("Keys that wait for their turn are not failed by one silent connection if others are answered", () =>
  withPair(async ({ asker, owner, keys, clock, answer }) => {
    let silent: string | undefined;
    answer(async (seen, next) => {
      if (silent === undefined) {
        silent = seen.keys[0]!;
        return new Promise<Response>(() => {});
      }
      await new Promise<void>((resolve) => clock.after(1_000, resolve));
      return await next();
    });
    const many = asker.group.getMany(keys(500));
    await clock.advance(60_000);
    await many;
    assertEquals(asker.loads, [silent]);
    assertEquals(owner.loads.length, 500 - 1);
  }));

Deno.test("A write that met a reset is not sent again by itself: it may have arrived", () =>
  withPair(async ({ peer, keys, seen, answer }) => {
    answer(reset);
    const set = peer.set("g", keys(1)[0]!, { value: ByteView.from("v") });
    await set.catch(() => {});
    assertEquals(seen.length, 1);
  }));
