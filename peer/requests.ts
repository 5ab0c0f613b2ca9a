/**
 * Requests to one peer: whether it can be asked now, and asking it until it has time.
 *
 * @module
 */

import type { Duplex, DuplexListener } from "../base/duplex.ts";
import { BusyError, lineOf, PeerError } from "../base/errors.ts";
import type { Observer } from "../base/observer.ts";
import type { Watchers } from "../base/watchers.ts";
import { Watchdog } from "../base/watchdog.ts";
import { LINK_VERSION } from "../protocol/link.ts";
import { encodeKey, HEADER } from "../protocol/wire.ts";
import { Breaker, type BreakerState } from "./breaker.ts";
import {
  type Answer,
  peerError,
  type Question,
  textOf,
  type Transport,
  wasReset,
  wasSilent,
} from "./transport.ts";

/** The shortest wait before a peer that did not wait itself is asked again. */
export const MIN_WAIT_MS = 50;

/**
 * How many requests to a peer are under way at a time, apart from probes; the others
 * wait for their turn, and that wait is not the peer's silence. Runtimes and systems
 * have limits of their own: Bun has 256 connections in all.
 */
const MAX_REQUESTS = 64;

/** What the rooms of a peer need. */
export interface PeerOptions {
  transport: Transport;
  /** From 0 to less than 1: for the jitter of waits and probes. */
  random: () => number;
  /** Hears when the peer is given up or is back. */
  observer: Observer;
  /** Hear of each question and write. */
  watchers: Watchers;
}

/** A request that waits for its turn. */
interface Turn {
  begin(): void;
  fail(error: unknown): void;
}

/** The requests to one peer. */
export class Requests {
  readonly id: string;
  readonly transport: Transport;
  readonly #random: () => number;
  readonly #observer: Observer;
  readonly #breaker: Breaker;
  readonly #underWay = new Set<Watchdog>();
  #requests = 0;
  #errors = 0;
  /** When it last answered. */
  #answeredAt = -Infinity;
  #quickestMs = Infinity;
  /** Whether its last answer said that it takes links; `undefined`: it gave none. */
  #takesLinks: boolean | undefined;
  /** How many requests are under way, apart from probes. */
  #sending = 0;
  /** Those that wait for their turn. */
  readonly #turns = new Set<Turn>();
  #lastError: string | undefined;
  #draining = false;
  #closed = false;

  /**
   * @param deliver Tells the peer what it missed. A probe does so before the peer is
   *   asked again.
   */
  constructor(id: string, options: PeerOptions, deliver: () => Promise<void>) {
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
        } catch (error) {
          this.#note(error);
          return "ill";
        }
        return this.#draining ? "draining" : "well";
      },
      onChange: (state) => {
        const reason = state === "open" ? this.#lastError : undefined;
        observer.emit("state", { peer: id, state, reason });
      },
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

  /** Why it could not answer the last of these. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** How long the quickest of its answers took. */
  get quickestMs(): number {
    return this.#quickestMs;
  }

  /** Whether its last answer said that it takes links. */
  get takesLinks(): boolean {
    return this.#takesLinks === true;
  }

  /** Whether nothing has shown yet whether it takes links. */
  get isNew(): boolean {
    return this.#takesLinks === undefined;
  }

  /** Whether it is asked for nothing until it answers a probe. */
  get isGivenUp(): boolean {
    const { state } = this.#breaker;
    return state === "open" || state === "half-open";
  }

  /**
   * Whether the peer is out of reach now that a request that left at `sentAt` failed. One
   * request that was reset does not mean that, and neither does one silent connection
   * if others were answered meanwhile.
   */
  isOutOfReach(error: unknown, sentAt: number): boolean {
    return this.#closed || this.isGivenUp ||
      (wasSilent(error) && this.#answeredAt <= sentAt);
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
      const answer = await this.#askNow(question, signal);
      if (answer.meaning !== "429 busy") return answer;
      until ??= clock.now() + timeoutMs;
      const left = until - clock.now();
      if (left <= 0) throw this.refusal(answer);
      await this.#delay(Math.min(this.#pauseAfter(answer), left), signal);
    }
  }

  /** Asks as `ask()` does, and returns at once if the peer is busy. */
  async #askNow(question: Question, signal?: AbortSignal): Promise<Answer> {
    let answer: Answer;
    if (this.#sending < MAX_REQUESTS) this.#sending++;
    else await this.#turn(signal);
    const sentAt = this.transport.clock.now();
    try {
      answer = await this.#sendTwice(question, signal);
      const ms = this.#answeredAt - sentAt;
      this.#quickestMs = Math.min(this.#quickestMs, ms);
    } catch (error) {
      if (!signal?.aborted) {
        if (!this.#mayBeGo(error)) this.#breaker.fail();
        if (this.isOutOfReach(error, sentAt)) {
          for (const turn of this.#turns) turn.fail(error);
          this.#turns.clear();
        }
      }
      throw error;
    } finally {
      this.#endTurn();
    }
    // A peer that does not let us in is as good as out of reach.
    if (answer.meaning === "401 refused") {
      this.#note(this.#refusalOf(answer.meaning, lineOf(textOf(answer))));
      this.#breaker.fail();
    } else this.#breaker.succeed();
    this.#noteDraining(answer.headers);
    return answer;
  }

  /**
   * Begins the request of a link. That it fails says nothing of the peer: something on
   * the way may know no links.
   */
  async openLink(
    first: Uint8Array<ArrayBuffer>,
    listener: DuplexListener,
    signal: AbortSignal,
  ): Promise<Duplex> {
    this.#requests++;
    const { duplex, headers } = await this.transport.open(
      this.id,
      first,
      listener,
      signal,
    );
    this.#noteDraining(headers);
    return duplex;
  }

  /** The peer answered something on a link. */
  hear(): void {
    this.#answeredAt = this.transport.clock.now();
    this.#breaker.succeed();
  }

  /** The peer failed on a link. */
  fail(error: unknown): void {
    this.#errors++;
    this.#note(error);
    this.#breaker.fail();
  }

  /** The peer said on a link that it is about to close. */
  noteClosing(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#breaker.lookLater();
  }

  /** For how long a busy peer is left alone: as long as it says, with some jitter. */
  #pauseAfter(answer: Answer): number {
    const told = Number(answer.headers.get("Retry-After")) * 1000 || 0;
    return Math.max(told, MIN_WAIT_MS) * (1 + this.#random() / 4);
  }

  /** Asks the peer even if it may be out of reach: for probes, and what they deliver. */
  async tell(question: Question): Promise<Answer> {
    const answer = await this.#send(question);
    this.#noteDraining(answer.headers);
    return answer;
  }

  /** Schedules a probe: the peer missed something, or was slow. */
  lookLater(): void {
    this.#breaker.lookLater();
  }

  /** A pause that `signal`, or the end of the peer, cuts short. */
  #delay(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#wait(
      signal,
      (wait) => new Promise((resolve) => wait.after(ms, resolve)),
    );
  }

  /** The pause before a peer that did not hold a request is asked again. */
  pause(signal?: AbortSignal): Promise<void> {
    return this.#delay(MIN_WAIT_MS, signal);
  }

  /** The peer had no time for as long as it could be waited for. */
  tooBusy(): PeerError {
    const why = `it was busy for ${this.transport.timeoutMs} ms`;
    return this.error(why, { status: 429, cause: new BusyError(why) });
  }

  /** An answer that means that the peer cannot do what it was asked. */
  refusal(answer: Answer, why: string = lineOf(textOf(answer))): PeerError {
    return this.refused(answer.meaning, why);
  }

  /** The same for an answer that came over a link. */
  refused(meaning: string, why: string): PeerError {
    // A peer that has no such group, or drains, is in order: it is about to go.
    const isLeaving = meaning === "404 no-group" || meaning === "503 draining";
    const error = this.#refusalOf(meaning, why);
    if (!isLeaving) {
      this.#errors++;
      this.#note(error);
    }
    if (meaning === "404 no-group") {
      this.#observer.emit("noGroup", { peer: this.id, what: why });
    }
    return error;
  }

  #refusalOf(meaning: string, why: string): PeerError {
    const status = Number.parseInt(meaning);
    const what = `${meaning}: ${why}`;
    return meaning === "429 busy"
      ? this.error(what, { status, cause: new BusyError(why) })
      : this.error(what, { status });
  }

  /** The error of not asking a peer whose state is not `"closed"`. */
  unavailable(): PeerError {
    return this.state === "draining"
      ? this.error("it is about to close", { status: 503 })
      : this.error(
        `it was out of reach, and is not asked until it answers a probe: ${this.#lastError}`,
      );
  }

  /** An error that names the peer. */
  error(
    what: string,
    options?: ErrorOptions & { status?: number },
  ): PeerError {
    return peerError(this.id, what, options);
  }

  /** Ends the requests under way, and all later ones, with the error that it returns. */
  close(): PeerError {
    const error = this.#closedError();
    this.#closed = true;
    this.#breaker.end();
    for (const wait of this.#underWay) wait.cutShort(error);
    return error;
  }

  /** Whether its last request was answered. */
  get #isWell(): boolean {
    return this.#answeredAt !== -Infinity && this.#breaker.isWell;
  }

  /** Sends a request, and once more if a connection to a peer that was well is lost. */
  async #sendTwice(question: Question, signal?: AbortSignal): Promise<Answer> {
    try {
      return await this.#send(question, signal);
    } catch (error) {
      const again = question.repeatable && wasReset(error) &&
        this.#isWell && !this.#closed && !signal?.aborted;
      if (!again) throw error;
    }
    return await this.#send(question, signal);
  }

  /** Waits until one of the requests under way has ended. */
  async #turn(signal: AbortSignal | undefined): Promise<void> {
    let turn!: Turn;
    let hasBegun = false;
    const begun = new Promise<void>((resolve, fail) => {
      const begin = (): void => {
        hasBegun = true;
        resolve();
      };
      turn = { begin, fail };
      this.#turns.add(turn);
    });
    try {
      await this.#wait(signal, () => begun);
    } catch (error) {
      this.#turns.delete(turn);
      // A turn that nobody takes goes to the next one.
      if (hasBegun) this.#endTurn();
      throw error;
    }
  }

  #endTurn(): void {
    for (const turn of this.#turns) {
      this.#turns.delete(turn);
      return turn.begin();
    }
    this.#sending--;
  }

  /** One request, counted. */
  async #send(question: Question, signal?: AbortSignal): Promise<Answer> {
    const { clock, protocol } = this.transport;
    try {
      const answer = await this.#wait(signal, (wait) => {
        this.#requests++;
        return this.transport.exchange(this.id, question, wait, (headers) => {
          // A peer that speaks a later version still speaks this one.
          this.#takesLinks = protocol.native &&
            Number(headers.get(HEADER.link)) >= Number(LINK_VERSION);
        });
      });
      this.#answeredAt = clock.now();
      return answer;
    } catch (error) {
      if (!signal?.aborted) {
        this.#errors++;
        this.#note(error);
      }
      throw error;
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

  /** Remembers why the peer could not answer. */
  #note(error: unknown): void {
    this.#lastError = this.say(error);
  }

  /** What an error says, for where the peer is named already. */
  say(error: unknown): string {
    const text = error instanceof Error ? error.message : String(error);
    const before = this.error("").message;
    return text.startsWith(before) ? text.slice(before.length) : text;
  }

  #closedError(): PeerError {
    return this.error("it was closed");
  }

  /**
   * Whether a Go program that is well may have answered so. Its `ServeMux` redirects
   * keys such as `a//b`, and its "no such group" has no header of ours.
   */
  #mayBeGo(error: unknown): boolean {
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
   * is a POST with a body, as a link is: a server may let no POST through to a handler
   * that answers each GET.
   */
  async #ping(): Promise<void> {
    const { basePath, protocol } = this.transport;
    if (protocol.native) {
      const answer = await this.tell({
        method: "POST",
        path: basePath,
        body: encodeKey("probe"),
      });
      const { meaning } = answer;
      // No group has an empty name. A peer that takes no such request is there, too.
      if (meaning === "404 no-group" || meaning.endsWith(" bad-request")) {
        return;
      }
      // Its own words: they say what to look at, such as the secret.
      throw this.#refusalOf(answer.meaning, lineOf(textOf(answer)));
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
