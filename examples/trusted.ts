/**
 * Shows a process as you would run it in production. A secret keeps strangers out.
 * When the process is told to stop, the other processes take over the values it
 * has in memory, so a rolling deploy puts almost no load on the slow source. To
 * run three of them:
 *
 *     export SECRET=$(openssl rand -hex 16)
 *     deno run --allow-net --allow-env=SECRET examples/trusted.ts 8001 8001,8002,8003
 *     deno run --allow-net --allow-env=SECRET examples/trusted.ts 8002 8001,8002,8003
 *     deno run --allow-net --allow-env=SECRET examples/trusted.ts 8003 8001,8002,8003
 *     curl http://localhost:8001/squares/12
 *     curl http://localhost:8001/stats
 *
 * Then stop the first one with Ctrl-C or `kill -TERM`, and ask the others again.
 */

import { HTTPPool } from "@geecache/geecache";

const [port = "8001", ports = port, drainMs = "5000"] = Deno.args;
const secret = Deno.env.get("SECRET");
if (secret === undefined) {
  console.error(
    "Set SECRET to the same value for all processes: see the head of this file",
  );
  Deno.exit(2);
}

const pool = new HTTPPool(`http://localhost:${port}`, {
  // SECRET may list several secrets while you change it. The pool sends the first
  // one and accepts all of them.
  secret: secret.split(","),
  // Logs which peers are unreachable, which are back, and whose list differs.
  logger: console,
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

/** How long clients may take to send the rest of their requests. */
const SHUTDOWN_MS = 2_000;
// Platforms send SIGTERM. Ctrl-C and PM2 send SIGINT. Windows has no SIGTERM.
const signals: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

async function stop(): Promise<void> {
  // A second signal ends the process at once.
  for (const signal of signals) Deno.removeSignalListener(signal, stop);
  // By now, your platform should have stopped sending clients here. Your
  // discovery should be removing this process from the lists of the others.
  await pool.drain({ timeoutMs: Number(drainMs), close: false });
  // Clients that are here still get their answers. One that has sent half a request
  // would hold up `shutdown` for ever.
  await Promise.race([
    server.shutdown(),
    new Promise((resolve) => setTimeout(resolve, SHUTDOWN_MS)),
  ]);
  await pool.close();
  console.log(`[${port}] handed over`);
  Deno.exit(0);
}
for (const signal of signals) Deno.addSignalListener(signal, stop);
