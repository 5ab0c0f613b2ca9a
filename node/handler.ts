/**
 * Puts a handler of web requests behind a server of Node's.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { setImmediate } from "node:timers";
import { LazyAnswer } from "./lazy.ts";
import { hasLeft, LazyRequest, urlOf } from "./request.ts";

/** Options for {@linkcode toNodeHandler}. */
export interface NodeHandlerOptions {
  /**
   * Called with what the handler throws, and with what breaks an answer off. What
   * it throws itself is dropped.
   *
   * @default {console.error}
   */
  onError?: (error: unknown) => void;
}

/** A listener for the event `request` of `node:http`, `node:https` or `node:http2`. */
export type NodeListener = (
  req: IncomingMessage | Http2ServerRequest,
  res: ServerResponse | Http2ServerResponse,
) => void;

/** How long a client may go on sending after its answer, before it is cut off. */
const LINGER_MS = 1_000;

/** Headers about the connection, which HTTP/2 does not allow. */
const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding", "upgrade"];

/**
 * Puts a handler of web requests, such as `pool.handler`, behind a server of
 * Node's.
 *
 * - The request's `signal` fires if the client leaves before it has its answer. It
 *   does not fire after the answer.
 * - Nothing of a request's body is read before the handler reads it. If the handler
 *   does not read it to its end, the client gets its answer and is cut off.
 * - An answer's body is read no faster than the client takes it. It is cancelled if
 *   the client leaves.
 * - A client may send a request before an earlier one on its connection is answered.
 *   The handler gets the later request after that answer.
 * - The URL is the one that the client asked for, wherever Express mounts the handler.
 * - The client gets a 500 if the handler throws, and a 400 for a malformed URL or
 *   `Host`.
 * - A segment of one or two dots stays in the path. The slash before it arrives as
 *   `%2F`, so the keys `.` and `..` are read as Go's servers read them.
 *
 * The request is an instance of `Request` and has all its members. Only the
 * constructor of `Request` and `fetch` can tell the difference: give them
 * `request.clone()`.
 *
 * @throws {TypeError} If `handler` or `onError` is not a function.
 *
 * @example A pool on Node
 * ```ts
 * import { createServer } from "node:http";
 * import { HTTPPool } from "@geecache/geecache";
 * import { toNodeHandler } from "@geecache/geecache/node";
 * import { assertEquals } from "@std/assert";
 *
 * const pool = new HTTPPool("http://127.0.0.1:9999");
 * pool.group("scores", (name) => name === "Tom" ? "630" : undefined);
 * const server = createServer(toNodeHandler(pool.handler));
 * await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
 *
 * const { port } = server.address() as { port: number };
 * const url = `http://127.0.0.1:${port}/_geecache/scores/Tom`;
 * assertEquals(await (await fetch(url)).text(), "630");
 *
 * server.closeAllConnections();
 * await new Promise((done) => server.close(done));
 * await pool.close();
 * ```
 */
export function toNodeHandler(
  handler: (request: Request) => Response | Promise<Response>,
  options: NodeHandlerOptions = {},
): NodeListener {
  for (const name of Object.keys(options)) {
    if (name === "onError") continue;
    throw new TypeError(
      `Cannot make a Node handler: there is no option "${name}": did you mean "onError"?`,
    );
  }
  const { onError = console.error } = options;
  for (const [name, option] of Object.entries({ handler, onError })) {
    if (typeof option === "function") continue;
    throw new TypeError(
      `Cannot make a Node handler: ${name} must be a function, such as ${
        name === "handler" ? "pool.handler" : "console.error"
      }: received ${option}`,
    );
  }
  // Most of its calls come from where nobody catches, so a throw would end the process.
  const report = (error: unknown): void => {
    try {
      const reported = onError(error) as unknown;
      if (reported !== undefined) Promise.resolve(reported).catch(() => {});
    } catch {
      // What it was told is lost.
    }
  };
  return (req, res) => {
    // The objects of HTTP/2 are compatible with those of HTTP/1.
    const own = res as ServerResponse;
    const exchange = new Exchange(req as IncomingMessage, own, report);
    // A response has no socket while others on its connection come first. Its answer
    // would be held in memory, and one packet of a client that reads nothing can
    // hold thousands of requests.
    if (own.socket !== null || hasLeft(own)) exchange.run(handler);
    else own.once("socket", () => exchange.run(handler));
  };
}

/** One request and its answer. */
class Exchange {
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #onError: (error: unknown) => void;
  #request: LazyRequest | undefined;

  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    onError: (error: unknown) => void,
  ) {
    this.#req = req;
    this.#res = res;
    this.#onError = onError;
  }

  run(handler: (request: Request) => Response | Promise<Response>): void {
    const url = urlOf(this.#req);
    if (url === undefined) {
      this.#end(400, { "Content-Type": "text/plain" }, "bad request\n");
      return;
    }
    this.#request = new LazyRequest(url, this.#req, this.#res);
    try {
      const response = handler(this.#request as unknown as Request);
      if (response instanceof LazyAnswer && response.untouched) {
        this.#end(response.status, response.given, response.payload);
      } else this.#sendLater(response);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #sendLater(promise: Response | Promise<Response>): Promise<void> {
    try {
      const response = await promise;
      if (response instanceof LazyAnswer && response.untouched) {
        this.#end(response.status, response.given, response.payload);
      } else await this.#send(response);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Writes an answer whose whole body is in memory. */
  #end(
    status: number,
    headers: Record<string, string | string[]>,
    body: Uint8Array | string | null,
  ): void {
    const res = this.#res;
    if (hasLeft(res)) return;
    if (body !== null && !("Content-Length" in headers)) {
      headers["Content-Length"] = String(
        typeof body === "string" ? body.length : body.byteLength,
      );
    }
    res.writeHead(status, headers);
    if (body === null || this.#req.method === "HEAD") res.end();
    else res.end(body);
    if (this.#request?.unread) this.#linger();
  }

  /** Writes any answer, with a body that may be a stream. */
  async #send(response: Response): Promise<void> {
    const { status, body } = response;
    const headers = this.#recordOf(response.headers);
    // HTTP/2 has no status text.
    if (response.statusText !== "" && this.#req.httpVersionMajor === 1) {
      this.#res.statusMessage = response.statusText;
    }
    if (body === null || this.#req.method === "HEAD") {
      // A body that nobody will read must not stay open.
      body?.cancel().catch(this.#onError);
      const hasNone = status === 204 || status === 304 || body !== null ||
        this.#req.method === "HEAD";
      if (!hasNone) headers["content-length"] ??= "0";
      this.#end(status, headers, null);
      return;
    }
    const res = this.#res;
    const reader = body.getReader();
    const leave = (): void => {
      reader.cancel(new Error("the client left")).catch(() => {});
    };
    res.once("close", leave);
    res.on("error", this.#onError);
    if (hasLeft(res)) leave();
    try {
      await this.#pump(reader, status, headers);
    } finally {
      res.off("close", leave);
      reader.releaseLock();
    }
    if (this.#request!.unread) this.#linger();
  }

  async #pump(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    status: number,
    headers: Record<string, string | string[]>,
  ): Promise<void> {
    const res = this.#res;
    const first = await reader.read();
    let ahead: Promise<typeof first> | undefined = reader.read();
    // Most bodies are one part. Then the answer can state its length.
    const whole = first.done ||
      await Promise.race([ahead.then(({ done }) => done), soon()]);
    if (hasLeft(res)) return;
    if (whole) headers["content-length"] ??= String(first.value?.length ?? 0);
    res.writeHead(status, headers);
    for (let part = first; !part.done;) {
      if (!res.write(part.value)) await drained(res);
      if (hasLeft(res)) return;
      part = await (ahead ?? reader.read());
      ahead = undefined;
    }
    if (!hasLeft(res)) res.end();
  }

  #recordOf(headers: Headers): Record<string, string | string[]> {
    const record: Record<string, string | string[]> = {};
    headers.forEach((value, name) => record[name] = value);
    const cookies = headers.getSetCookie();
    if (cookies.length > 0) record["set-cookie"] = cookies;
    if (this.#req.httpVersionMajor > 1) {
      for (const name of HOP_BY_HOP) delete record[name];
    }
    return record;
  }

  #fail(error: unknown): void {
    const res = this.#res;
    const left = hasLeft(res) && error instanceof DOMException &&
      error.name === "AbortError";
    if (!left) this.#onError(error);
    // If the answer were ended here, the client would take it for a shorter one.
    if (res.headersSent) res.destroy();
    else {
      const headers = { "Content-Type": "text/plain" };
      this.#end(500, headers, "internal server error\n");
    }
  }

  /** Gives a client that is still sending a while to read its answer. */
  #linger(): void {
    const { socket } = this.#req;
    const cut = (): void => {
      this.#req.destroy();
    };
    const timer = setTimeout(cut, LINGER_MS);
    const cancel = (): void => {
      clearTimeout(timer);
      this.#req.off("end", cancel);
      socket.off("close", cancel);
    };
    this.#req.once("end", cancel);
    socket.once("close", cancel);
    this.#req.resume();
  }
}

/** Resolves when the next read of an ended body would have resolved. */
function soon(): Promise<false> {
  return new Promise((resolve) => setImmediate(resolve, false));
}

function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      res.off("drain", go);
      res.off("close", go);
      resolve();
    };
    res.on("drain", go);
    res.on("close", go);
  });
}
