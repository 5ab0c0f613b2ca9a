/**
 * Shows a pool that is measured and traced with OpenTelemetry, on Deno, which has
 * it built in. `node/otel.ts` does the same on Node. Spans and measurements go to
 * http://localhost:4318, where a collector listens:
 *
 *     deno add jsr:@geecache/geecache npm:@opentelemetry/api
 *     export OTEL_DENO=true
 *     OTEL_SERVICE_NAME=a deno run --allow-net examples/otel.ts 8001 8001,8002
 *     OTEL_SERVICE_NAME=b deno run --allow-net examples/otel.ts 8002 8001,8002
 *     curl http://localhost:8001/squares/12
 */

import { metrics, trace } from "@opentelemetry/api";
import { HTTPPool } from "@geecache/geecache";
import { instrument } from "@geecache/geecache/otel";

const [port = "8001", ports = port] = Deno.args;

const pool = new HTTPPool(`http://localhost:${port}`);
pool.setPeers(ports.split(",").map((port) => `http://localhost:${port}`));
instrument(pool, {
  meter: metrics.getMeter("geecache"),
  tracer: trace.getTracer("geecache"),
});

const squares = pool.group("squares", (key) => {
  // A fetch or a query here is a child of this span, and so is a span of your own.
  const { traceId } = trace.getActiveSpan()?.spanContext() ?? {};
  console.log(`[${port}] in trace ${traceId} loading ${key}`);
  return String(Number(key) ** 2);
});

Deno.serve({ hostname: "127.0.0.1", port: Number(port) }, async (request) => {
  const { pathname } = new URL(request.url);
  const key = /^\/squares\/(\d+)$/.exec(pathname)?.[1];
  if (key === undefined) return await pool.handler(request);
  return new Response((await squares.get(key)).bytes());
});
