/**
 * Feeds arbitrary input to every parser, and to pools: `deno task fuzz`.
 *
 * The targets share the time that `--seconds` gives. `--seed` repeats a run;
 * together with `--target` and `--path` it repeats one finding.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import fc from "fast-check";
import { parsers, type Target } from "./fuzz_bytes.ts";
import { links } from "./fuzz_links.ts";
import { pools } from "./fuzz_pools.ts";

/** A run that takes longer counts as hanging. */
const RUN_TIMEOUT_MS = 10_000;

/** All targets. */
export const targets: readonly Target[] = [
  ...parsers,
  ...pools,
  ...links,
];

/** The result of fuzzing one target. */
export interface Outcome {
  readonly name: string;
  readonly runs: number;
  /**
   * The smallest input that fails, and how it fails; `undefined` if none was
   * found.
   */
  readonly finding: string | undefined;
}

/**
 * Wraps `property`, so that the caller can wait for a run that is still under way
 * when the time is up.
 */
function watchRuns(property: fc.IRawProperty<unknown>): {
  watched: fc.IRawProperty<unknown>;
  lastRunEnds: () => Promise<void>;
} {
  let last: unknown;
  const watched: fc.IRawProperty<unknown> = {
    isAsync: () => property.isAsync(),
    generate: (random, runId) => property.generate(random, runId),
    shrink: (value) => property.shrink(value),
    runBeforeEach: () => property.runBeforeEach(),
    runAfterEach: () => property.runAfterEach(),
    run: (value) => {
      const result = property.run(value);
      last = result;
      return result;
    },
  };
  const lastRunEnds = async (): Promise<void> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise((resolve) => {
      timer = setTimeout(resolve, RUN_TIMEOUT_MS);
    });
    await Promise.race([last, timeout]);
    clearTimeout(timer);
  };
  return { watched, lastRunEnds };
}

/** Fuzzes one target for `ms` milliseconds, or until it fails. */
export async function fuzz(
  { name, property }: Target,
  ms: number,
  seed: number,
  path?: string,
): Promise<Outcome> {
  const { watched, lastRunEnds } = watchRuns(property);
  const details = await fc.check(watched, {
    seed,
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: ms,
    markInterruptAsFailure: false,
    timeout: RUN_TIMEOUT_MS,
    ...(path === undefined ? {} : { path }),
  });
  await lastRunEnds();
  const { failed, numRuns, counterexample, counterexamplePath } = details;
  if (!failed) return { name, runs: numRuns, finding: undefined };
  const error = details.errorInstance;
  const replay = [
    "--seed",
    seed,
    "--target",
    name,
    "--path",
    counterexamplePath,
  ]
    .map((part) => /^[\w:-]+$/.test(`${part}`) ? part : `'${part}'`).join(" ");
  const finding = `${fc.stringify(counterexample)}\n${
    error instanceof Error ? error.stack : String(error)
  }\nrepeat it with: deno task fuzz ${replay}`;
  return { name, runs: numRuns, finding };
}

/** A table with one row for each outcome. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ name, runs, finding }) => [
    name,
    String(runs),
    finding === undefined ? "0" : "1",
  ]);
  return [["target", "runs", "findings"], ...rows].map(([name, runs, found]) =>
    `${name!.padEnd(20)}${runs!.padStart(12)}${found!.padStart(10)}`
  ).join("\n");
}

const USAGE =
  "Usage: deno task fuzz [--seconds N] [--seed N] [--target NAME] [--path PATH]";

async function main(args: string[]): Promise<number> {
  const { seconds, seed, target, path } = parseArgs(args, {
    string: ["seconds", "seed", "target", "path"],
    default: { seconds: "60", seed: String(Date.now() % 2 ** 31) },
    unknown: (flag: string) => {
      throw new TypeError(`Unknown argument ${flag}. ${USAGE}`);
    },
  });
  const chosen = targets.filter(({ name }) => name === (target ?? name));
  const numbers = [Number(seconds), Number(seed)] as const;
  if (
    chosen.length === 0 || !(numbers[0] > 0) || !Number.isInteger(numbers[1])
  ) {
    const names = targets.map(({ name }) => name).join(", ");
    throw new TypeError(`${USAGE}; targets: ${names}`);
  }
  console.error(`seed ${seed}, ${seconds} s`);
  const outcomes: Outcome[] = [];
  for (const one of chosen) {
    const ms = numbers[0] * 1000 / chosen.length;
    const outcome = await fuzz(one, ms, numbers[1], path);
    const { name, runs, finding } = outcome;
    console.error(`${name}: ${runs} runs, ${finding ?? "nothing found"}`);
    outcomes.push(outcome);
  }
  console.log(tableOf(outcomes));
  return outcomes.some(({ finding }) => finding !== undefined) ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
