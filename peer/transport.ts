/**
 * One request to a peer and its answer, over `fetch`.
 *
 * It carries bytes and says whether what comes back is an answer at all. Other rooms
 * know whether a peer should be asked, and what its answer means for a key.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Duplex, DuplexListener } from "../base/duplex.ts";
import { describe, messageOf, PeerError, quote } from "../base/errors.ts";
import { MAX_TIMEOUTS, type Watchdog } from "../base/watchdog.ts";
import { LINK_VERSION } from "../protocol/link.ts";
import type { Protocol } from "../protocol/protocols.ts";
import {
  type BodyHead,
  bodyHeadOf,
  encodeKey,
  HEADER,
  markOf,
  MAX_MESSAGE_BYTES,
  readBody,
} from "../protocol/wire.ts";
import { adviceOnStatus, sayFailure } from "./advice.ts";

/** What a head of an answer says; a `Response` has it. */
export type Head = Pick<Response, "status" | "headers" | "redirected" | "url">;

/** A stream that is answered. */
export interface OpenedStream {
  readonly duplex: Duplex;
  readonly answer: Head;
  /** Reads what the answer brings. */
  begin(): void;
  /** Ends what nobody reads. */
  drop(): void;
}

/**
 * Begins a POST whose body goes on, and resolves once its answer begins. `first` is sent
 * at once: some runtimes send nothing, not even the head, before there is a body.
 */
export type OpenStream = (
  url: string,
  headers: Record<string, string>,
  first: Uint8Array<ArrayBuffer>,
  listener: DuplexListener,
  signal: AbortSignal,
) => Promise<OpenedStream>;

/** What is the same for the requests to all peers. */
export interface TransportOptions {
  /** This process's own origin. */
  self: string;
  protocol: Protocol;
  /** The path below which peers answer. */
  basePath: string;
  /** Takes what the runtime's `fetch` takes. */
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Begins the stream of a link. */
  openStream: OpenStream;
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
}

/** An answer that means something, its body read. */
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
  "200 link",
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
  "200 link",
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
  #fingerprint = "";

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

  /** The list of nodes that peers are told of. */
  get fingerprint(): string {
    return this.#fingerprint;
  }

  /** Tells peers from now on which list of nodes this process has. */
  announce(fingerprint: string): void {
    this.#fingerprint = fingerprint;
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
    const { timeoutMs } = this;
    wait.watch(
      timeoutMs,
      () =>
        wait.cutShort(
          peerError(origin, `it was silent for ${timeoutMs} ms`),
        ),
    );
    const mark = this.#markOf(question.path);
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
    let meaning: string;
    try {
      meaning = this.#meaningOf(origin, mark, response);
      if (meaning === "200 link") throw this.#noAnswer(origin, response);
    } catch (error) {
      drop(response);
      throw error;
    }
    onAnswer(headers);
    try {
      const body = await this.#read(
        origin,
        response,
        bodyHeadOf(headers),
        meaning,
        wait.signal,
        onPart,
      );
      return body === undefined
        ? { ...this.#tooLarge(), status, headers, tookMs: tookMs() }
        : { meaning, status, headers, body, tookMs: tookMs() };
    } catch (cause) {
      if (cause instanceof PeerError) throw cause;
      const message = `the body broke off: ${messageOf(cause)}`;
      throw peerError(origin, message, { status, cause });
    }
  }

  /**
   * Opens a link to the peer at `origin`: one request and its answer, both without end.
   *
   * @param first The first bytes that the peer is to read.
   * @param signal Ends the opening; the link, once it is open, ends by itself.
   * @throws {PeerError} If what answers is no link.
   */
  async open(
    origin: string,
    first: Uint8Array<ArrayBuffer>,
    listener: DuplexListener,
    signal: AbortSignal,
  ): Promise<{ duplex: Duplex; headers: Headers }> {
    const mark = this.#markOf(this.basePath);
    let opened: OpenedStream;
    try {
      opened = await this.#options.openStream(
        origin + this.basePath,
        {
          ...this.#headers,
          ...(mark === undefined ? {} : { [HEADER.target]: mark }),
          [HEADER.link]: LINK_VERSION,
          "Content-Type": "application/octet-stream",
        },
        first,
        listener,
        signal,
      );
    } catch (cause) {
      throw peerError(origin, sayFailure(origin, cause), { cause });
    }
    const { duplex, answer } = opened;
    try {
      const meaning = this.#meaningOf(origin, mark, answer);
      if (meaning !== "200 link") {
        throw peerError(origin, `${meaning}: it takes no link`, answer);
      }
      opened.begin();
      return { duplex, headers: answer.headers };
    } catch (error) {
      opened.drop();
      throw error;
    }
  }

  /** The mark of a path, which the peer's answer has to bear. */
  #markOf(path: string): string | undefined {
    return this.protocol.native
      ? markOf(path.slice(this.basePath.length))
      : undefined;
  }

  /**
   * What an answer means, by its head.
   *
   * @throws {PeerError} If it is no answer to what was asked.
   */
  #meaningOf(origin: string, mark: string | undefined, answer: Head): string {
    const { protocol } = this;
    const { status, headers } = answer;
    const meaning = protocol.meaningOf(status, headers);
    if (!MEANINGS.has(meaning) || answer.redirected) {
      throw this.#noAnswer(origin, answer);
    }
    const cluster = protocol.native ? headers.get(HEADER.cluster) : null;
    if (cluster !== (this.cluster ?? null)) {
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
      const what = mark === undefined
        ? `it is a pool in protocol native, and this one in ${protocol.name}`
        : `its answer is not about what it was asked: ${HEADER.target} must be ` +
          `${quote(mark)}: received ${describe(about)}`;
      throw peerError(origin, what, { status });
    }
    return meaning;
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
  #noAnswer(
    origin: string,
    { status, headers, redirected, url }: Head,
  ): PeerError {
    if (redirected) {
      const what = `a redirect to ${quote(url)} was followed`;
      return peerError(origin, what, { status });
    }
    const result = headers.get(HEADER.result);
    const { name } = this.protocol;
    if (result !== null) {
      const what = `${status} with ${HEADER.result}: ${result}`;
      return peerError(
        origin,
        `${what} is no answer in protocol ${name}`,
        { status },
      );
    }
    const advice = adviceOnStatus(status, this.basePath);
    const what =
      `${status} without ${HEADER.result} is no answer in protocol ${name}`;
    return peerError(
      origin,
      advice === undefined ? what : `${what}: ${advice}`,
      { status },
    );
  }

  /** Reads the body of an answer; `undefined`: it is larger than a value may be. */
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
