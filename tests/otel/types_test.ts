/** What OpenTelemetry's own package gives is what `instrument()` takes. */

import { metrics, trace } from "@opentelemetry/api";
import { HTTPPool } from "../../mod.ts";
import { instrument, type Meter, type Tracer } from "../../otel.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("A Meter and a Tracer of @opentelemetry/api are what instrument() takes, also those that do nothing", async () => {
  const meter: Meter = metrics.getMeter("geecache");
  const tracer: Tracer = trace.getTracer("geecache");
  const pool = new HTTPPool("http://localhost:9999");
  const stop = instrument(pool, { meter, tracer });
  const group = pool.group("g", (key) => key);
  assertEquals((await group.get("k")).text(), "k");
  stop();
  await pool.close();
});
