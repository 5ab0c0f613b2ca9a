/**
 * Shows a pool beside the routes of a Fastify application. Node 22.18 and later
 * run this file without a build:
 *
 *     npm install geecache fastify
 *     node fastify.ts 8001 8001,8002
 *     node fastify.ts 8002 8001,8002
 *     curl http://127.0.0.1:8001/squares/12
 */

import process from "node:process";
import fastify from "fastify";
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

const app = fastify({ routerOptions: { maxParamLength: 8_000 } });
const answer = toNodeHandler(pool.handler);
app.register((peers, _options, done) => {
  // The pool reads what peers send. Without these two lines, Fastify answers every
  // POST of a peer with 415, because it has no parser for it. They change nothing
  // outside of this function.
  peers.removeAllContentTypeParsers();
  peers.addContentTypeParser("*", (_request, _body, done) => done(null));
  peers.all("/_geecache/*", (request, reply) => {
    reply.hijack();
    answer(request.raw, reply.raw);
  });
  done();
});

app.get<{ Params: { key: string } }>(
  "/squares/:key",
  async (request, reply) => {
    reply.type("text/plain");
    try {
      return (await squares.get(request.params.key)).text();
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      return reply.code(404).send("not found\n");
    }
  },
);

await app.listen({ host: "127.0.0.1", port: Number(port) });
console.log(`Listening on http://127.0.0.1:${port}/`);
