/**
 * Counts and times what a pool tells its observers: calls of getters, and requests to
 * peers.
 *
 * It holds numbers for the pool's groups and the peers in its list, and for no key.
 *
 * @module
 */

import type {
  LoadStart,
  PeerStart,
  PoolObserver,
  WorkEnd,
  WorkObserver,
  WorkResult,
} from "../base/watchers.ts";
import type { Group } from "../group.ts";
import { RequestTypes } from "../group/counts.ts";
import type { HTTPPool } from "../http.ts";
import { Histogram } from "./histogram.ts";

/** Why a getter is called. */
export const REASONS = ["miss", "refresh", "stand-in"] as const;

/** What may come of a call of a getter; each has a series from the start. */
const LOAD_RESULTS = ["ok", "not_found", "failed", "canceled"] as const;

/** The same for a request to a peer. */
const PEER_RESULTS = [
  ...LOAD_RESULTS,
  "busy",
  "draining",
  "unreachable",
] as const;

/** How many times there was each result. */
type Counts = Partial<Record<WorkResult, number>>;

function zeros(results: readonly WorkResult[]): Counts {
  return Object.fromEntries(results.map((result) => [result, 0]));
}

/** The keys that were loaded for one reason. */
class Loads implements WorkObserver {
  readonly counts: Counts = zeros(LOAD_RESULTS);
  readonly #times: Histogram;

  constructor(times: Histogram) {
    this.#times = times;
  }

  end({ ms, keys }: WorkEnd): void {
    const { counts } = this;
    for (const result in keys) {
      const name = result as WorkResult;
      counts[name] = (counts[name] ?? 0) + keys[name]!;
    }
    this.#times.add(ms);
  }
}

/** The gets and the loads of one group. */
export class GroupWork {
  /** How long each call of the getter took. */
  readonly times: Histogram = new Histogram();
  readonly loads: Readonly<Record<typeof REASONS[number], Loads>> = {
    miss: new Loads(this.times),
    refresh: new Loads(this.times),
    "stand-in": new Loads(this.times),
  };
  readonly requests: RequestTypes = new RequestTypes();
}

/** The requests to one peer. */
export class PeerWork implements WorkObserver {
  readonly counts: Counts = zeros(PEER_RESULTS);
  readonly times: Histogram = new Histogram();

  end({ ms, result }: WorkEnd): void {
    this.counts[result] = (this.counts[result] ?? 0) + 1;
    this.times.add(ms);
  }
}

/** Observes a pool for as long as it lives. */
export class Recorder implements PoolObserver {
  readonly #pool: HTTPPool;
  /** By group, since another one may have the name later. */
  readonly #groups = new WeakMap<Group, GroupWork>();
  readonly #peers = new Map<string, PeerWork>();

  constructor(pool: HTTPPool) {
    this.#pool = pool;
  }

  load({ group, reason }: LoadStart): WorkObserver | undefined {
    const found = this.#pool.getGroup(group);
    return found === undefined ? found : this.group(found).loads[reason];
  }

  peer({ peer }: PeerStart): WorkObserver | undefined {
    return this.#peers.get(peer) ?? this.#addPeer(peer);
  }

  /** What a group of the pool did. */
  group(group: Group): GroupWork {
    let work = this.#groups.get(group);
    if (work === undefined) {
      work = new GroupWork();
      this.#groups.set(group, work);
    }
    return work;
  }

  /** What was asked of each of the pool's peers. */
  peers(): ReadonlyMap<string, PeerWork> {
    const ids = new Set<string>();
    for (const { id } of this.#pool.peers()) ids.add(id);
    for (const id of this.#peers.keys()) {
      if (!ids.has(id)) this.#peers.delete(id);
    }
    for (const id of ids) {
      if (!this.#peers.has(id)) this.#peers.set(id, new PeerWork());
    }
    return this.#peers;
  }

  /** A peer that left the list may still be asked for copies, and is not counted. */
  #addPeer(id: string): PeerWork | undefined {
    return this.peers().get(id);
  }
}
