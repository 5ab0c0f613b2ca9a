/**
 * One peer behind an HTTP origin: what its answers mean, and when it is not asked.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import { LoadError, NotFoundError } from "../base/errors.ts";
import type { Peer, PeerRequestOptions, PeerValue } from "../base/peers.ts";
import { afterListening } from "../base/watchdog.ts";
import {
  encodeKey,
  groupPath,
  HEADER,
  keyPath,
  MAX_PATH_LENGTH,
  withTtl,
} from "../protocol/wire.ts";
import { Batcher, HOLD_MS, Slots, type Way } from "./batch.ts";
import type { BreakerState } from "./breaker.ts";
import { Link, type LinkOptions } from "./link.ts";
import { MissedRemoves } from "./missed_removes.ts";
import { PeerWrites } from "./peer_writes.ts";
import {
  type Answer,
  type Question,
  textOf,
  type Transport,
} from "./transport.ts";

/** What is known of one peer since it became one. */
export interface PeerStats {
  /** Its origin. */
  id: string;
  /** Requests sent to it. */
  requests: number;
  /** Requests that it could not answer: it was silent, refused, or gave no valid answer. */
  errors: number;
  /** Why it could not answer the last of these; `undefined`: it always could. */
  lastError: string | undefined;
  /**
   * `"closed"`: it is asked. `"open"`: it is out of reach, and the next node is asked
   * for its keys. `"half-open"`: a probe checks whether it is back. `"draining"`: it
   * is about to close.
   */
  state: BreakerState | "draining";
  /** How many removals it missed; all keys of a group count as one. */
  owed: number;
  /** Whether its last request came from another list of nodes than this pool's. */
  ringDiffers: boolean;
}

/** How long a copy is waited for in place of a load. */
const PEEK_MS = 500;

/** A peer behind an HTTP origin. */
export class HTTPPeer implements Peer {
  readonly id: string;
  /** Whether its last request came from another list of nodes. */
  ringDiffers = false;
  readonly #transport: Transport;
  readonly #link: Link;
  readonly #writes: PeerWrites;
  readonly #asking: Way = this.#way({});
  readonly #peeking: Way = this.#way({ [HEADER.peek]: "1" });

  /** @param missed What it is known to have missed, if it was a peer before. */
  constructor(id: string, options: LinkOptions, missed?: MissedRemoves) {
    this.id = id;
    this.#transport = options.transport;
    this.#link = new Link(id, options, () => this.#writes.deliver());
    this.#writes = new PeerWrites(
      this.#link,
      missed ?? new MissedRemoves(),
      options.observer,
    );
    this.#link.onFirstAnswer = () => {
      this.#asking.slots.freed();
      this.#peeking.slots.freed();
    };
    // A write may have been in flight when it left the list; probe soon to find out.
    if (missed !== undefined) this.#link.lookLater();
  }

  get(
    group: string,
    key: string,
    { signal, served }: PeerRequestOptions = {},
  ): Promise<PeerValue> {
    if (!this.isAsked) {
      return Promise.reject(this.#link.unavailable());
    }
    if (this.missed.has(group, key)) {
      const what = "it missed a removal of the key, and is to be told first";
      return Promise.reject(this.#link.error(what));
    }
    return this.#read(this.#asking, group, key, signal, served);
  }

  async peek(
    group: string,
    key: string,
    { signal }: PeerRequestOptions = {},
  ): Promise<PeerValue | undefined> {
    if (this.missed.has(group, key)) return undefined;
    const controller = new AbortController();
    const leave = (): void => controller.abort(signal!.reason);
    signal?.addEventListener("abort", leave, { once: true });
    if (signal?.aborted) leave();
    const { clock, timeoutMs } = this.#transport;
    const cancel = afterListening(clock, Math.min(PEEK_MS, timeoutMs), () => {
      this.#link.lookLater();
      controller.abort(this.#link.error("it has no copy at hand"));
    });
    try {
      return await this.#read(this.#peeking, group, key, controller.signal);
    } catch {
      // Whatever went wrong, the key can be loaded.
      signal?.throwIfAborted();
      return undefined;
    } finally {
      cancel();
      signal?.removeEventListener("abort", leave);
    }
  }

  set(
    group: string,
    key: string,
    value: PeerValue,
    options?: PeerRequestOptions,
  ): Promise<void> {
    return this.#writes.set(group, key, value, options);
  }

  remove(
    group: string,
    keys: readonly string[],
    options?: PeerRequestOptions,
  ): Promise<void> {
    return this.#writes.remove(group, keys, options);
  }

  clear(group: string, options?: PeerRequestOptions): Promise<void> {
    return this.#writes.clear(group, options);
  }

  /** Has it drop copies of these keys, or of all keys, and what it inherited of them. */
  clearCopies(group: string, keys?: readonly string[]): Promise<void> {
    return this.#writes.clearCopies(group, keys);
  }

  /** Go's protocols have no way to tell it. */
  get tellsLater(): boolean {
    return this.#transport.protocol.native;
  }

  owe(group: string, keys?: readonly string[]): void {
    this.#writes.owe({ group, keys });
  }

  /** Whether it is asked for keys: it is neither out of reach nor about to close. */
  get isAsked(): boolean {
    return this.#link.state === "closed";
  }

  /** Whether it can be asked for copies: it answers, even while draining. */
  get mayPeek(): boolean {
    const { state } = this.#link;
    return this.#transport.protocol.native &&
      (state === "closed" || state === "draining");
  }

  /** What it is known to have missed. */
  get missed(): MissedRemoves {
    return this.#writes.missed;
  }

  /** What was asked of it so far. */
  stats(): PeerStats {
    const { requests, errors, lastError, state } = this.#link;
    const { id, missed, ringDiffers } = this;
    const owed = missed.size;
    return { id, requests, errors, lastError, state, owed, ringDiffers };
  }

  /** Ends the requests under way, and all later ones, with an error. */
  close(): void {
    this.#link.close();
  }

  #read(
    way: Way,
    group: string,
    key: string,
    signal: AbortSignal | undefined,
    served?: number,
  ): Promise<PeerValue> {
    const batcher = this.#batcher(way, group);
    // A path is made only where it is needed: it costs as much as all the rest.
    const isLong = key.length > MAX_PATH_LENGTH;
    return batcher.mayGoAlone && !(isLong && this.#link.understandsBatches)
      ? this.#readAlone(way, group, key, signal, served)
      : batcher.get(key, signal);
  }

  #way(headers: Way["headers"]): Way {
    const way: Way = {
      headers,
      slots: new Slots(),
      batchers: new Map(),
      alone: (group, key, signal) => this.#readAlone(way, group, key, signal),
    };
    return way;
  }

  /** One key in one request, and again for as long as the peer still loads it. */
  async #readAlone(
    way: Way,
    group: string,
    key: string,
    signal: AbortSignal | undefined,
    served = 0,
  ): Promise<PeerValue> {
    const { basePath, timeoutMs, clock } = this.#transport;
    const path = this.#path(group, key);
    if (path === undefined && this.#link.understandsBatches) {
      return await this.#batcher(way, group).get(key, signal);
    }
    const question: Question = path === undefined
      ? {
        method: "POST",
        path: groupPath(basePath, group),
        body: encodeKey(key),
      }
      : { method: "GET", path };
    for (;;) {
      const askedAt = clock.now();
      const batcher = this.#batcher(way, group);
      const { isNew } = this.#link;
      // Half of the time it may be silent, so that "pending" arrives before that is
      // over. Other keys wait for the first answer of a new peer, so only one request
      // may leave them waiting for long.
      const halfMs = Math.floor(timeoutMs / 2);
      const waitMs = isNew && way.slots.alone > 0
        ? Math.min(HOLD_MS, halfMs)
        : halfMs;
      const headers: Record<string, string> = {
        ...way.headers,
        [HEADER.wait]: String(waitMs),
      };
      if (served > 0) headers[HEADER.served] = String(served);
      const onHead = batcher.begin();
      let answer: Answer;
      try {
        answer = await this.#link.ask(
          { ...question, headers, repeatable: true, onHead },
          signal,
        );
      } catch (error) {
        if (!signal?.aborted) batcher.failed(error, askedAt);
        throw error;
      } finally {
        onHead();
        // If nothing is known of the peer yet, another key has to find out.
        if (isNew) way.slots.freed();
      }
      switch (answer.meaning) {
        case "200 value":
          return this.#value(answer);
        case "404 not-found":
          throw new NotFoundError(group, key);
        case "500 failed":
          throw new LoadError(group, key, textOf(answer));
        case "202 pending":
          // A peer that does not hold the request must not be asked in a tight loop.
          if (clock.now() - askedAt <= waitMs / 2) {
            await this.#link.pause(signal);
          }
          if (!this.#batcher(way, group).mayGoAlone) {
            return await this.#batcher(way, group).get(key, signal);
          }
          break;
        default:
          throw this.#link.refusal(answer);
      }
    }
  }

  #value(answer: Answer): PeerValue {
    const ttl = answer.headers.get(HEADER.ttl);
    let view: ByteView;
    try {
      view = this.#transport.protocol.decode(answer.body);
    } catch (error) {
      throw this.#link.refusal(answer, `the body is malformed: ${error}`);
    }
    const value = withTtl(view, ttl, answer.tookMs);
    if (value !== undefined) {
      const isHot = answer.headers.get(HEADER.hot) === "1";
      return isHot ? { ...value, isHot } : value;
    }
    throw this.#link.refusal(
      answer,
      `${HEADER.ttl} is not whole milliseconds: ${ttl}`,
    );
  }

  /**
   * The path of a key; `undefined`: the body has to carry the key.
   *
   * @throws {PeerError} If the protocol has no such body. The key is loaded here then.
   */
  #path(group: string, key: string): string | undefined {
    const { basePath, protocol } = this.#transport;
    const path = keyPath(basePath, group, key, protocol.native);
    if (path === undefined && !protocol.native) {
      throw this.#link.error("its protocol cannot carry so long a key");
    }
    return path;
  }

  #batcher(way: Way, group: string): Batcher {
    return way.batchers.get(group) ?? new Batcher(group, this.#link, way);
  }
}
