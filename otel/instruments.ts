/**
 * The instruments of a pool: counts that are read when somebody collects them, and how
 * long loads and requests to peers took.
 *
 * @module
 */

import type {
  LoadStart,
  PeerStart,
  PoolObserver,
  WorkObserver,
} from "../base/watchers.ts";
import type { Group } from "../group.ts";
import { RequestTypes } from "../group/counts.ts";
import type {
  Attributes,
  Histogram,
  Meter,
  Observable,
  ObservableResult,
} from "./api.ts";
import { addressOf } from "./words.ts";

/** Buckets from what memory in the next process takes up to a slow source, in seconds. */
const BOUNDARIES = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5, 10],
];

/** Measures one pool. */
export class Instruments implements PoolObserver {
  readonly #meter: Meter;
  readonly #groups: () => Iterable<Group>;
  readonly #loadDuration: Histogram;
  readonly #peerDuration: Histogram;
  readonly #requests: Observable;
  readonly #bytes: Observable;
  readonly #entries: Observable;
  readonly #evictions: Observable;
  /** By group, since another one may have the name later. */
  readonly #requestTypes = new WeakMap<Group, RequestTypes>();
  readonly #collect = (result: ObservableResult): void => {
    for (const group of this.#groups()) this.#collectGroup(group, result);
  };

  /** @param groups The pool's groups, as they are at each collection. */
  constructor(meter: Meter, groups: () => Iterable<Group>) {
    this.#meter = meter;
    this.#groups = groups;
    const seconds = (description: string) => ({
      description,
      unit: "s",
      advice: { explicitBucketBoundaries: BOUNDARIES },
    });
    this.#loadDuration = meter.createHistogram(
      "geecache.load.duration",
      seconds("How long calls of getters took."),
    );
    this.#peerDuration = meter.createHistogram(
      "geecache.peer.request.duration",
      seconds("How long questions and writes to peers took."),
    );
    this.#requests = meter.createObservableCounter("geecache.requests", {
      description: "Keys asked for, by callers here and by peers.",
      unit: "{key}",
    });
    this.#bytes = meter.createObservableUpDownCounter("geecache.memory.usage", {
      description: "Memory that entries take.",
      unit: "By",
    });
    this.#entries = meter.createObservableUpDownCounter(
      "geecache.entry.count",
      { description: "Entries in memory.", unit: "{entry}" },
    );
    this.#evictions = meter.createObservableCounter("geecache.evictions", {
      description: "Entries that left memory to make room.",
      unit: "{entry}",
    });
    meter.addBatchObservableCallback(this.#collect, this.#observables);
  }

  load({ group, reason }: LoadStart): WorkObserver {
    return recorder(this.#loadDuration, {
      "geecache.group": group,
      "geecache.load.reason": reason,
    });
  }

  peer({ peer, kind }: PeerStart): WorkObserver {
    return recorder(this.#peerDuration, {
      ...addressOf(peer),
      "geecache.peer.kind": kind,
    });
  }

  /** Nothing is collected any more. */
  stop(): void {
    this.#meter.removeBatchObservableCallback(this.#collect, this.#observables);
  }

  get #observables(): Observable[] {
    return [this.#requests, this.#bytes, this.#entries, this.#evictions];
  }

  #collectGroup(group: Group, result: ObservableResult): void {
    const stats = group.stats();
    const about = { "geecache.group": group.name };
    let requests = this.#requestTypes.get(group);
    if (requests === undefined) {
      requests = new RequestTypes();
      this.#requestTypes.set(group, requests);
    }
    for (const [type, count] of Object.entries(requests.of(stats))) {
      const attributes = { ...about, "geecache.request.type": type };
      result.observe(this.#requests, count, attributes);
    }
    for (const store of ["main", "hot"] as const) {
      const { bytes, items, evictions } = stats[store];
      const attributes = { ...about, "geecache.store": store };
      result.observe(this.#bytes, bytes, attributes);
      result.observe(this.#entries, items, attributes);
      result.observe(this.#evictions, evictions, attributes);
    }
  }
}

function recorder(histogram: Histogram, about: Attributes): WorkObserver {
  return {
    end: ({ ms, result }) =>
      histogram.record(ms / 1_000, { ...about, "geecache.result": result }),
  };
}
