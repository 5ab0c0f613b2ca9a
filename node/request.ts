/**
 * A request of `node:http` as a `Request`.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { collect, headersOf, streamOf } from "./body.ts";
import { fillIn, LazyAnswer } from "./lazy.ts";

/** What a `URL` would leave as it is, if it has no dot segment. */
const PLAIN = /^\/[\w!$%&'()*+,\-./:;=@~]*(?:\?[\w!$%&()*+,\-./:;=?@~]*)?$/;
const DOTS = /\/(?:\.|%2e)/i;
/** Segments that a `URL` drops, with the slash before them. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?=\/|$)/gi;

/** The absolute URL that a request is for; `undefined`: it is malformed. */
export function urlOf(req: IncomingMessage): string | undefined {
  const { headers, url: target = "" } = req;
  if (!target.startsWith("/")) {
    // As sent to proxies; any server has to take it.
    const isURL = /^https?:\/\//i.test(target) && URL.canParse(target);
    const url = isURL ? new URL(target) : undefined;
    // No `Request` has such a URL. RFC 9110, 4.2.4: an error.
    return url?.username || url?.password ? undefined : url?.href;
  }
  // HTTP/1.0 knows no hosts.
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

/** The origin that a scheme and a `Host` make; `undefined`: they make none. */
function originOf(host: string): string | undefined {
  // Nearly all requests are for one.
  if (host !== lastHost) {
    const url = URL.canParse(host) ? new URL(host) : undefined;
    // More than a host would become part of the path, or of nothing.
    const isHost = url !== undefined &&
      !/[/\\?#@\s]/.test(host.slice(host.indexOf("//") + 2));
    lastHost = host;
    lastOrigin = isHost ? url.origin : undefined;
  }
  return lastOrigin;
}

/**
 * Writes a target so that a `URL` keeps what it says.
 *
 * Keys that are `.` or `..` come as they are from Go programs. The path is
 * decoded first and split then, so that an encoded slash says the same, and with
 * it before a segment of dots there is no such segment.
 */
function keepKey(target: string): string {
  const question = target.indexOf("?");
  const end = question < 0 ? target.length : question;
  const path = target.slice(0, end).replaceAll("\\", "%5C").replace(
    DOT_SEGMENT,
    (segment, at: number) => at === 0 ? segment : "%2F" + segment.slice(1),
  );
  // Node gives bytes as characters; `#` ends nothing here.
  return (path + target.slice(end)).replace(
    /[^\x21-\x7e]|#/gu,
    (char) =>
      char <= "\xff"
        ? "%" + char.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()
        : encodeURIComponent(char.toWellFormed()),
  );
}

/** Whether there is a body to come. */
function hasBody(
  { method, headers, httpVersionMajor }: IncomingMessage,
): boolean {
  if (method === "GET" || method === "HEAD") return false;
  return httpVersionMajor > 1 || headers["transfer-encoding"] !== undefined ||
    Number(headers["content-length"] ?? 0) > 0;
}

/** A `Request` once somebody looks at what is seldom looked at. */
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

/** What the library's answers look for: a `Response` for less. */
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

/** Whether nobody is there any more to be answered. */
export function hasLeft(res: ServerResponse): boolean {
  // The last is what a response of HTTP/2 knows of it.
  const { stream } = res as unknown as { stream?: { destroyed: boolean } };
  return res.destroyed || res.closed || (stream?.destroyed ?? false);
}

/** A signal that fires when the client leaves before it is answered. */
function signalOf(res: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const leave = (): void => {
    // HTTP/2 tells only that its stream was cut short.
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
