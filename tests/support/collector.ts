/** A collector of OpenTelemetry on loopback, which keeps what programs send it as OTLP in JSON. */

interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** A span as it was sent. */
export interface SentSpan {
  /** The name of the program that sent it. */
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly attributes: readonly KeyValue[];
  readonly links?: readonly { traceId: string; spanId: string }[];
}

/** One point of a measurement, the latest. */
interface Point {
  readonly attributes: readonly KeyValue[];
  readonly asInt?: string | number;
  readonly asDouble?: number;
  readonly count?: string | number;
}

interface SentMetric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: { dataPoints: Point[]; isMonotonic: boolean };
  readonly gauge?: { dataPoints: Point[] };
  readonly histogram?: { dataPoints: Point[] };
}

/** What programs of one name send. */
interface Sender {
  readonly resource?: { attributes: KeyValue[] };
}

/** How long something may take to arrive. Only a test that fails waits so long. */
const PATIENCE_MS = 20_000;

/** The value of an attribute, as text. */
export function attributeOf(
  { attributes }: { attributes: readonly KeyValue[] },
  key: string,
): string | undefined {
  const found = attributes.find((one) => one.key === key)?.value;
  return found === undefined ? undefined : String(Object.values(found)[0]);
}

export class Collector {
  readonly spans: SentSpan[] = [];
  /** By service and name, as they were sent last. */
  readonly #metrics = new Map<string, SentMetric>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #wake: () => void = () => {};

  constructor() {
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve(options, async (request) => {
      const body = await request.json();
      const path = new URL(request.url).pathname;
      if (path === "/v1/traces") this.#takeSpans(body);
      if (path === "/v1/metrics") this.#takeMetrics(body);
      this.#wake();
      return Response.json({});
    });
  }

  /** The environment of a program that sends to it, soon after it has something. */
  envFor(service: string): Record<string, string> {
    return {
      OTEL_SERVICE_NAME: service,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "100",
      OTEL_METRIC_EXPORT_INTERVAL: "300",
      OTEL_METRIC_EXPORT_TIMEOUT: "300",
      OTEL_LOGS_EXPORTER: "none",
    };
  }

  /** The spans of that name that a program sent. */
  spansOf(service: string, name: string): SentSpan[] {
    return this.spans.filter((span) =>
      span.service === service && span.name === name
    );
  }

  /**
   * Each point of a measurement: the values of its attributes, in the order of their
   * names, and its value or count.
   */
  pointsOf(service: string, name: string): Record<string, number> {
    const metric = this.#metrics.get(`${service} ${name}`);
    const { dataPoints = [] } = metric?.sum ?? metric?.gauge ??
      metric?.histogram ?? {};
    return Object.fromEntries(
      dataPoints.map((point) => [
        point.attributes.toSorted((a, b) => a.key < b.key ? -1 : 1)
          .map(({ value }) => Object.values(value)[0]).join(" "),
        Number(point.asInt ?? point.asDouble ?? point.count),
      ]),
    );
  }

  unitOf(service: string, name: string): string | undefined {
    return this.#metrics.get(`${service} ${name}`)?.unit;
  }

  /** Waits until that is so, as it is looked at whenever something came. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    let isLate = false;
    const patience = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, PATIENCE_MS);
    try {
      while (!isSo()) {
        if (isLate) {
          const names = this.spans.map(({ service, name }) =>
            `${service}: ${name}`
          );
          throw new Error(
            `${what} never came:\n${names.join("\n")}\n${
              [...this.#metrics.keys()].join("\n")
            }`,
          );
        }
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      clearTimeout(patience);
    }
  }

  async stop(): Promise<void> {
    await this.#server.shutdown();
  }

  #takeSpans(
    { resourceSpans }: {
      resourceSpans: (Sender & {
        scopeSpans: { spans: Omit<SentSpan, "service">[] }[];
      })[];
    },
  ): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = serviceOf(resource);
      for (const { spans } of scopeSpans) {
        this.spans.push(...spans.map((span) => ({ ...span, service })));
      }
    }
  }

  #takeMetrics(
    { resourceMetrics }: {
      resourceMetrics: (Sender & {
        scopeMetrics: { metrics: SentMetric[] }[];
      })[];
    },
  ): void {
    for (const { resource, scopeMetrics } of resourceMetrics) {
      const service = serviceOf(resource);
      for (const metric of scopeMetrics.flatMap(({ metrics }) => metrics)) {
        this.#metrics.set(`${service} ${metric.name}`, metric);
      }
    }
  }
}

function serviceOf(resource: Sender["resource"]): string {
  return attributeOf(resource ?? { attributes: [] }, "service.name") ?? "";
}
