/**
 * The settings of a soak: how long it takes, how hard it is, and its bounds.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";

/** The settings of a run; all times are in milliseconds. */
export interface Settings {
  readonly runtime: "deno" | "node24";
  /** The fault that the nodes have, if any. */
  readonly broken: string;
  /** How long the good traffic has the cluster for itself, and how long it is beside hostile clients. */
  readonly quietMs: number;
  readonly hostileMs: number;
  /** After so long they pause for that time, which shows what else the machine does by now. */
  readonly attackMs: number;
  readonly pauseMs: number;
  /** How long it takes until nothing of theirs is under way. */
  readonly calmMs: number;
  /** How long the cluster warms up before that. */
  readonly warmMs: number;
  /** After so long without a change, what is open stays open: `fetch` keeps connections for 90 s. */
  readonly restMs: number;
  readonly sayEveryMs: number;
  readonly sampleEveryMs: number;
  /** Over which time a p99 is taken. */
  readonly windowMs: number;
  /** How many connections say nothing. */
  readonly idle: number;
  /** How many tasks get keys and write them, each with a pause after each. */
  readonly askers: number;
  readonly askPauseMs: readonly [number, number];
  readonly writers: number;
  readonly writePauseMs: readonly [number, number];
  /** How long the source takes for a load: from, to. */
  readonly originMs: readonly [number, number];
  /** The bounds, for each node. */
  readonly maxP99Ratio: number;
  /** A p99 below this is taken for the machine's own doing. */
  readonly minP99Ms: number;
  /** In MiB a minute. `Deno.serve` alone grows by a KiB for each connection that is half-closed. */
  readonly maxRssSlope: number;
  /** Of objects and of buffers: what the library can hold. */
  readonly maxHeapSlope: number;
  /** Of tens of thousands of connections. Those that `fetch` keeps come and go. */
  readonly maxMoreFiles: number;
}

/** The faults that nodes can be given; see node.ts. */
export const FAULTS: readonly string[] = [
  "answers",
  "lives",
  "memory",
  "sockets",
  "patience",
  "rejections",
];

const RUNTIMES = ["deno", "node24"];
const MINUTE_MS = 60_000;
/** For a run of this length, the bounds of slopes are as they are documented. */
const FULL_MS = 10 * MINUTE_MS;
const FLAGS = ["seconds", "runtime", "broken"];

/**
 * The settings that follow from the command line.
 *
 * @throws {RangeError} If a flag is unknown or has no meaning.
 */
export function settingsOf(args: string[]): Settings {
  const flags = parseArgs(args, {
    string: FLAGS,
    default: { seconds: "600", runtime: "deno", broken: "" },
    unknown: (flag: string) => {
      throw new RangeError(`Cannot soak: there is no such flag: ${flag}`);
    },
  });
  const hostileMs = 1_000 * Number(flags.seconds);
  if (!(hostileMs >= 20_000 && hostileMs <= 60 * MINUTE_MS)) {
    throw new RangeError(
      `Cannot soak: seconds must be from 20 to 3600: received ${flags.seconds}`,
    );
  }
  if (!RUNTIMES.includes(flags.runtime)) {
    throw new RangeError(
      `Cannot soak: runtime must be ${
        RUNTIMES.join(" or ")
      }: received ${flags.runtime}`,
    );
  }
  if (!["", ...FAULTS].includes(flags.broken)) {
    throw new RangeError(
      `Cannot soak: broken must be one of ${
        FAULTS.join(", ")
      }: received ${flags.broken}`,
    );
  }
  // Collections of garbage hide a slope the more, the shorter a run is.
  const noise = Math.max(1, FULL_MS / hostileMs);
  const both = {
    runtime: flags.runtime,
    broken: flags.broken,
    hostileMs,
    askers: 16,
    askPauseMs: [15, 45],
    writers: 2,
    writePauseMs: [60, 140],
    originMs: [1, 6],
    calmMs: 5_000,
  } as const;
  return hostileMs >= 2 * MINUTE_MS
    ? {
      ...both,
      ...{ quietMs: MINUTE_MS, warmMs: 10_000, sayEveryMs: 5_000 },
      ...{ attackMs: 55_000, pauseMs: 5_000, sampleEveryMs: 1_000 },
      ...{ windowMs: 5_000, idle: 2_000 },
      ...{
        maxP99Ratio: 3,
        minP99Ms: 0,
        maxMoreFiles: 32,
        restMs: 100_000,
        maxRssSlope: 4 * noise,
        maxHeapSlope: noise,
      },
    }
    // In a few seconds a process still warms up: only what is badly broken shows.
    : {
      ...both,
      ...{ quietMs: 5_000, warmMs: 1_500, sayEveryMs: 2_000 },
      ...{ attackMs: Infinity, pauseMs: 0, sampleEveryMs: 250 },
      ...{ windowMs: 1_000, idle: 300 },
      ...{
        maxP99Ratio: 4,
        minP99Ms: 1_000,
        maxMoreFiles: 100,
        restMs: 10_000,
        maxRssSlope: 450,
        maxHeapSlope: 300,
      },
    };
}
