/** How many listen to one signal: Node 20 warns of more than ten, and many are slow. */

import { Group, HTTPPool } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { PEER, SELF } from "../support/handler.ts";
import { settle } from "../support/time.ts";

/** Counts how many listen to one signal at most, while `run` runs. */
async function mostListeners(run: () => Promise<void>): Promise<number> {
  const own = Object.getOwnPropertyDescriptors(EventTarget.prototype);
  const counts = new Map<unknown, number>();
  let most = 0;
  const count = (target: unknown, change: number) => {
    if (!(target instanceof AbortSignal)) return;
    const now = (counts.get(target) ?? 0) + change;
    counts.set(target, now);
    most = Math.max(most, now);
  };
  const { prototype } = EventTarget;
  const { addEventListener, removeEventListener } = prototype;
  prototype.addEventListener = function (...args) {
    count(this, 1);
    return addEventListener.apply(this, args);
  };
  prototype.removeEventListener = function (...args) {
    count(this, -1);
    return removeEventListener.apply(this, args);
  };
  try {
    await run();
  } finally {
    Object.defineProperties(prototype, own);
  }
  return most;
}

Deno.test("getMany() listens once to its signal, however many keys it waits for, and lets go at the end", async () => {
  const signals: AbortSignal[] = [];
  const group = new Group("g", (key, { signal }) => {
    if (key === "now") return "v";
    signals.push(signal);
    return new Promise((resolve) => setTimeout(resolve, 1, "v"));
  });
  const { signal } = new AbortController();
  let listening = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: unknown[]) => {
    listening++;
    addEventListener.apply(signal, args as never);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    listening--;
    removeEventListener.apply(signal, args as never);
  };
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
  const getting = group.getMany(["now", ...keys], { signal });
  assertEquals(listening, 1);
  assertEquals((await getting).size, 101);
  assertEquals(listening, 0);

  const leaving = new AbortController();
  const left = group.getMany(keys.map((key) => `${key}!`), {
    signal: leaving.signal,
  });
  leaving.abort(new Error("enough"));
  await assertRejects(() => left, Error, "enough");
  assert(signals.slice(100).every((signal) => signal.aborted));
  assertEquals(signals.slice(0, 100).filter(({ aborted }) => aborted), []);
});

Deno.test("Bodies that are being read share no signal", async () => {
  const pool = new HTTPPool(SELF);
  pool.group("g", () => "v");
  const most = await mostListeners(async () => {
    const answers = Array.from({ length: 20 }, (_, i) =>
      pool.handler(
        new Request(`${SELF}/_geecache/g/k${i}`, {
          method: "PUT",
          headers: PEER,
          body: new ReadableStream({}),
          duplex: "half",
        } as RequestInit),
      ));
    await settle();
    await pool.close();
    for (const answer of await Promise.all(answers)) {
      assertEquals(answer.status, 404);
    }
  });
  assert(most <= 4, `${most} listeners`);
});
