/**
 * A process as one would run it: strangers are kept out, and when it is told to
 * stop the others take over what it has in memory, so that a rolling deploy
 * costs the slow source next to nothing.
 *
 *     export SECRET=$(openssl rand -hex 16)
 *     deno run --allow-net --allow-env=SECRET examples/trusted.ts 8001 8001,8002,8003
 *     deno run --allow-net --allow-env=SECRET examples/trusted.ts 8002 8001,8002,8003
 *     deno run --allow-net --allow-env=SECRET examples/trusted.ts 8003 8001,8002,8003
 *     curl http://localhost:8001/squares/12
 *     curl http://localhost:8001/stats
 *     kill -TERM the first of them, and ask the others again
 */

import { HTTPPool } from "@geecache/geecache";

const [port = "8001", ports = port, drainMs = "5000"] = Deno.args;
const secret = Deno.env.get("SECRET");
if (secret === undefined) {
  console.error("Set SECRET, the same for all: see the head of this file");
  Deno.exit(2);
}

const pool = new HTTPPool(`http://localhost:${port}`, {
  // Several while it is being changed: the first is sent, all are taken.
  secret: secret.split(","),
  // Who is out of reach, who is back, whose list differs.
  logger: { ...console, debug: () => {} },
});
pool.setPeers(ports.split(",").map((port) => `http://localhost:${port}`));

const squares = pool.group("squares", (key) => {
  console.log(`[${port}] loading ${key}`);
  return String(Number(key) ** 2);
});

const server = Deno.serve(
  { hostname: "127.0.0.1", port: Number(port) },
  async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/stats") return Response.json(pool.stats());
    const key = /^\/squares\/(\d+)$/.exec(pathname)?.[1];
    if (key === undefined) return await pool.handler(request);
    return new Response((await squares.get(key)).bytes());
  },
);

// Windows has no SIGTERM.
Deno.addSignalListener(
  Deno.build.os === "windows" ? "SIGINT" : "SIGTERM",
  async () => {
    // Your platform should send no new clients here by now, and your discovery
    // should take this process out of the others' lists.
    await pool.drain({ timeoutMs: Number(drainMs) });
    await server.shutdown();
    console.log(`[${port}] handed over`);
    Deno.exit(0);
  },
);
