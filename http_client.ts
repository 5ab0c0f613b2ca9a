/**
 * One request to a peer at a time, and whether what comes back is an answer.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import { PeerError, quote } from "./errors.ts";
import { HEADER, readBody } from "./wire.ts";

/** What a {@linkcode PeerClient} is made of. */
export interface PeerClientOptions {
  /** The asker's own origin. */
  self: string;
  fetch: (request: Request) => Promise<Response>;
  /** How long the peer may give no sign of life. */
  timeoutMs: number;
  maxBodyBytes: number;
  clock: Clock;
}

/** What was asked of one peer, counted since it became one. */
export interface PeerStats {
  /** Its origin. */
  id: string;
  /** Requests sent to it. */
  requests: number;
  /** Requests that it could not answer: silence, refusal, or what is no answer. */
  errors: number;
}

/** A request, less what all requests have. */
export interface Question {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array<ArrayBuffer>;
}

/** An answer that means something, its body read. */
export interface Answer {
  /** The status and `Geecache-Result`, which count only together. */
  meaning: string;
  status: number;
  headers: Headers;
  body: Uint8Array<ArrayBuffer>;
}

/** The answers that mean something; all others are no answer. */
const MEANINGS: ReadonlySet<string> = new Set([
  "200 value",
  "202 pending",
  "204 done",
  "400 bad-request",
  "404 no-group",
  "404 not-found",
  "405 bad-request",
  "413 bad-request",
  "429 busy",
  "500 failed",
]);

/** Carries requests to one origin. */
export class PeerClient {
  readonly id: string;
  readonly #options: PeerClientOptions;
  /** Ends the waits under way. */
  readonly #underWay = new Set<(reason: unknown) => void>();
  #closed = false;
  #requests = 0;
  #errors = 0;

  constructor(id: string, options: PeerClientOptions) {
    this.id = id;
    this.#options = options;
  }

  stats(): PeerStats {
    return { id: this.id, requests: this.#requests, errors: this.#errors };
  }

  /** Ends the requests under way, and all later ones, with an error. */
  close(): void {
    this.#closed = true;
    for (const end of this.#underWay) end(this.#closedError());
  }

  /**
   * One request and its answer.
   *
   * @throws {PeerError} If the peer is silent, refuses, or gives no answer.
   * @throws The signal's reason, if that fires.
   */
  async ask(question: Question, signal?: AbortSignal): Promise<Answer> {
    if (this.#closed) throw this.#closedError();
    signal?.throwIfAborted();
    const { self, clock, timeoutMs } = this.#options;
    this.#requests++;
    const controller = new AbortController();
    let end!: (reason: unknown) => void;
    // Raced, since a `fetch` may not listen to its signal.
    const ended = new Promise<never>((_, reject) => {
      end = (reason) => {
        reject(reason);
        controller.abort(reason);
      };
    });
    const leave = (): void => end(signal!.reason);
    const silent = (): void =>
      end(this.error(`it was silent for ${timeoutMs} ms`));
    let callOff = clock.after(timeoutMs, silent);
    const onSignOfLife = (): void => {
      callOff();
      callOff = clock.after(timeoutMs, silent);
    };
    signal?.addEventListener("abort", leave, { once: true });
    this.#underWay.add(end);
    try {
      const { method, path, headers, body } = question;
      const request = new Request(this.id + path, {
        method,
        headers: { [HEADER.peer]: self, ...headers },
        // A redirect leads to another key's value, or to another program.
        redirect: "manual",
        signal: controller.signal,
        ...(body === undefined ? {} : { body }),
      });
      const answer = this.#exchange(request, onSignOfLife);
      // Whoever loses the race must not be an unhandled rejection.
      answer.catch(() => {});
      return await Promise.race([answer, ended]);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      this.#errors++;
      throw error;
    } finally {
      this.#underWay.delete(end);
      signal?.removeEventListener("abort", leave);
      callOff();
    }
  }

  async #exchange(
    request: Request,
    onSignOfLife: () => void,
  ): Promise<Answer> {
    const { fetch, maxBodyBytes } = this.#options;
    let response: Response;
    try {
      response = await fetch(request);
    } catch (cause) {
      throw this.error(messageOf(cause), { cause });
    }
    if (request.signal.aborted) {
      await response.body?.cancel();
      throw request.signal.reason;
    }
    onSignOfLife();
    const { status, headers } = response;
    const meaning = `${status} ${headers.get(HEADER.result)}`;
    if (!MEANINGS.has(meaning) || response.redirected) {
      await response.body?.cancel();
      throw this.error(
        response.redirected
          ? `a redirect to ${quote(response.url)} was followed`
          : `${status} without a ${HEADER.result} that goes with it is no answer`,
        { status },
      );
    }
    let body: Uint8Array<ArrayBuffer> | undefined;
    try {
      body = await readBody(response, maxBodyBytes, onSignOfLife);
    } catch (cause) {
      throw this.error(`the body broke off: ${messageOf(cause)}`, {
        status,
        cause,
      });
    }
    if (body === undefined) {
      throw this.error(`the body is larger than ${maxBodyBytes} bytes`, {
        status,
      });
    }
    const length = headers.get("Content-Length");
    const encoded = headers.has("Content-Encoding");
    if (length !== null && !encoded && Number(length) !== body.length) {
      throw this.error(
        `the body has ${body.length} bytes of ${length}`,
        { status },
      );
    }
    return { meaning, status, headers, body };
  }

  /** A wait that `signal`, or the client's end, cuts short. */
  async delay(ms: number, signal?: AbortSignal): Promise<void> {
    let end!: (reason: unknown) => void;
    let callOff!: () => void;
    const leave = (): void => end(signal!.reason);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        end = reject;
        this.#underWay.add(end);
        callOff = this.#options.clock.after(ms, resolve);
      });
    } finally {
      this.#underWay.delete(end);
      signal?.removeEventListener("abort", leave);
      callOff();
    }
  }

  /** An answer that means that the peer cannot do what it was asked. */
  refusal(answer: Answer, why: string = textOf(answer)): PeerError {
    this.#errors++;
    return this.error(`${answer.meaning}: ${why}`, {
      status: answer.status,
    });
  }

  #closedError(): PeerError {
    return this.error("it was closed");
  }

  error(
    what: string,
    options?: ErrorOptions & { status?: number },
  ): PeerError {
    return new PeerError(
      this.id,
      `Cannot ask peer ${this.id}: ${what}`,
      options,
    );
  }
}

/** The text of an answer, without the end of line that Go's error bodies have. */
export function textOf({ body }: Answer): string {
  return new TextDecoder().decode(body).replace(/\n$/, "");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
