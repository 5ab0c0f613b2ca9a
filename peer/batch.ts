/**
 * Which keys leave together.
 *
 * Keys that are asked of a peer while it has requests to answer leave together
 * in the next one. No timer decides when: a request leaves as soon as one of the
 * few slots for requests is free, and takes all that has gathered.
 *
 * @module
 */

import {
  BusyError,
  LoadError,
  NotFoundError,
  type PeerError,
} from "../base/errors.ts";
import {
  encodeKeys,
  FrameError,
  KIND,
  maxKeyBytes,
  type ResultFrame,
  ResultReader,
  TOO_LONG,
} from "../protocol/frames.ts";
import type { PeerValue } from "../base/peers.ts";
import { aged, groupPath, HEADER } from "../protocol/wire.ts";
import { type Link, MIN_WAIT_MS } from "./link.ts";
import type { Answer } from "./transport.ts";

/** One way to ask a peer: for values, or for what is in its memory. */
export interface Way {
  /** Added to those that every request has. */
  readonly headers: Readonly<Record<string, string>>;
  /** Each way has its own: what is in memory must not wait behind what is loading. */
  readonly slots: Slots;
  /** Those of the groups that ask for something now. */
  readonly batchers: Map<string, Batcher>;
  /** Asks for one key in a request of its own. */
  alone(group: string, key: string, signal?: AbortSignal): Promise<PeerValue>;
}

/** How many requests may wait for their answers to begin. */
const MAX_WAITING = 2;

/**
 * How many requests of one key each may wait for their answers to begin, whatever the
 * number of groups.
 */
const MAX_ALONE = 2;

/** How many answers may stay open for keys that are still loading. */
const MAX_HELD = 4;

/**
 * How many answers may be open in all, large and slow ones too. A peer of which nothing
 * is known yet gets so many requests of one key each.
 */
const MAX_OPEN = 8;

/** How long an answer stays open for keys that are loading, at the most. */
export const HOLD_MS = 50;

const MAX_KEYS = 128;
const MAX_BYTES = 1024 * 1024;

/** The slots for requests to one peer, which its groups share. */
export class Slots {
  waiting = 0;
  held = 0;
  open = 0;
  /** Requests of one key each that wait for their answers to begin. */
  alone = 0;
  /** Those with keys that wait for a slot. */
  readonly #batchers = new Set<Batcher>();

  add(batcher: Batcher): void {
    this.#batchers.add(batcher);
  }

  delete(batcher: Batcher): void {
    this.#batchers.delete(batcher);
  }

  /** A slot may be free. */
  freed(): void {
    for (const batcher of [...this.#batchers]) {
      const hasSent = batcher.flush();
      if (!batcher.hasWaiting) this.#batchers.delete(batcher);
      else if (hasSent) {
        // Goes to the end, so that no group keeps another from leaving.
        this.#batchers.delete(batcher);
        this.#batchers.add(batcher);
      }
    }
  }
}

/** A key that somebody waits for. */
interface Asked {
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  resolve(value: PeerValue | Promise<PeerValue>): void;
  reject(reason: unknown): void;
  /** The request that asks for it now, or the pause before it is asked for again. */
  sent: Sent | undefined;
  /** How long the peer may go on being busy, once it was. */
  busyUntil: number | undefined;
  over: boolean;
}

/** A request on its way, or a pause. */
interface Sent {
  readonly controller: AbortController;
  /** How many of its keys are waited for and have no result yet. */
  waiting: number;
}

/** Gathers what is asked of one group at one peer. */
export class Batcher {
  readonly #group: string;
  readonly #link: Link;
  readonly #way: Way;
  /** Keys that the peer was not asked for yet. */
  #fresh: Asked[] = [];
  /** Keys that the peer was still loading. */
  #pending: Asked[] = [];
  /** Requests of one key each that wait for their answers to begin. */
  #alone = 0;
  /** Keys that are waited for. */
  #asked = 0;
  #scheduled = false;

  constructor(group: string, link: Link, way: Way) {
    this.#group = group;
    this.#link = link;
    this.#way = way;
  }

  /** Whether a key may go by itself now. */
  get mayGoAlone(): boolean {
    const { slots } = this.#way;
    if (this.#link.understandsBatches) {
      return this.#alone === 0 && slots.waiting === 0 &&
        slots.alone < MAX_ALONE && this.#fresh.length === 0;
    }
    return !this.#link.isNew ||
      (slots.alone < MAX_OPEN && this.#fresh.length === 0);
  }

  /** Whether keys wait for a slot. */
  get hasWaiting(): boolean {
    return this.#fresh.length > 0 || this.#pending.length > 0;
  }

  /**
   * Counts a request of one key that goes by itself. It takes no slot, because a slow
   * key may hold it for long. Returns a function that ends it.
   */
  begin(): () => void {
    this.#way.batchers.set(this.#group, this);
    this.#alone++;
    this.#way.slots.alone++;
    return once(() => {
      this.#alone--;
      this.#way.slots.alone--;
      this.#dropIfUnused();
    });
  }

  /**
   * A request that left at `sentAt` failed. The keys of other requests have nothing to
   * do with that. But if the peer is out of reach, what waits for a place need not wait
   * for as long again.
   */
  failed(error: unknown, sentAt: number): void {
    if (this.#link.isOutOfReach(error, sentAt)) this.#rejectAll(error);
  }

  #rejectAll(error: unknown): void {
    const waiting = [...this.#fresh, ...this.#pending];
    this.#fresh = [];
    this.#pending = [];
    for (const asked of waiting) if (!asked.over) asked.reject(error);
  }

  /** A group that asks for nothing may be gone: nothing is kept for it. */
  #dropIfUnused(): void {
    if (this.#asked > 0 || this.#alone > 0) return;
    this.#way.slots.delete(this);
    this.#way.batchers.delete(this.#group);
  }

  /**
   * Asks for a key, together with others.
   *
   * @throws As `Peer.get()` does.
   */
  get(key: string, signal?: AbortSignal): Promise<PeerValue> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        asked.over = true;
        if (asked.sent !== undefined) asked.sent.waiting--;
        signal?.removeEventListener("abort", leave);
        this.#asked--;
        this.#dropIfUnused();
      };
      const asked: Asked = {
        key,
        signal,
        sent: undefined,
        busyUntil: undefined,
        over: false,
        resolve: (value) => {
          end();
          resolve(value);
        },
        reject: (reason) => {
          end();
          reject(reason);
        },
      };
      const leave = (): void => {
        asked.reject(signal!.reason);
        // A request ends only when nobody waits for any of its keys.
        if (asked.sent?.waiting === 0) {
          asked.sent.controller.abort(signal!.reason);
        }
      };
      this.#way.batchers.set(this.#group, this);
      this.#asked++;
      signal?.addEventListener("abort", leave, { once: true });
      if (signal?.aborted) return leave();
      this.#fresh.push(asked);
      this.#way.slots.add(this);
      this.#schedule();
    });
  }

  /** What is asked for in one go leaves together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  /** Sends what has gathered, as far as there are slots. Returns whether it did. */
  flush(): boolean {
    const { slots } = this.#way;
    if (this.#link.isGivenUp) {
      this.#rejectAll(this.#link.unavailable());
      return false;
    }
    if (!this.#link.understandsBatches) return this.#sendAlone();
    const { maxBodyBytes, timeoutMs } = this.#link.transport;
    let hasSent = false;
    while (slots.waiting < MAX_WAITING && slots.open < MAX_OPEN) {
      // If slow keys have taken all their slots, only what is in memory is wanted.
      const mayHold = slots.held < MAX_HELD;
      const batch: Asked[] = [];
      let room = Math.min(MAX_BYTES, maxBodyBytes);
      [this.#fresh, room] = take(this.#fresh, batch, room);
      if (mayHold) [this.#pending, room] = take(this.#pending, batch, room);
      if (batch.length === 0) break;
      const holdMs = Math.min(HOLD_MS, Math.floor(timeoutMs / 2));
      this.#send(batch, mayHold ? holdMs : 0, mayHold);
      hasSent = true;
    }
    return hasSent;
  }

  /**
   * Sends keys by themselves: all of them if the peer takes no batches, and a few if
   * nothing is known of it yet.
   */
  #sendAlone(): boolean {
    const { slots } = this.#way;
    const waiting = [...this.#fresh, ...this.#pending].filter((asked) =>
      !asked.over
    );
    const max = this.#link.isNew ? MAX_OPEN : Infinity;
    let i = 0;
    for (; i < waiting.length && slots.alone < max; i++) {
      const { key, signal } = waiting[i]!;
      waiting[i]!.resolve(this.#way.alone(this.#group, key, signal));
    }
    this.#fresh = waiting.slice(i);
    this.#pending = [];
    return i > 0;
  }

  async #send(
    batch: readonly Asked[],
    holdMs: number,
    holds: boolean,
  ): Promise<void> {
    const { headers, slots } = this.#way;
    const { basePath, maxBodyBytes, clock } = this.#link.transport;
    const controller = new AbortController();
    const sent: Sent = { controller, waiting: batch.length };
    for (const asked of batch) asked.sent = sent;
    slots.waiting++;
    slots.open++;
    if (holds) slots.held++;
    let begun = false;
    const onHead = once(() => {
      begun = true;
      slots.waiting--;
      slots.freed();
    });
    const results = new ResultReader(batch.length, maxBodyBytes);
    const again: Asked[] = [];
    const sentAt = clock.now();
    let pauseMs = 0;
    try {
      const answer = await this.#link.askNow({
        method: "POST",
        path: groupPath(basePath, this.#group),
        headers: {
          ...headers,
          [HEADER.method]: "GET",
          [HEADER.wait]: `${holdMs}`,
        },
        body: encodeKeys(batch.map((asked) => asked.key)),
        repeatable: true,
        onHead,
        onChunk: (chunk, tookMs) => {
          for (const frame of results.push(chunk)) {
            const asked = batch[frame.index]!;
            // It may have waited behind other results since the head came.
            frame.value = aged(frame.value, tookMs);
            if (!asked.over) this.#settle(asked, frame, again);
          }
        },
        onEnd: () => results.end(),
      }, controller.signal);
      if (answer.meaning === "429 busy") {
        pauseMs = this.#putOff(batch, answer, again);
      } else if (answer.meaning !== "200 batch") {
        throw this.#link.refusal(answer);
      } else {
        // One that has nothing and does not wait must not be asked in a tight loop.
        const waited = !holds || again.length < batch.length ||
          clock.now() - sentAt > holdMs / 2;
        const wasBusy = again.some((asked) => asked.busyUntil !== undefined);
        if (!waited || wasBusy) pauseMs = MIN_WAIT_MS;
      }
    } catch (error) {
      for (const asked of batch) {
        // A key that the peer has put off before is not in the request any more.
        if (!asked.over && asked.sent === sent) asked.reject(error);
      }
      if (!begun && !controller.signal.aborted) this.failed(error, sentAt);
    } finally {
      for (const asked of batch) asked.sent = undefined;
      slots.open--;
      if (holds) slots.held--;
      this.#askAgain(again.filter((asked) => !asked.over), pauseMs);
      onHead();
      slots.freed();
    }
  }

  /** Asks for keys again, after a pause that takes no slot. */
  async #askAgain(again: readonly Asked[], pauseMs: number): Promise<void> {
    if (again.length === 0) return;
    if (pauseMs > 0) {
      const controller = new AbortController();
      const pause: Sent = { controller, waiting: again.length };
      for (const asked of again) asked.sent = pause;
      try {
        await this.#link.delay(pauseMs, controller.signal);
      } catch (error) {
        for (const asked of again) if (!asked.over) asked.reject(error);
        return;
      }
      for (const asked of again) asked.sent = undefined;
    }
    for (const asked of again) if (!asked.over) this.#pending.push(asked);
    this.#way.slots.add(this);
    if (pauseMs > 0) this.flush();
  }

  /** The peer has no time for any of the keys. Returns after how long to ask again. */
  #putOff(batch: readonly Asked[], answer: Answer, again: Asked[]): number {
    const { clock } = this.#link.transport;
    let pauseMs = this.#link.pauseAfter(answer);
    let refusal: PeerError | undefined;
    for (const asked of batch) {
      if (asked.over) continue;
      if (this.#isBusyForTooLong(asked)) {
        asked.reject(refusal ??= this.#link.refusal(answer));
        continue;
      }
      pauseMs = Math.min(pauseMs, asked.busyUntil! - clock.now());
      again.push(asked);
    }
    return pauseMs;
  }

  #isBusyForTooLong(asked: Asked): boolean {
    const { clock, timeoutMs } = this.#link.transport;
    asked.busyUntil ??= clock.now() + timeoutMs;
    return clock.now() >= asked.busyUntil;
  }

  /** The peer had no time for as long as it could be waited for. */
  #tooBusy(): PeerError {
    const why = `it was busy for ${this.#link.transport.timeoutMs} ms`;
    return this.#link.error(why, { status: 429, cause: new BusyError(why) });
  }

  /** The value is larger than this process takes. */
  #tooLarge(): PeerError {
    const { maxBodyBytes } = this.#link.transport;
    return this.#link.error(`the value is larger than ${maxBodyBytes} bytes`);
  }

  #settle(asked: Asked, { kind, value }: ResultFrame, again: Asked[]): void {
    const group = this.#group;
    switch (kind) {
      case KIND.value:
      case KIND.expiringValue:
        return asked.resolve(value);
      case KIND.notFound:
        return asked.reject(new NotFoundError(group, asked.key));
      case KIND.failed:
        return asked.reject(
          new LoadError(group, asked.key, value.value.text()),
        );
      case KIND.pending:
        asked.busyUntil = undefined;
        asked.sent!.waiting--;
        asked.sent = undefined;
        again.push(asked);
        return;
      case KIND.busy:
        if (this.#isBusyForTooLong(asked)) return asked.reject(this.#tooBusy());
        asked.sent!.waiting--;
        asked.sent = undefined;
        again.push(asked);
        return;
      case TOO_LONG:
        return asked.reject(this.#tooLarge());
      default:
        throw new FrameError(`a key was refused: ${value.value.text()}`);
    }
  }
}

/** Moves keys to `batch` for as long as there is room. Returns those left over. */
function take(
  from: readonly Asked[],
  batch: Asked[],
  room: number,
): [left: Asked[], room: number] {
  let i = 0;
  for (; i < from.length; i++) {
    const asked = from[i]!;
    if (asked.over) continue;
    const bytes = maxKeyBytes(asked.key);
    const fits = batch.length < MAX_KEYS && bytes <= room;
    // A key larger than all room goes by itself.
    if (!fits && batch.length > 0) break;
    batch.push(asked);
    room -= bytes;
  }
  return [from.slice(i), room];
}

/** Calls `run` the first time only. */
function once(run: () => void): () => void {
  let over = false;
  return () => {
    if (over) return;
    over = true;
    run();
  };
}
