/**
 * What a group counts.
 *
 * @module
 */

/** What a group did since it was made. The names are groupcache's. */
export interface GroupCounts {
  /** Keys asked for, by callers here and by peers. */
  gets: number;
  /** Keys answered from memory, main or hot. */
  cacheHits: number;
  /** Those of them that were answered with a stale value. */
  staleHits: number;
  /** Keys that were not in memory. */
  loads: number;
  /** What those misses began once they had joined each other: questions to an owner and calls of the getter. */
  loadsDeduped: number;
  /** Values that a peer answered. */
  peerLoads: number;
  /** Questions that a peer could not answer. */
  peerErrors: number;
  /** Keys that the getter gave a value for. */
  localLoads: number;
  /** Keys that the getter failed to load or did not find. */
  localLoadErrs: number;
  /** Values taken from the memory of a key's last owner instead of a load. */
  inherited: number;
  /** Loads begun in the background because a stale value was answered. */
  refreshes: number;
  /** Answers with a stale value that this process holds as owner or in its place. */
  staleAnswers: number;
  /** Answers that there is no such key, without a load. */
  negativeHits: number;
  /** Keys that peers, or other HTTP clients, asked of this process. */
  serverRequests: number;
}

/** The counts of a group that did nothing yet. */
export function noCounts(): GroupCounts {
  return {
    gets: 0,
    cacheHits: 0,
    staleHits: 0,
    loads: 0,
    loadsDeduped: 0,
    peerLoads: 0,
    peerErrors: 0,
    localLoads: 0,
    localLoadErrs: 0,
    inherited: 0,
    refreshes: 0,
    staleAnswers: 0,
    negativeHits: 0,
    serverRequests: 0,
  };
}

/** What a get came to, once memory had been asked. */
export type RequestType = "hit" | "stale" | "miss" | "negative";

/** Sorts the gets of one group by what they came to. */
export class RequestTypes {
  /** How many gets waited, as it was said last. */
  #misses = 0;

  /**
   * How many gets came to what. Together they are all gets. A get is counted as negative
   * a moment after it is counted as a get, but no number here ever goes back: a counter
   * that does would look as if the process had started anew.
   */
  of(
    { gets, cacheHits, staleHits, negativeHits }: Pick<
      GroupCounts,
      "gets" | "cacheHits" | "staleHits" | "negativeHits"
    >,
  ): Readonly<Record<RequestType, number>> {
    const waited = gets - cacheHits - negativeHits;
    this.#misses = Math.max(this.#misses, waited);
    return {
      hit: cacheHits - staleHits,
      stale: staleHits,
      miss: this.#misses,
      negative: negativeHits,
    };
  }
}
