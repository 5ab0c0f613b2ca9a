/**
 * Shows a pool beside the routes of a `node:http` server. Node 22.18 and later
 * run this file without a build:
 *
 *     npm install geecache
 *     node http.ts 8001 8001,8002
 *     node http.ts 8002 8001,8002
 *     curl http://127.0.0.1:8001/squares/12
 */

import { createServer } from "node:http";
import process from "node:process";
import { HTTPPool, NotFoundError } from "geecache";
import { keepAliveFetch, toNodeHandler } from "geecache/node";

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

const peers = toNodeHandler(pool.handler);
const server = createServer(async (request, response) => {
  const path = request.url ?? "/";
  if (path.startsWith("/_geecache/")) return peers(request, response);
  const key = /^\/squares\/(\w+)$/.exec(path)?.[1];
  if (key === undefined) return response.writeHead(404).end("not found\n");
  try {
    response.end((await squares.get(key)).bytes());
  } catch (error) {
    const missing = error instanceof NotFoundError;
    response.writeHead(missing ? 404 : 500);
    response.end(missing ? "not found\n" : "internal error\n");
  }
});
server.listen(Number(port), "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${port}/`);
});
