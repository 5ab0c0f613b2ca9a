/**
 * The streams that links are made of: over `fetch`, or over the HTTP client of Node's
 * kind where the runtime has one, which takes less time.
 *
 * @module
 */

import { builtinModule } from "../base/builtins.ts";
import {
  type Duplex,
  type DuplexListener,
  StreamDuplex,
} from "../base/duplex.ts";
import type { OpenedStream, OpenStream } from "../peer/transport.ts";

/** What `fetch` needs to send a body that goes on while its answer comes. */
interface StreamInit extends RequestInit {
  duplex: "half";
}

/** Opens streams with a `fetch`. */
export function streamsOver(
  fetch: (url: string, init: RequestInit) => Promise<Response>,
): OpenStream {
  return async (url, headers, first, listener, signal) => {
    const duplex = new StreamDuplex(listener);
    duplex.write(first);
    // A `fetch` that ignores its signal lets go of a body that ends.
    const abort = (): void => {
      duplex.end();
      duplex.destroy(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    const init: StreamInit = {
      method: "POST",
      headers,
      body: duplex.outgoing,
      duplex: "half",
      redirect: "manual",
      signal,
    };
    let answer: Response;
    try {
      answer = await fetch(url, init);
    } catch (error) {
      duplex.destroy(error);
      throw error;
    }
    signal.removeEventListener("abort", abort);
    const { body } = answer;
    const begin = (): void => {
      duplex.read(body ?? new ReadableStream({ start: (c) => c.close() }));
    };
    const drop = (): void => {
      // First, so that it does not hear of the connection that ends with the body.
      duplex.destroy(new Error("it is no link"));
      body?.cancel().catch(() => {});
    };
    return { duplex, answer, begin, drop };
  };
}

/** What this needs of a `ClientRequest`. */
export interface StreamRequest {
  on(event: string, listener: (argument: never) => void): unknown;
  write(bytes: Uint8Array): boolean;
  end(onFinish?: () => void): unknown;
  readonly writableNeedDrain: boolean;
  readonly socket: { uncork(): void } | null;
  destroy(error?: Error): unknown;
  setNoDelay(noDelay: boolean): unknown;
}

/** What this needs of an `IncomingMessage`. */
interface StreamMessage {
  readonly statusCode: number;
  readonly rawHeaders: readonly string[];
  on(event: string, listener: (argument: never) => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** Begins a request of Node's kind. */
export type BeginRequest = (
  url: string,
  headers: Record<string, string>,
) => StreamRequest;

/** Opens streams with a client of Node's kind. */
export function streamsOfNode(begin: BeginRequest): OpenStream {
  return (url, headers, first, listener, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const request = begin(url, headers);
      new NodeDuplex(request, url, listener, signal, resolve, reject);
      request.setNoDelay(true);
      request.write(first);
    });
}

/** A request and its answer as one stream. */
class NodeDuplex implements Duplex {
  readonly #request: StreamRequest;
  readonly #listener: DuplexListener;
  #message: StreamMessage | undefined;
  /** The listener hears nothing more. */
  #over = false;
  #ended = false;
  /** Whether the end was sent. */
  #sent = false;

  constructor(
    request: StreamRequest,
    url: string,
    listener: DuplexListener,
    signal: AbortSignal,
    resolve: (opened: OpenedStream) => void,
    reject: (error: unknown) => void,
  ) {
    this.#request = request;
    this.#listener = listener;
    const abort = (): void => {
      this.destroy(signal.reason);
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    const finish = (error: unknown): void => {
      signal.removeEventListener("abort", abort);
      reject(error);
      this.#finish(error);
    };
    request.on("error", finish);
    request.on("drain", () => {
      if (!this.#over) listener.onDrain();
    });
    request.on(
      "close",
      () => finish(new Error("the connection was closed")),
    );
    request.on("response", (message: StreamMessage) => {
      signal.removeEventListener("abort", abort);
      this.#message = message;
      // Without this, an error would end the process.
      message.on("error", finish);
      const answer = {
        status: message.statusCode,
        headers: headersOf(message),
        redirected: false,
        url,
      };
      const drop = (): void => this.destroy(new Error("it is no link"));
      resolve({ duplex: this, answer, begin: () => this.#begin(), drop });
    });
  }

  write(bytes: Uint8Array<ArrayBuffer>): boolean {
    const request = this.#request;
    const isWelcome = request.write(bytes);
    // Else it would leave at the end of the turn, and the peer could not begin before.
    request.socket?.uncork();
    return isWelcome;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const request = this.#request;
    // Where the peer does not read, the end would not get there.
    if (!request.writableNeedDrain) request.end(() => this.#onSent());
  }

  destroy(_reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    const waits = this.#ended && !this.#sent &&
      !this.#request.writableNeedDrain;
    if (!waits) this.#request.destroy();
  }

  /** The end is on its way. */
  #onSent(): void {
    this.#sent = true;
    if (this.#over) this.#request.destroy();
  }

  pause(): void {
    this.#message?.pause();
  }

  resume(): void {
    this.#message?.resume();
  }

  #begin(): void {
    const message = this.#message!;
    message.on("end", () => this.#finish(undefined));
    message.on("data", (bytes: Uint8Array) => {
      if (!this.#over) this.#listener.onBytes(bytes);
    });
  }

  #finish(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#request.destroy();
    // Whoever opens it hears of that otherwise.
    if (this.#message !== undefined) this.#listener.onEnd(error);
  }
}

function headersOf({ rawHeaders }: StreamMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  }
  return headers;
}

/** What this needs of the module `http`. */
interface HTTPModule {
  Agent: new (options: object) => object;
  request(url: string, options: object): StreamRequest;
}

/** How streams are opened if nothing else is said. */
export function runtimeStreams(
  fetch: (url: string, init: RequestInit) => Promise<Response>,
): OpenStream {
  const overFetch = streamsOver(fetch);
  let ofNode: OpenStream | undefined;
  return (url, ...rest) => {
    // Where certificates are concerned, `fetch` may know more of them.
    const http = url.startsWith("http:")
      ? builtinModule("http") as HTTPModule | undefined
      : undefined;
    if (http === undefined) return overFetch(url, ...rest);
    ofNode ??= streamsOfNode((url, headers) => {
      // An agent of its own: that of all may use a proxy.
      const agent = new http.Agent({ keepAlive: false, proxyEnv: {} });
      return http.request(url, { method: "POST", headers, agent });
    });
    return ofNode(url, ...rest);
  };
}
