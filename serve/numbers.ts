/**
 * `/metrics`: the numbers of a node, for Prometheus.
 *
 * @module
 */

import { type HTTPPool, metrics, METRICS_TYPE } from "../mod.ts";
import { type Handler, unlessRead } from "./handlers.ts";

/** Answers `/metrics`. Loads and requests to peers are timed from here on. */
export function numbers(pool: HTTPPool): Handler {
  metrics(pool);
  return (request) => {
    if (new URL(request.url).pathname !== "/metrics") return undefined;
    return unlessRead(request) ?? new Response(metrics(pool), {
      headers: { "Content-Type": METRICS_TYPE, "Cache-Control": "no-store" },
    });
  };
}
