/** The page of `deno task serve`, as a process. */

import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { text, withNode } from "../../support/serve.ts";

/** Sends a command to the page of a node. */
function send(url: string, command: string, body: unknown) {
  return text(`${url}/_page/${command}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

Deno.test("serve has a page at / beside everything else, and it counts what clients ask for", () =>
  withNode(["--demo"], async ({ url }) => {
    assertMatch((await text(url))[1], /^<!doctype html>/i);
    for (let i = 0; i < 2; i++) {
      assertEquals(await text(`${url}/api?key=Tom`), [200, "630"]);
    }
    assertEquals((await text(`${url}/api/demo/any`))[0], 200);
    const state = JSON.parse((await text(`${url}/_page/state`))[1]);
    assertEquals(state.groups, ["scores", "demo"]);
    assertEquals(state.hottest.map(({ key }: { key: string }) => key), [
      "Tom",
      "any",
    ]);
    assertEquals(state.totals.maxBytes, (2 + 256) * 1024);
    const [status, burst] = await send(url, "burst", {});
    assertEquals([status, JSON.parse(burst).loads], [200, 1]);
  }));

Deno.test("serve on other addresses than loopback has a page of numbers alone, without --admin", async () => {
  for (const admin of [false, true]) {
    const flags = ["--host", "0.0.0.0", ...(admin ? ["--admin"] : [])];
    await withNode(flags, async ({ url }) => {
      assertEquals(await text(`${url}/api?key=Tom`), [200, "630"]);
      const [, state] = await text(`${url}/_page/state`);
      assertEquals(state.includes("Tom"), admin);
      const [status] = await send(url, "clear", { group: "scores" });
      assertEquals(status, admin ? 200 : 403);
      // By the address of loopback, too, it is the same program.
      const other = url.replace("localhost", "127.0.0.1");
      const [again] = await send(other, "clear", { group: "scores" });
      assertEquals(again, admin ? 200 : 403);
    });
  }
});

Deno.test("serve stops although somebody watches its page", () =>
  withNode([], async ({ program, url }) => {
    const events = await fetch(`${url}/_page/events`);
    const reader = events.body!.getReader();
    await reader.read();
    program.kill("SIGTERM");
    const startedAt = performance.now();
    // The stream ends in order: a browser connects again.
    for (;;) {
      const { done } = await reader.read();
      if (done) break;
    }
    assertEquals(await program.ended, 0);
    assert(performance.now() - startedAt < 3_000);
  }));
