/**
 * Shows several workers of `node:cluster` that share one public port and one
 * cache. The public port gives a request to any worker. Peers must reach one
 * worker in particular, so each worker also listens on a port of its own. Node
 * 22.18 and later run this file without a build:
 *
 *     npm install geecache
 *     node cluster.ts 8000 8001,8002,8003,8004
 *     curl http://127.0.0.1:8000/squares/12
 */

import cluster from "node:cluster";
import { createServer } from "node:http";
import process from "node:process";
import { HTTPPool } from "geecache";
import { keepAliveFetch, toNodeHandler } from "geecache/node";

const [publicPort = "8000", ports = "8001,8002"] = process.argv.slice(2);

function startPrimary(): void {
  const portOf = new Map<number, string>();
  const start = (port: string) => {
    portOf.set(cluster.fork({ PEER_PORT: port }).id, port);
  };
  ports.split(",").forEach(start);
  // The new worker takes the port of the one that died, so the list of peers
  // stays correct.
  cluster.on("exit", ({ id }) => start(portOf.get(id)!));
}

function startWorker(port: string): void {
  const pool = new HTTPPool(`http://127.0.0.1:${port}`, {
    fetch: keepAliveFetch(),
  });
  pool.setPeers(ports.split(",").map((port) => `http://127.0.0.1:${port}`));
  const squares = pool.group("squares", (key) => {
    console.log(`[${port}] loading ${key}`);
    return String(Number(key) ** 2);
  });

  const peers = createServer(toNodeHandler(pool.handler));
  // `exclusive` keeps this port from being shared with the other workers.
  peers.listen({ host: "127.0.0.1", port: Number(port), exclusive: true });

  const server = createServer(async (request, response) => {
    const key = /^\/squares\/(\d+)$/.exec(request.url ?? "/")?.[1];
    if (key === undefined) return response.writeHead(404).end("not found\n");
    response.setHeader("X-Worker", port);
    response.end((await squares.get(key)).bytes());
  });
  server.listen(Number(publicPort), "127.0.0.1", () => {
    console.log(
      `[${port}] Listening on http://127.0.0.1:${publicPort}/, process ${process.pid}`,
    );
  });
}

if (cluster.isPrimary) startPrimary();
else startWorker(process.env.PEER_PORT!);
