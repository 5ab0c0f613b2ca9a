/**
 * One peer behind an HTTP origin: what its answers mean, and when it is not asked.
 *
 * @module
 */

import { contextOfNow } from "../base/context.ts";
import type {
  Asker,
  DirectPeer,
  Leaver,
  Peer,
  PeerRequestOptions,
  PeerValue,
} from "../base/peers.ts";
import { afterListening } from "../base/watchdog.ts";
import type { BreakerState } from "./breaker.ts";
import { MissedRemoves } from "./missed_removes.ts";
import { PeerWrites } from "./peer_writes.ts";
import { type LinkState, Questions } from "./questions.ts";
import { type PeerOptions, Requests } from "./requests.ts";
import { SingleGets } from "./single_gets.ts";
import type { Transport } from "./transport.ts";

/** What is known of one peer since it became one. */
export interface PeerStats {
  /** Its origin. */
  id: string;
  /** Keys asked of it. */
  questions: number;
  /** Requests sent to it: for keys, writes, probes and links. */
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
  /**
   * How keys are asked of it. `"idle"`: few are, each in a request of its own.
   * `"opening"` and `"open"`: over a link. `"unavailable"`: a link could not be had, so
   * each key goes in a request of its own; the link is tried again later.
   */
  link: LinkState;
  /** Why there was no link when one was tried last; `undefined`: there was one. */
  linkError: string | undefined;
  /** How many removals it missed; all keys of a group count as one. */
  owed: number;
  /** Whether its last request came from another list of nodes than this pool's. */
  ringDiffers: boolean;
}

/** How long a copy is waited for in place of a load. */
const PEEK_MS = 500;

/** A peer behind an HTTP origin. */
export class HTTPPeer implements Peer, DirectPeer {
  readonly id: string;
  /** Whether its last request came from another list of nodes. */
  ringDiffers = false;
  readonly #transport: Transport;
  readonly #requests: Requests;
  readonly #questions: Questions;
  readonly #writes: PeerWrites;

  /** @param missed What it is known to have missed, if it was a peer before. */
  constructor(id: string, options: PeerOptions, missed?: MissedRemoves) {
    this.id = id;
    this.#transport = options.transport;
    // Whoever noticed that it answers again has nothing to do with what it missed.
    const inContext = contextOfNow();
    this.#requests = new Requests(
      id,
      options,
      () => inContext(() => this.#writes.deliver()),
    );
    this.#questions = new Questions(
      this.#requests,
      new SingleGets(this.#requests),
      options.random,
      options.watchers,
    );
    this.#writes = new PeerWrites(
      this.#requests,
      missed ?? new MissedRemoves(),
      options.observer,
      options.watchers,
    );
    // A write may have been in flight when it left the list; probe soon to find out.
    if (missed !== undefined) this.#requests.lookLater();
  }

  get(
    group: string,
    key: string,
    options: PeerRequestOptions = {},
  ): Promise<PeerValue> {
    return new Promise((resolve, reject) => {
      this.ask(group, key, { ...options, resolve, reject });
    });
  }

  ask(group: string, key: string, asker: Asker): void {
    if (!this.isAsked) return asker.reject(this.#requests.unavailable());
    if (this.missed.has(group, key)) {
      const what = "it missed a removal of the key, and is to be told first";
      return asker.reject(this.#requests.error(what));
    }
    this.#questions.ask(false, group, key, asker);
  }

  peek(
    group: string,
    key: string,
    { signal }: PeerRequestOptions = {},
  ): Promise<PeerValue | undefined> {
    if (this.missed.has(group, key)) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      let question: Leaver | undefined;
      const { clock, timeoutMs } = this.#transport;
      const ms = Math.min(PEEK_MS, timeoutMs);
      const cancel = afterListening(clock, ms, () => {
        this.#requests.lookLater();
        leave(this.#requests.error("it has no copy at hand"));
      });
      const leave = (reason: unknown): void => question?.leave(reason);
      const onAbort = (): void => leave(signal!.reason);
      const end = (): void => {
        cancel();
        signal?.removeEventListener("abort", onAbort);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#questions.ask(true, group, key, {
        onLeave: (leaver) => {
          question = leaver;
          if (signal?.aborted) onAbort();
        },
        resolve: (value) => {
          end();
          resolve(value);
        },
        // Whatever went wrong, the key can be loaded.
        reject: () => {
          end();
          if (signal?.aborted) reject(signal.reason);
          else resolve(undefined);
        },
      });
    });
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
    return this.#requests.state === "closed";
  }

  /** Whether it can be asked for copies: it answers, even while draining. */
  get mayPeek(): boolean {
    const { state } = this.#requests;
    return this.#transport.protocol.native &&
      (state === "closed" || state === "draining");
  }

  /** What it is known to have missed. */
  get missed(): MissedRemoves {
    return this.#writes.missed;
  }

  /** What was asked of it so far. */
  stats(): PeerStats {
    const { requests, errors, lastError, state } = this.#requests;
    const { asked, linkState, linkError } = this.#questions;
    return {
      id: this.id,
      questions: asked,
      requests,
      errors,
      lastError,
      state,
      link: linkState,
      linkError,
      owed: this.missed.size,
      ringDiffers: this.ringDiffers,
    };
  }

  /** Ends the requests under way, and all later ones, with an error. */
  close(): void {
    this.#questions.close(this.#requests.close());
  }
}
