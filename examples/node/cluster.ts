/**
 * Shows several workers of `node:cluster` that share one public port and one
 * cache. The public port gives a request to any worker. Peers must reach one
 * worker in particular, so each worker also listens on a port of its own. Node
 * 22.18 and later run this file without a build:
 *
 *     npm install geecache
 *     node cluster.ts 8000 8001,8002,8003,8004
 *     curl http://127.0.0.1:8000/squares/12
 *
 * On SIGHUP the workers are replaced one by one, each once the one before it
 * takes requests: so they run the code of the file as it is by then. SIGTERM and
 * Ctrl-C stop them all. A worker that stops hands over for two seconds, or for as
 * many milliseconds as the third argument says.
 */

import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { createServer } from "node:http";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { HTTPPool } from "geecache";
import { keepAliveFetch, toNodeHandler } from "geecache/node";

const [publicPort = "8000", ports = "8001,8002", drainMs = "2000"] = process
  .argv.slice(2);

/** How long clients may take to send the rest of their requests. */
const SHUTDOWN_MS = 2_000;
/** A worker that ends sooner is followed after that time, and not at once. */
const RESTART_MS = 1_000;

function startPrimary(): void {
  const workers = new Map<string, Worker>();
  let stopping = false;
  const start = (port: string): void => {
    const worker = cluster.fork({ PEER_PORT: port });
    const started = Date.now();
    workers.set(port, worker);
    // The new worker takes the port of the one that ended, so the list of peers
    // stays correct.
    worker.on("exit", () => {
      workers.delete(port);
      if (stopping) return;
      const wait = Math.max(0, started + RESTART_MS - Date.now());
      setTimeout(() => {
        if (!stopping) start(port);
      }, wait);
    });
  };
  ports.split(",").forEach(start);

  /** Resolves when the worker of a port takes requests. */
  const listening = async (port: string): Promise<void> => {
    let said: unknown;
    do [, said] = await once(cluster, "message"); while (said !== port);
  };
  let replacing = false;
  const replaceAll = async (): Promise<void> => {
    if (replacing) return;
    replacing = true;
    for (const port of ports.split(",")) {
      workers.get(port)?.process.kill("SIGTERM");
      await listening(port);
    }
    replacing = false;
    console.log("All workers were replaced");
  };
  process.on("SIGHUP", replaceAll);
  const stop = (): void => {
    stopping = true;
    for (const worker of workers.values()) worker.process.kill("SIGTERM");
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
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

  let stopping = false;
  const server = createServer(async (request, response) => {
    // The client's next request goes to another worker.
    if (stopping) response.setHeader("Connection", "close");
    const key = /^\/squares\/(\d+)$/.exec(request.url ?? "/")?.[1];
    if (key === undefined) return response.writeHead(404).end("not found\n");
    response.setHeader("X-Worker", port);
    response.end((await squares.get(key)).bytes());
  });
  server.listen(Number(publicPort), "127.0.0.1", () => {
    console.log(
      `[${port}] Listening on http://127.0.0.1:${publicPort}/, process ${process.pid}`,
    );
    process.send?.(port);
  });

  process.on("SIGTERM", async () => {
    if (stopping) return;
    stopping = true;
    // The others take over what is in memory, while this worker goes on answering
    // clients. It does so until they are done.
    await pool.drain({ timeoutMs: Number(drainMs), close: false });
    // The primary gives connections to the others from here on, and takes back those
    // that were on their way. A worker that only ended would leave them hanging.
    const disconnected = once(process, "disconnect");
    cluster.worker!.disconnect();
    await Promise.race([disconnected, sleep(SHUTDOWN_MS)]);
    process.exit(0);
  });
  // Ctrl-C reaches the workers, too. The primary is the one that stops them.
  process.on("SIGINT", () => {});
}

if (cluster.isPrimary) startPrimary();
else startWorker(process.env.PEER_PORT!);
