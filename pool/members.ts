/**
 * Who is in the cluster, who owns a key, and who did until a moment ago; whose
 * list of nodes is another one.
 *
 * @module
 */

import { crc32, type Ring } from "../protocol/consistent_hash.ts";
import { HTTPPeer, type HTTPPeerOptions } from "../peer/http_peer.ts";
import type { MissedRemoves } from "../peer/missed_removes.ts";
import type { Peer, PeerPicker } from "../base/peers.ts";

/** What {@linkcode Members} are made of. */
export interface MembersOptions extends HTTPPeerOptions {
  self: string;
  /** For how long after a change the last owner of a key is asked for its copy. */
  handoverMs: number;
  /** Writes to the log what may become a fault. */
  warn: (message: string) => void;
}

/** A peer that left a moment ago. */
interface Leaving {
  /** To be asked for copies, and nothing else; `undefined`: it was out of reach. */
  readonly peer: HTTPPeer | undefined;
  end(): void;
}

/** So many are asked for a copy before a key is loaded. */
const MAX_HOLDERS = 2;

/** So many peers that left are remembered, and what they missed since. */
const MAX_DEPARTED = 64;

/** The members of a pool's cluster, as this process was told. */
export class Members implements PeerPicker {
  readonly #options: MembersOptions;
  readonly #peers = new Map<string, HTTPPeer>();
  /** What those who left the list are owed, should they come back. */
  readonly #departed = new Map<string, MissedRemoves>();
  /** Those of them that left a moment ago. */
  readonly #leaving = new Map<string, Leaving>();
  #ring: Ring;
  /** The peer of each name on the ring but this process's own. */
  #byNode = new Map<string, HTTPPeer>();
  #fingerprint: string;
  /** The ring before the last change, and how long that matters. */
  #last: { ring: Ring; until: number };
  /** How many requests came from another list. */
  ringDisagreements = 0;
  #someRingDiffers = false;
  /** Those whose other list was written to the log, peers or not. */
  readonly #complainedOf = new Set<string>();

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#ring = options.protocol.ring([]);
    this.#fingerprint = fingerprintOf(this.#ring);
    this.#last = { ring: this.#ring, until: -Infinity };
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
    const { protocol, self, clock, handoverMs } = this.#options;
    const ring = protocol.ring(origins.keys());
    const fingerprint = fingerprintOf(ring);
    const isChange = fingerprint !== this.#fingerprint;
    const stay = new Set(origins.values());
    for (const [origin, peer] of this.#peers) {
      if (stay.has(origin)) continue;
      this.#peers.delete(origin);
      peer.close();
      this.#remember(origin, peer.owed);
      this.#linger(origin, peer);
    }
    const byNode = new Map<string, HTTPPeer>();
    for (const [node, origin] of origins) {
      if (origin !== self) byNode.set(node, this.#peerAt(origin));
    }
    if (isChange) {
      for (const peer of this.#peers.values()) peer.ringDiffers = false;
      this.#someRingDiffers = false;
      this.#complainedOf.clear();
      // Who was alone until now did not own what the others did: before this
      // process came, the list was the rest.
      const wasAlone = this.#byNode.size === 0;
      this.#last = {
        ring: wasAlone ? protocol.ring(byNode.keys()) : this.#ring,
        until: clock.now() + handoverMs,
      };
    }
    this.#ring = ring;
    this.#byNode = byNode;
    this.#fingerprint = fingerprint;
  }

  /** Asks nobody any more. */
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
      // Who is out of reach stands in for nobody.
      if (peer.isAsked && !failed.has(peer)) return peer;
    }
    return undefined;
  }

  peers(): Iterable<HTTPPeer> {
    return this.#peers.values();
  }

  holders(key: string): Iterable<HTTPPeer> {
    const owner = this.#byNode.get(this.#ring.get(key)!);
    if (owner !== undefined) return owner.mayPeek ? [owner] : [];
    const isLate = this.#options.clock.now() >= this.#last.until;
    return isLate ? [] : this.#lastOwners(key);
  }

  /** @param told Who knows of it. */
  onWrite(group: string, keys?: readonly string[], told?: string): void {
    if (!this.#options.protocol.native) return;
    for (const [origin, owed] of this.#departed) {
      if (origin !== told) owed.add({ group, keys });
    }
  }

  /** A request came from another list of nodes, or from the same. */
  onRing(differs: boolean, idOf: () => string): void {
    // As a rule nobody's differs, and who asks need not be known.
    if (!differs && !this.#someRingDiffers) return;
    const id = idOf();
    const peer = this.#peers.get(id);
    if (peer !== undefined && peer.ringDiffers !== differs) {
      peer.ringDiffers = differs;
      const peers = [...this.#peers.values()];
      this.#someRingDiffers = peers.some(({ ringDiffers }) => ringDiffers);
    }
    if (!differs) return;
    this.ringDisagreements++;
    // Who is no peer may call itself anything: all of them count as one.
    const who = peer === undefined ? "a process that is no peer" : id;
    if (this.#complainedOf.has(who)) return;
    this.#complainedOf.add(who);
    const { warn, self } = this.#options;
    warn(
      `[Pool ${self}] ${who} has another list of nodes: until both have the same, keys may be loaded twice`,
    );
  }

  /**
   * Who owned a key of this process's until the list changed, and who did before:
   * of nodes that joined one after the other, the last may not have been asked
   * for it yet. The order in which nodes draw a key is the same on every ring.
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
      const owed = this.#departed.get(origin);
      this.#departed.delete(origin);
      peer = new HTTPPeer(origin, this.#options, owed);
      this.#peers.set(origin, peer);
    }
    return peer;
  }

  /**
   * A peer that left may be on its way out, with all that it has: for a while it
   * is asked for copies. What it missed it may have handed on, to whom nobody
   * knows, and may never be told: then all others are.
   */
  #linger(origin: string, { mayPeek, owed }: HTTPPeer): void {
    if (!mayPeek && owed.size === 0) return;
    const { clock, handoverMs, onDelivered } = this.#options;
    const tellOthers = (): void => {
      for (const { group, keys } of owed.all()) {
        onDelivered(origin, group, keys);
      }
    };
    // Those who are left are told, once they are known.
    if (handoverMs <= 0) return queueMicrotask(tellOthers);
    const options = { ...this.#options, onChange: () => {} };
    const peer = mayPeek ? new HTTPPeer(origin, options, owed) : undefined;
    const callOff = clock.after(handoverMs, () => {
      end();
      tellOthers();
    });
    const end = (): void => {
      callOff();
      peer?.close();
      this.#leaving.delete(origin);
    };
    this.#leaving.set(origin, { peer, end });
  }

  #remember(origin: string, owed: MissedRemoves): void {
    this.#departed.set(origin, owed);
    if (this.#departed.size <= MAX_DEPARTED) return;
    for (const oldest of this.#departed.keys()) {
      this.#departed.delete(oldest);
      return;
    }
  }
}

function fingerprintOf({ nodes }: Ring): string {
  const names = new TextEncoder().encode(nodes.join("\n"));
  return crc32(names).toString(16).padStart(8, "0");
}
