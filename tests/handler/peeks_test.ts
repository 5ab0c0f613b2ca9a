/** Peeks: questions that are answered from memory only, by which new owners take values over. */

import { HTTPPool } from "../../mod.ts";
import { ANSWER, ASK } from "../../protocol/link.ts";
import { assertEquals } from "../support/assert.ts";
import { Asker } from "../support/links.ts";

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
