/** How the bodies of requests are read. */

import { HTTPPool } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { PEER, SELF } from "../support/handler.ts";
import { settle } from "../support/time.ts";

/** Counts how many listen to one signal at most. Node 20 warns of more than ten. */
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
