/**
 * Shows a pool beside the routes of a Hono application, on Deno. `node/hono.ts`
 * does the same on Node. To run it:
 *
 *     deno add jsr:@geecache/geecache npm:hono
 *     deno run --allow-net examples/hono.ts 8001 8001,8002
 *     deno run --allow-net examples/hono.ts 8002 8001,8002
 *     curl http://localhost:8001/squares/12
 */

import { Hono } from "hono";
import { HTTPPool, NotFoundError } from "@geecache/geecache";

const [port = "8001", ports = port] = Deno.args;

const pool = new HTTPPool(`http://localhost:${port}`);
pool.setPeers(ports.split(",").map((port) => `http://localhost:${port}`));

const squares = pool.group("squares", (key) => {
  console.log(`[${port}] loading ${key}`);
  const number = Number(key);
  return Number.isSafeInteger(number) ? String(number ** 2) : undefined;
});

const app = new Hono();
// The route for peers. The pool reads the body itself, so no middleware may read
// it first.
app.all("/_geecache/*", (c) => pool.handler(c.req.raw));
app.get(
  "/squares/:key",
  async (c) => c.body((await squares.get(c.req.param("key"))).bytes()),
);
app.onError((error, c) =>
  error instanceof NotFoundError
    ? c.text("not found\n", 404)
    : c.text("internal error\n", 500)
);

Deno.serve({ hostname: "127.0.0.1", port: Number(port) }, app.fetch);
