/**
 * Which keys leave together.
 *
 * Keys that are asked of a peer while it has requests to answer leave together
 * in the next one. No timer decides when: a request leaves as soon as one of the
 * few places for requests is free, and takes all that has gathered.
 *
 * @module
 */

import { LoadError, NotFoundError } from "./errors.ts";
import {
  encodeKeys,
  FrameError,
  KIND,
  maxKeyBytes,
  type ResultFrame,
  ResultReader,
} from "./frames.ts";
import type { PeerClient, Question } from "./http_client.ts";
import type { PeerValue } from "./peers.ts";
import { HEADER } from "./wire.ts";

/** What a {@linkcode Batcher} is made of. */
export interface BatcherOptions {
  group: string;
  /** Where its requests go. */
  path: string;
  /** How long one result may be. */
  maxBodyBytes: number;
  /** Sends one request, again and again while the peer is busy. */
  ask: (question: Question, signal: AbortSignal) => ReturnType<
    PeerClient["ask"]
  >;
  /** Waits a little before a peer that did not hold a request is asked again. */
  pause: () => Promise<void>;
  now: () => number;
}

/** How many requests may wait for their answers to begin. */
const MAX_WAITING = 2;

/** How many answers may stay open for keys that are still loading. */
const MAX_HELD = 4;

/** How long an answer stays open for them. */
const HOLD_MS = 50;

const MAX_KEYS = 1024;
const MAX_BYTES = 1024 * 1024;

/** A key that somebody waits for. */
interface Asked {
  readonly key: string;
  resolve(value: PeerValue): void;
  reject(reason: unknown): void;
  /** The request that asks for it now. */
  sent: Sent | undefined;
  over: boolean;
}

/** A request on its way. */
interface Sent {
  readonly controller: AbortController;
  /** How many still wait for it. */
  waiting: number;
}

/** Gathers what is asked of one group at one peer. */
export class Batcher {
  readonly #options: BatcherOptions;
  /** Keys that nobody asked for yet. */
  #fresh: Asked[] = [];
  /** Keys that the peer was still loading. */
  #pending: Asked[] = [];
  #waiting = 0;
  #held = 0;
  #scheduled = false;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /** Whether no request waits for its answer to begin, and none is about to leave. */
  get idle(): boolean {
    return this.#waiting === 0 && this.#fresh.length === 0;
  }

  /** Counts a request of one key that went by itself. Returns what ends it. */
  begin(): () => void {
    this.#waiting++;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#waiting--;
      this.#flush();
    };
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
        signal?.removeEventListener("abort", leave);
      };
      const asked: Asked = {
        key,
        sent: undefined,
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
        const { sent } = asked;
        if (sent === undefined || --sent.waiting > 0) return;
        // A request ends only when nobody waits for any of its keys.
        sent.controller.abort(signal!.reason);
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
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#waiting < MAX_WAITING) {
      // With every place for slow keys taken, only what is in memory is wanted.
      const mayHold = this.#held < MAX_HELD;
      const batch: Asked[] = [];
      let room = MAX_BYTES;
      if (mayHold) {
        [this.#pending, room] = take(this.#pending, batch, room);
      }
      [this.#fresh, room] = take(this.#fresh, batch, room);
      if (batch.length === 0) return;
      this.#send(batch, mayHold ? HOLD_MS : 0);
    }
  }

  async #send(batch: readonly Asked[], holdMs: number): Promise<void> {
    const { path, maxBodyBytes, ask, pause, now } = this.#options;
    const sent = { controller: new AbortController(), waiting: batch.length };
    for (const asked of batch) asked.sent = sent;
    const onHead = this.begin();
    if (holdMs > 0) this.#held++;
    const results = new ResultReader(batch.length, maxBodyBytes);
    const again: Asked[] = [];
    const sentAt = now();
    try {
      await ask({
        method: "POST",
        path,
        headers: { [HEADER.method]: "GET", [HEADER.wait]: `${holdMs}` },
        body: encodeKeys(batch.map((asked) => asked.key)),
        onHead,
        onChunk: (chunk) => {
          for (const frame of results.push(chunk)) {
            const asked = batch[frame.index]!;
            if (!asked.over) this.#settle(asked, frame, again);
          }
        },
      }, sent.controller.signal);
      results.end();
      // One that does not hold a request must not be asked in a tight loop.
      const held = holdMs === 0 || now() - sentAt > holdMs / 2;
      if (again.length > 0 && !held) await pause();
    } catch (error) {
      for (const asked of batch) if (!asked.over) asked.reject(error);
    } finally {
      for (const asked of batch) asked.sent = undefined;
      this.#pending.push(...again.filter((asked) => !asked.over));
      if (holdMs > 0) this.#held--;
      onHead();
      this.#flush();
    }
  }

  #settle(asked: Asked, { kind, value }: ResultFrame, again: Asked[]): void {
    const { group } = this.#options;
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
        again.push(asked);
        return;
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
