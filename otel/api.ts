/**
 * What is called of OpenTelemetry's API, as types. The `Meter` and the `Tracer` of
 * `@opentelemetry/api` are of these types.
 *
 * @module
 */

/** What is said about a span or a measurement. */
export type Attributes = Record<string, string | number | boolean | string[]>;

/** What identifies a span in all processes. */
export interface SpanContext {
  /** 32 hexadecimal digits. */
  traceId: string;
  /** 16 hexadecimal digits. */
  spanId: string;
  /** The last bit: whether the span is recorded. */
  traceFlags: number;
  /** Whether it is a span of another process. */
  isRemote?: boolean;
}

/** A related span. */
export interface Link {
  /** Which one. */
  context: SpanContext;
}

/** How a span begins. */
export interface SpanOptions {
  /** 0: within this process. 2: of a request to another one. */
  kind?: number;
  /** What is known of it at its begin. */
  attributes?: Attributes;
  /** Related spans. */
  links?: Link[];
  /** Whether it has no parent, whatever span is the current one. */
  root?: boolean;
}

/** Some work, with its begin and its end. */
export interface Span {
  /** What identifies it. */
  spanContext(): SpanContext;
  /** Adds what became known of it. */
  setAttribute(key: string, value: string | number): unknown;
  /** 2: it failed. */
  setStatus(status: { code: number; message?: string }): unknown;
  /** Older versions have none: what joins later is not linked there. */
  addLink?(link: Link): unknown;
  /** It is over. */
  end(): void;
}

/** Makes spans. */
export interface Tracer {
  /** Begins a span. */
  startSpan(name: string, options?: SpanOptions): Span;
  /** Begins a span, and calls `run` with it as the current one. */
  startActiveSpan<T>(
    name: string,
    options: SpanOptions,
    run: (span: Span) => T,
  ): T;
}

/** How an instrument is made. */
export interface MetricOptions {
  /** What it measures. */
  description?: string;
  /** Its unit, such as `s`. */
  unit?: string;
  /** The buckets of a histogram, unless the program chooses others. */
  advice?: { explicitBucketBoundaries?: number[] };
}

/** Takes measurements one by one. */
export interface Histogram {
  /** Takes one. */
  record(value: number, attributes?: Attributes): void;
}

/** What is measured when somebody collects. */
export type Observable = object;

/** Takes the measurements of one collection. */
export interface ObservableResult {
  /** Takes one. */
  observe(metric: Observable, value: number, attributes?: Attributes): void;
}

/** Makes instruments. */
export interface Meter {
  /** Makes one for measurements whose distribution matters. */
  createHistogram(name: string, options?: MetricOptions): Histogram;
  /** Makes one for a number that only grows. */
  createObservableCounter(name: string, options?: MetricOptions): Observable;
  /** Makes one for a number that grows and shrinks. */
  createObservableUpDownCounter(
    name: string,
    options?: MetricOptions,
  ): Observable;
  /** From now on, `callback` is called when somebody collects. */
  addBatchObservableCallback(
    callback: (result: ObservableResult) => void,
    observables: Observable[],
  ): void;
  /** Takes a callback out again. */
  removeBatchObservableCallback(
    callback: (result: ObservableResult) => void,
    observables: Observable[],
  ): void;
}
