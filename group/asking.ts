/**
 * Asks for a key that is not in memory: its owner, then those who stand in for it, then
 * the getter.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import { isBusy, isDraining, isFinal } from "../base/errors.ts";
import type {
  Asker,
  DirectPeer,
  Leaver,
  Peer,
  PeerPicker,
  PeerValue,
} from "../base/peers.ts";
import { thrownOf } from "./getter.ts";
import type { GroupOptions } from "./group_options.ts";
import type { About } from "./entry.ts";
import type { LocalGroup } from "./local_group.ts";
import type { OpenFlight } from "./flights.ts";

/** What all questions of one group share. */
export interface AskingContext {
  readonly local: LocalGroup;
  /** `undefined`: this process is alone. */
  readonly peers: PeerPicker | undefined;
  readonly shouldMirror: GroupOptions["shouldMirror"];
}

/** One key that is asked for, for all who wait in its flight. */
export class Asking implements Asker {
  /** Whether other keys are asked for in the same go. */
  readonly isOneOfMany: boolean;
  readonly #context: AskingContext;
  readonly #key: string;
  readonly #flight: OpenFlight<ByteView, About>;
  /** How often the last copy of the key was used. */
  served = 0;
  #isOwner = false;
  #peer: Peer | undefined;
  #failed: Set<Peer> | undefined;
  #skipPeek: boolean | undefined;

  constructor(
    context: AskingContext,
    key: string,
    flight: OpenFlight<ByteView, About>,
    isOneOfMany: boolean,
  ) {
    this.isOneOfMany = isOneOfMany;
    this.#context = context;
    this.#key = key;
    this.#flight = flight;
  }

  /** Asks. The flight gets what comes of it. */
  begin(): void {
    const { peers, local } = this.#context;
    const owner = peers?.pickPeer(this.#key);
    this.#isOwner = owner === undefined;
    if (owner === undefined) return void this.#load();
    this.served = local.takeServed(this.#key);
    this.#ask(owner);
  }

  get signal(): AbortSignal {
    return this.#flight.signal;
  }

  onLeave(leaver: Leaver): void {
    this.#flight.onLeave(leaver);
  }

  /** A peer has answered. */
  resolve(answer: PeerValue): void {
    try {
      this.#keep(answer);
    } catch (error) {
      return this.#flight.reject(error);
    }
    const { value, ttlMs = Infinity } = answer;
    this.#flight.resolve(value, { from: "peer", ttlMs });
  }

  /** A peer has no answer. */
  reject(error: unknown): void {
    const { local, peers } = this.#context;
    if (isFinal(error) || this.#flight.aborted) {
      return this.#flight.reject(error);
    }
    local.counts.peerErrors++;
    // Only an owner that drains may still have a copy: a busy one has none, and one that
    // failed does not answer.
    this.#skipPeek ??= !isDraining(error);
    // A busy owner is alive: no third process should load its key.
    if (isBusy(error)) return void this.#load();
    this.#failed ??= new Set();
    this.#failed.add(this.#peer!);
    let next: Peer | undefined;
    try {
      next = peers!.pickPeer(this.#key, this.#failed);
    } catch (error) {
      return this.#flight.reject(error);
    }
    // A picker that comes back to a peer that failed would never end.
    if (next === undefined || this.#failed.has(next)) this.#load();
    else this.#ask(next);
  }

  #ask(peer: Peer): void {
    const { local } = this.#context;
    this.#peer = peer;
    local.counts.loadsDeduped++;
    if ("ask" in peer) {
      return (peer as DirectPeer).ask(local.name, this.#key, this);
    }
    this.#askForPromise(peer);
  }

  /** A peer of some other make may throw at once, or give no promise. */
  async #askForPromise(peer: Peer): Promise<void> {
    let answer: PeerValue;
    try {
      answer = await peer.get(this.#context.local.name, this.#key, this);
    } catch (error) {
      return this.reject(error);
    }
    this.resolve(answer);
  }

  /**
   * Counts what a peer answered, and keeps a copy if `shouldMirror` says so or, without
   * that, the owner. What a stand-in answers is not kept: a write tells the owner first
   * and all others at once, so the value may be one that this process was told to drop a
   * moment ago.
   */
  #keep(answer: PeerValue): void {
    const { local, shouldMirror } = this.#context;
    local.counts.peerLoads++;
    // A forgotten flight asked before a write and may hold the old value.
    if (!this.#flight.current || this.#failed !== undefined) return;
    const key = this.#key;
    if (shouldMirror === undefined) {
      if (answer.isHot === true) local.mirrorHot(key, answer);
    } else if (local.inContext(() => shouldMirror(key, answer.value))) {
      local.mirror(key, answer);
    }
  }

  async #load(): Promise<void> {
    const flight = this.#flight;
    try {
      const loaded = await this.#context.local.load(this.#key, {
        signal: flight.signal,
        isOwner: this.#isOwner,
        skipPeek: this.#skipPeek ?? false,
      });
      const { value, from, ttlMs = Infinity } = loaded;
      flight.resolve(value, { from, ttlMs });
    } catch (error) {
      // Callers here get what the getter threw, as it is.
      flight.reject(thrownOf(error));
    }
  }
}
