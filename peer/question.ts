/**
 * A key that is asked of a peer, and who waits for its value.
 *
 * @module
 */

import type { Asker, Leaver, PeerValue } from "../base/peers.ts";
import type { WatchedWork } from "../base/watchers.ts";

/** What carries a question to its peer, and can take it back. */
export interface Carrier {
  cancel(question: Question): void;
}

/** A question to one peer, whatever way it goes. */
export class Question implements Leaver {
  readonly group: string;
  readonly key: string;
  /** Only what is in the peer's memory is wanted. */
  readonly peeks: boolean;
  /** Whether other keys are asked for in the same go. */
  readonly isOneOfMany: boolean;
  /** How often the last copy of the key was used here. */
  readonly served: number;
  readonly #asker: Asker;
  /** Whether it is answered, or nobody waits any more. */
  over = false;
  /** The link that carries it now, and what numbers it there. */
  link: Carrier | undefined = undefined;
  id = 0;
  askedAt = 0;
  /** How many links that carried it were lost. */
  losses = 0;
  /** How long the peer may go on being busy, once it was. */
  busyUntil = 0;
  /** What else is to end if nobody waits any more. */
  onLeave: ((reason: unknown) => void) | undefined = undefined;
  /** What observes it, if anything does. */
  work: WatchedWork | undefined = undefined;
  #forget: (() => void) | undefined = undefined;

  constructor(peeks: boolean, group: string, key: string, asker: Asker) {
    this.group = group;
    this.key = key;
    this.peeks = peeks;
    this.isOneOfMany = asker.isOneOfMany ?? false;
    this.served = asker.served ?? 0;
    this.#asker = asker;
  }

  /** Leaves when the asker does. */
  listen(): void {
    const asker = this.#asker;
    if (asker.onLeave !== undefined) return asker.onLeave(this);
    const { signal } = asker;
    if (signal === undefined) return;
    const leave = (): void => this.leave(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    this.#forget = () => signal.removeEventListener("abort", leave);
    if (signal.aborted) leave();
  }

  /** Nobody waits any more. */
  leave(reason: unknown): void {
    if (this.over) return;
    this.link?.cancel(this);
    const { onLeave } = this;
    this.work?.fail(reason, "canceled");
    this.reject(reason);
    onLeave?.(reason);
  }

  resolve(value: PeerValue): void {
    if (this.over) return;
    this.#end();
    this.work?.done();
    this.#asker.resolve(value);
  }

  reject(error: unknown): void {
    if (this.over) return;
    this.#end();
    this.work?.fail(error);
    this.#asker.reject(error);
  }

  #end(): void {
    this.over = true;
    this.link = undefined;
    this.onLeave = undefined;
    this.#forget?.();
  }
}
