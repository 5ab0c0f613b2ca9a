/** OpenTelemetry's own SDK, whose spans and measurements stay in memory. */

import {
  type Context,
  context,
  type ContextManager,
  type Meter,
  type Span,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  MeterProvider,
  type MetricData,
  MetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  type ReadableSpan,
} from "@opentelemetry/sdk-trace-base";

import { assertEquals } from "./assert.ts";

/** Runs a test in which there is a current span. */
export async function withContext(run: () => Promise<void>): Promise<void> {
  const manager: ContextManager = new AsyncLocalStorageContextManager();
  context.setGlobalContextManager(manager.enable());
  try {
    await run();
  } finally {
    context.disable();
  }
}

/** A tracer, and the spans that have ended. */
export class Traced {
  readonly tracer: Tracer;
  readonly #ended: ReadableSpan[] = [];

  constructor({ isSampled = true }: { isSampled?: boolean } = {}) {
    const provider = new BasicTracerProvider({
      ...(isSampled ? {} : { sampler: new AlwaysOffSampler() }),
      // The SDK's own exporters need timers.
      spanProcessors: [{
        onStart: () => {},
        onEnd: (span) => void this.#ended.push(span),
        forceFlush: () => Promise.resolve(),
        shutdown: () => Promise.resolve(),
      }],
    });
    this.tracer = provider.getTracer("test");
  }

  /** The spans that ended since the last call, in that order. */
  take(): ReadableSpan[] {
    return this.#ended.splice(0);
  }

  /** Runs `run` with a new current span, which it gives. */
  async during(name: string, run: () => Promise<unknown>): Promise<Span> {
    const span = this.tracer.startSpan(name);
    const inside: Context = trace.setSpan(context.active(), span);
    await context.with(inside, run);
    span.end();
    return span;
  }
}

/** Collects when it is asked to, and at no other time. */
class Reader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }

  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

/** A meter, and what it measured. */
export class Measured {
  readonly #reader = new Reader();
  readonly meter: Meter = new MeterProvider({ readers: [this.#reader] })
    .getMeter("test");

  async metrics(): Promise<MetricData[]> {
    const { resourceMetrics, errors } = await this.#reader.collect();
    assertEquals(errors, []);
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
  }

  /** Each point of an instrument, as its attributes' values and its value. */
  async points(name: string): Promise<Record<string, number>> {
    const found = (await this.metrics()).find(({ descriptor }) =>
      descriptor.name === name
    );
    return Object.fromEntries(
      (found?.dataPoints ?? []).map(({ attributes, value }) => [
        Object.values(attributes).join(" "),
        typeof value === "number" ? value : value.count,
      ]),
    );
  }
}

/** The one span of that name. */
export function named(
  spans: readonly ReadableSpan[],
  name: string,
): ReadableSpan {
  const found = spans.filter((span) => span.name === name);
  if (found.length === 1) return found[0]!;
  const names = spans.map((span) => span.name);
  throw new Error(`${found.length} spans ${name} of ${names.join(", ")}`);
}

/** The ids of the spans that a span has links to. */
export function linkedBy({ links }: ReadableSpan): string[] {
  return links.map(({ context }) => context.spanId);
}

/** The id of a span. */
export function idOf(span: Span | ReadableSpan): string {
  return span.spanContext().spanId;
}
