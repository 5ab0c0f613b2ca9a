/**
 * What one node tells of itself at `/_page/state`, for the page of any node of its
 * cluster.
 *
 * @module
 */

import type { HTTPPool } from "../../mod.ts";
import type { Counts } from "./latencies.ts";
import type { HotKey, Hottest } from "./hottest.ts";
import type { RecentLoad, Recorder } from "./recorder.ts";

/** Sums over all groups of a process since it started, or as they are now. */
export interface Totals {
  gets: number;
  hits: number;
  /** Calls of getters that ended. */
  loads: number;
  /** Values that peers answered. */
  peerLoads: number;
  /** Keys asked of peers. */
  questions: number;
  evictions: number;
  items: number;
  bytes: number;
  maxBytes: number;
}

const TOTALS: Totals = {
  gets: 0,
  hits: 0,
  loads: 0,
  peerLoads: 0,
  questions: 0,
  evictions: 0,
  items: 0,
  bytes: 0,
  maxBytes: 0,
};

/** A node as it tells of itself. */
export interface NodeState {
  readonly totals: Totals;
  /** How long loads and questions to peers took of late. */
  readonly loadMs: Counts;
  readonly peerMs: Counts;
  readonly draining: boolean;
  /** For how long it has recorded what it does. */
  readonly recordedMs: number;
  /** Only where keys may be shown. */
  readonly groups?: readonly string[];
  readonly loads?: readonly RecentLoad[];
  readonly hottest?: readonly HotKey[];
}

/** How many of the hottest keys are told. */
const HOTTEST = 20;

/** What is told of `pool`. Without `keys`, it is numbers only. */
export function stateOf(
  pool: HTTPPool,
  recorder: Recorder,
  hottest: Hottest,
  keys: boolean,
): NodeState {
  const { loads, ...times } = recorder.look();
  const { draining } = pool.stats();
  const numbers = { totals: totalsOf(pool), ...times, draining };
  if (!keys) return numbers;
  const groups = [...pool.groups()].map(({ name }) => name);
  return { ...numbers, groups, loads, hottest: hottest.top(HOTTEST) };
}

function totalsOf(pool: HTTPPool): Totals {
  const totals = { ...TOTALS };
  for (const { questions } of pool.stats().peers) totals.questions += questions;
  for (const group of pool.groups()) {
    const stats = group.stats();
    totals.gets += stats.gets;
    totals.hits += stats.cacheHits;
    totals.loads += stats.localLoads + stats.localLoadErrs;
    totals.peerLoads += stats.peerLoads;
    totals.evictions += stats.main.evictions + stats.hot.evictions;
    totals.items += stats.main.items + stats.hot.items;
    totals.bytes += stats.bytes;
    totals.maxBytes += stats.maxBytes;
  }
  return totals;
}

/** Reads what another process sent; `undefined`: that is no state of a node. */
export function readState(sent: unknown): NodeState | undefined {
  if (!isRecord(sent) || !isRecord(sent.totals)) return undefined;
  const totals = { ...TOTALS };
  for (const name of Object.keys(TOTALS) as (keyof Totals)[]) {
    const number = sent.totals[name];
    if (typeof number !== "number") return undefined;
    totals[name] = number;
  }
  const groups = listOf<string>(
    sent.groups,
    (each) => typeof each === "string",
  );
  const loads = listOf<RecentLoad>(sent.loads, (each) =>
    hasTypes(each, {
      id: "number",
      group: "string",
      key: "string",
      reason: "string",
      ms: "number",
      result: "string",
      agoMs: "number",
    }));
  const hottest = listOf<HotKey>(
    sent.hottest,
    (each) =>
      hasTypes(each, { group: "string", key: "string", count: "number" }),
  );
  return {
    totals,
    loadMs: listOf(sent.loadMs, isCount) ?? [],
    peerMs: listOf(sent.peerMs, isCount) ?? [],
    draining: sent.draining === true,
    recordedMs: typeof sent.recordedMs === "number" ? sent.recordedMs : 0,
    ...(groups === undefined ? {} : { groups }),
    ...(loads === undefined ? {} : { loads }),
    ...(hottest === undefined ? {} : { hottest }),
  };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function listOf<T>(
  value: unknown,
  isOne: (each: unknown) => boolean,
): T[] | undefined {
  return Array.isArray(value) ? value.filter(isOne) : undefined;
}

function isCount(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 &&
    value.every((number) => typeof number === "number");
}

/** Whether a value that was sent has fields of those types. */
export function hasTypes(
  value: unknown,
  types: Record<string, string>,
): boolean {
  return isRecord(value) &&
    Object.entries(types).every(([name, type]) => typeof value[name] === type);
}
