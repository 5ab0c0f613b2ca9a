/**
 * What a pool knows of its cluster.
 *
 * @module
 */

import type { PeerStats } from "../peer/http_peer.ts";

/** What a pool knows of its cluster, at one moment. */
export interface PoolStats {
  /** The names on the ring, sorted; empty where the pool is alone. */
  nodes: readonly string[];
  /** The peers in that order, without this process itself. */
  peers: PeerStats[];
  /** The same in all processes that were told the same list of nodes. */
  ring: string;
  /** How many requests came from processes with another list. */
  ringDisagreements: number;
  /** How many keys of peers wait for loads here. */
  serving: number;
  /** How many links of peers are open here. */
  links: number;
  /** How many requests came without the pool's secret, from another cluster, or from a page. */
  refused: number;
  /** Whether it is about to close. */
  draining: boolean;
}
