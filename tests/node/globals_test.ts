/** Frameworks replace `Request` and `Response` with classes of their own. */

import { getRequestListener } from "@hono/node-server";
import { keepAliveFetch, toNodeHandler } from "../../node.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { withServer } from "../support/node_server.ts";

Deno.test("keepAliveFetch() reads answers even if a framework replaces Response later", async () => {
  const own = {
    Request: Object.getOwnPropertyDescriptor(globalThis, "Request")!,
    Response: Object.getOwnPropertyDescriptor(globalThis, "Response")!,
  };
  const fetch = keepAliveFetch();
  // Hono's listener does so unless it is told not to.
  getRequestListener(() => new Response());
  try {
    assert(globalThis.Response !== own.Response.value);
    await withServer(
      toNodeHandler((request) => {
        const { body } = new Response(`of ${request.method}`);
        return new Response(body, { status: 201, headers: { "X-Own": "1" } });
      }),
      async (port) => {
        const url = `http://127.0.0.1:${port}/`;
        assertEquals(await (await fetch(url)).text(), "of GET");
        const response = await fetch(url, { method: "POST", body: "b" });
        assertEquals(response.status, 201);
        assertEquals(response.headers.get("X-Own"), "1");
        const { value } = await response.body!.getReader().read();
        assertEquals(new TextDecoder().decode(value), "of POST");
      },
    );
  } finally {
    fetch.close();
    Object.defineProperties(globalThis, own);
  }
});
