/**
 * Clusters of several sizes, the events that happen to them, and a table of what
 * each event cost.
 *
 * @module
 */

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
  /** Called after each scenario: which it was, how many are done, and of how many. */
  onProgress?: (what: string, done: number, of: number) => void;
}

/** The result of a simulation. */
export interface Simulation {
  steady: Steady[];
  costs: Cost[];
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
  const { nodes: sizes, onProgress, ...rest } = options;
  const of = sizes.length * (1 + Object.keys(EVENTS).length);
  const calm: Steady[] = [];
  const costs: Cost[] = [];
  for (const nodes of sizes) {
    const world: WorldOptions = { ...rest, nodes };
    const report = (what: string): void =>
      onProgress?.(`${nodes} nodes: ${what}`, calm.length + costs.length, of);
    calm.push(await steady(world));
    report("steady");
    for (const [what, run] of Object.entries(EVENTS)) {
      costs.push(await run(world));
      report(what);
    }
  }
  const table = [
    `seed ${options.seed}, ${options.keys} keys; the limit is on the worst minute, and on all minutes together where one joins or drains`,
    "",
    ...rows(STEADY_HEAD, calm.map(steadyRow)),
    "",
    ...rows(COST_HEAD, costs.map(costRow)),
  ].join("\n");
  return { steady: calm, costs, table, broken: brokenOf(calm, costs) };
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

/** The loads that count against the limit: all together, or those of the worst minute. */
function spent({ loads, inAll }: Cost): number {
  return inAll
    ? loads.reduce((sum, count) => sum + count, 0)
    : Math.max(...loads);
}

function brokenOf(calm: readonly Steady[], costs: readonly Cost[]): string[] {
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
