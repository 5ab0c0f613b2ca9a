/**
 * Telling peers of a write, and who could not be told.
 *
 * @module
 */

import { PeerError } from "./errors.ts";
import type { Peer } from "./peers.ts";

/** One write on its way to peers, in as many waves as it takes. */
export class Broadcast {
  readonly #failures = new Map<Peer, PeerError>();

  /**
   * Tells `peers`, all at once, and waits until each was told or could not be.
   * One that could not be told in an earlier wave is left out.
   */
  async tell(
    peers: Iterable<Peer>,
    write: (peer: Peer) => Promise<void>,
  ): Promise<void> {
    await Promise.all(Array.from(peers, async (peer) => {
      if (this.#failures.has(peer)) return;
      try {
        await write(peer);
      } catch (error) {
        this.#failures.set(peer, asPeerError(peer, error));
      }
    }));
  }

  /**
   * Ends the write.
   *
   * @throws {AggregateError} If some peers could not be told: a `PeerError` for
   *   each.
   */
  end(action: string): void {
    if (this.#failures.size === 0) return;
    const failures = [...this.#failures.values()];
    throw new AggregateError(
      failures,
      `${action} everywhere: could not tell ${
        failures.map((failure) => failure.peer).join(", ")
      }`,
    );
  }
}

/** A `PeerError` of that peer, whatever a peer of some other make rejected with. */
function asPeerError(peer: Peer, error: unknown): PeerError {
  if (error instanceof PeerError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new PeerError(peer.id, message, { cause: error });
}
