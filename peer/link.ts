/**
 * The way to one peer: whether it can be asked now, and asking it until it has time.
 *
 * @module
 */

import { BusyError, PeerError } from "../base/errors.ts";
import type { Observer } from "../base/observer.ts";
import { Watchdog } from "../base/watchdog.ts";
import { encodeKeys } from "../protocol/frames.ts";
import { HEADER } from "../protocol/wire.ts";
import { Breaker, type BreakerState } from "./breaker.ts";
import {
  type Answer,
  peerError,
  type Question,
  textOf,
  type Transport,
} from "./transport.ts";

/** The shortest wait before a peer that did not wait itself is asked again. */
const MIN_WAIT_MS = 50;

/** The parts of a {@linkcode Link} beside the peer's origin. */
export interface LinkOptions {
  transport: Transport;
  /** From 0 to less than 1: for the jitter of waits and probes. */
  random: () => number;
  /** Hears of requests, and when the peer is given up or is back. */
  observer: Observer;
}

/** The way to one peer. */
export class Link {
  readonly id: string;
  readonly transport: Transport;
  readonly #random: () => number;
  readonly #observer: Observer;
  readonly #breaker: Breaker;
  readonly #underWay = new Set<Watchdog>();
  #requests = 0;
  #errors = 0;
  #understandsBatches = false;
  #draining = false;
  #closed = false;

  /**
   * @param deliver Tells the peer what it missed. A probe does so before the peer is
   *   asked again.
   */
  constructor(id: string, options: LinkOptions, deliver: () => Promise<void>) {
    const { transport, random, observer } = options;
    this.id = id;
    this.transport = transport;
    this.#random = random;
    this.#observer = observer;
    this.#breaker = new Breaker({
      clock: transport.clock,
      random,
      probe: async () => {
        try {
          await this.#ping();
          await deliver();
        } catch {
          return "ill";
        }
        return this.#draining ? "draining" : "well";
      },
      onChange: (state) => observer.emit("state", { peer: id, state }),
    });
  }

  get state(): BreakerState | "draining" {
    const { state } = this.#breaker;
    return state === "closed" && this.#draining ? "draining" : state;
  }

  /** Requests sent. */
  get requests(): number {
    return this.#requests;
  }

  /** Requests that the peer could not answer. */
  get errors(): number {
    return this.#errors;
  }

  /** Whether it has shown that it takes many keys in one request. */
  get understandsBatches(): boolean {
    return this.#understandsBatches;
  }

  /**
   * Asks, and asks again while the peer is busy, for as long as it may be silent.
   * Each wait is as long as the peer says, with some jitter.
   *
   * @throws {PeerError} If the peer is silent, refuses, or gives no answer.
   * @throws The reason of `signal`, if that fires.
   */
  async ask(question: Question, signal?: AbortSignal): Promise<Answer> {
    const { clock, timeoutMs } = this.transport;
    let until: number | undefined;
    for (;;) {
      const answer = await this.#askOnce(question, signal);
      if (answer.meaning !== "429 busy") return answer;
      until ??= clock.now() + timeoutMs;
      const left = until - clock.now();
      if (left <= 0) throw this.refusal(answer);
      const told = Number(answer.headers.get("Retry-After")) * 1000 || 0;
      const wait = Math.max(told, MIN_WAIT_MS) * (1 + this.#random() / 4);
      await this.delay(Math.min(wait, left), signal);
    }
  }

  /** Asks the peer even if it may be out of reach. For probes. */
  async tell(question: Question): Promise<Answer> {
    const answer = await this.#send(question);
    this.#noteDraining(answer.headers);
    return answer;
  }

  /** Schedules a probe: the peer missed something, or was slow. */
  lookLater(): void {
    this.#breaker.lookLater();
  }

  /** A pause that `signal`, or the end of the link, cuts short. */
  delay(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#wait(
      signal,
      (wait) => new Promise((resolve) => wait.after(ms, resolve)),
    );
  }

  /** The pause before a peer that did not hold a request is asked again. */
  pause(signal?: AbortSignal): Promise<void> {
    return this.delay(MIN_WAIT_MS, signal);
  }

  /** An answer that means that the peer cannot do what it was asked. */
  refusal(answer: Answer, why: string = textOf(answer)): PeerError {
    // A peer that has no such group, or drains, is in order: it is about to go.
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

  /** The error of not asking a peer whose state is not `"closed"`. */
  unavailable(): PeerError {
    return this.state === "draining"
      ? this.error("it is about to close", { status: 503 })
      : this.error(
        "it was out of reach, and is not asked until it answers a probe",
      );
  }

  /** An error that names the peer. */
  error(
    what: string,
    options?: ErrorOptions & { status?: number },
  ): PeerError {
    return peerError(this.id, what, options);
  }

  /** Ends the requests under way, and all later ones, with an error. */
  close(): void {
    this.#closed = true;
    this.#breaker.end();
    for (const wait of this.#underWay) wait.cutShort(this.#closedError());
  }

  async #askOnce(question: Question, signal?: AbortSignal): Promise<Answer> {
    let answer: Answer;
    try {
      answer = await this.#send(question, signal);
    } catch (error) {
      if (!signal?.aborted && !this.#isWell(error)) this.#breaker.fail();
      throw error;
    }
    // A peer that does not let us in is as good as out of reach.
    if (answer.meaning === "401 refused") this.#breaker.fail();
    else this.#breaker.succeed();
    this.#noteDraining(answer.headers);
    return answer;
  }

  /** One request, counted and observed. */
  async #send(question: Question, signal?: AbortSignal): Promise<Answer> {
    const { clock, protocol } = this.transport;
    const isHeard = this.#observer.hears("request");
    const startedAt = isHeard ? clock.now() : 0;
    let error: unknown;
    try {
      const answer = await this.#wait(signal, (wait) => {
        this.#requests++;
        return this.transport.exchange(this.id, question, wait);
      });
      this.#understandsBatches = protocol.native &&
        answer.headers.has(HEADER.batch);
      return answer;
    } catch (thrown) {
      error = thrown;
      if (!signal?.aborted) this.#errors++;
      throw thrown;
    } finally {
      if (isHeard) {
        const { method } = question;
        const ms = clock.now() - startedAt;
        this.#observer.emit("request", { peer: this.id, method, ms, error });
      }
    }
  }

  async #wait<T>(
    signal: AbortSignal | undefined,
    run: (wait: Watchdog) => Promise<T>,
  ): Promise<T> {
    if (this.#closed) throw this.#closedError();
    signal?.throwIfAborted();
    const wait = new Watchdog(this.transport.clock);
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

  #closedError(): PeerError {
    return this.error("it was closed");
  }

  /**
   * Whether an error is what a Go program that is well says: its `ServeMux` redirects
   * keys such as `a//b`, and "no such group" has no header of ours there.
   */
  #isWell(error: unknown): boolean {
    const status = (error instanceof PeerError && error.status) || 0;
    return !this.transport.protocol.native &&
      (status === 404 || (status >= 300 && status < 400));
  }

  /** Each answer says whether the peer is about to close. */
  #noteDraining(headers: Headers): void {
    this.#draining = headers.has(HEADER.draining);
    // Soon there may be another process that does not drain.
    if (this.#draining) this.#breaker.lookLater();
  }

  /**
   * A question that costs the peer nothing, and that reaches it only if gets do. Ours
   * is a POST with a body, as gets of several keys are: a server may let no POST
   * through to a handler that answers each GET.
   */
  async #ping(): Promise<void> {
    const { basePath, protocol } = this.transport;
    if (protocol.native) {
      const { meaning } = await this.tell({
        method: "POST",
        path: basePath,
        headers: { [HEADER.method]: "GET" },
        body: encodeKeys(["probe"]),
      });
      // No group has an empty name. A peer that takes no such request is there, too.
      if (meaning === "404 no-group" || meaning.endsWith(" bad-request")) {
        return;
      }
      throw this.error(`${meaning} is no answer to a probe`);
    }
    try {
      const { meaning } = await this.tell({ method: "GET", path: basePath });
      if (meaning === "400 bad-request") return;
      throw this.error(`${meaning} is no answer to a probe`);
    } catch (error) {
      // A Go program says it without a header of ours.
      if (!(error instanceof PeerError && error.status === 400)) throw error;
    }
  }
}
