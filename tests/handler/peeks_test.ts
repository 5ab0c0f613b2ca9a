/** Peeks: questions for what is in memory, with which values are handed over. */

import { HTTPPool } from "../../mod.ts";
import { encodeKeys, KIND, ResultReader } from "../../protocol/frames.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("A peek is answered at once and by memory alone, alone and in a batch", async () => {
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
  const response = await pool.handler(
    new Request("http://a/_geecache/g", {
      method: "POST",
      headers: {
        "Geecache-Peer": "http://b",
        "Geecache-Method": "GET",
        "Geecache-Peek": "1",
      },
      body: encodeKeys(["held", "other"]),
    }),
  );
  const kinds = [...new ResultReader(2, 100).push(
    new Uint8Array(await response.arrayBuffer()),
  )].map(({ kind }) => kind);
  assertEquals(kinds, [KIND.value, KIND.notFound]);
  const { gets, serverRequests, loads } = group.stats();
  assertEquals([gets, serverRequests, loads], [0, 0, 0]);
  await pool.close();
});

Deno.test("Copies that are handed over together are 8 MiB and one, at most", async () => {
  const pool = new HTTPPool("http://a");
  const group = pool.group("g", () => "");
  const keys = ["a", "b", "c"];
  for (const key of keys) await group.set(key, new Uint8Array(5 * 1024 * 1024));
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
  const kinds = [...new ResultReader(3, 8 * 1024 * 1024).push(
    new Uint8Array(await response.arrayBuffer()),
  )].map(({ kind }) => kind);
  assertEquals(kinds, [KIND.value, KIND.value, KIND.notFound]);
  await pool.close();
});
