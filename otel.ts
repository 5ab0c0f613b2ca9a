/**
 * Measures and traces a pool with OpenTelemetry.
 *
 * Hits cost nothing: what memory answers is counted anyway, and read when somebody
 * collects it. Spans are made only where something waits: `cache.get` for a caller,
 * `geecache.load` for a call of a getter, `geecache.peer` for a question to a peer. The
 * last two serve all who wait for a key, so they have links to their spans and no parent.
 * The load in the process that owns a key has a link to the span of the process that
 * asked.
 *
 * This imports nothing of OpenTelemetry: it takes a `Meter` and a `Tracer` of
 * `@opentelemetry/api`.
 *
 * @example A tracer that prints each span as it ends
 * ```ts
 * import { HTTPPool } from "@geecache/geecache";
 * import { instrument, type Tracer } from "@geecache/geecache/otel";
 * import { assertEquals } from "@std/assert";
 *
 * // In a program: trace.getTracer("geecache") of @opentelemetry/api.
 * const ended: string[] = [];
 * const startSpan: Tracer["startSpan"] = (name) => ({
 *   spanContext: () => ({ traceId: "", spanId: "", traceFlags: 0 }),
 *   setAttribute: () => {},
 *   setStatus: () => {},
 *   end: () => ended.push(name),
 * });
 * const tracer: Tracer = {
 *   startSpan,
 *   startActiveSpan: (name, options, run) => run(startSpan(name, options)),
 * };
 *
 * const pool = new HTTPPool("http://localhost:9999");
 * const stop = instrument(pool, { tracer });
 * const scores = pool.group("scores", () => "630");
 * await scores.get("Tom");
 * await scores.get("Tom");
 * assertEquals(ended, ["geecache.load", "cache.get scores"]);
 * stop();
 * await pool.close();
 * ```
 *
 * @module
 */

import {
  checkBooleans,
  checkMethods,
  checkOptions,
  type Names,
} from "./base/checks.ts";
import type { HTTPPool } from "./http.ts";
import type { Meter, Tracer } from "./otel/api.ts";
import { Instruments } from "./otel/instruments.ts";
import { Spans } from "./otel/spans.ts";

// What its users need beside it.
export type {
  Attributes,
  Histogram,
  Link,
  Meter,
  MetricOptions,
  Observable,
  ObservableResult,
  Span,
  SpanContext,
  SpanOptions,
  Tracer,
} from "./otel/api.ts";

/** Options for {@linkcode instrument}. */
export interface InstrumentOptions {
  /** Where the pool's counts and durations go. Without one, nothing is measured. */
  meter?: Meter;
  /** Makes the spans of what waits. Without one, nothing is traced. */
  tracer?: Tracer;
  /**
   * Whether spans have keys, as `cache.key`, and the messages of errors, which may have
   * keys in them. Measurements never have any.
   *
   * @default {false}
   */
  keys?: boolean;
}

const OPTIONS: Names<InstrumentOptions> = {
  meter: true,
  tracer: true,
  keys: true,
};

/**
 * Measures and traces a pool, with all groups that it has or gets. Returns a function that
 * ends it; work that is under way then ends its spans when it is done.
 *
 * @throws {TypeError} If there is neither a meter nor a tracer, or one of them is
 *   something else.
 */
export function instrument(
  pool: HTTPPool,
  options: InstrumentOptions,
): () => void {
  const action = "Cannot instrument HTTPPool";
  checkMethods(action, "pool", pool ?? null, ["observe", "groups"]);
  checkOptions(action, options, OPTIONS);
  const { meter, tracer, keys = false } = options ?? {};
  if (meter === undefined && tracer === undefined) {
    throw new TypeError(
      `${action}: it needs a meter, a tracer, or both: received neither`,
    );
  }
  checkMethods(action, "meter", meter, METER);
  checkMethods(action, "tracer", tracer, TRACER);
  checkBooleans(action, { keys });
  const stops: (() => void)[] = [];
  if (meter !== undefined) {
    const instruments = new Instruments(meter, () => pool.groups());
    stops.push(pool.observe(instruments), () => instruments.stop());
  }
  if (tracer !== undefined) stops.push(pool.observe(new Spans(tracer, keys)));
  return () => {
    for (const stop of stops.splice(0)) stop();
  };
}

const METER: readonly (keyof Meter)[] = [
  "createHistogram",
  "createObservableCounter",
  "createObservableUpDownCounter",
  "addBatchObservableCallback",
  "removeBatchObservableCallback",
];
const TRACER: readonly (keyof Tracer)[] = ["startSpan", "startActiveSpan"];
