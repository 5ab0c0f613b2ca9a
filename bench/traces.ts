/**
 * The program behind `deno task traces`: replays an access log, or a trace that is
 * made, through the policies here, rivals from npm and the optimum. Equal traces give
 * equal tables.
 *
 * @module
 */

import { chartOf } from "./traces/chart.ts";
import { type Flags, readFlags, USAGE } from "./traces/flags.ts";
import { MADE } from "./traces/made.ts";
import { OPTIMUM } from "./traces/optimum.ts";
import type { Policy } from "./traces/policy.ts";
import { readTrace } from "./traces/read.ts";
import { fitting, replay, roomsOf } from "./traces/replay.ts";
import { adviceOf, tableOf } from "./traces/report.ts";
import { LRU_CACHE, OUR_LRU, SIEVE } from "./traces/rivals.ts";
import { S3_FIFO } from "./traces/s3_fifo.ts";
import { ARENA, VARIANTS } from "./traces/segments.ts";
import { TINY_LFU } from "./traces/tiny_lfu.ts";
import type { Trace } from "./traces/trace.ts";

const POLICIES: readonly Policy[] = [
  ARENA,
  OUR_LRU,
  LRU_CACHE,
  SIEVE,
  S3_FIFO,
  TINY_LFU,
  OPTIMUM,
];

const WITH_VARIANTS: readonly Policy[] = [
  ARENA,
  ...VARIANTS,
  OUR_LRU,
  OPTIMUM,
];

async function open({ source, entries }: Flags): Promise<Trace> {
  if (Object.hasOwn(MADE, source)) return MADE[source]!();
  const file = await Deno.open(source);
  const trace = await readTrace(source, file.readable);
  if (!entries) return trace;
  const { name, keys, distinct } = trace;
  return { name, keys, distinct };
}

async function main(args: string[]): Promise<void> {
  const flags = readFlags(args);
  if (flags.help) return console.log(USAGE);
  // The result alone goes to standard output.
  console.error(`reading ${flags.source}`);
  const trace = await open(flags);
  const results = replay(
    trace,
    fitting(trace, flags.variants ? WITH_VARIANTS : POLICIES),
    roomsOf(trace, flags.sizes),
    (policy, room, done, of) =>
      console.error(`${done + 1}/${of} ${policy}, room for ${room}`),
  );
  console.log(tableOf(results));
  const advised = {
    ours: ARENA.name,
    usual: OUR_LRU.name,
    best: OPTIMUM.name,
  };
  console.log(`\n${adviceOf(results, advised)}`);
  if (flags.chart === undefined) return;
  await Deno.writeTextFile(flags.chart, chartOf(results));
  console.error(`drawn: ${flags.chart}`);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
