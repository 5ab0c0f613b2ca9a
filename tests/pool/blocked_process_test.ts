/** A process that was blocked or paused itself, while the others were well. */

import { assert, assertEquals } from "../support/assert.ts";
import { ask, fateOf, valuesOf, withPair } from "../support/batches.ts";
import { askedOf, stateOf } from "../support/cluster.ts";
import { ask as askHandler, PEER, SELF } from "../support/handler.ts";
import { FakeClock, gate, settle } from "../support/time.ts";
import { type ByteView, HTTPPool } from "../../mod.ts";

Deno.test("A process that was blocked for longer than timeoutMs reads the answers that have arrived, and blames nobody", async () => {
  for (const blockedMs of [5_001, 6_000, 60_000]) {
    await withPair(async ({ cluster, clock, asker, owner, keys, answer }) => {
      const arrived = gate();
      answer(async (_seen, next) => {
        const response = await next();
        await arrived.opened;
        return response;
      });
      const all = keys(200);
      const many = asker.group.getMany(all);
      const [written] = keys(1, "written") as [string];
      const set = fateOf(asker.group.set(written, "v"));
      await settle();
      clock.block(blockedMs);
      // Timers that are due fire before anything that arrived is read.
      await clock.advance(0.5);
      arrived.open();
      await clock.advance(10);
      const values = [...(await many).values()] as ByteView[];
      assertEquals(values.map((value) => value.text()), valuesOf(all));
      assertEquals([asker.loads, stateOf(asker, owner)], [[], "closed"]);
      assertEquals(set, { value: undefined });
      assertEquals(owner.group.peek(written)?.text(), "v");
      assert(askedOf(cluster, asker, owner) > 2);
    });
  }
});

Deno.test("A peer that is silent is given up though its asker was blocked", () =>
  withPair(async ({ clock, asker, keys, answer }) => {
    answer(() => new Promise(() => {}));
    const [key] = keys(1) as [string];
    const get = ask(asker, key);
    await settle();
    clock.block(7_000);
    await clock.advance(1_999);
    assertEquals(asker.loads, []);
    await clock.advance(1);
    assertEquals([(await get).text(), asker.loads], [`<${key}>`, [key]]);
  }));

Deno.test("A load is kept for an asker that asked again while its owner was blocked", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool(SELF, { clock });
  let loads = 0;
  const loaded = gate<string>();
  pool.group("g", () => {
    loads++;
    return loaded.opened;
  });
  const headers = { ...PEER, "Geecache-Wait": "100" };
  const first = askHandler(pool, "/_geecache/g/k", { headers });
  await clock.advance(100);
  assertEquals((await first).status, 202);
  clock.block(6_000);
  await clock.advance(0.5);
  const again = askHandler(pool, "/_geecache/g/k", { headers });
  await settle();
  loaded.open("v");
  assertEquals([(await again).text, loads], ["v", 1]);
  await pool.close();
  assertEquals(clock.pending, 0);
});

Deno.test("A body that arrived while this process was blocked is taken", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool(SELF, { clock });
  pool.group("g", () => undefined);
  let send!: () => void;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      send = () => {
        controller.enqueue(new TextEncoder().encode("v"));
        controller.close();
      };
    },
  });
  const init = { method: "PUT", headers: PEER, body, duplex: "half" };
  const put = askHandler(pool, "/_geecache/g/k", init as RequestInit);
  await settle();
  clock.block(6_000);
  await clock.advance(0.5);
  send();
  assertEquals((await put).status, 204);
  await pool.close();
});
