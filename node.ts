/**
 * Serving on Node: a pool behind `node:http`, and a `fetch` for its peers that
 * costs less than Node's own.
 *
 * This is an entry point of its own, `@geecache/geecache/node`, and the library
 * never loads it. It runs wherever `node:http` does: Node, Deno and Bun. Its types
 * refer to those of `node:http`, so TypeScript needs `@types/node` with it.
 *
 * @example One of three processes
 * ```ts
 * import { createServer } from "node:http";
 * import { HTTPPool } from "@geecache/geecache";
 * import { keepAliveFetch, toNodeHandler } from "@geecache/geecache/node";
 *
 * function serve(port: number): HTTPPool {
 *   const ports = [8001, 8002, 8003];
 *   const pool = new HTTPPool(`http://127.0.0.1:${port}`, {
 *     fetch: keepAliveFetch(),
 *   });
 *   pool.setPeers(ports.map((port) => `http://127.0.0.1:${port}`));
 *   pool.group("scores", (name) => name === "Tom" ? "630" : undefined);
 *   createServer(toNodeHandler(pool.handler)).listen(port, "127.0.0.1");
 *   return pool;
 * }
 * ```
 *
 * @module
 */

export {
  type NodeHandlerOptions,
  type NodeListener,
  toNodeHandler,
} from "./node/handler.ts";
export {
  type KeepAliveFetch,
  keepAliveFetch,
  type KeepAliveFetchOptions,
} from "./node/fetch.ts";
