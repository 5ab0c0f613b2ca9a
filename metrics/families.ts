/**
 * The families of series: their names, and what of a pool, a group or a peer each of
 * them shows.
 *
 * @module
 */

import type { GroupStats } from "../group.ts";
import type { PoolStats } from "../http.ts";
import type { PeerStats } from "../peer/http_peer.ts";
import type { Histogram } from "./histogram.ts";
import { type GroupWork, type PeerWork, REASONS } from "./recorder.ts";
import { type FamilyType, label } from "./text.ts";

/** A number, and the labels that it has beside those of what it belongs to. */
export type Sample = readonly [value: number, labels?: string];

/** A family of series. Its numbers are those of each `T`. */
export interface Family<T> {
  readonly name: string;
  readonly type: FamilyType;
  /** What is counted or measured, in one line. */
  readonly help: string;
  /** What is written for one `T`: several numbers, or the times of a histogram. */
  of(about: T): number | readonly Sample[] | Histogram;
}

/** A group at one moment. */
export interface GroupNow {
  readonly stats: GroupStats;
  readonly work: GroupWork;
}

/** A peer at one moment. */
export interface PeerNow {
  readonly stats: PeerStats;
  readonly work: PeerWork;
}

/** A number that each store has. */
function stores(
  { main, hot }: GroupStats,
  name: "bytes" | "items" | "evictions",
): Sample[] {
  return [[main[name], MAIN], [hot[name], HOT]];
}

const MAIN = label("store", "main");
const HOT = label("store", "hot");

/** What each group shows. */
export const OF_GROUPS: readonly Family<GroupNow>[] = [
  {
    name: "geecache_requests_total",
    type: "counter",
    help: "Keys asked for here, by callers and by peers.",
    of: ({ stats, work }) =>
      Object.entries(work.requests.of(stats)).map(([type, count]) =>
        [count, label("type", type)] as const
      ),
  },
  {
    name: "geecache_server_requests_total",
    type: "counter",
    help: "Those of them that came over HTTP.",
    of: ({ stats }) => stats.serverRequests,
  },
  {
    name: "geecache_loads_total",
    type: "counter",
    help: "Keys that the getter was asked for.",
    of: ({ work }) =>
      REASONS.flatMap((reason) =>
        Object.entries(work.loads[reason].counts).map(([result, count]) =>
          [
            count,
            `${label("reason", reason)},${label("result", result)}`,
          ] as const
        )
      ),
  },
  {
    name: "geecache_load_duration_seconds",
    type: "histogram",
    help: "How long calls of the getter took.",
    of: ({ work }) => work.times,
  },
  {
    name: "geecache_inherited_total",
    type: "counter",
    help: "Values taken over from another process's memory.",
    of: ({ stats }) => stats.inherited,
  },
  {
    name: "geecache_memory_bytes",
    type: "gauge",
    help: "Memory that is held, within the budget.",
    of: ({ stats }) => stats.bytes,
  },
  {
    name: "geecache_max_bytes",
    type: "gauge",
    help: "The budget.",
    of: ({ stats }) => stats.maxBytes,
  },
  {
    name: "geecache_entry_bytes",
    type: "gauge",
    help: "What the entries take of the memory.",
    of: ({ stats }) => stores(stats, "bytes"),
  },
  {
    name: "geecache_entries",
    type: "gauge",
    help: "Entries in memory, also those that have expired since.",
    of: ({ stats }) => stores(stats, "items"),
  },
  {
    name: "geecache_evictions_total",
    type: "counter",
    help: "Entries that left memory to make room.",
    of: ({ stats }) => stores(stats, "evictions"),
  },
];

/** What each peer shows. */
export const OF_PEERS: readonly Family<PeerNow>[] = [
  {
    name: "geecache_peer_requests_total",
    type: "counter",
    help: "Questions and writes to the peer.",
    of: ({ work }) =>
      Object.entries(work.counts).map(([result, count]) =>
        [count, label("result", result)] as const
      ),
  },
  {
    name: "geecache_peer_request_duration_seconds",
    type: "histogram",
    help: "How long they took, with the loads that the peer waited for.",
    of: ({ work }) => work.times,
  },
  {
    name: "geecache_peer_up",
    type: "gauge",
    help: "0 while the peer is out of reach.",
    of: ({ stats: { state } }) => Number(isUp(state)),
  },
  {
    name: "geecache_peer_draining",
    type: "gauge",
    help: "1 while the peer is about to close.",
    of: ({ stats }) => Number(stats.state === "draining"),
  },
  {
    name: "geecache_peer_link_unavailable",
    type: "gauge",
    help: "1 while each key is a request of its own, as no link can be had.",
    of: ({ stats }) => Number(stats.link === "unavailable"),
  },
  {
    name: "geecache_owed_keys",
    type: "gauge",
    help: "Removals that the peer missed and is to be told.",
    of: ({ stats }) => stats.owed,
  },
  {
    name: "geecache_ring_differs",
    type: "gauge",
    help: "1 while the peer has another list of processes.",
    of: ({ stats }) => Number(stats.ringDiffers),
  },
];

function isUp(state: PeerStats["state"]): boolean {
  return state === "closed" || state === "draining";
}

/** What the pool shows. */
export const OF_POOL: readonly Family<PoolStats>[] = [
  {
    name: "geecache_nodes",
    type: "gauge",
    help: "Names in the list of processes.",
    of: ({ nodes }) => nodes.length,
  },
  {
    name: "geecache_ring_disagreements_total",
    type: "counter",
    help: "Requests from processes with another list.",
    of: ({ ringDisagreements }) => ringDisagreements,
  },
  {
    name: "geecache_refused_total",
    type: "counter",
    help: "Requests without the secret, of another cluster, or of a page.",
    of: ({ refused }) => refused,
  },
  {
    name: "geecache_serving",
    type: "gauge",
    help: "Keys of peers that wait for loads here.",
    of: ({ serving }) => serving,
  },
  {
    name: "geecache_links",
    type: "gauge",
    help: "Links of peers that are open here.",
    of: ({ links }) => links,
  },
  {
    name: "geecache_draining",
    type: "gauge",
    help: "1 while this process is about to close.",
    of: ({ draining }) => Number(draining),
  },
];
