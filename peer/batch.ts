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
import { groupPath, HEADER } from "../protocol/wire.ts";
import type { Link } from "./link.ts";
import type { Question } from "./transport.ts";

/** One way to ask a peer: for values, or for what is in its memory. */
export interface Way {
  /** Added to those that every request has. */
  readonly headers: Readonly<Record<string, string>>;
  /** Each way has its own: what is in memory must not wait behind what is loading. */
  readonly slots: Slots;
  /** By group. */
  readonly batchers: Map<string, Batcher>;
}

/** How many requests may wait for their answers to begin. */
const MAX_WAITING = 2;

/** How many answers may stay open for keys that are still loading. */
const MAX_HELD = 4;

/** How many answers may be open in all, large and slow ones too. */
const MAX_OPEN = 8;

/** How long an answer stays open for keys that are loading, at the most. */
const HOLD_MS = 50;

const MAX_KEYS = 128;
const MAX_BYTES = 1024 * 1024;

/** The slots for requests to one peer, which its groups share. */
export class Slots {
  waiting = 0;
  held = 0;
  open = 0;
  readonly #batchers: Batcher[] = [];

  add(batcher: Batcher): void {
    this.#batchers.push(batcher);
  }

  /** A slot may be free. */
  freed(): void {
    for (const batcher of this.#batchers) batcher.flush();
    // The first one changes, so that no group keeps another from leaving.
    const first = this.#batchers.shift();
    if (first !== undefined) this.#batchers.push(first);
  }
}

/** A key that somebody waits for. */
interface Asked {
  readonly key: string;
  resolve(value: PeerValue): void;
  reject(reason: unknown): void;
  /** The request that asks for it now. */
  sent: Sent | undefined;
  /** How long the peer may go on being busy, once it was. */
  busyUntil: number | undefined;
  over: boolean;
}

/** A request on its way. */
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
  #scheduled = false;

  constructor(group: string, link: Link, way: Way) {
    this.#group = group;
    this.#link = link;
    this.#way = way;
    way.slots.add(this);
  }

  /** Whether the group has no request that waits for its answer to begin. */
  get idle(): boolean {
    return this.#alone === 0 && this.#way.slots.waiting === 0 &&
      this.#fresh.length === 0;
  }

  /**
   * Counts a request of one key that goes by itself. It takes no slot, because a slow
   * key may hold it for long. Returns a function that ends it.
   */
  begin(): () => void {
    this.#alone++;
    return once(() => this.#alone--);
  }

  /** The peer is out of reach: keys that wait for a slot fail at once, too. */
  fail(error: unknown): void {
    const waiting = [...this.#fresh, ...this.#pending];
    this.#fresh = [];
    this.#pending = [];
    for (const asked of waiting) if (!asked.over) asked.reject(error);
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
      };
      const asked: Asked = {
        key,
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
      signal?.addEventListener("abort", leave, { once: true });
      if (signal?.aborted) return leave();
      this.#fresh.push(asked);
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

  /** Sends what has gathered, as far as there are slots. */
  flush(): void {
    const { slots } = this.#way;
    const { maxBodyBytes, timeoutMs } = this.#link.transport;
    while (slots.waiting < MAX_WAITING && slots.open < MAX_OPEN) {
      // If slow keys have taken all their slots, only what is in memory is wanted.
      const mayHold = slots.held < MAX_HELD;
      const batch: Asked[] = [];
      let room = Math.min(MAX_BYTES, maxBodyBytes);
      [this.#fresh, room] = take(this.#fresh, batch, room);
      if (mayHold) [this.#pending, room] = take(this.#pending, batch, room);
      if (batch.length === 0) return;
      const holdMs = Math.min(HOLD_MS, Math.floor(timeoutMs / 2));
      this.#send(batch, mayHold ? holdMs : 0, mayHold);
    }
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
    try {
      await this.#ask({
        method: "POST",
        path: groupPath(basePath, this.#group),
        headers: {
          ...headers,
          [HEADER.method]: "GET",
          [HEADER.wait]: `${holdMs}`,
        },
        body: encodeKeys(batch.map((asked) => asked.key)),
        onHead,
        onChunk: (chunk) => {
          for (const frame of results.push(chunk)) {
            const asked = batch[frame.index]!;
            if (!asked.over) this.#settle(asked, frame, again);
          }
        },
        onEnd: () => results.end(),
      }, controller.signal);
      // One that has nothing and does not wait must not be asked in a tight loop.
      const waited = !holds || again.length < batch.length ||
        clock.now() - sentAt > holdMs / 2;
      const wasBusy = again.some((asked) => asked.busyUntil !== undefined);
      if (!waited || wasBusy) await this.#link.pause();
    } catch (error) {
      for (const asked of batch) if (!asked.over) asked.reject(error);
      if (!begun && !controller.signal.aborted) this.fail(error);
    } finally {
      for (const asked of batch) asked.sent = undefined;
      this.#pending.push(...again.filter((asked) => !asked.over));
      slots.open--;
      if (holds) slots.held--;
      onHead();
      slots.freed();
    }
  }

  /** Sends a request, again and again while the peer is busy. */
  async #ask(question: Question, signal: AbortSignal): Promise<void> {
    const answer = await this.#link.ask(question, signal);
    if (answer.meaning !== "200 batch") throw this.#link.refusal(answer);
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
