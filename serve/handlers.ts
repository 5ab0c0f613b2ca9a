/**
 * The handlers of a server, each of which answers what is its own, and the counting of
 * requests under way.
 *
 * @module
 */

import { STATUS_CODE, STATUS_TEXT } from "@std/http/status";

/** Answers one request. */
export type Answer = (request: Request) => Response | Promise<Response>;

/** Answers a request, or leaves it to the next handler: `undefined`. */
export type Handler = (
  request: Request,
) => Response | Promise<Response> | undefined;

/** Asks the handlers in order. What none of them answers is not found. */
export function inOrder(handlers: readonly Handler[]): Answer {
  return (request) => {
    // Deno's server passes on whatever a client asks for.
    if (!URL.canParse(request.url)) {
      return statusResponse(STATUS_CODE.BadRequest);
    }
    for (const handler of handlers) {
      const answer = handler(request);
      if (answer !== undefined) return answer;
    }
    return statusResponse(STATUS_CODE.NotFound);
  };
}

/** Counts the requests of clients that are under way. */
export class UnderWay {
  #count = 0;
  #closed = false;
  #whenNone: () => void = () => {};

  /** Answers a request; once this is closed, with 503. */
  async run(answer: () => Promise<Response>): Promise<Response> {
    if (this.#closed) {
      return statusResponse(STATUS_CODE.ServiceUnavailable, undefined, {
        "Cache-Control": "no-store",
        "Connection": "close",
        "Retry-After": "1",
      });
    }
    this.#count++;
    try {
      return await answer();
    } finally {
      if (--this.#count === 0) this.#whenNone();
    }
  }

  /** Takes no more requests. Resolves when those under way are answered. */
  close(): Promise<void> {
    this.#closed = true;
    return new Promise((resolve) => {
      this.#whenNone = resolve;
      if (this.#count === 0) resolve();
    });
  }
}

/** What a request gets that does not only read; `undefined` if it does. */
export function unlessRead({ method }: Request): Response | undefined {
  if (method === "GET" || method === "HEAD") return undefined;
  return statusResponse(STATUS_CODE.MethodNotAllowed, undefined, {
    Allow: "GET, HEAD",
  });
}

/** A plain text response; without a message, the text is the name of the status. */
export function statusResponse(
  code: number,
  message?: string,
  headers?: Record<string, string>,
): Response {
  const text = message ?? STATUS_TEXT[code as keyof typeof STATUS_TEXT];
  return new Response(`${text}\n`, {
    status: code,
    headers: { "Content-Type": "text/plain; charset=utf-8", ...headers },
  });
}
