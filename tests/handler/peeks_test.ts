/** Peeks: questions that are answered from memory only, by which new owners take values over. */

import { HTTPPool } from "../../mod.ts";
import { encodeKeys, KIND, type Kind } from "../../protocol/frames.ts";
import { assertEquals } from "../support/assert.ts";
import { resultsOf } from "../support/batches.ts";

/** Peeks at several keys in one request; gives the kind of each result. */
async function peekAtAll(pool: HTTPPool, keys: string[]): Promise<Kind[]> {
  const response = await pool.handler(
    new Request("http://a/_geecache/g", {
      method: "POST",
      headers: {
        "Geecache-Peer": "http://b",
        "Geecache-Method": "GET",
        "Geecache-Peek": "1",
      },
      body: encodeKeys(keys),
    }),
  );
  const results = await resultsOf(response, keys.length);
  return results.map(({ kind }) => kind);
}

Deno.test("A peek is answered at once and from memory only, on its own and in a batch", async () => {
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
  const kinds = await peekAtAll(pool, ["held", "other"]);
  assertEquals(kinds, [KIND.value, KIND.notFound]);
  const { gets, serverRequests, loads } = group.stats();
  assertEquals([gets, serverRequests, loads], [0, 0, 0]);
  await pool.close();
});

Deno.test("The copies in one answer to peeks exceed 8 MiB by at most one value", async () => {
  const pool = new HTTPPool("http://a");
  const group = pool.group("g", () => "");
  const keys = ["a", "b", "c"];
  for (const key of keys) await group.set(key, new Uint8Array(5 * 1024 * 1024));
  const kinds = await peekAtAll(pool, keys);
  assertEquals(kinds, [KIND.value, KIND.value, KIND.notFound]);
  await pool.close();
});
