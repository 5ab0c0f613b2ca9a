/**
 * Whether a peer can be asked now, and asking it until it has time.
 *
 * @module
 */

import { Breaker, type BreakerState } from "./breaker.ts";
import { PeerError } from "../base/errors.ts";
import {
  type Answer,
  PeerClient,
  type PeerClientOptions,
  type Question,
} from "./client.ts";
import { HEADER } from "../protocol/wire.ts";

/** The shortest wait before a peer that did not wait itself is asked again. */
const MIN_WAIT_MS = 50;

/** What a {@linkcode Link} is made of. */
export interface LinkOptions extends PeerClientOptions {
  basePath: string;
  random: () => number;
  /** Hears when the peer is given up, and when it is back. */
  onChange: (id: string, state: "open" | "closed") => void;
}

/** The way to one peer. */
export class Link {
  readonly id: string;
  readonly #options: LinkOptions;
  readonly #client: PeerClient;
  readonly #breaker: Breaker;
  #draining = false;

  /**
   * @param settle Tells the peer what it missed; it is to be told before it is
   *   asked again.
   */
  constructor(id: string, options: LinkOptions, settle: () => Promise<void>) {
    this.id = id;
    this.#options = options;
    this.#client = new PeerClient(id, options);
    this.#breaker = new Breaker({
      clock: options.clock,
      random: options.random,
      probe: async () => {
        try {
          await this.#ping();
          await settle();
        } catch {
          return "ill";
        }
        return this.#draining ? "draining" : "well";
      },
      onChange: (state) => options.onChange(id, state),
    });
  }

  get state(): BreakerState | "draining" {
    const { state } = this.#breaker;
    return state === "closed" && this.#draining ? "draining" : state;
  }

  get requests(): number {
    return this.#client.requests;
  }

  get errors(): number {
    return this.#client.errors;
  }

  /** Whether it has shown that it takes many keys in one request. */
  get understandsBatches(): boolean {
    return this.#client.understandsBatches;
  }

  /** The error of not asking a peer that is not closed; see {@linkcode Link.state}. */
  unavailable(): PeerError {
    return this.state === "draining"
      ? this.error("it is about to close", { status: 503 })
      : this.error(
        "it was out of reach, and is not asked until it answers a probe",
      );
  }

  /**
   * Asks, and asks again while the peer is busy, as long as it may be silent. The
   * waits are as long as it says, with some jitter.
   *
   * @throws {PeerError} If it is silent, refuses, or gives no answer.
   */
  async ask(question: Question, signal?: AbortSignal): Promise<Answer> {
    const { clock, random, timeoutMs } = this.#options;
    let until: number | undefined;
    for (;;) {
      const answer = await this.#askOnce(question, signal);
      if (answer.meaning !== "429 busy") return answer;
      until ??= clock.now() + timeoutMs;
      const left = until - clock.now();
      if (left <= 0) throw this.refusal(answer);
      const told = Number(answer.headers.get("Retry-After")) * 1000 || 0;
      const wait = Math.max(told, MIN_WAIT_MS) * (1 + random() / 4);
      await this.delay(Math.min(wait, left), signal);
    }
  }

  /** Asks though it may be out of reach: for those who tell it what it missed. */
  async tell(question: Question): Promise<Answer> {
    const answer = await this.#client.ask(question);
    this.#look(answer.headers);
    return answer;
  }

  /** It missed something, or was slow: a probe is to look how it is. */
  lookLater(): void {
    this.#breaker.lookLater();
  }

  /** A pause that `signal`, or the end of the link, cuts short. */
  delay(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#client.delay(ms, signal);
  }

  /** The pause before a peer that did not hold a request is asked again. */
  pause(signal?: AbortSignal): Promise<void> {
    return this.delay(MIN_WAIT_MS, signal);
  }

  /** An answer that means that the peer cannot do what it was asked. */
  refusal(answer: Answer, why?: string): PeerError {
    return this.#client.refusal(answer, why);
  }

  /** An error that names the peer. */
  error(
    what: string,
    options?: ErrorOptions & { status?: number },
  ): PeerError {
    return this.#client.error(what, options);
  }

  /** Ends the requests under way, and all later ones, with an error. */
  close(): void {
    this.#breaker.end();
    this.#client.close();
  }

  async #askOnce(question: Question, signal?: AbortSignal): Promise<Answer> {
    let answer: Answer;
    try {
      answer = await this.#client.ask(question, signal);
    } catch (error) {
      if (!signal?.aborted && !this.#isWell(error)) this.#breaker.fail();
      throw error;
    }
    // Who does not let us in is as good as out of reach.
    if (answer.meaning === "401 refused") this.#breaker.fail();
    else this.#breaker.succeed();
    this.#look(answer.headers);
    return answer;
  }

  /**
   * What a Go program that is well says to some: its `ServeMux` redirects keys
   * such as `a//b`, and "no such group" has no header of ours there.
   */
  #isWell(error: unknown): boolean {
    const { native } = this.#options.protocol;
    const status = (error instanceof PeerError && error.status) || 0;
    return !native && (status === 404 || (status >= 300 && status < 400));
  }

  /** Whether it is about to close, says each of its answers. */
  #look(headers: Headers): void {
    this.#draining = headers.has(HEADER.draining);
    // It may be another process, soon, that does not drain.
    if (this.#draining) this.#breaker.lookLater();
  }

  /** The cheapest question: a path without a group, which is a bad request in all protocols. */
  async #ping(): Promise<void> {
    const path = this.#options.basePath;
    try {
      const { meaning } = await this.tell({ method: "GET", path });
      if (meaning === "400 bad-request") return;
      throw this.error(`${meaning} is no answer to a probe`);
    } catch (error) {
      // A Go program says it without a header of ours.
      const { native } = this.#options.protocol;
      const isGo = error instanceof PeerError && error.status === 400;
      if (native || !isGo) throw error;
    }
  }
}
