/**
 * Shows a pool that is measured and traced with OpenTelemetry, on Node. `sdk.js`
 * is in docs/operations.md, and starts OpenTelemetry's SDK. Spans and measurements
 * go to http://localhost:4318, where a collector listens:
 *
 *     npm install geecache @opentelemetry/api @opentelemetry/sdk-node
 *     node --import ./sdk.js otel.ts 8001 8001,8002
 *     node --import ./sdk.js otel.ts 8002 8001,8002
 *     curl http://127.0.0.1:8001/squares/12
 */

import { createServer } from "node:http";
import process from "node:process";
import { metrics, trace } from "@opentelemetry/api";
import { HTTPPool, NotFoundError } from "geecache";
import { keepAliveFetch, toNodeHandler } from "geecache/node";
import { instrument } from "geecache/otel";

const [port = "8001", ports = port] = process.argv.slice(2);

const pool = new HTTPPool(`http://127.0.0.1:${port}`, {
  fetch: keepAliveFetch(),
});
pool.setPeers(ports.split(",").map((port) => `http://127.0.0.1:${port}`));
instrument(pool, {
  meter: metrics.getMeter("geecache"),
  tracer: trace.getTracer("geecache"),
});

const squares = pool.group("squares", (key) => {
  // A fetch or a query here is a child of this span, and so is a span of your own.
  const { traceId } = trace.getActiveSpan()?.spanContext() ?? {};
  console.log(`[${port}] in trace ${traceId} loading ${key}`);
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
