/**
 * Carries writes to all processes: in which order they are told, and which of them
 * could not be.
 *
 * @module
 */

import type { Unreachable } from "../base/checks.ts";
import { messageOf, PeerError, quote } from "../base/errors.ts";
import type { Peer, PeerPicker, PeerValue } from "../base/peers.ts";
import type { LocalGroup } from "./local_group.ts";

/**
 * The writes of one group. Each write first drops what this process has, then tells
 * the owner, then drops what a get in between may have mirrored, then tells all
 * others.
 */
export class Writes {
  readonly #local: LocalGroup;
  readonly #peers: PeerPicker | undefined;
  readonly #unreachable: Unreachable;

  /** @param unreachable For writes that do not say it themselves. */
  constructor(
    local: LocalGroup,
    peers: PeerPicker | undefined,
    unreachable: Unreachable,
  ) {
    this.#local = local;
    this.#peers = peers;
    this.#unreachable = unreachable;
  }

  /** Stores a value at its owner and drops the key everywhere else. */
  async set(
    key: string,
    value: PeerValue,
    unreachable?: Unreachable,
  ): Promise<void> {
    const { name } = this.#local;
    const write = this.#begin(
      `Cannot set ${quote(key)} of group ${quote(name)}`,
      unreachable,
    );
    if (this.#peers === undefined) return this.#local.set(key, value);
    this.#peers.onWrite?.(name, [key]);
    const owner = this.#peers.pickPeer(key);
    if (owner === undefined) this.#local.set(key, value);
    else {
      this.#local.remove(key);
      await write.tell([owner], (peer) => peer.set(name, key, value));
      this.#local.remove(key);
      this.#peers.onWrite?.(name, [key]);
    }
    const others = this.#others((peer) => peer !== owner);
    await write.tell(others, (peer) => peer.remove(name, [key]));
    write.end();
  }

  /** Drops keys everywhere. */
  async remove(
    keys: readonly string[],
    unreachable?: Unreachable,
  ): Promise<void> {
    const { name } = this.#local;
    const write = this.#begin(
      `Cannot remove keys of group ${quote(name)}`,
      unreachable,
    );
    const ownedBy = this.#byOwner(keys);
    this.#peers?.onWrite?.(name, keys);
    this.#drop(keys);
    await write.tell(
      ownedBy.keys(),
      (peer) => peer.remove(name, [...ownedBy.get(peer)!]),
    );
    this.#drop(keys);
    // Some peers may have left the list before their turn.
    this.#peers?.onWrite?.(name, keys);
    const others = this.#others((p) => ownedBy.get(p)?.size !== keys.length);
    const restOf = (peer: Peer): readonly string[] => {
      const told = ownedBy.get(peer);
      return told === undefined ? keys : keys.filter((key) => !told.has(key));
    };
    await write.tell(
      others,
      (peer) => peer.remove(name, restOf(peer)),
      (peer) => peer.owe?.(name, restOf(peer)),
    );
    write.end();
  }

  /** Drops everything everywhere. */
  async clear(unreachable?: Unreachable): Promise<void> {
    const { name } = this.#local;
    const write = this.#begin(
      `Cannot clear group ${quote(name)}`,
      unreachable,
    );
    // A peer that was told early may mirror an old value from an owner that is told
    // late. So all are told twice.
    for (let wave = 0; wave < 2; wave++) {
      this.#local.clear();
      this.#peers?.onWrite?.(name);
      await write.tell(
        this.#others(),
        (peer) => peer.clear(name),
        (peer) => peer.owe?.(name),
      );
    }
    write.end();
  }

  /**
   * Begins a write.
   *
   * @throws {Error} If the group is closed: its pool may know no peers any more.
   */
  #begin(
    action: string,
    unreachable: Unreachable = this.#unreachable,
  ): Broadcast {
    const write = new Broadcast(action, this.#local, unreachable);
    write.checkOpen();
    return write;
  }

  #byOwner(keys: readonly string[]): Map<Peer, Set<string>> {
    const ownedBy = new Map<Peer, Set<string>>();
    for (const key of keys) {
      const owner = this.#peers?.pickPeer(key);
      if (owner === undefined) continue;
      const owned = ownedBy.get(owner);
      if (owned === undefined) ownedBy.set(owner, new Set([key]));
      else owned.add(key);
    }
    return ownedBy;
  }

  #drop(keys: readonly string[]): void {
    for (const key of keys) this.#local.remove(key);
  }

  #others(which: (peer: Peer) => boolean = () => true): Peer[] {
    return this.#peers === undefined
      ? []
      : [...this.#peers.peers()].filter(which);
  }
}

/** One write on its way to peers, in one or more waves. */
class Broadcast {
  readonly #action: string;
  readonly #local: LocalGroup;
  readonly #unreachable: Unreachable;
  readonly #failures = new Map<Peer, PeerError>();

  constructor(action: string, local: LocalGroup, unreachable: Unreachable) {
    this.#action = action;
    this.#local = local;
    this.#unreachable = unreachable;
  }

  checkOpen(): void {
    if (!this.#local.closed) return;
    throw new Error(`${this.#action}: the group is closed`);
  }

  /**
   * Tells `peers`, all at once, and waits until each was told or could not be. A
   * peer that could not be told in an earlier wave is skipped, and told later.
   */
  async tell(
    peers: Iterable<Peer>,
    write: (peer: Peer) => Promise<void>,
    owe: (peer: Peer) => void = () => {},
  ): Promise<void> {
    await Promise.all(Array.from(peers, async (peer) => {
      if (this.#failures.has(peer)) return owe(peer);
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
   *   each. Peers that are told later count as told if that is enough.
   * @throws {Error} If the group was closed meanwhile: peers that were not told yet
   *   are not known any more.
   */
  end(): void {
    const isEnough = [...this.#failures.keys()].every((peer) =>
      this.#unreachable === "later" && peer.tellsLater === true
    );
    if (isEnough) return this.checkOpen();
    const failures = [...this.#failures.values()];
    throw new AggregateError(
      failures,
      `${this.#action} everywhere: could not tell ${
        failures.map((failure) => failure.peer).join(", ")
      }`,
    );
  }
}

/** A `PeerError` for that peer. A `Peer` of some other make may reject with anything. */
function asPeerError(peer: Peer, error: unknown): PeerError {
  if (error instanceof PeerError) return error;
  return new PeerError(peer.id, messageOf(error), { cause: error });
}
