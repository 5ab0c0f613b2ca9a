/**
 * Shows processes that find each other. Each is told its own origin, and where the list
 * of all comes from: a file with an origin on each line, or a name in DNS.
 *
 *     echo http://localhost:8001 > peers.txt
 *     deno run --allow-net --allow-read examples/discovery.ts http://localhost:8001 peers.txt
 *
 * Start another one at 8002, then put it into the file, and both are one cache:
 *
 *     echo http://localhost:8002 >> peers.txt
 *     curl http://localhost:8001/peers
 *     curl http://localhost:8002/squares/12
 *
 * With a name in DNS, the origin has an address of that name, and all have one port:
 *
 *     deno run --allow-net examples/discovery.ts http://10.0.0.1:8080 dns:geecache.internal
 */

import { HTTPPool } from "@geecache/geecache";
import { dnsPeers, filePeers } from "@geecache/geecache/discovery";

const [self, source] = Deno.args;
if (self === undefined || source === undefined) {
  console.error("Usage: discovery.ts ORIGIN FILE|dns:NAME");
  Deno.exit(2);
}
const { hostname, port } = new URL(self);

const pool = new HTTPPool(self, { logger: console });
const everyMs = 1_000;
// Who is new joins at once. Who is missing leaves after two answers without it. If the
// source does not answer, the list stays as it is.
pool.follow(
  source.startsWith("dns:")
    ? dnsPeers({ hostname: source.slice(4), port: Number(port) }, { everyMs })
    : filePeers(source, { everyMs }),
);

const squares = pool.group("squares", (key) => {
  console.log(`[${port}] loading ${key}`);
  return String(Number(key) ** 2);
});

Deno.serve({ hostname, port: Number(port) }, async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/peers") return Response.json(pool.stats().nodes);
  const key = /^\/squares\/(\d+)$/.exec(pathname)?.[1];
  if (key === undefined) return await pool.handler(request);
  return new Response((await squares.get(key)).bytes());
});
