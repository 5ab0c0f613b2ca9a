/**
 * Runs a trace through policies at several sizes.
 *
 * @module
 */

import type { Policy } from "./policy.ts";
import { type Phase, roomForAll, type Trace } from "./trace.ts";

/** Hit ratios from 0 to 1. */
export interface Results {
  readonly trace: Trace;
  readonly policies: readonly string[];
  /** One for each room, from the smallest on. */
  readonly rows: readonly Row[];
}

/** What the policies reached in one room. */
export interface Row {
  readonly room: number;
  /** In the order of the policies. */
  readonly ratios: readonly number[];
  /** The same for each phase of the trace. */
  readonly phases: readonly PhaseRow[];
}

/** What the policies reached in one stretch of the trace. */
export interface PhaseRow {
  readonly name: string;
  readonly ratios: readonly number[];
}

/** A size of a cache, as it was asked for: a share of all keys, or a room. */
export type Size = { readonly share: number } | { readonly room: number };

/** The sizes that are replayed if none are asked for. */
export const SIZES: readonly Size[] = [0.001, 0.01, 0.03, 0.1, 0.3]
  .map((share) => ({ share }));

/** The rooms that `sizes` mean, from the smallest on, without doubles. */
export function roomsOf(trace: Trace, sizes: readonly Size[]): number[] {
  const all = roomForAll(trace);
  const rooms = sizes.map((size) =>
    "room" in size ? size.room : Math.max(1, Math.round(all * size.share))
  );
  return [...new Set(rooms)].sort((a, b) => a - b);
}

/** The policies that can be tried on `trace`. */
export function fitting(
  trace: Trace,
  policies: readonly Policy[],
): readonly Policy[] {
  if (trace.sizes === undefined) return policies;
  return policies.filter(({ countsOnly }) => !countsOnly);
}

/** Replays `trace` with each policy in each room. */
export function replay(
  trace: Trace,
  policies: readonly Policy[],
  rooms: readonly number[],
  onProgress: (policy: string, room: number, done: number, of: number) => void =
    () => {},
): Results {
  const whole: Phase = { name: "all", from: 0, to: trace.keys.length };
  let done = 0;
  const rows = rooms.map((room): Row => {
    const hits = policies.map(({ name, replay }) => {
      onProgress(name, room, done++, rooms.length * policies.length);
      return replay(trace, room);
    });
    const ratiosIn = (phase: Phase): number[] =>
      hits.map((hits) => ratioOf(trace, hits, phase));
    return {
      room,
      ratios: ratiosIn(whole),
      phases: (trace.phases ?? []).map((phase) => ({
        name: phase.name,
        ratios: ratiosIn(phase),
      })),
    };
  });
  return { trace, policies: policies.map(({ name }) => name), rows };
}

/** The share of hits among the requests of a phase that no scan sent. */
function ratioOf(trace: Trace, hits: Uint8Array, { from, to }: Phase): number {
  const { keys, firstOfScan = Infinity } = trace;
  let asked = 0;
  let hit = 0;
  for (let i = from; i < to; i++) {
    if (keys[i]! >= firstOfScan) continue;
    asked++;
    hit += hits[i]!;
  }
  return asked === 0 ? 0 : hit / asked;
}
