/**
 * Peers behind routes of one's own: the pool lives below a path of the service's
 * choosing, and only requests that carry the service's token get there.
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
  // What the service asks of its own processes, its pool must send.
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
