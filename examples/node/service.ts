/**
 * Shows a service as Docker and PM2 run it: variables say who it is and who the others
 * are, two paths say how it is, and a signal stops it without harm. Node 22.18 and later
 * run this file without a build:
 *
 *     npm install geecache
 *     PORT=8001 PEERS=http://127.0.0.1:8001,http://127.0.0.1:8002 node service.ts
 *     PORT=8002 PEERS=http://127.0.0.1:8001,http://127.0.0.1:8002 node service.ts
 *     curl http://127.0.0.1:8001/squares/12
 *
 * `SELF` is this process's origin as it stands in `PEERS`, `HOST` the address to listen
 * on, `DRAIN_MS` how long it hands over when it is stopped, and `SECRET` what the
 * processes share.
 */

import { createServer } from "node:http";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { HTTPPool } from "geecache";
import { keepAliveFetch, toNodeHandler } from "geecache/node";

const {
  PORT: port = "8001",
  HOST: host = "127.0.0.1",
  SELF: self = `http://127.0.0.1:${port}`,
  PEERS: peers = self,
  DRAIN_MS: drainMs = "2000",
  SECRET: secret,
} = process.env;

const pool = new HTTPPool(self, {
  fetch: keepAliveFetch(),
  ...(secret === undefined ? {} : { secret: secret.split(",") }),
});
pool.setPeers(peers.split(","));
const squares = pool.group("squares", (key) => {
  console.log(`[${port}] loading ${key}`);
  return String(Number(key) ** 2);
});

let stopping = false;
const answerPeers = toNodeHandler(pool.handler);
const server = createServer(async (request, response) => {
  const path = request.url ?? "/";
  // The client's next request goes elsewhere.
  if (stopping) response.setHeader("Connection", "close");
  if (path.startsWith("/_geecache/")) return answerPeers(request, response);
  if (path === "/healthz") return response.end("ok\n");
  if (path === "/readyz") {
    return response.writeHead(stopping ? 503 : 200).end();
  }
  const key = /^\/squares\/(\d+)$/.exec(path)?.[1];
  if (key === undefined) return response.writeHead(404).end("not found\n");
  try {
    response.end((await squares.get(key)).bytes());
  } catch (error) {
    console.error(`[${port}] cannot load ${key}: ${error}`);
    response.writeHead(500).end("internal error\n");
  }
});
server.listen(Number(port), host, () => {
  console.log(`Listening on http://${host}:${port}/, process ${process.pid}`);
  // PM2 waits for this, if `wait_ready` says so.
  process.send?.("ready");
});

/** How long clients may take to send the rest of their requests. */
const SHUTDOWN_MS = 2_000;

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  // The others take over what is in memory, while this process goes on answering clients.
  // It does so until they are done.
  await pool.drain({ timeoutMs: Number(drainMs), close: false });
  await Promise.race([
    new Promise((resolve) => server.close(resolve)),
    sleep(SHUTDOWN_MS),
  ]);
  process.exit(0);
}
// Docker sends SIGTERM, PM2 and Ctrl-C send SIGINT.
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
