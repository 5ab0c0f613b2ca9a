/**
 * What a policy is to a replay, and how one that decides request by request is run.
 *
 * @module
 */

import { sizeOf, type Trace } from "./trace.ts";

/** A way to decide what stays in a room that is too small for everything. */
export interface Policy {
  readonly name: string;
  /** Whether it knows only entries, not their sizes. */
  readonly countsOnly?: boolean;
  /** For each request of `trace`, 1 if it is a hit in a cache of `room`, else 0. */
  readonly replay: (trace: Trace, room: number) => Uint8Array;
}

/** A cache that knows nothing of later requests. */
export interface Cache {
  /** Whether `key` is there. If not, it is kept from now on, as far as the policy likes. */
  request(key: number, size: number): boolean;
}

/** The policy of the caches that `open` makes. */
export function online(
  name: string,
  open: (room: number, distinct: number) => Cache,
  options: Pick<Policy, "countsOnly"> = {},
): Policy {
  return {
    ...options,
    name,
    replay: (trace, room) => {
      const cache = open(room, trace.distinct);
      const hits = new Uint8Array(trace.keys.length);
      for (let i = 0; i < hits.length; i++) {
        if (cache.request(trace.keys[i]!, sizeOf(trace, i))) hits[i] = 1;
      }
      return hits;
    },
  };
}
