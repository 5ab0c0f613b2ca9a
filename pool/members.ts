/**
 * The processes of a pool as this one was told: who they are, which of them owns a
 * key, which did until a moment ago, and which have another list.
 *
 * @module
 */

import type { Observer } from "../base/observer.ts";
import type { Peer, PeerPicker } from "../base/peers.ts";
import { HTTPPeer } from "../peer/http_peer.ts";
import type { PeerOptions } from "../peer/requests.ts";
import type { MissedRemoves, Removal } from "../peer/missed_removes.ts";
import type { Transport } from "../peer/transport.ts";
import { crc32, type Ring } from "../protocol/consistent_hash.ts";

/** Options for {@linkcode Members}, beside those of its peers. */
export interface MembersOptions extends PeerOptions {
  self: string;
  /** For how long after a change the last owner of a key is asked for its copy. */
  handoverMs: number;
}

/** A peer that left a moment ago. */
interface Leaving {
  /** Is asked for copies and nothing else; `undefined`: it was out of reach. */
  readonly peer: HTTPPeer | undefined;
  end(): void;
}

/** How many processes are asked for a copy before a key is loaded. */
const MAX_HOLDERS = 2;

/** How many peers that left are remembered, with what they missed since. */
const MAX_DEPARTED = 64;

/** The processes of one pool. Its groups ask it where keys live. */
export class Members implements PeerPicker {
  readonly #options: MembersOptions;
  readonly #transport: Transport;
  readonly #observer: Observer;
  readonly #peers = new Map<string, HTTPPeer>();
  /** What peers that left the list have missed, in case they come back. */
  readonly #departed = new Map<string, MissedRemoves>();
  /** Peers that left a moment ago. */
  readonly #leaving = new Map<string, Leaving>();
  #ring: Ring;
  /** The peer of each name on the ring, without this process. */
  #byNode = new Map<string, HTTPPeer>();
  #fingerprint: string;
  /** The ring before the last change, and how long that matters. */
  #last: { ring: Ring; until: number };
  /** How many requests came from processes with another list. */
  ringDisagreements = 0;
  #someRingDiffers = false;
  /** Whose other list was reported; `undefined` stands for all that are no peers. */
  readonly #reported = new Set<string | undefined>();

  constructor(options: MembersOptions) {
    const { transport, observer } = options;
    this.#options = options;
    this.#transport = transport;
    this.#observer = observer;
    this.#ring = transport.protocol.ring([]);
    this.#fingerprint = fingerprintOf(this.#ring, transport.cluster);
    this.#last = { ring: this.#ring, until: -Infinity };
    observer.on("outdated", (event) => this.#dropCopiesElsewhere(event));
  }

  /** The names on the ring. */
  get nodes(): readonly string[] {
    return this.#ring.nodes;
  }

  /** Whether it owns keys: it is in its own list, or alone. */
  get ownsKeys(): boolean {
    const peers = this.#byNode.size;
    return peers === 0 || peers < this.#ring.nodes.length;
  }

  /** A short text that is the same in all processes that were told the same list. */
  get fingerprint(): string {
    return this.#fingerprint;
  }

  /**
   * Replaces the list.
   *
   * @param origins The origin of each name.
   */
  set(origins: ReadonlyMap<string, string>): void {
    const { self, handoverMs } = this.#options;
    const { protocol, clock, cluster } = this.#transport;
    const ring = protocol.ring(origins.keys());
    const fingerprint = fingerprintOf(ring, cluster);
    const isChange = fingerprint !== this.#fingerprint;
    const stay = new Set(origins.values());
    for (const [origin, peer] of this.#peers) {
      if (stay.has(origin)) continue;
      this.#peers.delete(origin);
      peer.close();
      this.#remember(origin, peer.missed);
      this.#linger(origin, peer);
    }
    const byNode = new Map<string, HTTPPeer>();
    for (const [node, origin] of origins) {
      if (origin !== self) byNode.set(node, this.#peerAt(origin));
    }
    if (isChange) {
      for (const peer of this.#peers.values()) peer.ringDiffers = false;
      this.#someRingDiffers = false;
      this.#reported.clear();
      // A process that was alone until now did not own what the others do. Before it
      // came, the list was the rest.
      const wasAlone = this.#byNode.size === 0;
      this.#last = {
        ring: wasAlone ? protocol.ring(byNode.keys()) : this.#ring,
        until: clock.now() + handoverMs,
      };
    }
    this.#ring = ring;
    this.#byNode = byNode;
    this.#fingerprint = fingerprint;
    this.#transport.announce(fingerprint);
  }

  /** Ends all requests to peers. */
  close(): void {
    this.set(new Map());
    for (const { end } of this.#leaving.values()) end();
  }

  pickPeer(key: string, failed?: ReadonlySet<Peer>): Peer | undefined {
    const byNode = this.#byNode;
    if (byNode.size === 0) return undefined;
    if (failed === undefined || failed.size === 0) {
      return byNode.get(this.#ring.get(key)!);
    }
    for (const node of this.#ring.successors(key)) {
      const peer = byNode.get(node);
      if (peer === undefined) return peer;
      // A peer that is out of reach stands in for nobody.
      if (peer.isAsked && !failed.has(peer)) return peer;
    }
    return undefined;
  }

  peers(): Iterable<HTTPPeer> {
    return this.#peers.values();
  }

  /** Whether a process is in the list now. */
  has(origin: string): boolean {
    return this.#peers.has(origin);
  }

  holders(key: string, owner: Peer | undefined): Iterable<HTTPPeer> {
    if (owner !== undefined) {
      const peer = owner as HTTPPeer;
      return peer.mayPeek ? [peer] : [];
    }
    const isLate = this.#transport.clock.now() >= this.#last.until;
    return isLate ? [] : this.#lastOwners(key);
  }

  onWrite(group: string, keys?: readonly string[]): void {
    this.#rememberWrite({ group, keys });
  }

  /**
   * Compares a request's list of nodes with this process's own.
   *
   * @param peer The id of the sender. It is needed only where a list differs.
   */
  compareRing(fingerprint: string, peer: () => string): void {
    const differs = fingerprint !== this.#fingerprint;
    // Normally no list differs, and the sender need not be known.
    if (differs || this.#someRingDiffers) this.#noteRing(differs, peer());
  }

  #noteRing(differs: boolean, id: string): void {
    const peer = this.#peers.get(id);
    if (peer !== undefined && peer.ringDiffers !== differs) {
      peer.ringDiffers = differs;
      const peers = [...this.#peers.values()];
      this.#someRingDiffers = peers.some(({ ringDiffers }) => ringDiffers);
    }
    if (!differs) return;
    this.ringDisagreements++;
    // A process that is no peer may call itself anything: all of them count as one.
    const known = peer?.id;
    if (this.#reported.has(known)) return;
    this.#reported.add(known);
    this.#observer.emit("list", { peer: known, name: id });
  }

  /** @param told A peer that knows about the write. */
  #rememberWrite(removal: Removal, told?: string): void {
    // Go's protocols have no writes.
    if (!this.#transport.protocol.native) return;
    for (const [origin, missed] of this.#departed) {
      if (origin !== told) missed.add(removal);
    }
  }

  /**
   * Has all others drop their copies of keys whose removal a peer missed: it may have
   * handed out the old values.
   */
  #dropCopiesElsewhere(
    { peer: id, group, keys }: Removal & { peer: string },
  ): void {
    this.#rememberWrite({ group, keys }, id);
    for (const peer of this.#peers.values()) {
      // A peer that cannot be told now is told later.
      if (peer.id !== id) peer.clearCopies(group, keys).catch(() => {});
    }
  }

  /**
   * The processes that owned one of this process's keys until the list changed, the
   * last owner first. The one before is asked, too: when several nodes join one after
   * the other, the last owner may not have been asked for the key yet. All rings rank
   * the nodes of a key in the same order.
   */
  *#lastOwners(key: string): IterableIterator<HTTPPeer> {
    let count = 0;
    for (const node of this.#last.ring.successors(key)) {
      if (count++ === MAX_HOLDERS) return;
      const peer = this.#byNode.get(node) ?? this.#leaving.get(node)?.peer;
      if (peer?.mayPeek) yield peer;
    }
  }

  #peerAt(origin: string): HTTPPeer {
    let peer = this.#peers.get(origin);
    if (peer === undefined) {
      this.#leaving.get(origin)?.end();
      const missed = this.#departed.get(origin);
      this.#departed.delete(origin);
      peer = new HTTPPeer(origin, this.#options, missed);
      this.#peers.set(origin, peer);
    }
    return peer;
  }

  /**
   * Keeps a peer that left in reach for a while: it may be on its way out with all
   * that it has, so it is asked for copies. A leaving peer may also have handed out
   * values whose removal it missed, and may never be told; after `handoverMs`, all
   * others are told instead.
   */
  #linger(origin: string, { mayPeek, missed }: HTTPPeer): void {
    if (!mayPeek && missed.size === 0) return;
    const { handoverMs } = this.#options;
    const tellOthers = (): void => {
      for (const { group, keys } of missed.all()) {
        this.#observer.emit("outdated", { peer: origin, group, keys });
      }
    };
    // Those that stay are told, once they are known.
    if (handoverMs <= 0) return queueMicrotask(tellOthers);
    const peer = mayPeek
      ? new HTTPPeer(origin, this.#options, missed)
      : undefined;
    const cancel = this.#transport.clock.after(handoverMs, () => {
      end();
      tellOthers();
    }, true);
    const end = (): void => {
      cancel();
      peer?.close();
      this.#leaving.delete(origin);
    };
    this.#leaving.set(origin, { peer, end });
  }

  #remember(origin: string, missed: MissedRemoves): void {
    this.#departed.set(origin, missed);
    if (this.#departed.size <= MAX_DEPARTED) return;
    for (const oldest of this.#departed.keys()) {
      this.#departed.delete(oldest);
      return;
    }
  }
}

function fingerprintOf({ nodes }: Ring, cluster: string | undefined): string {
  const all = cluster === undefined ? nodes : [cluster, ...nodes];
  const names = new TextEncoder().encode(all.join("\n"));
  return crc32(names).toString(16).padStart(8, "0");
}
