/** Askers that wait for a load: how long they are held, and when they count as gone. */

import { HTTPPool } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { ask, PEER, scoresPool, SELF, stuckPool } from "../support/handler.ts";
import { FakeClock, gate, settle } from "../support/time.ts";

Deno.test("The getter's signal fires when the last client that waits has left", async () => {
  const pool = new HTTPPool(SELF);
  let signal: AbortSignal | undefined;
  pool.group("g", (_key, context) => {
    signal = context.signal;
    return new Promise<string>(() => {});
  });
  const [a, b] = [new AbortController(), new AbortController()];
  const asked = [a, b].map((c) =>
    ask(pool, "/_geecache/g/k", { signal: c.signal })
  );
  await settle();
  a.abort();
  await settle();
  assertEquals(signal?.aborted, false);
  b.abort();
  await settle();
  assertEquals(signal?.aborted, true);
  assertEquals((await Promise.all(asked)).map((r) => r.status), [499, 499]);
});

Deno.test("The signal of a request is read only on a miss", async () => {
  const pool = scoresPool();
  let looks = 0;
  for (let i = 0; i < 2; i++) {
    const request = new Request(`${SELF}/_geecache/scores/Tom`);
    const { signal } = request;
    Object.defineProperty(request, "signal", { get: () => (looks++, signal) });
    await (await pool.handler(request)).body?.cancel();
    assertEquals(looks, 1);
  }
});

Deno.test("A peer that has waited as long as it said is told that the load goes on", async () => {
  const clock = new FakeClock();
  const opened = gate<string>();
  const pool = new HTTPPool(SELF, { clock });
  let loads = 0;
  let signal: AbortSignal | undefined;
  pool.group("g", (_key, context) => {
    loads++;
    signal = context.signal;
    return opened.opened;
  });
  const headers = { ...PEER, "Geecache-Wait": "100" };
  for (let i = 0; i < 3; i++) {
    const asked = ask(pool, "/_geecache/g/k", { headers });
    await clock.advance(100);
    const answer = await asked;
    assertEquals(
      [answer.status, answer.headers.get("Geecache-Result")],
      [202, "pending"],
    );
  }
  const asked = ask(pool, "/_geecache/g/k", { headers });
  await settle();
  opened.open("v");
  assertEquals((await asked).text, "v");
  assertEquals([loads, signal?.aborted], [1, false]);
  assertEquals(clock.pending, 0);
});

Deno.test("A load whose asker does not ask again is given up", async () => {
  const clock = new FakeClock();
  const { pool, signals } = stuckPool(clock);
  const headers = { ...PEER, "Geecache-Wait": "100" };
  const asked = ask(pool, "/_geecache/g/k", { headers });
  await clock.advance(100);
  assertEquals((await asked).status, 202);
  await clock.advance(1000);
  assertEquals(signals[0]?.aborted, false);
  await clock.advance(10_000);
  assertEquals([signals[0]?.aborted, clock.pending], [true, 0]);
});

Deno.test("An asker that sends no Geecache-Wait in whole milliseconds is never told pending", async () => {
  for (const wait of [undefined, "", "soon", "-1", "1.5"]) {
    const clock = new FakeClock();
    const opened = gate<string>();
    const pool = new HTTPPool(SELF, { clock });
    pool.group("g", () => opened.opened);
    const headers = wait === undefined
      ? PEER
      : { ...PEER, "Geecache-Wait": wait };
    const asked = ask(pool, "/_geecache/g/k", { headers });
    await clock.advance(60_000);
    opened.open("v");
    assertEquals((await asked).text, "v");
  }
});

Deno.test("An asker's next question for a key takes the place of its last one, and of no other", async () => {
  const other = { "Geecache-Peer": "http://localhost:8002" };
  for (
    const [path, asker] of [
      ["g/k", other],
      ["g/other", PEER],
      ["h/k", PEER],
    ] as const
  ) {
    const clock = new FakeClock();
    const { pool, signals } = stuckPool(clock);
    const wait = { "Geecache-Wait": "100" };
    const headers = { ...PEER, ...wait };
    const first = ask(pool, "/_geecache/g/k", { headers });
    await clock.advance(100);
    assertEquals((await first).status, 202);
    const controller = new AbortController();
    const second = ask(pool, `/_geecache/${path}`, {
      headers: { ...asker, ...wait },
      signal: controller.signal,
    });
    await settle();
    controller.abort();
    assertEquals((await second).status, 499);
    // The first asker still has time to ask again.
    assertEquals(signals[0]?.aborted, false, path);
    await clock.advance(5_000);
    assertEquals([signals[0]?.aborted, clock.pending], [true, 0]);
    await pool.close();
  }
});

Deno.test("A request that ends after its answer was pending aborts no load", async () => {
  const clock = new FakeClock();
  const { pool, signals } = stuckPool(clock);
  const controller = new AbortController();
  const headers = { ...PEER, "Geecache-Wait": "100" };
  const init = { headers, signal: controller.signal };
  const asked = ask(pool, "/_geecache/g/k", init);
  await clock.advance(100);
  assertEquals((await asked).status, 202);
  // Deno does so after each response, unless it is told otherwise.
  controller.abort();
  await settle();
  assertEquals(signals[0]?.aborted, false);
  await pool.close();
});

Deno.test("The result of a load that ends between two questions is kept for the asker, for five seconds at most", async () => {
  for (const comesBack of [true, false]) {
    const clock = new FakeClock();
    const opened = gate<string>();
    const pool = new HTTPPool(SELF, { clock });
    let loads = 0;
    pool.group("g", () => {
      loads++;
      return opened.opened;
    });
    const headers = { ...PEER, "Geecache-Wait": "100" };
    const asked = ask(pool, "/_geecache/g/k", { headers });
    await clock.advance(100);
    assertEquals((await asked).status, 202);
    assertEquals(clock.pending, 1);
    opened.fail(new Error("no value to keep"));
    await settle();
    if (comesBack) {
      const again = await ask(pool, "/_geecache/g/k", { headers });
      assertEquals([again.status, loads], [500, 1]);
    } else {
      await clock.advance(5_000);
    }
    assertEquals(clock.pending, 0);
  }
});

Deno.test("An asker that asks again after a write is not given a value that was loaded before it", async () => {
  const clock = new FakeClock();
  const gates = [gate<string>(), gate<string>()];
  const pool = new HTTPPool(SELF, { clock });
  let loads = 0;
  const group = pool.group("g", () => gates[loads++]!.opened);
  const headers = { ...PEER, "Geecache-Wait": "100" };
  const asked = ask(pool, "/_geecache/g/k", { headers });
  await clock.advance(100);
  assertEquals((await asked).status, 202);
  await group.remove("k");
  gates[0]!.open("old");
  await settle();
  const again = ask(pool, "/_geecache/g/k", { headers });
  await settle();
  gates[1]!.open("new");
  assertEquals([(await again).text, loads], ["new", 2]);
  assertEquals(clock.pending, 0);
});

Deno.test("An asker that leaves after its second question counts as gone", async () => {
  const clock = new FakeClock();
  const { pool, signals } = stuckPool(clock);
  const headers = { ...PEER, "Geecache-Wait": "100" };
  const first = ask(pool, "/_geecache/g/k", { headers });
  await clock.advance(100);
  assertEquals((await first).status, 202);
  const controller = new AbortController();
  const init = { headers, signal: controller.signal };
  const second = ask(pool, "/_geecache/g/k", init);
  await settle();
  controller.abort();
  assertEquals((await second).status, 499);
  assertEquals([signals[0]?.aborted, clock.pending], [true, 0]);
});

Deno.test("A request that is aborted before it is handled starts no load", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://self", { clock });
  let loads = 0;
  pool.group("g", () => {
    loads++;
    return new Promise<string>(() => {});
  });
  const answer = pool.handler(
    new Request("http://self/_geecache/g/k", {
      headers: { "Geecache-Peer": "http://a", "Geecache-Wait": "100" },
      signal: AbortSignal.abort(),
    }),
  );
  await clock.advance(100);
  assertEquals([(await answer).status, loads, clock.pending], [499, 0, 0]);
  await pool.close();
});

Deno.test("An asker that leaves after two questions for one key, each asked twice, counts as gone", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://self", { clock });
  let signal: AbortSignal | undefined;
  pool.group("g", (_k, c) => {
    signal = c.signal;
    return new Promise<string>(() => {});
  });
  const headers = { "Geecache-Peer": "http://a", "Geecache-Wait": "100" };
  const ask = (s?: AbortSignal) =>
    pool.handler(
      new Request(
        "http://self/_geecache/g/k",
        s ? { headers, signal: s } : { headers },
      ),
    );
  const two = [ask(), ask()];
  await clock.advance(100);
  for (const t of two) assertEquals((await t).status, 202);
  const c = [new AbortController(), new AbortController()];
  const again = c.map((c) => ask(c.signal));
  await settle();
  c.forEach((c) => c.abort());
  await Promise.all(again);
  await settle();
  const seen = [signal?.aborted, clock.pending];
  await pool.close();
  assertEquals(seen, [true, 0]);
});

Deno.test("A group that was removed and made anew answers with its own getter, also those who were told to ask the old one again", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool(SELF, { clock });
  const headers = { ...PEER, "Geecache-Wait": "100" };
  const get = () => ask(pool, "/_geecache/g/k", { headers });
  for (const outcome of ["value", "error", "none"]) {
    const old = gate<string>();
    pool.group("g", () => old.opened);
    const asked = get();
    await clock.advance(100);
    assertEquals((await asked).status, 202);
    if (outcome === "value") old.open("old");
    if (outcome === "error") old.fail(new Error("old"));
    await settle();
    pool.removeGroup("g");
    pool.group("g", () => "new");
    const { status, text } = await get();
    assertEquals([status, text], [200, "new"], outcome);
    pool.removeGroup("g");
  }
  await pool.close();
  assertEquals(clock.pending, 0);
});
