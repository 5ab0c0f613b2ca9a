/**
 * The interfaces between a group and its cluster.
 *
 * A group knows its cluster through these interfaces alone. The groups of an
 * `HTTPPool` get an implementation over HTTP. Anything else that can carry bytes may
 * implement them, too.
 *
 * @module
 */

import type { ByteView } from "./byte_view.ts";

/** Options for a request to a {@linkcode Peer}. */
export interface PeerRequestOptions {
  /** Aborts the request. Its promise then rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * With a question for a key: how often a copy of it was used here since that came.
   * The peer counts this as demand that it did not see. Absent: not at all.
   */
  served?: number;
}

/** What is to hear that nobody waits for it any more. */
export interface Leaver {
  leave(reason: unknown): void;
}

/** Who asks a peer, and takes the answer. */
export interface Asker extends PeerRequestOptions {
  /** Whether other keys are asked for in the same go. */
  readonly isOneOfMany?: boolean;
  /** Tells `leaver` once nobody waits any more. Without this, the signal does. */
  onLeave?(leaver: Leaver): void;
  /** The peer's answer. */
  resolve(value: PeerValue): void;
  /** Why there is none, as `Peer.get()` rejects. */
  reject(error: unknown): void;
}

/** A peer that can be asked without a promise, which would cost as much as the rest. */
export interface DirectPeer {
  /** As `Peer.get()`. */
  ask(group: string, key: string, asker: Asker): void;
}

/** A value as it travels between peers. */
export interface PeerValue {
  /** The bytes. */
  value: ByteView;
  /**
   * The time that they have left to live, in milliseconds. Absent if they never
   * expire. Below 0: they have been stale for so long. It is a duration because clocks
   * of two processes are never compared.
   */
  ttlMs?: number;
  /**
   * For how long after that they may be answered while they are loaded again. Absent
   * where that is not the receiver's business: it is for a value to store, and for one
   * from the memory of another process.
   */
  staleWhileRevalidateMs?: number;
  /** The same if they cannot be loaded. */
  staleIfErrorMs?: number;
  /** Whether the key is asked for so often that the asker should keep a copy. */
  isHot?: boolean;
}

/** Another process of the cluster. */
export interface Peer {
  /** Its name on the ring. */
  readonly id: string;
  /**
   * Asks for a key. The peer answers from its memory or its getter, and never
   * passes the request on.
   *
   * @throws {NotFoundError} If its getter has no such key. This is final.
   * @throws {LoadError} If its getter failed. This is final.
   * @throws {PeerError} If it could not answer; another peer may. If the cause is a
   *   `BusyError`, the peer is well, and no other peer should be asked.
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
   * Whether a write that rejected is told later, as a remove. A write with
   * `unreachable: "later"` rejects if it could not reach a peer without this.
   */
  readonly tellsLater?: boolean;
  /**
   * Notes a write that this peer could not be told of and is not to be told now.
   * Later it must be told that `keys` were removed, or the whole group if there
   * are no `keys`. A peer without this method never hears of such a write.
   */
  owe?(group: string, keys?: readonly string[]): void;
  /**
   * The value that the peer has in memory, or `undefined` if it has nothing or cannot
   * be asked. It answers at once: it loads nothing and asks nobody. A peer without this
   * method hands out no copies.
   */
  peek?(
    group: string,
    key: string,
    options?: PeerRequestOptions,
  ): Promise<PeerValue | undefined>;
}

/** Knows the peers, and which of them owns a key. */
export interface PeerPicker {
  /**
   * The peer to ask for `key`, or `undefined` if this process is to answer. It is
   * the first one in ring order that is not in `failed`; without `failed`, it is
   * the owner. A peer that would stand in for the owner may also be skipped if it
   * is known to be out of reach.
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
   * Hears of each write that leaves this process, so that processes that are no peers
   * at the moment can be told later. A call without keys means a `clear`.
   */
  onWrite?(group: string, keys?: readonly string[]): void;
  /**
   * A picker has no such method. An `HTTPPool` has one, and makes its groups with it:
   * a group that only picks peers there is one that its peers do not know.
   */
  readonly group?: never;
}
