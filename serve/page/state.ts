/**
 * What one node tells of itself at `/_page/state`, for the page of any node of its
 * cluster.
 *
 * @module
 */

import type { Group, HTTPPool } from "../../mod.ts";
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

/** What one group of a process counted. */
export interface GroupTotals {
  readonly name: string;
  readonly totals: Totals;
}

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
  readonly groupTotals?: readonly GroupTotals[];
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
  const groupTotals = [...pool.groups()].map((group) => ({
    name: group.name,
    totals: totalsOf(group),
  }));
  const totals = sumOf(groupTotals.map(({ totals }) => totals));
  for (const { questions } of pool.stats().peers) totals.questions += questions;
  const numbers = { totals, ...times, draining };
  if (!keys) return numbers;
  return {
    ...numbers,
    groups: groupTotals.map(({ name }) => name),
    groupTotals,
    loads,
    hottest: hottest.top(HOTTEST),
  };
}

function totalsOf(group: Group): Totals {
  const stats = group.stats();
  return {
    ...TOTALS,
    gets: stats.gets,
    hits: stats.cacheHits,
    loads: stats.localLoads + stats.localLoadErrs,
    peerLoads: stats.peerLoads,
    evictions: stats.main.evictions + stats.hot.evictions,
    items: stats.main.items + stats.hot.items,
    bytes: stats.bytes,
    maxBytes: stats.maxBytes,
  };
}

function sumOf(all: readonly Totals[]): Totals {
  const sum = { ...TOTALS };
  for (const totals of all) {
    for (const name of Object.keys(sum) as (keyof Totals)[]) {
      sum[name] += totals[name];
    }
  }
  return sum;
}

/** Reads what another process sent; `undefined`: that is no state of a node. */
export function readState(sent: unknown): NodeState | undefined {
  if (!isRecord(sent)) return undefined;
  const totals = readTotals(sent.totals);
  if (totals === undefined) return undefined;
  const groups = listOf<string>(
    sent.groups,
    (each) => typeof each === "string",
  );
  const groupTotals = listOf<Record<string, unknown>>(
    sent.groupTotals,
    (each) => hasTypes(each, { name: "string" }),
  )?.flatMap(({ name, totals: sent }) => {
    const totals = readTotals(sent);
    return totals === undefined ? [] : [{ name: name as string, totals }];
  });
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
    ...(groupTotals === undefined ? {} : { groupTotals }),
    ...(loads === undefined ? {} : { loads }),
    ...(hottest === undefined ? {} : { hottest }),
  };
}

function readTotals(sent: unknown): Totals | undefined {
  if (!isRecord(sent)) return undefined;
  const totals = { ...TOTALS };
  for (const name of Object.keys(TOTALS) as (keyof Totals)[]) {
    const number = sent[name];
    if (typeof number !== "number") return undefined;
    totals[name] = number;
  }
  return totals;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** The values of a list from outside that are as they should be. */
export function listOf<T>(
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
