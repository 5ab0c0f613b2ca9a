/**
 * Which process owns a key of a group, and which may have a copy of its value.
 *
 * @module
 */

import type { Peer, PeerPicker, PeerValue } from "../base/peers.ts";

/** One group's view of its cluster. */
export class Placement {
  readonly #group: string;
  readonly #peers: PeerPicker | undefined;

  /** @param peers The cluster; `undefined`: this process is alone. */
  constructor(group: string, peers: PeerPicker | undefined) {
    this.#group = group;
    this.#peers = peers;
  }

  /** The peer that owns `key`; `undefined`: this process does. */
  ownerOf(key: string): Peer | undefined {
    return this.#peers?.pickPeer(key);
  }

  /**
   * The value of `key` from the memory of a process that owns it or owned it until
   * a moment ago: the first of them that has one. Only memory is asked, so nobody
   * waits for a load elsewhere.
   *
   * @param owner What `ownerOf(key)` has just said.
   * @returns `undefined` at once if there is nobody to ask.
   */
  copyOf(
    key: string,
    owner: Peer | undefined,
    flight: { readonly signal: AbortSignal },
  ): Promise<PeerValue | undefined> | undefined {
    const holders = this.#peers?.holders?.(key, owner);
    if (holders === undefined) return undefined;
    const asked = [...holders];
    return asked.length === 0
      ? undefined
      : this.#firstCopy(asked, key, flight.signal);
  }

  async #firstCopy(
    holders: readonly Peer[],
    key: string,
    signal: AbortSignal,
  ): Promise<PeerValue | undefined> {
    for (const holder of holders) {
      const copy = await holder.peek?.(this.#group, key, { signal });
      if (copy !== undefined) return copy;
    }
    return undefined;
  }
}
