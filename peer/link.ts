/**
 * A link to a peer: one request and its answer, both without end, that carry questions
 * and answers in whatever order they are ready.
 *
 * Questions that are asked in one turn leave together. A load that takes long is silence,
 * as long as the peer answers pings. A link ends when nothing was asked for a while, and
 * is replaced before the servers that limit the time of a request would end it.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Duplex, DuplexListener } from "../base/duplex.ts";
import { LoadError, messageOf, NotFoundError } from "../base/errors.ts";
import type { PeerValue } from "../base/peers.ts";
import { afterListening } from "../base/watchdog.ts";
import { viewOf } from "../base/byte_view.ts";
import {
  ANSWER,
  ASK,
  EXPIRY_BYTES,
  float64,
  FrameError,
  FrameReader,
  FrameWriter,
  HOT,
  MAX_ANSWER_BYTES,
  MAX_KEY_BYTES,
  uint32,
  windowAt,
  WINDOWED_BYTES,
} from "../protocol/link.ts";
import { aged } from "../protocol/wire.ts";
import { GroupNumbers } from "./group_numbers.ts";
import type { Question } from "./question.ts";
import type { Requests } from "./requests.ts";
import { peerError } from "./transport.ts";
import { Silence } from "./silence.ts";
import { Unanswered } from "./unanswered.ts";

/** How long the peer may take to say hello; where it does not, there is no link. */
const HELLO_MS = 1_000;

/**
 * How much longer than a GET an answer on a link may take. Where it takes longer,
 * something on the way gathers what is sent, such as a haproxy without its option
 * `http-no-delay`: then keys are sooner there by GETs.
 */
const MAX_DELAY_MS = 100;

/** A link of which nothing was asked for so long ends. */
export const IDLE_MS = 1_000;

/**
 * A link that is older is replaced: Node's servers end a request after 300 s. The jitter
 * keeps those that began together apart.
 */
const MAX_AGE_MS = 240_000;
const AGE_JITTER = 0.1;

/** How many questions may be unanswered on one link. */
const MAX_QUESTIONS = 10_000;

/** So many bytes of questions leave before the turn ends: the peer can begin. */
const FLUSH_BYTES = 8 * 1024;

/** How many bytes of questions may wait to be sent. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** How a link ended. */
export type LinkEnd =
  /** All its questions are answered. */
  | "done"
  /** It broke, or the peer ended it: what is unanswered is to be asked again. */
  | "lost"
  /** The peer was silent, or sent what is no answer. */
  | "failed";

/** Whom a link serves. */
export interface LinkOwner {
  /** The peer answered something. */
  onAnswers(): void;
  /** The peer is about to close. */
  onClosing(): void;
  /** There is room for more questions. */
  onRoom(): void;
  /** The link grows old: another one is to take its place. */
  onOld(link: Link): void;
  /** No more comes of `link`. `questions` are those without an answer. */
  onEnd(link: Link, end: LinkEnd, error: unknown, questions: Question[]): void;
  /** The peer has no time for a question now. */
  onBusy(question: Question): void;
  /** The answer to a question needs a request of its own. */
  onAlone(question: Question): void;
}

/** One link, as its asker sees it. */
export class Link implements DuplexListener {
  readonly #owner: LinkOwner;
  readonly #requests: Requests;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #maxBodyBytes: number;
  readonly #maxAgeMs: number;
  readonly #writer = new FrameWriter();
  readonly #reader = new FrameReader(MAX_ANSWER_BYTES);
  #duplex: Duplex | undefined;
  /** How many pings were sent before it is open, and how many of them are answered. */
  #pings = 1;
  #pongs = 0;
  /** What is wrong if they take too long. */
  #tooLate = "";
  #opened: ((error?: unknown) => void) | undefined;
  #over = false;
  #retired = false;
  #openedAt = 0;
  readonly #unanswered = new Unanswered();
  /** How many questions were taken back, whose answers may still come. */
  #cancelled = 0;
  readonly #groups = new GroupNumbers();
  /** Which list the peer was told that this process has. */
  #told: string;
  #isScheduled = false;
  #mayWrite = true;
  /** The time when the questions that leave next were asked. */
  #askedAt = 0;
  readonly #silence: Silence;
  #lookAt = Infinity;
  #cancelLook: () => void = () => {};

  constructor(requests: Requests, owner: LinkOwner, random: () => number) {
    const { clock, timeoutMs, maxBodyBytes, fingerprint } = requests.transport;
    this.#requests = requests;
    this.#owner = owner;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#silence = new Silence(timeoutMs);
    this.#maxBodyBytes = maxBodyBytes;
    this.#maxAgeMs = MAX_AGE_MS * (1 - AGE_JITTER * random());
    this.#told = fingerprint;
  }

  /**
   * Opens it.
   *
   * @throws {PeerError} If the peer does not say hello in time, or is in another state
   *   than to take links.
   */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const controller = new AbortController();
      const ms = Math.min(HELLO_MS, this.#timeoutMs);
      this.#tooLate = `it said no hello within ${ms} ms`;
      const late = (): void => this.#opened?.(this.#error(this.#tooLate));
      const cancel = afterListening(this.#clock, ms, late);
      this.#opened = (error) => {
        this.#opened = undefined;
        cancel();
        if (error === undefined) return resolve();
        this.#over = true;
        controller.abort(error);
        this.#duplex?.destroy(error);
        reject(error);
      };
      this.#writer.head(ASK.ping, 0);
      this.#requests.openLink(this.#writer.take(), this, controller.signal)
        .then((duplex) => {
          if (this.#over) {
            return duplex.destroy(new Error("the link is over"));
          }
          this.#duplex = duplex;
          this.#greet();
        }, (error) => this.#opened?.(error));
    });
  }

  /** Whether it takes another question. */
  get hasRoom(): boolean {
    return this.#unanswered.size < MAX_QUESTIONS &&
      this.#writer.size < MAX_WAITING_BYTES;
  }

  /** Whether a key can travel on a link at all. */
  static takes({ key, group }: Question): boolean {
    return 3 * key.length <= MAX_KEY_BYTES &&
      3 * group.length <= MAX_KEY_BYTES;
  }

  /** Carries a question. */
  ask(question: Question): void {
    if (!this.#isScheduled) this.#schedule();
    if (this.#unanswered.size === 0) this.#beginWaiting();
    const id = this.#unanswered.add(question);
    question.link = this;
    question.askedAt = this.#askedAt;
    const { peeks, group, served, key, work } = question;
    const number = this.#groups.numberOf(group, this.#writer);
    if (work?.traceparent !== undefined) {
      this.#writer.text(ASK.trace, id, work.traceparent);
    }
    const kind = peeks ? ASK.peek : ASK.get;
    this.#writer.question(kind, id, number, served, key);
    if (this.#writer.size >= FLUSH_BYTES) this.#flush();
  }

  /** Takes a question back. */
  cancel(question: Question): void {
    this.#unanswered.take(question.id);
    question.link = undefined;
    this.#cancelled++;
    if (!this.#isScheduled) this.#schedule();
    this.#writer.head(ASK.cancel, question.id);
    if (this.#unanswered.size === 0 && this.#retired) this.#finish("done");
  }

  /** Takes no more questions, and ends when those under way are answered. */
  retire(): void {
    this.#retired = true;
    if (this.#unanswered.size === 0) this.#finish("done");
  }

  /**
   * Ends it now; who asks is told by whoever closes it.
   *
   * @param isLost Its questions are asked again, so the peer must not take it for an end
   *   in order.
   */
  close(isLost = false): Question[] {
    const questions = this.#unanswered.takeAll();
    for (const question of questions) question.link = undefined;
    this.#over = true;
    this.#cancelLook();
    const error = this.#error("the link was closed");
    this.#opened?.(error);
    if (!isLost) this.#duplex?.end();
    this.#duplex?.destroy(error);
    return questions;
  }

  onBytes(bytes: Uint8Array): void {
    this.#silence.hear(this.#clock.now());
    const wasFull = !this.hasRoom;
    try {
      this.#reader.push(bytes, this.#take);
    } catch (error) {
      const what = error instanceof FrameError
        ? messageOf(error)
        : `an answer could not be taken: ${messageOf(error)}`;
      return this.#fail(`its link is malformed: ${what}`);
    }
    if (this.#over) return;
    this.#owner.onAnswers();
    if (this.#retired && this.#unanswered.size === 0) this.#finish("done");
    else if (wasFull && this.hasRoom) this.#owner.onRoom();
  }

  onDrain(): void {
    if (this.#mayWrite) return;
    this.#mayWrite = true;
    this.#flush();
  }

  onEnd(error: unknown): void {
    const why = error ?? new Error("the peer ended it");
    if (this.#opened !== undefined) {
      const what = `the link broke before it was open: ${messageOf(why)}`;
      return this.#opened(this.#error(what, { cause: why }));
    }
    this.#finish("lost", why);
  }

  /** Opens it once the head of the answer is here, and an answer to a ping is quick. */
  #greet(): void {
    const { quickestMs } = this.#requests;
    // Where no GET was answered yet, a link has to be quick in any case.
    const maxMs = MAX_DELAY_MS + (quickestMs === Infinity ? 0 : 4 * quickestMs);
    while (this.#duplex !== undefined && this.#pongs >= this.#pings) {
      const now = this.#clock.now();
      const ms = now - this.#silence.pingedAt;
      // The first one had to find the way. A later one shows how long that is.
      if (this.#pings > 1 && ms <= maxMs) return this.#begin(now);
      if (this.#pings > 1) {
        const took = `a ping took ${Math.round(ms)} ms`;
        this.#tooLate = `something on the way delays it: ${took}`;
      }
      this.#ping(this.#pings++, now);
    }
  }

  #begin(now: number): void {
    this.#openedAt = this.#askedAt = now;
    this.#silence.begin(now);
    this.#opened?.();
    this.#look();
  }

  /** What is asked in this turn leaves together. */
  #schedule(): void {
    this.#isScheduled = true;
    this.#askedAt = this.#clock.now();
    const { fingerprint } = this.#requests.transport;
    if (fingerprint !== this.#told) {
      this.#told = fingerprint;
      this.#writer.text(ASK.list, 0, fingerprint);
    }
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (!this.#mayWrite || this.#over || this.#writer.size === 0) return;
    const wasFull = !this.hasRoom;
    this.#mayWrite = this.#duplex!.write(this.#writer.take());
    if (wasFull && this.hasRoom) this.#owner.onRoom();
  }

  readonly #take = (
    kind: number,
    id: number,
    bytes: Uint8Array,
    from: number,
    end: number,
    isOwn: boolean,
  ): boolean => {
    if (this.#over) return false;
    if (kind === ANSWER.pong) {
      this.#pongs++;
      if (this.#opened !== undefined) this.#greet();
      return true;
    }
    if (kind === ANSWER.closing) {
      this.#owner.onClosing();
      return true;
    }
    const question = this.#unanswered.take(id);
    if (question !== undefined) {
      question.link = undefined;
      try {
        this.#settle(question, kind, bytes, from, end, isOwn);
      } catch (error) {
        // It has no answer, as all others that this link still has.
        this.#unanswered.add(question);
        throw error;
      }
      // It may have been taken back.
    } else if (--this.#cancelled < 0) {
      throw new FrameError(`an answer to no question, ${id}`);
    }
    return true;
  };

  #settle(
    question: Question,
    kind: number,
    bytes: Uint8Array,
    from: number,
    end: number,
    isOwn: boolean,
  ): void {
    const { group, key } = question;
    switch (kind) {
      case ANSWER.value:
      case ANSWER.value | HOT:
      case ANSWER.expiringValue:
      case ANSWER.expiringValue | HOT:
      case ANSWER.windowedValue:
      case ANSWER.windowedValue | HOT:
        return this.#resolve(question, kind, bytes, from, end, isOwn);
      case ANSWER.notFound:
        return question.reject(new NotFoundError(group, key));
      case ANSWER.failed:
        return question.reject(
          new LoadError(group, key, textOf(bytes, from, end)),
        );
      case ANSWER.badKey:
        return question.reject(
          this.#requests.refused("400 bad-request", textOf(bytes, from, end)),
        );
      case ANSWER.noGroup: {
        const why = `no such group: ${group}`;
        return question.reject(this.#requests.refused("404 no-group", why));
      }
      case ANSWER.draining: {
        this.#owner.onClosing();
        const why = "about to close: ask the next node";
        return question.reject(this.#requests.refused("503 draining", why));
      }
      case ANSWER.busy:
        return this.#owner.onBusy(question);
      case ANSWER.alone:
        return this.#owner.onAlone(question);
      default:
        throw new FrameError(`${kind} is no kind of answer`);
    }
  }

  #resolve(
    question: Question,
    kind: number,
    bytes: Uint8Array,
    from: number,
    end: number,
    isOwn: boolean,
  ): void {
    const isHot = (kind & HOT) !== 0;
    const isWindowed = (kind & ~HOT) === ANSWER.windowedValue;
    const expires = isWindowed || (kind & ~HOT) === ANSWER.expiringValue;
    const at = from +
      (isWindowed ? WINDOWED_BYTES : expires ? EXPIRY_BYTES : 0);
    if (at > end) throw new FrameError("an expiring value has no time left");
    if (end - at > this.#maxBodyBytes) {
      const what = `the value is larger than ${this.#maxBodyBytes} bytes`;
      return question.reject(this.#error(what));
    }
    const found: PeerValue = { value: viewOf(bytes, at, end, isOwn) };
    if (expires) {
      const left = float64(bytes, from);
      const isLeft = isWindowed ? !Number.isNaN(left) : left >= 0;
      if (!isLeft) throw new FrameError(`${left} ms is no time left`);
      // What is neither the wait there nor the load was the way here.
      const onTheWay = this.#silence.heardAt - question.askedAt -
        uint32(bytes, from + 8);
      found.ttlMs = left;
      if (isWindowed) {
        found.staleWhileRevalidateMs = windowAt(bytes, from + EXPIRY_BYTES);
        found.staleIfErrorMs = windowAt(bytes, from + EXPIRY_BYTES + 8);
      }
      found.ttlMs = aged(found, Math.max(0, onTheWay)).ttlMs!;
    }
    if (isHot) found.isHot = true;
    question.resolve(found);
  }

  #ping(id: number, now: number): void {
    this.#silence.ping(now);
    this.#writer.head(ASK.ping, id);
    this.#flush();
  }

  /** The first question is under way since now. */
  #beginWaiting(): void {
    const silence = this.#silence;
    silence.begin(this.#askedAt);
    if (this.#lookAt > silence.pingAt) this.#look();
  }

  /** Looks whether the peer is silent, and whether the link is idle or old. */
  #look(): void {
    const now = this.#clock.now();
    this.#cancelLook();
    this.#lookAt = Infinity;
    if (this.#over) return;
    // One that was replaced ends with its last answer, whenever that comes.
    if (!this.#retired && now >= this.#openedAt + this.#maxAgeMs) {
      this.#owner.onOld(this);
      if (this.#over) return;
    }
    let lookAt: number;
    if (this.#unanswered.size === 0) {
      lookAt = Math.max(this.#silence.heardAt, this.#askedAt) + IDLE_MS;
      if (now >= lookAt) return this.#finish("done");
    } else {
      const silence = this.#silence;
      if (now >= silence.deadAt) {
        return this.#fail(`it was silent for ${this.#timeoutMs} ms`);
      }
      if (now >= silence.pingAt) this.#ping(0, now);
      lookAt = Math.min(silence.deadAt, silence.pingAt);
    }
    this.#lookAt = lookAt;
    this.#cancelLook = afterListening(
      this.#clock,
      lookAt - now,
      () => this.#look(),
    );
  }

  #fail(what: string): void {
    this.#finish("failed", this.#error(what));
  }

  #finish(end: LinkEnd, error?: unknown): void {
    if (this.#over) return;
    if (this.#opened !== undefined) return this.#opened(error);
    const questions = this.close(end === "lost");
    this.#owner.onEnd(this, end, error, questions);
  }

  #error(what: string, options?: ErrorOptions): Error {
    return peerError(this.#requests.id, what, options);
  }
}

const decoder = new TextDecoder();

function textOf(bytes: Uint8Array, from: number, end: number): string {
  return decoder.decode(bytes.subarray(from, end));
}
