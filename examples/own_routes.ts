/**
 * Shows peers behind the routes of an existing service. The service chooses the
 * path of the pool, and only requests with its token reach the pool. To run two
 * peers:
 *
 *     deno run --allow-net examples/own_routes.ts 8001 8001,8002
 *     deno run --allow-net examples/own_routes.ts 8002 8001,8002
 *     curl http://localhost:8001/greetings/Ada
 */

import { HTTPPool } from "@geecache/geecache";

const [port = "8001", ports = port] = Deno.args;
const token = "Bearer keep-me-in-the-environment";

const pool = new HTTPPool(`http://localhost:${port}`, {
  basePath: "/internal/cache/",
  // The service requires this header, so the pool must send it to its peers.
  fetch: (request) => {
    request.headers.set("Authorization", token);
    return fetch(request);
  },
});
pool.setPeers(ports.split(",").map((port) => `http://localhost:${port}`));

const greetings = pool.group("greetings", (name) => {
  console.log(`[${port}] loading ${name}`);
  return `Hello, ${name}!\n`;
});

Deno.serve({ hostname: "127.0.0.1", port: Number(port) }, async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname.startsWith("/internal/")) {
    return request.headers.get("Authorization") === token
      ? await pool.handler(request)
      : new Response("unauthorized\n", { status: 401 });
  }
  const name = /^\/greetings\/(\w+)$/.exec(pathname)?.[1];
  if (name === undefined) return new Response("not found\n", { status: 404 });
  return new Response((await greetings.get(name)).bytes());
});
