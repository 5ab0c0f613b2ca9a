/**
 * Which way a question goes to its peer: over the link, or in a request of its own.
 *
 * The first question goes in a request. A link is opened when another one follows soon,
 * and everything goes over it from then on. Where a link cannot be had, each question
 * stays a request of its own, a few at a time, and the link is tried again later.
 *
 * @module
 */

import { contextOfNow, type InContext } from "../base/context.ts";
import type { Asker, PeerValue } from "../base/peers.ts";
import type { Watchers } from "../base/watchers.ts";
import { IDLE_MS, Link, type LinkEnd, type LinkOwner } from "./link.ts";
import { Question } from "./question.ts";
import { MIN_WAIT_MS, type Requests } from "./requests.ts";
import type { SingleGets } from "./single_gets.ts";

/**
 * How keys are asked of a peer. `"idle"`: few are asked, each in a request of its own.
 * `"opening"` and `"open"`: over a link. `"unavailable"`: a link could not be had, so each
 * key goes in a request of its own; the link is tried again later.
 */
export type LinkState = "idle" | "opening" | "open" | "unavailable";

/** How many questions may be requests of their own at a time. */
const MAX_ALONE = 15;

/** The same while nothing is known of the peer yet. */
const MAX_FIRST = 8;

/** How long a link is not tried again that could not be had; twice as long each time. */
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;

/** A link that was lost sooner counts as one that could not be had. */
const MIN_LIFE_MS = 1_000;

/** A question that was lost with so many links goes in a request of its own. */
const MAX_LOSSES = 2;

/** The questions to one peer. */
export class Questions implements LinkOwner {
  readonly #requests: Requests;
  readonly #gets: SingleGets;
  readonly #random: () => number;
  readonly #watchers: Watchers;
  readonly #isNative: boolean;
  /** A link belongs to nobody who asks, so it is opened in no asker's context. */
  readonly #inContext: InContext = contextOfNow();
  #asked = 0;
  /** Those for which there is no way yet, in the order in which they came. */
  #waiting = new Set<Question>();
  /** How many are requests of their own. */
  #alone = 0;
  #link: Link | undefined;
  #opening: Link | undefined;
  /** Links that were replaced and still have questions. */
  readonly #retired = new Set<Link>();
  /** When the last question found no link. */
  #missedAt = -Infinity;
  #openedAt = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #pausedUntil = -Infinity;
  #linkError: string | undefined;
  /** Those that the peer had no time for. */
  #busy: Question[] = [];
  #cancelBusy: () => void = () => {};
  #closed: { error: unknown } | undefined;

  constructor(
    requests: Requests,
    gets: SingleGets,
    random: () => number,
    watchers: Watchers,
  ) {
    this.#requests = requests;
    this.#gets = gets;
    this.#random = random;
    this.#watchers = watchers;
    this.#isNative = requests.transport.protocol.native;
  }

  /** How many keys were asked. */
  get asked(): number {
    return this.#asked;
  }

  get linkState(): LinkState {
    if (this.#link !== undefined) return "open";
    if (this.#opening !== undefined) return "opening";
    return this.#linkError === undefined ? "idle" : "unavailable";
  }

  /** Why there was no link when one was tried last; `undefined`: there was one. */
  get linkError(): string | undefined {
    return this.#linkError;
  }

  /** Asks for a key. The asker gets what comes of it. */
  ask(peeks: boolean, group: string, key: string, asker: Asker): void {
    this.#asked++;
    const question = new Question(peeks, group, key, asker);
    if (this.#watchers.hear("peer")) {
      const { id, transport } = this.#requests;
      const kind = peeks ? "peek" : "get";
      const start = { peer: id, kind, group, keys: [key] } as const;
      question.work = this.#watchers.begin("peer", start, transport.clock);
    }
    question.listen();
    this.#send(question);
  }

  /** Ends all waits, now and from now on, with `error`. */
  close(error: unknown): void {
    this.#closed = { error };
    const links = [this.#link, this.#opening, ...this.#retired];
    this.#link = this.#opening = undefined;
    this.#retired.clear();
    for (const link of links) {
      for (const question of link?.close() ?? []) question.reject(error);
    }
    this.#rejectWaiting(error);
  }

  onAnswers(): void {
    this.#requests.hear();
  }

  onClosing(): void {
    this.#requests.noteClosing();
  }

  onRoom(): void {
    this.#next();
  }

  onBusy(question: Question): void {
    const { clock, timeoutMs } = this.#requests.transport;
    const now = clock.now();
    question.busyUntil ||= now + timeoutMs;
    if (now >= question.busyUntil) {
      return question.reject(this.#requests.tooBusy());
    }
    this.#busy.push(question);
    if (this.#busy.length > 1) return;
    const pauseMs = MIN_WAIT_MS * (1 + this.#random() / 4);
    this.#cancelBusy = clock.after(pauseMs, () => {
      const again = this.#busy;
      this.#busy = [];
      for (const question of again) this.#send(question);
    });
  }

  onAlone(question: Question): void {
    this.#goAlone(question);
  }

  onOld(link: Link): void {
    if (link !== this.#link || this.#opening !== undefined) return;
    const now = this.#requests.transport.clock.now();
    if (now >= this.#pausedUntil) this.#open();
  }

  onEnd(
    link: Link,
    end: LinkEnd,
    error: unknown,
    questions: Question[],
  ): void {
    const { clock } = this.#requests.transport;
    this.#retired.delete(link);
    if (link === this.#link) {
      this.#link = undefined;
      const isYoung = clock.now() - this.#openedAt < MIN_LIFE_MS;
      if (!isYoung) this.#pauseMs = FIRST_PAUSE_MS;
      if (end === "failed" || (end === "lost" && isYoung)) this.#pause(error);
    }
    if (end === "failed") {
      // It was silent, or answers nonsense: a request would have failed as well.
      this.#requests.fail(error);
      for (const question of questions) question.reject(error);
      return this.#rejectWaiting(error);
    }
    for (const question of questions) {
      question.losses++;
      this.#send(question);
    }
  }

  #send(question: Question): void {
    if (question.over) return;
    const link = this.#link;
    if (link?.hasRoom && question.losses < MAX_LOSSES && Link.takes(question)) {
      return link.ask(question);
    }
    if (this.#closed) return question.reject(this.#closed.error);
    this.#waiting.add(question);
    question.onLeave = () => this.#waiting.delete(question);
    if (question.isOneOfMany && this.#mayHold && this.#opening === undefined) {
      this.#open();
    }
    this.#next();
    this.#missedAt = this.#requests.transport.clock.now();
  }

  /** Sends those that wait, as far as there is a way. */
  #next(): void {
    this.#openIfWorthIt();
    for (const question of this.#waiting) {
      const link = this.#link;
      const isFit = question.losses < MAX_LOSSES && Link.takes(question);
      if (link !== undefined && isFit) {
        if (!link.hasRoom) return;
        this.#waiting.delete(question);
        question.onLeave = undefined;
        link.ask(question);
        continue;
      }
      if (question.isOneOfMany && this.#mayHold) continue;
      if (this.#alone >= this.#maxAlone) {
        if (link === undefined) return;
        // Those behind it may fit on the link.
        continue;
      }
      this.#waiting.delete(question);
      this.#goAlone(question);
    }
  }

  /**
   * Whether keys that are asked for in one go wait for a link, so that they arrive in one
   * go. Where a link could not be had when it was tried last, nothing waits for one.
   */
  get #mayHold(): boolean {
    const { isNew, takesLinks } = this.#requests;
    return this.#isNative && this.#link === undefined &&
      this.#linkError === undefined && this.#closed === undefined &&
      (isNew || takesLinks);
  }

  /** How many may be requests of their own now. */
  get #maxAlone(): number {
    // All that Go's peers know are such requests, which are bounded as all others are.
    if (!this.#isNative) return Infinity;
    return this.#requests.isNew ? MAX_FIRST : MAX_ALONE;
  }

  async #goAlone(question: Question): Promise<void> {
    if (question.over) return;
    const controller = new AbortController();
    question.onLeave = (reason) => controller.abort(reason);
    const { clock } = this.#requests.transport;
    const sentAt = clock.now();
    this.#alone++;
    const rivals = this.#isNative ? this.#alone + this.#waiting.size : 1;
    let found: PeerValue | undefined;
    try {
      found = await this.#gets.get(question, controller.signal, rivals);
    } catch (error) {
      this.#alone--;
      const isGone = controller.signal.aborted;
      question.reject(error);
      // What waits for its turn need not wait for as long again.
      if (!isGone && this.#requests.isOutOfReach(error, sentAt)) {
        this.#rejectWaiting(error);
      }
      return this.#next();
    }
    this.#alone--;
    // Still loading: there may be a link by now.
    if (found === undefined) this.#send(question);
    else question.resolve(found);
    this.#next();
  }

  /**
   * Opens a link if the peer takes any, and several questions wait or another one came a
   * moment ago.
   */
  #openIfWorthIt(): void {
    if (this.#link !== undefined || this.#opening !== undefined) return;
    if (!this.#requests.takesLinks || this.#closed) return;
    const now = this.#requests.transport.clock.now();
    const isRecent = now - this.#missedAt < IDLE_MS;
    const isAsked = this.#waiting.size > (isRecent ? 0 : 1);
    if (isAsked && now >= this.#pausedUntil) this.#open();
  }

  async #open(): Promise<void> {
    const { clock } = this.#requests.transport;
    const link = new Link(this.#requests, this, this.#random);
    this.#opening = link;
    try {
      await this.#inContext(() => link.open());
    } catch (error) {
      if (this.#opening !== link) return;
      this.#opening = undefined;
      this.#pause(error);
      return this.#next();
    }
    if (this.#opening !== link) return;
    this.#opening = undefined;
    const old = this.#link;
    this.#link = link;
    this.#openedAt = clock.now();
    this.#linkError = undefined;
    if (old !== undefined) {
      this.#retired.add(old);
      old.retire();
    }
    this.#next();
  }

  /** A link could not be had. */
  #pause(error: unknown): void {
    const { clock } = this.#requests.transport;
    this.#linkError = this.#requests.say(error);
    this.#pausedUntil = clock.now() + this.#pauseMs * (1 + this.#random() / 4);
    this.#pauseMs = Math.min(2 * this.#pauseMs, MAX_PAUSE_MS);
  }

  #rejectWaiting(error: unknown): void {
    const waiting = [...this.#waiting, ...this.#busy];
    this.#waiting = new Set();
    this.#busy = [];
    this.#cancelBusy();
    for (const question of waiting) question.reject(error);
  }
}
