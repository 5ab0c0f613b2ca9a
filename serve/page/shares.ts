/**
 * The ring as it is drawn: which part of all keys each node owns, and who answers for
 * a sample of them now.
 *
 * @module
 */

import type { HTTPPool, Peer } from "../../mod.ts";

/** How many keys the shares are estimated by: within a percent or so. */
const SAMPLE = 4096;
/** How many keys are drawn. */
const DRAWN = 240;

/** Which node owns and which node answers for some keys, as indexes into a list of nodes. */
export interface Shares {
  /** The part of all keys that each node owns, from 0 to 1. */
  readonly share: readonly number[];
  /** The owner of each drawn key, sorted. */
  readonly owners: readonly number[];
  /** Who answers for each of these now; -1: nobody can. */
  readonly answering: readonly number[];
}

/** Estimates shares; what changes only with the list is kept until it does. */
export class Ring {
  readonly #pool: HTTPPool;
  #ring = "";
  #share: number[] = [];
  /** The drawn keys with their owners, by owner. */
  #drawn: { key: string; owner: number }[] = [];

  constructor(pool: HTTPPool) {
    this.#pool = pool;
  }

  /** @param away The peers that are not asked now. */
  shares(nodes: readonly string[], away: ReadonlySet<string>): Shares {
    const pool = this.#pool;
    const indexOf = (peer: Peer | undefined): number =>
      nodes.indexOf(peer?.id ?? pool.self);
    const ring = JSON.stringify(nodes);
    if (ring !== this.#ring) this.#sample(ring, nodes.length, indexOf);
    const failed = new Set([...pool.peers()].filter(({ id }) => away.has(id)));
    return {
      share: this.#share,
      owners: this.#drawn.map(({ owner }) => owner),
      answering: this.#drawn.map(({ key, owner }) =>
        away.has(nodes[owner]!) ? indexOf(pool.pickPeer(key, failed)) : owner
      ),
    };
  }

  #sample(
    ring: string,
    nodes: number,
    indexOf: (peer: Peer | undefined) => number,
  ): void {
    const counts = new Array<number>(nodes).fill(0);
    const drawn: { key: string; owner: number }[] = [];
    for (let i = 0; i < SAMPLE; i++) {
      const key = `key-${i}`;
      const owner = indexOf(this.#pool.pickPeer(key));
      if (owner < 0) continue;
      counts[owner]!++;
      if (i < DRAWN) drawn.push({ key, owner });
    }
    this.#ring = ring;
    this.#share = counts.map((count) => count / SAMPLE);
    this.#drawn = drawn.sort((a, b) => a.owner - b.owner);
  }
}
