/** How processes end that use the library. */

import { assertEquals } from "../support/assert.ts";
import { runScript } from "../support/script.ts";

Deno.test("A script that does not close its pool ends, though a peer is down", async () => {
  const ended = await runScript("unclosed_pool.ts");
  assertEquals(ended, { code: 0, output: "202 open\n" });
});

Deno.test("A pool that closes with requests open answers them, and prints nothing", async () => {
  const ended = await runScript("closed_pool.ts");
  assertEquals(ended, { code: 0, output: "404 true\n404 true\n200 false\n" });
});
