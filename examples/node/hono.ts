/**
 * Shows a pool beside the routes of a Hono application, on Node. `../hono.ts`
 * does the same on Deno. Node 22.18 and later run this file without a build:
 *
 *     npm install geecache hono @hono/node-server
 *     node hono.ts 8001 8001,8002
 *     node hono.ts 8002 8001,8002
 *     curl http://127.0.0.1:8001/squares/12
 */

import process from "node:process";
import { serve } from "@hono/node-server";
import { HTTPPool, NotFoundError } from "geecache";
import { keepAliveFetch } from "geecache/node";
import { Hono } from "hono";

const [port = "8001", ports = port] = process.argv.slice(2);

const pool = new HTTPPool(`http://127.0.0.1:${port}`, {
  fetch: keepAliveFetch(),
});
pool.setPeers(ports.split(",").map((port) => `http://127.0.0.1:${port}`));

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

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(port) }, () => {
  console.log(`Listening on http://127.0.0.1:${port}/`);
});
