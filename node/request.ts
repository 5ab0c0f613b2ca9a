/**
 * Turns a request of `node:http` into a `Request`.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { collect, headersOf, streamOf } from "./body.ts";
import { fillIn, LazyAnswer } from "./lazy.ts";

/** A target that a `URL` would not change, unless it has a dot segment. */
const PLAIN = /^\/[\w!$%&'()*+,\-./:;=@~]*(?:\?[\w!$%&()*+,\-./:;=?@~]*)?$/;
const DOTS = /\/(?:\.|%2e)/i;
/** A segment that a `URL` drops, with the slash before it. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?=\/|$)/gi;

/** The absolute URL of a request, or `undefined` if it is malformed. */
export function urlOf(req: IncomingMessage): string | undefined {
  const { headers } = req;
  // Express cuts the path at which a handler is mounted off `url`, and keeps the whole.
  const { originalUrl } = req as { originalUrl?: string };
  const target = originalUrl ?? req.url ?? "";
  if (!target.startsWith("/")) {
    // Clients send an absolute URL to proxies, and every server must accept one.
    const isURL = /^https?:\/\//i.test(target) && URL.canParse(target);
    const url = isURL ? new URL(target) : undefined;
    // A `Request` refuses credentials, and RFC 9110, 4.2.4 makes them an error.
    return url?.username || url?.password ? undefined : url?.href;
  }
  // HTTP/1.0 has no `Host`.
  const host = headers[":authority"] as string || headers.host || "localhost";
  const { encrypted } = req.socket as { encrypted?: boolean };
  const origin = originOf(`${encrypted ? "https" : "http"}://${host}`);
  if (origin === undefined) return undefined;
  return PLAIN.test(target) && !DOTS.test(target)
    ? origin + target
    : new URL(origin + keepKey(target)).href;
}

let lastHost = "";
let lastOrigin: string | undefined;

/** The origin of a scheme and a `Host`, or `undefined` if they are malformed. */
function originOf(host: string): string | undefined {
  // Nearly all requests are for the same host.
  if (host !== lastHost) {
    const url = URL.canParse(host) ? new URL(host) : undefined;
    // Anything beyond a host would end up in the path, or be dropped.
    const isHost = url !== undefined &&
      !/[/\\?#@\s]/.test(host.slice(host.indexOf("//") + 2));
    lastHost = host;
    lastOrigin = isHost ? url.origin : undefined;
  }
  return lastOrigin;
}

/**
 * Writes a target so that a `URL` keeps its meaning.
 *
 * Go programs send the keys `.` and `..` as they are. An encoded slash before such
 * a key joins it to the segment before, so that a `URL` drops nothing. It means the
 * same, because the path is decoded before it is split.
 */
function keepKey(target: string): string {
  const question = target.indexOf("?");
  const end = question < 0 ? target.length : question;
  const path = target.slice(0, end).replaceAll("\\", "%5C").replace(
    DOT_SEGMENT,
    (segment, at: number) => at === 0 ? segment : "%2F" + segment.slice(1),
  );
  // Node gives bytes as characters, and `#` begins no fragment here.
  return (path + target.slice(end)).replace(
    /[^\x21-\x7e]|#/gu,
    (char) =>
      char <= "\xff"
        ? "%" + char.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()
        : encodeURIComponent(char.toWellFormed()),
  );
}

/** Whether a request has a body. */
function hasBody(
  { method, headers, httpVersionMajor }: IncomingMessage,
): boolean {
  if (method === "GET" || method === "HEAD") return false;
  return httpVersionMajor > 1 || headers["transfer-encoding"] !== undefined ||
    Number(headers["content-length"] ?? 0) > 0;
}

/** A stand-in that builds a `Request` once somebody reads a rarely used member. */
export class LazyRequest {
  readonly url: string;
  readonly method: string;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  #headers: Headers | undefined;
  #signal: AbortSignal | undefined;
  #taken = false;
  #real: Request | undefined;

  constructor(url: string, req: IncomingMessage, res: ServerResponse) {
    this.url = url;
    this.method = req.method!;
    this.#req = req;
    this.#res = res;
  }

  get headers(): Headers {
    return this.#headers ??= headersOf(this.#req);
  }

  get signal(): AbortSignal {
    return this.#signal ??= signalOf(this.#res);
  }

  get bodyUsed(): boolean {
    return this.#taken || (this.#real?.bodyUsed ?? false);
  }

  /** Whether the client may still be sending. */
  get unread(): boolean {
    return hasBody(this.#req) && !this.#req.complete;
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    if (this.#taken || this.#real !== undefined || !hasBody(this.#req)) {
      return this.real().arrayBuffer();
    }
    this.#taken = true;
    return collect(this.#req);
  }

  real(): Request {
    return this.#real ??= this.#build();
  }

  #build(): Request {
    const { method, headers, signal } = this;
    const init: RequestInit & { duplex?: "half" } = { method, headers, signal };
    if (!hasBody(this.#req)) return new Request(this.url, init);
    init.duplex = "half";
    init.body = this.#taken ? "taken" : streamOf(this.#req);
    const request = new Request(this.url, init);
    if (this.#taken) request.body!.cancel().catch(() => {});
    return request;
  }
}

/** The library answers through this method, which is cheaper than a `Response`. */
Object.defineProperty(LazyRequest.prototype, Symbol.for("geecache.respond"), {
  value(
    status: number,
    headers: Record<string, string>,
    body: Uint8Array<ArrayBuffer> | string | null,
  ): LazyAnswer {
    return new LazyAnswer(status, headers, body);
  },
});

fillIn(LazyRequest, Request);

/** Whether nobody is left to answer. */
export function hasLeft(res: ServerResponse): boolean {
  // A response of HTTP/2 shows it only by its stream.
  const { stream } = res as unknown as { stream?: { destroyed: boolean } };
  return res.destroyed || res.closed || (stream?.destroyed ?? false);
}

/** A signal that fires when the client leaves before it is answered. */
function signalOf(res: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const leave = (): void => {
    // HTTP/2 shows only that its stream was cut short.
    const { stream } = res as unknown as { stream?: { aborted: boolean } };
    const answered = stream === undefined
      ? res.writableFinished
      : res.writableEnded && !stream.aborted;
    if (!answered) {
      controller.abort(new DOMException("the client left", "AbortError"));
    }
  };
  if (hasLeft(res)) leave();
  else res.once("close", leave);
  return controller.signal;
}
