/**
 * Whether the peer at the other end of a link is silent, and when to ping it.
 *
 * @module
 */

/** An asker that waits says something at least so often. */
const MAX_PING_MS = 5_000;

/** What was heard of a peer, and when it was pinged. All times are the clock's. */
export class Silence {
  readonly #timeoutMs: number;
  /** How long after it was heard a peer is pinged. */
  readonly pingMs: number;
  #heardAt = 0;
  #pingedAt = 0;
  /** An interval of pings before the first one that is not answered. */
  #silentSince = 0;

  /** @param timeoutMs How long it may be silent though it is pinged. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.pingMs = Math.min(timeoutMs / 2, MAX_PING_MS);
  }

  /** When it was heard last. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** When it was pinged last. */
  get pingedAt(): number {
    return this.#pingedAt;
  }

  /** It said something. */
  hear(now: number): void {
    this.#heardAt = now;
  }

  /** It has something to answer since now, and is not silent yet. */
  begin(now: number): void {
    this.#heardAt = this.#pingedAt = now;
  }

  /** A ping leaves now. */
  ping(now: number): void {
    if (this.#pingedAt <= this.#heardAt) this.#silentSince = now - this.pingMs;
    this.#pingedAt = now;
  }

  /** When the next ping is due. */
  get pingAt(): number {
    return Math.max(this.#heardAt, this.#pingedAt) + this.pingMs;
  }

  /**
   * When it has been silent for too long. It is not, however long this process was
   * blocked, if there is no ping that it could have answered.
   */
  get deadAt(): number {
    return this.#pingedAt > this.#heardAt
      ? Math.max(this.#heardAt, this.#silentSince) + this.#timeoutMs
      : Infinity;
  }
}
