/**
 * What a peer is, and who picks it.
 *
 * A group knows its cluster through these interfaces alone. `HTTPPool`
 * implements them over HTTP; anything that can carry bytes may do so, too.
 *
 * @module
 */

import type { ByteView } from "./byte_view.ts";

/** Options for a request to a {@linkcode Peer}. */
export interface PeerRequestOptions {
  /** Ends the request; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** A value as it travels between peers. */
export interface PeerValue {
  /** The bytes. */
  value: ByteView;
  /**
   * How long they have left to live, in milliseconds; absent: for ever. Time
   * left, because two processes' clocks are never compared.
   */
  ttlMs?: number;
}

/** Another process of the cluster. */
export interface Peer {
  /** Its name on the ring. */
  readonly id: string;
  /**
   * Asks for a key. The peer answers from its memory or its getter and never
   * asks on.
   *
   * @throws {NotFoundError} If its getter said so: final.
   * @throws {LoadError} If its getter failed: final.
   * @throws {PeerError} If it could not answer: somebody else may. With a
   *   `BusyError` as its cause: it is well, and nobody else should be asked.
   */
  get(
    group: string,
    key: string,
    options?: PeerRequestOptions,
  ): Promise<PeerValue>;
  /** Stores a value at that peer alone. */
  set(
    group: string,
    key: string,
    value: PeerValue,
    options?: PeerRequestOptions,
  ): Promise<void>;
  /** Drops keys at that peer alone. */
  remove(
    group: string,
    keys: readonly string[],
    options?: PeerRequestOptions,
  ): Promise<void>;
  /** Drops a whole group at that peer alone. */
  clear(group: string, options?: PeerRequestOptions): Promise<void>;
  /**
   * It could not be told of a write, and is not to be tried now: it is to be told
   * later that these keys were removed, or all of them. A peer without it hears
   * of that write no more.
   */
  owe?(group: string, keys?: readonly string[]): void;
  /**
   * What it has in memory, at once; `undefined`: nothing, or it cannot be asked.
   * It loads nothing and asks nobody. A peer without it hands on no copies.
   */
  peek?(
    group: string,
    key: string,
    options?: PeerRequestOptions,
  ): Promise<PeerValue | undefined>;
}

/** Knows which peer owns a key. */
export interface PeerPicker {
  /**
   * The peer to ask for `key`; `undefined`: answer it here. Without `failed` it is
   * the owner. With `failed` it is the first node in ring order that is not among
   * them and is not known to be out of reach.
   */
  pickPeer(key: string, failed?: ReadonlySet<Peer>): Peer | undefined;
  /** All peers, without this process itself. */
  peers(): Iterable<Peer>;
  /**
   * The peers that may have a copy of a key which this process is about to load,
   * the likeliest first: its owner, or those that owned it until a moment ago.
   *
   * @param owner What `pickPeer(key)` has just said.
   */
  holders?(key: string, owner: Peer | undefined): Iterable<Peer>;
  /**
   * Hears of each write that leaves this process, so that those who are no peers
   * at the moment can be told later; without keys, of a `clear`.
   */
  onWrite?(group: string, keys?: readonly string[]): void;
}
