/**
 * What was counted of late, as rates and as the part of gets that needed no load: of a
 * node, of a group, and of all together. There is no second way to count them.
 *
 * @module
 */

import type { NodeState, Totals } from "./state.ts";

/** Over how long rates go, at least: a sample may follow another one at once. */
const RATE_MS = 900;
/** Over how long the hit ratio goes. */
const RATIO_MS = 10_000;

/** Counts by node, and by node and group, as of {@linkcode countsOf}. */
export type Counted = ReadonlyMap<string, Totals>;

/** What was counted of late, and over how many seconds. */
export interface Growth {
  readonly seconds: number;
  readonly now: Counted;
  /** During the longer time over which ratios go. */
  readonly recent: Counted;
}

/** Remembers what was counted, for as long as it takes. */
export class Past {
  /** What was counted of late, the oldest first. */
  readonly #past: { now: number; counted: Counted }[] = [];

  /** What has grown; `states` are remembered for the next time. */
  grow(states: ReadonlyMap<string, NodeState>, now: number): Growth {
    const counted = countsOf(states);
    const { seconds, grown } = this.#grown(counted, now, RATE_MS);
    const recent = this.#grown(counted, now, RATIO_MS).grown;
    this.#remember(counted, now);
    return { seconds, now: grown, recent };
  }

  /** What a process counted last is kept while it does not answer. */
  #remember(counted: Counted, now: number): void {
    this.#past.push({
      now,
      counted: new Map([...this.#past.at(-1)?.counted ?? [], ...counted]),
    });
    const old = this.#past.findLastIndex((past) => now - past.now >= RATIO_MS);
    this.#past.splice(0, old);
  }

  /** What each process counted during the last `ms`, or since the first sample. */
  #grown(
    counted: Counted,
    now: number,
    ms: number,
  ): { seconds: number; grown: Counted } {
    const grown = new Map<string, Totals>();
    const past = this.#past.findLast((past) => now - past.now >= ms) ??
      this.#past[0];
    for (const [place, totals] of counted) {
      const before = past?.counted.get(place);
      if (before === undefined) continue;
      // A process that has started again counts from 0.
      const isNew = totals.gets < before.gets || totals.loads < before.loads;
      const since = { ...totals };
      for (const name of Object.keys(since) as (keyof Totals)[]) {
        if (!isNew) since[name] -= before[name];
      }
      grown.set(place, since);
    }
    return { seconds: past === undefined ? 0 : (now - past.now) / 1000, grown };
  }
}

function countsOf(states: ReadonlyMap<string, NodeState>): Counted {
  const counted = new Map<string, Totals>();
  for (const [origin, { totals, groupTotals = [] }] of states) {
    counted.set(origin, totals);
    for (const { name, totals } of groupTotals) {
      counted.set(placeOf(origin, name), totals);
    }
  }
  return counted;
}

/** A group of a node; no origin has a space. */
export function placeOf(origin: string, group: string): string {
  return `${origin} ${group}`;
}

/** `null`: there was no time. */
export function perSecond(count: number, seconds: number): number | null {
  return seconds > 0 ? Math.max(0, count) / seconds : null;
}

/** The part of gets that needed no load; `null`: there were none. */
export function ratioOf(
  { gets, loads }: { gets: number; loads: number },
): number | null {
  return gets > 0 ? Math.max(0, Math.min(1, 1 - loads / gets)) : null;
}

/** What all processes together counted, in some places. */
export function sumsOf(
  grown: Counted,
  places: readonly string[],
): { gets: number; loads: number; questions: number } {
  const sum = (name: keyof Totals): number =>
    places.reduce((sum, place) => sum + (grown.get(place)?.[name] ?? 0), 0);
  return {
    // A get that another process answered was counted there, too.
    gets: Math.max(0, sum("gets") - sum("peerLoads")),
    loads: sum("loads"),
    questions: sum("questions"),
  };
}
