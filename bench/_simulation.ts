/**
 * Clusters of several sizes, the events that happen to them, and a table of what
 * each event cost.
 *
 * @module
 */

import { grow, type Growth, isBounded } from "./_growth.ts";
import {
  type Cost,
  die,
  holds,
  join,
  leave,
  type Steady,
  steady,
  TOLD_WITHIN_MS,
} from "./_scenarios.ts";
import type { WorldOptions } from "./_world.ts";

/** What {@linkcode simulate} is made of. */
export interface SimulationOptions extends Omit<WorldOptions, "nodes"> {
  /** The sizes of the clusters, which are run one after the other. */
  nodes: readonly number[];
  /** The sizes up to which clusters grow, one process after the other. */
  growing: readonly number[];
  /** Called after each scenario: which it was, how many are done, and of how many. */
  onProgress?: (what: string, done: number, of: number) => void;
}

/** The result of a simulation. */
export interface Simulation {
  steady: Steady[];
  costs: Cost[];
  growths: Growth[];
  /** All results as text, equal for equal options. */
  table: string;
  /** A sentence for each bound that broke. */
  broken: string[];
}

/** The events, each of which happens to a new cluster. */
const EVENTS: Record<string, (options: WorldOptions) => Promise<Cost>> = {
  "join, told together": (options) => join(options, 10),
  "join, told apart": (options) => join(options, TOLD_WITHIN_MS),
  drain: (options) => leave(options, true),
  leave: (options) => leave(options, false),
  "die refusing": (options) => die(options, "refuses"),
  "die silent": (options) => die(options, "is silent"),
};

/** Runs every scenario at every size. */
export async function simulate(
  options: SimulationOptions,
): Promise<Simulation> {
  const { nodes: sizes, growing, onProgress, ...rest } = options;
  const of = sizes.length * (1 + Object.keys(EVENTS).length) + growing.length;
  const calm: Steady[] = [];
  const costs: Cost[] = [];
  const growths: Growth[] = [];
  const report = (nodes: number, what: string): void => {
    const done = calm.length + costs.length + growths.length;
    onProgress?.(`${nodes} nodes: ${what}`, done, of);
  };
  for (const nodes of sizes) {
    const world: WorldOptions = { ...rest, nodes };
    calm.push(await steady(world));
    report(nodes, "steady");
    for (const [what, run] of Object.entries(EVENTS)) {
      costs.push(await run(world));
      report(nodes, what);
    }
  }
  for (const nodes of growing) {
    growths.push(await grow({ ...rest, nodes }));
    report(nodes, "come up one by one");
  }
  const table = [
    `seed ${options.seed}, ${options.keys} keys; the limit is on the worst minute, and on all minutes together where one joins or drains`,
    "",
    ...rows(STEADY_HEAD, calm.map(steadyRow)),
    "",
    ...rows(COST_HEAD, costs.map(costRow)),
    "",
    ...rows(GROWTH_HEAD, growths.map(growthRow)),
  ].join("\n");
  const broken = brokenOf(calm, costs, growths);
  return { steady: calm, costs, growths, table, broken };
}

const STEADY_HEAD = [
  "nodes",
  "gets",
  "loads",
  "loads a key",
  "most of one key",
  "busiest by keys",
  "busiest by gets",
  "failed",
];

function steadyRow(steady: Steady): string[] {
  return [
    `${steady.nodes}`,
    `${steady.gets}`,
    `${steady.loads}`,
    (steady.loads / steady.keys).toFixed(3),
    `${steady.most}`,
    steady.busiestByKeys.toFixed(2),
    steady.busiestByGets.toFixed(2),
    `${steady.failed}`,
  ];
}

const COST_HEAD = [
  "nodes",
  "event",
  "its keys",
  "lost",
  "loads by minute",
  "cost",
  "limit",
  "slow",
  "failed",
  "",
];

function costRow(cost: Cost): string[] {
  const { lost, limit, loads } = cost;
  return [
    `${cost.nodes}`,
    cost.event,
    `${cost.keys}`,
    `${lost}`,
    loads.join(" "),
    lost === 0 ? "-" : (spent(cost) / lost).toFixed(2),
    limit === undefined ? "-" : (limit / lost).toFixed(2),
    `${cost.slow}`,
    `${cost.failed}`,
    holds(cost) ? "holds" : "BROKEN",
  ];
}

const GROWTH_HEAD = [
  "nodes, one by one",
  "keys",
  "loads",
  "loads a key",
  "most of one key",
  "past promise",
  "loads later",
  "most of one key later",
  "failed",
  "",
];

function growthRow(growth: Growth): string[] {
  return [
    `${growth.nodes}`,
    `${growth.keys}`,
    `${growth.loads}`,
    (growth.loads / growth.keys).toFixed(2),
    `${growth.most}`,
    `${growth.excess}`,
    `${growth.later}`,
    `${growth.mostLater}`,
    `${growth.failed}`,
    isBounded(growth) ? "holds" : "BROKEN",
  ];
}

/** The loads that count against the limit: all together, or those of the worst minute. */
function spent({ loads, inAll }: Cost): number {
  return inAll
    ? loads.reduce((sum, count) => sum + count, 0)
    : Math.max(...loads);
}

function brokenOf(
  calm: readonly Steady[],
  costs: readonly Cost[],
  growths: readonly Growth[],
): string[] {
  const broken: string[] = [];
  for (const { nodes, keys, loads, failed } of calm) {
    if (loads === keys && failed === 0) continue;
    broken.push(
      `${nodes} nodes, steady: ${loads} loads of ${keys} keys, ${failed} failed`,
    );
  }
  for (const cost of costs) {
    if (holds(cost)) continue;
    const { nodes, event, limit, failed } = cost;
    broken.push(
      `${nodes} nodes, ${event}: ${spent(cost)} loads, ` +
        `limit ${limit?.toFixed(1) ?? "none"}, ${failed} failed`,
    );
  }
  for (const growth of growths) {
    if (isBounded(growth)) continue;
    const { nodes, keys, loads, excess, mostLater, failed } = growth;
    broken.push(
      `${nodes} nodes come up one by one: ${loads} loads of ${keys} keys, ` +
        `${excess} of them past the promise, ${mostLater} of one key later, ${failed} failed`,
    );
  }
  return broken;
}

/** Rows below their head, as Markdown with aligned columns. */
function rows(head: string[], body: string[][]): string[] {
  const widths = head.map((name, i) =>
    Math.max(3, name.length, ...body.map((row) => row[i]!.length))
  );
  const line = (cells: string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [line(head), rule, ...body.map(line)];
}
