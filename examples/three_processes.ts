/**
 * Shows three processes that share one cache. Start each in its own terminal:
 *
 *     deno run --allow-net examples/three_processes.ts 8001 8001,8002,8003
 *     deno run --allow-net examples/three_processes.ts 8002 8001,8002,8003
 *     deno run --allow-net examples/three_processes.ts 8003 8001,8002,8003
 *
 * Then ask any of them, as often as you like. Only one process loads the key, and
 * only once.
 *
 *     curl http://localhost:8001/squares/12
 */

import { HTTPPool } from "@geecache/geecache";

const [port, ports] = Deno.args;
if (port === undefined || ports === undefined) {
  console.error("Usage: three_processes.ts PORT PORT,PORT,...");
  Deno.exit(2);
}

const pool = new HTTPPool(`http://localhost:${port}`);
// Every process gets the whole list, including itself.
pool.setPeers(ports.split(",").map((port) => `http://localhost:${port}`));

const squares = pool.group("squares", (key) => {
  console.log(`[${port}] loading ${key}`);
  return String(Number(key) ** 2);
}, {
  // Keep a copy of each key that another process owns, for ten seconds, not only of
  // those that many ask for. An owner is then asked for a key once in ten seconds by
  // each process.
  shouldMirror: () => true,
  mirrorTtlMs: 10_000,
});

Deno.serve({ hostname: "127.0.0.1", port: Number(port) }, async (request) => {
  const { pathname } = new URL(request.url);
  const key = /^\/squares\/(\d+)$/.exec(pathname)?.[1];
  if (key === undefined) return await pool.handler(request);
  return new Response((await squares.get(key)).bytes());
});
