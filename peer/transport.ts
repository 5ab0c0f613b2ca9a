/**
 * One request to a peer and its answer, over `fetch`.
 *
 * It carries bytes and says whether what comes back is an answer at all. Other rooms
 * know whether a peer should be asked, and what its answer means for a key.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { describe, messageOf, PeerError, quote } from "../base/errors.ts";
import { MAX_TIMEOUTS, type Watchdog } from "../base/watchdog.ts";
import { FrameError, MAX_MESSAGE_BYTES } from "../protocol/frames.ts";
import type { Protocol } from "../protocol/protocols.ts";
import {
  type BodyHead,
  bodyHeadOf,
  chunksOf,
  encodeKey,
  HEADER,
  isSmall,
  markOf,
  readBody,
} from "../protocol/wire.ts";
import { adviceOnStatus, sayFailure } from "./advice.ts";

/** What is the same for the requests to all peers. */
export interface TransportOptions {
  /** This process's own origin. */
  self: string;
  protocol: Protocol;
  /** The path below which peers answer. */
  basePath: string;
  /** Takes what the runtime's `fetch` takes. */
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** How long a peer may give no sign of life. */
  timeoutMs: number;
  maxBodyBytes: number;
  /** The first one is sent; `undefined`: the pool has none. */
  secrets: readonly string[] | undefined;
  /** The name of this process's cluster, if it has one. */
  cluster: string | undefined;
  clock: Clock;
}

/** A request, without what all requests have. */
export interface Question {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array<ArrayBuffer>;
  /** It may be asked once more if the connection fails before an answer begins. */
  repeatable?: boolean;
  /** Called when an answer begins, unless it is "busy" or a batch that comes in one go. */
  onHead?: () => void;
  /**
   * Takes the body of a batch as it arrives, and how long after the head that is. If
   * it throws, the request ends.
   */
  onChunk?: (chunk: Uint8Array, tookMs: number) => void;
  /** Called when the body has ended. If it throws, there is no answer. */
  onEnd?: () => void;
}

/** An answer that means something, its body read; that of a batch went to `onChunk`. */
export interface Answer {
  /** The status and `Geecache-Result`, which count only together. */
  meaning: string;
  status: number;
  headers: Headers;
  body: Uint8Array<ArrayBuffer>;
  /** How long after the head the body ended. */
  tookMs: number;
}

/** What an answer can mean. Anything else is no answer. */
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
  "409 outdated",
  "413 bad-request",
  "429 busy",
  "500 failed",
  "503 draining",
]);

/** The answers that must say what they are about. The others settle nothing. */
const PROVEN: ReadonlySet<string> = new Set([
  "200 batch",
  "200 value",
  "204 done",
  "404 no-group",
  "404 not-found",
  "409 outdated",
  "500 failed",
]);

/** Carries requests to peers. One transport serves all peers of a pool. */
export class Transport {
  readonly protocol: Protocol;
  readonly basePath: string;
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly clock: Clock;
  /** The name of this process's cluster, if it has one. */
  readonly cluster: string | undefined;
  readonly #options: TransportOptions;
  /** What every request says of this process. */
  #headers: Readonly<Record<string, string>> = {};

  constructor(options: TransportOptions) {
    const { protocol, basePath, timeoutMs, maxBodyBytes, clock } = options;
    this.protocol = protocol;
    this.basePath = basePath;
    this.timeoutMs = timeoutMs;
    this.maxBodyBytes = maxBodyBytes;
    this.clock = clock;
    this.cluster = options.cluster;
    this.#options = options;
  }

  /** Tells peers from now on which list of nodes this process has. */
  announce(fingerprint: string): void {
    const { self, secrets, cluster } = this.#options;
    this.#headers = {
      [HEADER.peer]: self,
      [HEADER.ring]: fingerprint,
      ...(secrets === undefined ? {} : { [HEADER.secret]: secrets[0]! }),
      ...(cluster === undefined ? {} : { [HEADER.cluster]: cluster }),
    };
  }

  /**
   * Sends one request to the peer at `origin` and reads its answer.
   *
   * @param wait Ends the exchange when the peer is silent or nobody waits.
   * @param onAnswer Called once the head shows that this is an answer, before its
   *   body is read.
   * @throws {PeerError} If the peer is silent, refuses, or gives no answer.
   */
  async exchange(
    origin: string,
    question: Question,
    wait: Watchdog,
    onAnswer: (headers: Headers) => void,
  ): Promise<Answer> {
    const { protocol, timeoutMs } = this;
    wait.watch(
      timeoutMs,
      () =>
        wait.cutShort(
          peerError(origin, `it was silent for ${timeoutMs} ms`),
        ),
    );
    const mark = protocol.native
      ? markOf(question.path.slice(this.basePath.length))
      : undefined;
    const response = await this.#fetch(origin, question, mark, wait);
    wait.onSignOfLife();
    const { status, headers } = response;
    const maxMs = MAX_TIMEOUTS * timeoutMs;
    const begunAt = this.clock.now();
    const tookMs = (): number => this.clock.now() - begunAt;
    const onPart = (): void => {
      wait.onSignOfLife();
      if (tookMs() <= maxMs) return;
      const what = `the body took longer than ${maxMs} ms`;
      wait.cutShort(peerError(origin, what, { status }));
    };
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
      drop(response);
      throw peerError(
        origin,
        response.redirected
          ? `a redirect to ${quote(response.url)} was followed`
          : this.#sayNoAnswer(status, headers),
        { status },
      );
    }
    const cluster = protocol.native ? headers.get(HEADER.cluster) : null;
    if (cluster !== (this.cluster ?? null)) {
      drop(response);
      throw peerError(
        origin,
        `it belongs to ${sayCluster(cluster)}, and this process to ${
          sayCluster(this.cluster)
        }`,
        { status },
      );
    }
    const about = headers.get(HEADER.target) ?? undefined;
    if (about !== mark && PROVEN.has(meaning)) {
      drop(response);
      const what = mark === undefined
        ? `it is a pool in protocol native, and this one in ${protocol.name}`
        : `its answer is not about what it was asked: ${HEADER.target} must be ` +
          `${quote(mark)}: received ${describe(about)}`;
      throw peerError(origin, what, { status });
    }
    onAnswer(headers);
    try {
      if (isBatch) {
        const onChunk = (chunk: Uint8Array): void =>
          question.onChunk!(chunk, tookMs());
        await pass(response, head, onChunk, wait, onPart);
        question.onEnd?.();
        const body = new Uint8Array();
        return { meaning, status, headers, body, tookMs: tookMs() };
      }
      const body = await this.#read(
        origin,
        response,
        head,
        meaning,
        wait.signal,
        onPart,
      );
      return body === undefined
        ? { ...this.#tooLarge(), status, headers, tookMs: tookMs() }
        : { meaning, status, headers, body, tookMs: tookMs() };
    } catch (cause) {
      if (cause instanceof PeerError) throw cause;
      const what = cause instanceof FrameError
        ? "the body is malformed"
        : "the body broke off";
      const message = `${what}: ${messageOf(cause)}`;
      throw peerError(origin, message, { status, cause });
    }
  }

  async #fetch(
    origin: string,
    { method, path, headers, body }: Question,
    mark: string | undefined,
    wait: Watchdog,
  ): Promise<Response> {
    let response: Response;
    try {
      response = await this.#options.fetch(origin + path, {
        method,
        headers: {
          ...this.#headers,
          ...(mark === undefined ? {} : { [HEADER.target]: mark }),
          ...headers,
        },
        // A redirect leads to another key's value, or to another program.
        redirect: "manual",
        signal: wait.signal,
        ...(body === undefined ? {} : { body }),
      });
    } catch (cause) {
      throw peerError(origin, sayFailure(origin, cause), { cause });
    }
    if (!wait.signal.aborted) return response;
    drop(response);
    throw wait.signal.reason;
  }

  /** What came in place of an answer, and what to look at. */
  #sayNoAnswer(status: number, headers: Headers): string {
    const result = headers.get(HEADER.result);
    const { name } = this.protocol;
    if (result !== null) {
      return `${status} with ${HEADER.result}: ${result} is no answer in protocol ${name}`;
    }
    const advice = adviceOnStatus(status, this.basePath);
    const what =
      `${status} without ${HEADER.result} is no answer in protocol ${name}`;
    return advice === undefined ? what : `${what}: ${advice}`;
  }

  /** Reads the body of any other answer; `undefined`: it is larger than a value may be. */
  async #read(
    origin: string,
    response: Response,
    head: BodyHead,
    meaning: string,
    signal: AbortSignal,
    onPart: () => void,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const isValue = meaning === "200 value";
    const limit = isValue ? this.maxBodyBytes : MAX_MESSAGE_BYTES;
    const body = await readBody(response, head, limit, signal, onPart);
    if (body === undefined) {
      // That the getter failed counts, even if its message is too long.
      return isValue ? undefined : encodeKey(`(more than ${limit} bytes)`);
    }
    const length = isValue && this.protocol.native
      ? lengthOf(response.headers, head)
      : lengthOnWire(head) ?? body.length;
    if (length === body.length) return body;
    const what = length === undefined
      ? `nothing says how long the body is: ${HEADER.length} is missing`
      : `the body has ${body.length} bytes of ${length}`;
    throw peerError(origin, what, { status: response.status });
  }

  /** The peer is in order, but its answer is of no use here. */
  #tooLarge(): Pick<Answer, "meaning" | "body"> {
    const { maxBodyBytes } = this;
    const body = encodeKey(`the body is larger than ${maxBodyBytes} bytes`);
    return { meaning: "200 too-large", body };
  }
}

/** Hands on a batch as it arrives. */
async function pass(
  response: Response,
  head: BodyHead,
  onChunk: (chunk: Uint8Array) => void,
  wait: Watchdog,
  onPart: () => void,
): Promise<void> {
  if (isSmall(head)) {
    onChunk(new Uint8Array(await response.arrayBuffer()));
  } else if (response.body !== null) {
    for await (const chunk of chunksOf(response.body, wait.signal)) {
      onPart();
      onChunk(chunk);
    }
  }
}

/**
 * How long a value is. Its end proves nothing: in HTTP/1.0 it may be where the connection
 * broke.
 */
function lengthOf(headers: Headers, head: BodyHead): number | undefined {
  const told = headers.get(HEADER.length);
  return told === null ? lengthOnWire(head) : Number(told);
}

/** How many bytes are said to be on the wire; `undefined`: they say nothing of the body. */
function lengthOnWire({ length, encoded }: BodyHead): number | undefined {
  return encoded ? undefined : length;
}

/** An error that names the peer at `origin`. */
export function peerError(
  origin: string,
  what: string,
  options?: ErrorOptions & { status?: number },
): PeerError {
  return new PeerError(origin, `Cannot ask peer ${origin}: ${what}`, options);
}

/** Whether the connection failed before an answer began: the peer may be well. */
export function wasReset(error: unknown): boolean {
  return hadNoAnswer(error) && error.cause !== undefined;
}

/** Whether the peer gave no sign of life for as long as it may. */
export function wasSilent(error: unknown): boolean {
  return hadNoAnswer(error) && error.cause === undefined;
}

function hadNoAnswer(error: unknown): error is PeerError {
  return error instanceof PeerError && error.status === undefined;
}

/**
 * Ends a body that nobody reads. Nothing waits for that: it may have broken off before,
 * or be a copy whose cancelling takes as long as somebody reads the other one.
 */
function drop({ body }: Response): void {
  body?.cancel().catch(() => {});
}

function sayCluster(cluster: string | null | undefined): string {
  return cluster == null ? "no cluster" : `cluster ${quote(cluster)}`;
}

/** The text of an answer, without the end of line that Go's error bodies have. */
export function textOf({ body }: Answer): string {
  return new TextDecoder().decode(body).replace(/\n$/, "");
}
