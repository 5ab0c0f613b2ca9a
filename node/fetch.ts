/**
 * A `fetch` for peers, over the keep-alive agents of `node:http`.
 *
 * @module
 */

import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  request as requestHttp,
} from "node:http";
import {
  Agent as TLSAgent,
  type AgentOptions,
  request as requestHttps,
} from "node:https";
import { collect, headersOf, streamOf } from "./body.ts";
import { fillIn } from "./lazy.ts";

/**
 * Options for {@linkcode keepAliveFetch}: those of an agent of `node:https`.
 * Mutual TLS takes `ca`, `cert` and `key`. `maxSockets` limits the sockets to a
 * peer.
 */
export type KeepAliveFetchOptions = AgentOptions;

/** A `fetch` that keeps its sockets, for the option `fetch` of `HTTPPool`. */
export interface KeepAliveFetch {
  (input: Request | URL | string, init?: RequestInit): Promise<Response>;
  /** Ends the requests under way and closes the sockets that are kept. */
  close(): void;
}

/** A request, in one form for all that a `fetch` accepts. */
interface Outgoing {
  readonly url: URL;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array | ReadableStream<Uint8Array> | undefined;
  readonly signal: AbortSignal | null | undefined;
}

/**
 * Makes a `fetch` over agents of `node:http` and `node:https` that keep their
 * sockets. It takes a fraction of the time of Node's own.
 *
 * It is for requests between peers and does less than `fetch`. It follows no
 * redirects. It asks for no compression and refuses a compressed answer. It knows
 * no cookies or caches. It uses no proxy that a variable names, such as `HTTP_PROXY`,
 * unless the option `proxyEnv` says so.
 *
 * A kept socket may turn out to be closed by the peer. The request is then sent
 * once more on a new socket, unless its body is a stream. It may then
 * arrive twice, which does no harm to anything that a pool sends.
 *
 * A kept socket that is idle does not keep the process alive.
 *
 * @example Peers with mutual TLS
 * ```ts
 * import { readFileSync } from "node:fs";
 * import { HTTPPool } from "@geecache/geecache";
 * import { keepAliveFetch } from "@geecache/geecache/node";
 *
 * function securePool(self: string, folder: string): HTTPPool {
 *   const fetch = keepAliveFetch({
 *     ca: readFileSync(`${folder}/ca.pem`),
 *     cert: readFileSync(`${folder}/cert.pem`),
 *     key: readFileSync(`${folder}/key.pem`),
 *   });
 *   return new HTTPPool(self, { fetch });
 * }
 * ```
 */
export function keepAliveFetch(
  options: KeepAliveFetchOptions = {},
): KeepAliveFetch {
  const agents = new Agents(options);
  const direct = (url: string, init: RequestInit): Promise<Response> =>
    agents.send(outgoingOf(url, init));
  const fetch = async (
    input: Request | URL | string,
    init?: RequestInit,
  ): Promise<Response> => {
    if (init === undefined && !(input instanceof Request)) init = {};
    return await agents.send(
      input instanceof Request
        ? await unpack(init === undefined ? input : new Request(input, init))
        : outgoingOf(String(input), init!),
    );
  };
  return Object.assign(fetch, {
    close: (): void => agents.close(),
    // A pool calls this directly. It need not build a `Request` only for this
    // `fetch` to take it apart again.
    [Symbol.for("geecache.fetch")]: direct,
    // Links, too: streams of Node's take less than streams of the web.
    [Symbol.for("geecache.stream")]: (
      url: string,
      headers: Record<string, string>,
    ): ClientRequest => agents.stream(url, headers),
  });
}

function outgoingOf(url: string, init: RequestInit): Outgoing {
  const { method = "GET", headers, body, signal } = init;
  return {
    url: new URL(url),
    method,
    headers: recordOf(headers),
    body: bytesOf(body),
    signal,
  };
}

function recordOf(headers: HeadersInit | undefined): Record<string, string> {
  if (headers === undefined) return {};
  return headers instanceof Headers || Array.isArray(headers)
    ? Object.fromEntries(headers)
    : { ...headers as Record<string, string> };
}

function bytesOf(body: BodyInit | null | undefined): Outgoing["body"] {
  if (body === null || body === undefined) return undefined;
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (body instanceof Uint8Array || body instanceof ReadableStream) return body;
  throw new TypeError(
    `Cannot fetch: body must be a string, a Uint8Array or a ReadableStream: received ${
      Object.prototype.toString.call(body)
    }`,
  );
}

async function unpack(request: Request): Promise<Outgoing> {
  const { url, method, headers, signal, body } = request;
  return {
    url: new URL(url),
    method,
    headers: recordOf(headers),
    // Read whole, so that it can be sent twice.
    body: body === null
      ? undefined
      : new Uint8Array(await request.arrayBuffer()),
    signal,
  };
}

class Agents {
  readonly #http: Agent;
  readonly #https: TLSAgent;
  readonly #retryHttp: Agent;
  readonly #retryHttps: TLSAgent;
  /** Each ends one request. */
  readonly #underWay = new Set<(reason: unknown) => void>();

  constructor(given: KeepAliveFetchOptions) {
    // Without this, Deno takes a proxy from variables if NODE_USE_ENV_PROXY is set.
    const options = { proxyEnv: {}, ...given };
    this.#http = new Agent({ ...options, keepAlive: true });
    this.#https = new TLSAgent({ ...options, keepAlive: true });
    this.#retryHttp = new Agent({ ...options, keepAlive: false });
    this.#retryHttps = new TLSAgent({ ...options, keepAlive: false });
  }

  close(): void {
    for (const end of this.#underWay) end(new Error("the fetch was closed"));
    for (
      const agent of [
        this.#http,
        this.#https,
        this.#retryHttp,
        this.#retryHttps,
      ]
    ) agent.destroy();
  }

  send(outgoing: Outgoing): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#try(outgoing, false, resolve, reject);
    });
  }

  /** A POST whose body goes on while it is answered. */
  stream(url: string, headers: Record<string, string>): ClientRequest {
    const isSecure = url.startsWith("https:");
    const request = (isSecure ? requestHttps : requestHttp)(url, {
      method: "POST",
      headers,
      agent: isSecure ? this.#https : this.#http,
    });
    const end = (reason: unknown): void => {
      request.destroy(reason as Error);
    };
    this.#underWay.add(end);
    request.on("close", () => this.#underWay.delete(end));
    return request;
  }

  #try(
    outgoing: Outgoing,
    isRetry: boolean,
    resolve: (response: Response) => void,
    reject: (reason: unknown) => void,
  ): void {
    const { url, method, headers, body, signal } = outgoing;
    if (signal?.aborted) return reject(signal.reason);
    const secure = url.protocol === "https:";
    const agent = secure
      ? isRetry ? this.#retryHttps : this.#https
      : isRetry
      ? this.#retryHttp
      : this.#http;
    if (body instanceof Uint8Array) {
      headers["Content-Length"] = String(body.byteLength);
    }
    const request = (secure ? requestHttps : requestHttp)(url, {
      method,
      headers,
      agent,
    });
    const finish = (): void => {
      this.#underWay.delete(end);
      signal?.removeEventListener("abort", abort);
    };
    // Once it is settled, what becomes of the request changes nothing.
    let settled = false;
    const fail = (reason: unknown): void => {
      if (settled) return;
      settled = true;
      finish();
      reject(reason);
    };
    const end = (reason: unknown): void => {
      request.destroy(reason as Error);
      // A request that waits for a socket reports no error before it has one.
      fail(reason);
    };
    const abort = (): void => end(signal!.reason);
    this.#underWay.add(end);
    signal?.addEventListener("abort", abort, { once: true });
    let readBefore = 0;
    request.once("socket", (socket) => readBefore = socket.bytesRead);
    request.on("close", () => {
      finish();
      fail(new Error("the connection was closed without an answer"));
    });
    request.on("upgrade", (_, socket) => {
      socket.destroy();
      fail(new TypeError("Cannot fetch: the answer is in another protocol"));
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (settled) return;
      finish();
      // The agents for a retry keep no sockets, so there is no second retry.
      const stale = request.reusedSocket && !signal?.aborted &&
        (error.code === "ECONNRESET" || error.code === "EPIPE") &&
        request.socket?.bytesRead === readBefore &&
        !(body instanceof ReadableStream);
      if (!stale) return fail(error);
      settled = true;
      this.#try(outgoing, true, resolve, reject);
    });
    request.on("response", (message) => {
      // Without this, an error before the first read would end the process. A later
      // read still rejects.
      message.on("error", () => {});
      const encoding = message.headers["content-encoding"];
      if (encoding !== undefined && encoding !== "identity") {
        message.destroy();
        fail(new TypeError(`Cannot fetch: the answer is in ${encoding}`));
        return;
      }
      settled = true;
      resolve(
        new LazyResponse(
          url.href,
          method,
          message,
          signal,
        ) as unknown as Response,
      );
    });
    if (body instanceof ReadableStream) {
      pour(body, request);
    } else request.end(body);
  }
}

/** Sends a stream, no faster than the socket takes it. */
async function pour(
  body: ReadableStream<Uint8Array>,
  request: ClientRequest,
): Promise<void> {
  const reader = body.getReader();
  const leave = (): void => {
    reader.cancel(new Error("the request ended")).catch(() => {});
  };
  request.once("close", leave);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (request.destroyed) return;
      if (done) break;
      if (!request.write(value)) await drained(request);
    }
    request.end();
  } catch (error) {
    request.destroy(error as Error);
  } finally {
    request.off("close", leave);
  }
}

/** Resolves when more may be written, or nothing more can be. */
function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      request.off("drain", go);
      request.off("close", go);
      resolve();
    };
    request.on("drain", go);
    request.on("close", go);
  });
}

/** A stand-in that builds a `Response` once somebody reads a rarely used member. */
class LazyResponse {
  readonly url: string;
  readonly status: number;
  readonly redirected = false;
  readonly #message: IncomingMessage;
  readonly #hasBody: boolean;
  readonly #signal: AbortSignal | null | undefined;
  #headers: Headers | undefined;
  #taken = false;
  #real: Response | undefined;

  constructor(
    url: string,
    method: string,
    message: IncomingMessage,
    signal: AbortSignal | null | undefined,
  ) {
    this.url = url;
    this.status = message.statusCode!;
    this.#message = message;
    this.#signal = signal;
    this.#hasBody = method !== "HEAD" && this.status !== 204 &&
      this.status !== 304;
    // An answer must be read to its end for its socket to be kept.
    if (!this.#hasBody) message.resume();
  }

  get headers(): Headers {
    return this.#headers ??= headersOf(this.#message);
  }

  get bodyUsed(): boolean {
    return this.#taken || (this.#real?.bodyUsed ?? false);
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    if (this.#taken || this.#real !== undefined || !this.#hasBody) {
      return this.real().arrayBuffer();
    }
    this.#taken = true;
    return collect(this.#message).catch((error) => {
      throw this.#reasonOf(error);
    });
  }

  real(): Response {
    return this.#real ??= this.#build();
  }

  /** Why a body broke off: the caller's reason if it aborted, else the failure. */
  #reasonOf(error: unknown): unknown {
    return this.#signal?.aborted ? this.#signal.reason : error;
  }

  #build(): Response {
    const message = this.#message;
    const init = {
      status: this.status,
      statusText: message.statusMessage ?? "",
      headers: this.headers,
    };
    if (!this.#hasBody) return new Response(null, init);
    if (!this.#taken) {
      const stop = (): void => {
        message.destroy();
      };
      const body = streamOf(message, stop, (error) => this.#reasonOf(error));
      return new Response(body, init);
    }
    const response = new Response("taken", init);
    response.body!.cancel().catch(() => {});
    return response;
  }
}

fillIn(LazyResponse, Response);
