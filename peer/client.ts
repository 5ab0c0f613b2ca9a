/**
 * One request to a peer at a time, and whether what comes back is an answer.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { BusyError, PeerError, quote } from "../base/errors.ts";
import { FrameError, MAX_MESSAGE_BYTES } from "../protocol/frames.ts";
import type { Protocol } from "../protocol/protocols.ts";
import { Watchdog } from "../base/watchdog.ts";
import {
  type BodyHead,
  bodyHeadOf,
  chunksOf,
  encodeKey,
  HEADER,
  isSmall,
  readBody,
} from "../protocol/wire.ts";

/** What a {@linkcode PeerClient} is made of. */
export interface PeerClientOptions {
  /** What every request says of its asker. */
  headers: () => Readonly<Record<string, string>>;
  /** As the runtime's `fetch`. */
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** How long the peer may give no sign of life. */
  timeoutMs: number;
  maxBodyBytes: number;
  clock: Clock;
  protocol: Protocol;
}

/** A request, less what all requests have. */
export interface Question {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array<ArrayBuffer>;
  /** Called when an answer begins, if one does and it is not "busy". */
  onHead?: () => void;
  /** Takes the body of a batch as it arrives; what it throws ends the request. */
  onChunk?: (chunk: Uint8Array) => void;
  /** Called when the body has ended; what it throws makes it no answer. */
  onEnd?: () => void;
}

/** An answer that means something, its body read; a batch's went to `onChunk`. */
export interface Answer {
  /** The status and `Geecache-Result`, which count only together. */
  meaning: string;
  status: number;
  headers: Headers;
  body: Uint8Array<ArrayBuffer>;
}

/** The answers that mean something; all others are no answer. */
const MEANINGS: ReadonlySet<string> = new Set([
  "200 batch",
  "200 value",
  "202 pending",
  "204 done",
  "400 bad-request",
  "401 refused",
  "403 refused",
  "404 no-group",
  "404 not-found",
  "405 bad-request",
  "408 bad-request",
  "413 bad-request",
  "429 busy",
  "500 failed",
  "503 draining",
]);

/** Carries requests to one origin. */
export class PeerClient {
  readonly id: string;
  readonly #options: PeerClientOptions;
  readonly #underWay = new Set<Watchdog>();
  #closed = false;
  #requests = 0;
  #errors = 0;
  #understandsBatches = false;

  constructor(id: string, options: PeerClientOptions) {
    this.id = id;
    this.#options = options;
  }

  /** Requests sent. */
  get requests(): number {
    return this.#requests;
  }

  /** Requests that the peer could not answer. */
  get errors(): number {
    return this.#errors;
  }

  /** Ends the requests under way, and all later ones, with an error. */
  close(): void {
    this.#closed = true;
    for (const wait of this.#underWay) wait.cutShort(this.#closedError());
  }

  /** Whether it has shown that it takes many keys in one request. */
  get understandsBatches(): boolean {
    return this.#understandsBatches;
  }

  /**
   * One request and its answer.
   *
   * @throws {PeerError} If the peer is silent, refuses, or gives no answer.
   * @throws The signal's reason, if that fires.
   */
  async ask(question: Question, signal?: AbortSignal): Promise<Answer> {
    try {
      return await this.#wait(signal, (wait) => {
        this.#requests++;
        return this.#exchange(question, wait);
      });
    } catch (error) {
      if (!signal?.aborted) this.#errors++;
      throw error;
    }
  }

  /** A pause that `signal`, or the client's end, cuts short. */
  delay(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#wait(
      signal,
      (wait) => new Promise((resolve) => wait.after(ms, resolve)),
    );
  }

  async #wait<T>(
    signal: AbortSignal | undefined,
    run: (wait: Watchdog) => Promise<T>,
  ): Promise<T> {
    if (this.#closed) throw this.#closedError();
    signal?.throwIfAborted();
    const wait = new Watchdog(this.#options.clock);
    const leave = (): void => wait.cutShort(signal!.reason);
    signal?.addEventListener("abort", leave, { once: true });
    this.#underWay.add(wait);
    try {
      return await Promise.race([run(wait), wait.cut]);
    } finally {
      wait.end();
      this.#underWay.delete(wait);
      signal?.removeEventListener("abort", leave);
    }
  }

  async #exchange(question: Question, wait: Watchdog): Promise<Answer> {
    const { headers: ours, fetch, timeoutMs } = this.#options;
    wait.watch(
      timeoutMs,
      () => wait.cutShort(this.error(`it was silent for ${timeoutMs} ms`)),
    );
    const { method, path, headers: more, body } = question;
    let response: Response;
    try {
      response = await fetch(this.id + path, {
        method,
        headers: { ...ours(), ...more },
        // A redirect leads to another key's value, or to another program.
        redirect: "manual",
        signal: wait.signal,
        ...(body === undefined ? {} : { body }),
      });
    } catch (cause) {
      throw this.error(messageOf(cause), { cause });
    }
    if (wait.signal.aborted) {
      await drop(response);
      throw wait.signal.reason;
    }
    wait.onSignOfLife();
    const { status, headers } = response;
    const { protocol } = this.#options;
    const meaning = protocol.meaningOf(status, headers);
    const isBatch = meaning === "200 batch";
    const head = bodyHeadOf(headers);
    // What comes in one go is taken before the next request leaves, which then
    // takes more along.
    const inOneGo = isBatch && isSmall(head);
    if (meaning !== "429 busy" && !inOneGo) question.onHead?.();
    if (
      !MEANINGS.has(meaning) || response.redirected ||
      (isBatch && question.onChunk === undefined)
    ) {
      await drop(response);
      throw this.error(
        response.redirected
          ? `a redirect to ${quote(response.url)} was followed`
          : `${status} ${
            sayResult(headers)
          } is no answer in protocol ${protocol.name}`,
        { status },
      );
    }
    this.#understandsBatches = protocol.native && headers.has(HEADER.batch);
    try {
      if (isBatch) {
        const body = await this.#pass(response, head, question, wait);
        return { meaning, status, headers, body };
      }
      const body = await this.#read(response, head, meaning, wait);
      return body === undefined
        ? { ...this.#tooLarge(), status, headers }
        : { meaning, status, headers, body };
    } catch (cause) {
      if (cause instanceof PeerError) throw cause;
      const what = cause instanceof FrameError
        ? "the body is malformed"
        : "the body broke off";
      throw this.error(`${what}: ${messageOf(cause)}`, { status, cause });
    }
  }

  /** Hands on a batch as it arrives. */
  async #pass(
    response: Response,
    head: BodyHead,
    { onChunk, onEnd }: Question,
    wait: Watchdog,
  ): Promise<Uint8Array<ArrayBuffer>> {
    if (isSmall(head)) {
      onChunk!(new Uint8Array(await response.arrayBuffer()));
    } else if (response.body !== null) {
      for await (const chunk of chunksOf(response.body, wait.signal)) {
        wait.onSignOfLife();
        onChunk!(chunk);
      }
    }
    onEnd?.();
    return new Uint8Array();
  }

  /** The body of any other answer; `undefined`: it is larger than a value may be. */
  async #read(
    response: Response,
    head: BodyHead,
    meaning: string,
    wait: Watchdog,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const isValue = meaning === "200 value";
    const limit = isValue ? this.#options.maxBodyBytes : MAX_MESSAGE_BYTES;
    const body = await readBody(
      response,
      head,
      limit,
      wait.signal,
      () => wait.onSignOfLife(),
    );
    if (body === undefined) {
      // What the getter said counts, if not in so many words.
      return isValue ? undefined : encodeKey(`(more than ${limit} bytes)`);
    }
    const { length, encoded } = head;
    if (length === undefined || encoded || length === body.length) return body;
    throw this.error(`the body has ${body.length} bytes of ${length}`, {
      status: response.status,
    });
  }

  /** The peer is in order, its answer of no use here. */
  #tooLarge(): Pick<Answer, "meaning" | "body"> {
    const { maxBodyBytes } = this.#options;
    const body = encodeKey(`the body is larger than ${maxBodyBytes} bytes`);
    return { meaning: "200 too-large", body };
  }

  /** An answer that means that the peer cannot do what it was asked. */
  refusal(answer: Answer, why: string = textOf(answer)): PeerError {
    // A peer that has no such group, or drains, is in order, and about to go.
    const isLeaving = answer.meaning === "404 no-group" ||
      answer.meaning === "503 draining";
    if (!isLeaving) this.#errors++;
    const busy = answer.meaning === "429 busy"
      ? { cause: new BusyError(why) }
      : {};
    return this.error(`${answer.meaning}: ${why}`, {
      status: answer.status,
      ...busy,
    });
  }

  /** The error of a client that was closed. */
  #closedError(): PeerError {
    return this.error("it was closed");
  }

  /** An error that names the peer. */
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

/** Ends a body that nobody reads; it may have broken off before. */
async function drop({ body }: Response): Promise<void> {
  await body?.cancel().catch(() => {});
}

function sayResult(headers: Headers): string {
  const result = headers.get(HEADER.result);
  return result === null
    ? `without ${HEADER.result}`
    : `with ${HEADER.result}: ${result}`;
}

/** The text of an answer, without the end of line that Go's error bodies have. */
export function textOf({ body }: Answer): string {
  return new TextDecoder().decode(body).replace(/\n$/, "");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
