/**
 * Three processes that show their numbers to Prometheus. Start each in a terminal, and
 * Prometheus in a fourth:
 *
 *     deno run --allow-net examples/metrics.ts 8001 8001,8002,8003
 *     deno run --allow-net examples/metrics.ts 8002 8001,8002,8003
 *     deno run --allow-net examples/metrics.ts 8003 8001,8002,8003
 *     curl http://localhost:8001/squares/12
 *     curl http://localhost:8001/metrics
 *     prometheus --config.file=examples/prometheus/prometheus.yml
 *
 * The dashboard `examples/grafana/geecache.json` can be imported into Grafana.
 */

import { HTTPPool, metrics, METRICS_TYPE } from "@geecache/geecache";

const port = Number(Deno.args[0] ?? 8001);
const ports = (Deno.args[1] ?? `${port}`).split(",");
const pool = new HTTPPool(`http://localhost:${port}`);
pool.setPeers(ports.map((each) => `http://localhost:${each}`));
const squares = pool.group("squares", (key) => {
  console.log(`${port} loading ${key}`);
  const number = Number(key);
  return Number.isSafeInteger(number) ? String(number ** 2) : undefined;
});
metrics(pool); // From here on, loads and requests to peers are timed.

async function route(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/metrics") {
    return new Response(metrics(pool), {
      headers: { "Content-Type": METRICS_TYPE },
    });
  }
  const key = /^\/squares\/([^/]+)$/.exec(pathname)?.[1];
  if (key === undefined) return await pool.handler(request);
  const square = await squares.find(key);
  return new Response(square?.text() ?? "no number\n", {
    status: square === undefined ? 404 : 200,
  });
}

Deno.serve({ hostname: "127.0.0.1", port }, route);
