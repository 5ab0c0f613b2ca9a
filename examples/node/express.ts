/**
 * Shows a pool beside the routes of an Express application. Node 22.18 and later
 * run this file without a build:
 *
 *     npm install geecache express
 *     node express.ts 8001 8001,8002
 *     node express.ts 8002 8001,8002
 *     curl http://127.0.0.1:8001/squares/12
 */

import process from "node:process";
import express, { type Request, type Response } from "express";
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

const app = express();
// This comes before every body parser, because the pool reads what peers send. In
// a router below another path, set the pool's `basePath` to the whole path, such as
// `/internal/_geecache/`.
app.use("/_geecache", toNodeHandler(pool.handler));
app.use(express.json());

app.get("/squares/:key", async (request: Request, response: Response) => {
  try {
    response.type("text").send((await squares.get(request.params.key)).text());
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    response.status(404).type("text").send("not found\n");
  }
});

app.listen(Number(port), "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${port}/`);
});
