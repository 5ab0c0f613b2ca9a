/**
 * The summary of a soak: what it saw, beside its bounds.
 *
 * @module
 */

import { print, type Row } from "../chaos/table.ts";
import type { Cluster, Observed } from "./cluster.ts";
import type { Counts } from "./hostile.ts";
import { type Kind, KINDS, type Latencies } from "./latencies.ts";
import type { Settings } from "./settings.ts";
import type { Traffic } from "./traffic.ts";

/** What a run saw of its good traffic and of its hostile clients. */
export interface Seen {
  /** Before there were hostile clients, and while they paused. */
  readonly quiet: Latencies;
  readonly paused: Latencies;
  readonly beside: Latencies;
  readonly counts: Counts;
}

const signed = (value: number): string =>
  `${value < 0 ? "" : "+"}${value.toFixed(2)}`;

/** How long good traffic takes beside hostile clients, as a multiple of what it takes without them. */
function times(
  { quiet, paused, beside }: Seen,
  percent: number,
  kinds: readonly Kind[],
): [seen: string, ratio: number, ms: number] {
  const [before, between, under] = [quiet, paused, beside]
    .map((each) => each.percentile(percent, kinds)) as [number, number, number];
  // Other programs on the machine may have begun to do more since the first minute.
  const ratio = under / Math.max(before, between);
  const pauses = paused.size === 0 ? "" : `, ${between.toFixed(1)} in pauses`;
  return [
    `${before.toFixed(1)} ms quiet${pauses}, ${under.toFixed(1)} beside: ${
      ratio.toFixed(2)
    }`,
    ratio,
    under,
  ];
}

function rowsOf(node: Observed, settings: Settings): Row[] {
  const { member: { name }, rss, heap, files, abandoned } = node;
  const { maxRssSlope, maxHeapSlope, maxMoreFiles } = settings;
  const slope = (
    what: string,
    usage: Observed["rss"],
    max: number,
  ): Row => [
    `${name}: ${what}, MiB a minute`,
    `${signed(usage.slope)} of at most ${max.toFixed(1)} (at most ${
      usage.mostMiB.toFixed(0)
    } MiB, ${usage.lastMiB.toFixed(0)} at the end)`,
    // One that has no slope was not measured.
    usage.slope <= max,
  ];
  return [
    slope("RSS", rss, maxRssSlope),
    slope("heap", heap, maxHeapSlope),
    [
      `${name}: open files`,
      `${files.before} before, ${files.most} at most, ${files.after} after`,
      files.before > 0 && files.after > 0 &&
      files.after <= files.before + maxMoreFiles,
    ],
    [`${name}: sockets left by their clients`, `${abandoned}`],
    [
      `${name}: errors that its handler threw`,
      `${node.errors}`,
      node.errors === 0,
    ],
    [
      `${name}: links at most, requests refused`,
      `${node.mostLinks}, ${node.refused}`,
    ],
  ];
}

/**
 * Prints the summary; returns whether everything was within its bounds.
 *
 * @param fault What ended the run before its time.
 */
export function report(
  settings: Settings,
  { nodes }: Cluster,
  traffic: Traffic,
  seen: Seen,
  fault?: string,
): boolean {
  const { tally, model } = traffic;
  const { maxP99Ratio, minP99Ms } = settings;
  const attacks = Object.entries(seen.counts);
  const [all, ratio, p99Ms] = times(seen, 99, KINDS);
  const rows: Row[] = [
    ["keys asked for, requests", `${tally.keys}, ${tally.requests}`],
    [
      "writes that resolved, answers 304",
      `${model.writes}, ${tally.notModified}`,
    ],
    ...attacks.map(([name, { made, now }]): Row => [
      `hostile: ${name}`,
      `${made} times, ${now} at the end`,
      made > 0,
    ]),
    ["wrong answers", `${tally.wrong}`, tally.wrong === 0],
    ["failed requests", `${tally.failed}`, tally.failed === 0],
    [
      "crashes, and what else ended the run",
      fault ?? "none",
      fault === undefined,
    ],
    // A run that was broken off has nothing more to show.
    ...(fault === undefined
      ? [
        ...nodes.flatMap((node) => rowsOf(node, settings)),
        ...([50, 99] as const).flatMap((percent) =>
          KINDS.map((kind): Row => [
            `p${percent}: ${kind}`,
            times(seen, percent, [kind])[0],
          ])
        ),
        ["p50", times(seen, 50, KINDS)[0]],
        [
          "p99",
          `${all} of at most ${maxP99Ratio}`,
          ratio <= maxP99Ratio || p99Ms < minP99Ms,
        ],
      ] as Row[]
      : []),
  ];
  console.log();
  for (const complaint of tally.complaints) console.log(complaint);
  return print(rows) && fault === undefined;
}
