/** Peeks: questions that are answered from memory only, by which new owners take values over. */

import { HTTPPool } from "../../mod.ts";
import { ANSWER, ASK } from "../../protocol/link.ts";
import { assertEquals } from "../support/assert.ts";
import { Asker } from "../support/links.ts";
import { FakeClock } from "../support/time.ts";

Deno.test("A peek is answered at once and from memory only, on its own and on a link", async () => {
  const pool = new HTTPPool("http://a");
  const group = pool.group("g", () => new Promise<string>(() => {}));
  await group.set("held", "v");
  const peek = async (key: string) => {
    const response = await pool.handler(
      new Request(`http://a/_geecache/g/${key}`, {
        headers: { "Geecache-Peek": "1" },
      }),
    );
    return [response.status, response.headers.get("Geecache-Result")];
  };
  assertEquals(await peek("held"), [200, "value"]);
  assertEquals(await peek("other"), [404, "not-found"]);
  const asker = await Asker.open(pool);
  await asker.say((to) => {
    to.text(ASK.group, 0, "g");
    to.question(ASK.peek, 1, 0, 0, "held");
    to.question(ASK.peek, 2, 0, 0, "other");
  });
  const kinds = asker.frames.map(({ kind }) => kind);
  assertEquals(kinds, [ANSWER.value, ANSWER.notFound]);
  const { gets, serverRequests, loads } = group.stats();
  assertEquals([gets, serverRequests, loads], [0, 0, 0]);
  await pool.close();
});

Deno.test("A peek hands over the windows of a value, and how long it has been stale, on its own and on a link", async () => {
  const clock = new FakeClock();
  const pool = new HTTPPool("http://a", { clock });
  const group = pool.group("g", () => new Promise<string>(() => {}));
  await group.set("k", "v", {
    ttlMs: 1_000,
    staleWhileRevalidateMs: 2_000,
    staleIfErrorMs: Infinity,
  });
  const headersOf = async (headers: Record<string, string>) => {
    const url = "http://a/_geecache/g/k";
    const response = await pool.handler(new Request(url, { headers }));
    return ["Ttl", "Stale", "Windows"].map((name) =>
      response.headers.get(`Geecache-${name}`)
    );
  };
  const windows = "2000 9007199254740991";
  const peek = { "Geecache-Peek": "1" };
  assertEquals(await headersOf(peek), ["1000", null, windows]);
  // A copy refreshes nothing, so the windows are not its business.
  assertEquals(await headersOf({}), ["1000", null, null]);
  await clock.advance(1_500);
  assertEquals(await headersOf(peek), [null, "500", windows]);
  // They say how long a copy of it may be answered.
  assertEquals(await headersOf({}), [null, "500", windows]);
  const asker = await Asker.open(pool);
  await asker.say((to) => {
    to.text(ASK.group, 0, "g");
    to.question(ASK.peek, 1, 0, 0, "k");
    to.question(ASK.get, 2, 0, 0, "k");
  });
  for (const { kind, bytes } of asker.frames) {
    const numbers = new DataView(bytes.buffer, bytes.byteOffset);
    assertEquals(
      [kind, numbers.getFloat64(0), numbers.getUint32(8)],
      [ANSWER.windowedValue, -500, 0],
    );
    assertEquals([12, 20].map((at) => numbers.getFloat64(at)), [
      2_000,
      Infinity,
    ]);
    assertEquals(String.fromCharCode(...bytes.subarray(28)), "v");
  }
  assertEquals(asker.frames.length, 2);
  await pool.close();
});
