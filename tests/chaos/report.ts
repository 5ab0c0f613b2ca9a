/**
 * The summary of a run: what it saw, compared with what is promised.
 *
 * @module
 */

import type { Absence, Cluster } from "./cluster.ts";
import type { Load } from "./load.ts";
import type { Member } from "./member.ts";
import type { Origin } from "./origin.ts";
import { MAX_QUESTIONS, type Plan } from "./plan.ts";
import type { Settings } from "./settings.ts";
import { percentile, print, type Row } from "./table.ts";

function inMs(ms: number, maxMs: number): string {
  const limit = maxMs === Infinity ? "" : ` of at most ${maxMs}`;
  return `${ms.toFixed(1)}${limit} ms`;
}

/** How many loads the origin may see, and why. */
interface Bound {
  readonly total: number;
  readonly parts: string;
}

/**
 * keys × (1 + owner changes + mirror lives of absence), added up key by key: each
 * counts what happened to its own owner and to the owner's stand-ins.
 */
function boundOf(
  { keys, mirrorTtlMs }: Settings,
  cluster: Cluster,
  origin: Origin,
): Bound {
  let writes = 0;
  let told = 0;
  let changes = 0;
  let lives = 0;
  for (const key of keys) {
    writes += origin.version(key) - 1;
    told += cluster.promises.debtsOf.get(key) ?? 0;
    for (const { from, to } of absencesFor(cluster, cluster.orderOf(key))) {
      // The owner changes when a node leaves and when it comes back.
      changes += 2;
      lives += Math.ceil(((to ?? performance.now()) - from) / mirrorTtlMs);
    }
  }
  const { cuts } = cluster.cutting;
  return {
    total: keys.length + writes + told + changes + lives + cuts,
    parts: `${keys.length} keys + ${writes} writes + ${told} told later + ` +
      `${changes} owner changes + ${lives} mirror lives + ${cuts} answers cut`,
  };
}

/** The absences of a key's owner, and of its stand-ins meanwhile. */
function absencesFor({ absences }: Cluster, order: Member[]): Absence[] {
  const overlaps = (a: Absence, b: Absence): boolean =>
    a.from <= (b.to ?? Infinity) && b.from <= (a.to ?? Infinity);
  const all: Absence[] = [];
  let last: Absence[] | undefined;
  for (const member of order) {
    const own = absences.filter((each) =>
      each.member === member &&
      (last?.some((before) => overlaps(before, each)) ?? true)
    );
    if (own.length === 0) break;
    all.push(...own);
    last = own;
  }
  return all;
}

/** Prints the summary; returns whether every promise was kept. */
export function report(
  settings: Settings,
  cluster: Cluster,
  origin: Origin,
  load: Load,
  plan: Plan,
): boolean {
  const { tally } = load;
  const { timeoutMs, maxP50Ms, maxP99Ms, keys, without, isLong } = settings;
  const sorted = tally.times.toSorted((a, b) => a - b);
  const [p50, p99] = [percentile(sorted, 50), percentile(sorted, 99)];
  const loads = keys.reduce((sum, key) => sum + origin.loads(key), 0);
  const bound = boundOf(settings, cluster, origin);
  const { promises, cutting, errors } = cluster;
  const { resolved, rejected, owed } = promises.counts;
  const { pause, kill, drain, skipped } = plan.counts;
  const rows: Row[] = [
    ["gets", `${tally.gets}`],
    ["  whose node was ended or paused meanwhile", `${tally.caught}`],
    [`  that took ${timeoutMs} ms or more`, `${tally.slow}`],
    ["removes that resolved", `${resolved}`],
    ["removes that rejected", `${rejected}, naming ${owed} in all`],

    ["  not told by the end", `${promises.open}`],
    ["removes without an answer", `${tally.lost}`, tally.lost === 0],
    ["paused, killed, drained", `${pause}, ${kill}, ${drain}`],
    ["  let be, since they owed something", `${skipped}`],
    [
      "answers cut off by a proxy",
      `${cutting.cuts}, ${cutting.linkCuts} of them links`,
      // A short run may cut none.
      isLong ? cutting.linkCuts > 0 : undefined,
    ],
    ["requests that a peer did not answer", `${errors}`],
    ["removed values served while that is allowed", `${tally.allowed}`],
    ["failed gets", `${tally.failed}`, tally.failed === 0],
    ["wrong values", `${tally.wrong}`, tally.wrong === 0],
    [
      "removed values served later than promised",
      `${tally.stale}`,
      tally.stale === 0,
    ],
    [
      "most requests to a process long silent",
      `${plan.mostQuestions} of at most ${MAX_QUESTIONS}`,
      plan.mostQuestions <= MAX_QUESTIONS,
    ],
    [
      "origin loads",
      `${loads} of at most ${bound.total}`,
      loads <= bound.total,
    ],
    ["", bound.parts],
    ["p50", inMs(p50, maxP50Ms), p50 <= maxP50Ms],
    ["p99", inMs(p99, maxP99Ms), p99 <= maxP99Ms],
  ];
  console.log(without === "" ? "" : `\nwithout ${without}`);
  for (const complaint of tally.complaints) console.log(complaint);
  return print(rows);
}
