/**
 * What is called of OpenTelemetry's API, as types. The `Meter` and the `Tracer` of
 * `@opentelemetry/api` are of these types.
 *
 * @module
 */

/** What is said about a span or a measurement. */
export type Attributes = Record<string, string | number | boolean | string[]>;

/** What names a span everywhere. */
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

/** A span that another one has to do with. */
export interface Link {
  context: SpanContext;
}

/** How a span begins. */
export interface SpanOptions {
  /** 0: within this process. 2: of a request to another one. */
  kind?: number;
  attributes?: Attributes;
  links?: Link[];
  /** Whether it has no parent, whatever span is the current one. */
  root?: boolean;
}

/** Some work, with its begin and its end. */
export interface Span {
  spanContext(): SpanContext;
  setAttribute(key: string, value: string | number): unknown;
  /** 2: it failed. */
  setStatus(status: { code: number; message?: string }): unknown;
  /** Older versions have none: what joins later is not linked there. */
  addLink?(link: Link): unknown;
  end(): void;
}

/** Makes spans. */
export interface Tracer {
  startSpan(name: string, options?: SpanOptions): Span;
  startActiveSpan<T>(
    name: string,
    options: SpanOptions,
    run: (span: Span) => T,
  ): T;
}

/** How an instrument is made. */
export interface MetricOptions {
  description?: string;
  unit?: string;
  advice?: { explicitBucketBoundaries?: number[] };
}

/** Takes measurements one by one. */
export interface Histogram {
  record(value: number, attributes?: Attributes): void;
}

/** What is measured when somebody collects. */
export type Observable = object;

/** Takes the measurements of one collection. */
export interface ObservableResult {
  observe(metric: Observable, value: number, attributes?: Attributes): void;
}

/** Makes instruments. */
export interface Meter {
  createHistogram(name: string, options?: MetricOptions): Histogram;
  createObservableCounter(name: string, options?: MetricOptions): Observable;
  createObservableUpDownCounter(
    name: string,
    options?: MetricOptions,
  ): Observable;
  addBatchObservableCallback(
    callback: (result: ObservableResult) => void,
    observables: Observable[],
  ): void;
  removeBatchObservableCallback(
    callback: (result: ObservableResult) => void,
    observables: Observable[],
  ): void;
}
