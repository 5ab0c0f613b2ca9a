/** Keys in the bodies of writes, as the handler reads them. */

import fc from "fast-check";
import { HTTPPool } from "../../mod.ts";
import { decodeKeys, encodeKeys } from "../../protocol/key_lists.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { CHARACTER } from "../support/text.ts";

/** A pool whose handler the test sends bodies to. */
function server() {
  const pool = new HTTPPool("http://self");
  pool.group("g", (key) => key);
  const post = (
    body: Uint8Array<ArrayBuffer>,
    headers: Record<string, string>,
  ) =>
    pool.handler(
      new Request("http://self/_geecache/g", {
        method: "POST",
        headers: { "Geecache-Peer": "http://a", ...headers },
        body,
      }),
    );
  return { pool, post };
}

Deno.test("Any bytes sent as frames get a 204 or a 400, never a crash", async () => {
  const { pool, post } = server();
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.tuple(fc.array(fc.string({ unit: CHARACTER })), fc.nat(), flips).map(
      ([keys, cut, flips]) => {
        const body = encodeKeys(keys);
        for (const [at, byte] of flips) {
          if (body.length > 0) body[at % body.length] = byte;
        }
        return cut % 2 ? body : body.slice(0, cut % (body.length + 1));
      },
    ),
  );
  const method = fc.constantFrom("PUT", "DELETE");
  await fc.assert(
    fc.asyncProperty(body, method, async (body, method) => {
      const bytes = new Uint8Array(body);
      const { status, body: answer } = await post(bytes, {
        "Geecache-Method": method,
      });
      await answer?.cancel();
      assert([204, 400].includes(status), `${status}`);
      if (method === "DELETE") {
        const isGood = decodeKeys(bytes)?.every((key) => key !== "");
        assertEquals(status, isGood ? 204 : 400);
      }
    }),
  );
  await pool.close();
});

Deno.test("The handler reads no more keys of a DELETE than a pool would send", async () => {
  const { pool, post } = server();
  const body = new Uint8Array(4 * 1024 * 1024);
  // A million empty keys.
  let decoded = 0;
  const { decode } = TextDecoder.prototype;
  TextDecoder.prototype.decode = function (...args) {
    decoded++;
    return decode.apply(this, args);
  };
  try {
    const { status } = await post(body, { "Geecache-Method": "DELETE" });
    assertEquals(status, 400);
  } finally {
    TextDecoder.prototype.decode = decode;
  }
  // No more than fit into the 1 MiB that a pool sends.
  assert(decoded <= 1024 * 1024 / 5, `${decoded} keys`);
  await pool.close();
});
