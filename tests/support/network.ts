/** A network in memory through which pools reach each other, and which a test can break. */

import { FakeClock } from "./time.ts";

type Handler = (request: Request) => Promise<Response> | Response;

/** What a test puts in front of a node: it may pass a request on, or another one, or none. */
export type Fault = (
  request: Request,
  next: (other?: Request) => Promise<Response>,
) => Promise<Response> | Response;

export interface Sent {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  readonly path: string;
  /** Whether it asked only for what is in memory. */
  readonly peeks: boolean;
}

/** An answer made by hand that says what it is about, as those of a pool do. */
export function about(request: Request, answer: Response): Response {
  const { headers } = answer;
  const mark = request.headers.get(MARK);
  if (mark !== null && headers.has("Geecache-Result") && !headers.has(MARK)) {
    headers.set(MARK, mark);
  }
  return answer;
}

/** The request as it is behind a proxy that changes paths. */
export function withPath(
  request: Request,
  change: (path: string) => string,
): Request {
  const { origin, pathname, search } = new URL(request.url);
  return new Request(origin + change(pathname) + search, request);
}

/** The request for whoever passes it on later: it does not end when its sender leaves. */
export async function detached(request: Request): Promise<Request> {
  const { url, method, headers } = request;
  const body = await request.arrayBuffer();
  return new Request(
    url,
    body.byteLength === 0 ? { method, headers } : { method, headers, body },
  );
}

/** Changes a path as nginx does behind `proxy_pass http://app/;`. */
export function tidied(path: string): string {
  const segments: string[] = [];
  for (const segment of decodeURIComponent(path).split(/\/+/)) {
    if (segment === "..") segments.pop();
    else if (segment !== ".") segments.push(segment);
  }
  return segments.map((segment) => encodeURI(segment).replace(/[?#]/g, escape))
    .join("/");
}

const MARK = "Geecache-Target";

export class FakeNetwork {
  readonly clock: FakeClock = new FakeClock();
  /** Every request that was sent, in order. */
  readonly sent: Sent[] = [];
  readonly #handlers = new Map<string, Handler>();
  readonly #faults = new Map<string, Fault>();
  #cut: (from: string, to: string) => boolean = () => false;

  /** Puts a node on the network, or replaces it. */
  join(origin: string, handler: Handler): void {
    this.#handlers.set(origin, handler);
  }

  /** The fetch with which the node at `from` reaches others. */
  fetchFrom(from: string): (request: Request) => Promise<Response> {
    return async (request) => {
      const { origin: to, pathname, search } = new URL(request.url);
      const { method, signal, headers } = request;
      const peeks = headers.has("Geecache-Peek");
      this.sent.push({ from, to, method, path: pathname + search, peeks });
      const handler = this.#handlers.get(to);
      if (handler === undefined || this.#cut(from, to)) {
        throw new TypeError("connection refused");
      }
      const next = async (other = request): Promise<Response> =>
        await handler(other);
      const fault = this.#faults.get(to);
      const answer =
        (async () =>
          fault === undefined
            ? await next()
            : about(request, await fault(request, next)))();
      answer.catch(() => {});
      const aborted = new Promise<never>((_, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener("abort", () => reject(signal.reason), {
          once: true,
        });
      });
      return await Promise.race([answer, aborted]);
    };
  }

  /** How many of the requests match. */
  count(which: Partial<Sent>): number {
    const fields = Object.entries(which) as [keyof Sent, unknown][];
    return this.sent.filter((one) =>
      fields.every(([field, value]) => one[field] === value)
    ).length;
  }

  /** Puts a fault before a node; without one, takes it away. */
  fault(origin: string, fault?: Fault): void {
    if (fault === undefined) this.#faults.delete(origin);
    else this.#faults.set(origin, fault);
  }

  /** The node refuses connections. */
  kill(origin: string): void {
    this.#handlers.delete(origin);
  }

  /** The node takes requests and never answers. */
  silence(origin: string): void {
    this.fault(origin, () => new Promise(() => {}));
  }

  /** Every answer of the node takes `ms` longer. */
  delay(origin: string, ms: number): void {
    this.fault(origin, async (_request, next) => {
      const response = await next();
      await new Promise<void>((resolve) => this.clock.after(ms, resolve));
      return response;
    });
  }

  /** The node's bodies break off after so many bytes. */
  cut(origin: string, bytes: number): void {
    this.fault(origin, async (_request, next) => {
      const response = await next();
      const whole = new Uint8Array(await response.arrayBuffer());
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(whole.slice(0, bytes));
          controller.error(new TypeError("connection reset"));
        },
      });
      return new Response(body, response);
    });
  }

  /** No request crosses from one side to the other; without sides, all do. */
  partition(...sides: string[][]): void {
    const sideOf = (o: string) => sides.findIndex((side) => side.includes(o));
    this.#cut = (from, to) => sideOf(from) !== sideOf(to);
  }
}
