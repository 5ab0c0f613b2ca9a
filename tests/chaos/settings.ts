/**
 * How long and how hard: what a chaos run is made of.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";

/** What a run is made of; all times in milliseconds. */
export interface Settings {
  /** For how long it is under load. */
  readonly ms: number;
  /** Whether it waits at its end for all that is owed, and asks for every key. */
  readonly isLong: boolean;
  /** Of the plan of events. */
  readonly seed: number;
  /** What the nodes have to do without, if anything. */
  readonly without: string;
  readonly keys: readonly string[];
  /** How many ask at a time, each with a short pause after each get. */
  readonly askers: number;
  readonly askPauseMs: number;
  /** How many remove keys at a time, each with a pause after each. */
  readonly writers: number;
  readonly writePauseMs: number;
  readonly timeoutMs: number;
  readonly mirrorTtlMs: number;
  /** For how long a node is paused. */
  readonly pauseMs: number;
  /** For how long a killed node stays away. */
  readonly downMs: number;
  readonly drainMs: number;
  /** Between the end of one event and the next. */
  readonly restMs: number;
  /** How long the origin takes for a load: from, to. */
  readonly originMs: readonly [number, number];
  /** How long it takes for a load that is to be overtaken by a remove. */
  readonly heldMs: number;
  /** How late the slow proxy hands on what a node answers: from, to. */
  readonly slowMs: readonly [number, number];
  /** What half of all gets, and 99 of 100, have to take less than. */
  readonly maxP50Ms: number;
  readonly maxP99Ms: number;
  /** Of how many pieces of answers the cutting proxy cuts one. */
  readonly cutOneOf: number;
}

/** Below it a run is a short one: everything happens in less time. */
const SHORT_MS = 20_000;

const FLAGS = ["seconds", "seed", "without"];
const MECHANISMS = ["", "breaker", "fences"];

const keysOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `user:${i}`);

/**
 * What the command line says, and what follows from it.
 *
 * @throws {RangeError} If a flag is unknown or has no meaning.
 */
export function settingsOf(args: string[]): Settings {
  const flags = parseArgs(args, {
    string: FLAGS,
    default: { seconds: "120", without: "", seed: String(Date.now() % 1e6) },
    unknown: (flag: string) => {
      throw new RangeError(`Cannot run: there is no such flag: ${flag}`);
    },
  });
  const ms = Number(flags.seconds) * 1000;
  const seed = Number(flags.seed);
  const { without } = flags;
  if (!(ms >= 1_000 && ms <= 600_000)) {
    throw new RangeError(
      `Cannot run: seconds must be from 1 to 600: received ${flags.seconds}`,
    );
  }
  if (!Number.isInteger(seed)) {
    throw new RangeError(
      `Cannot run: seed must be a whole number: received ${flags.seed}`,
    );
  }
  if (!MECHANISMS.includes(without)) {
    throw new RangeError(
      `Cannot run: without must be breaker or fences: received ${without}`,
    );
  }
  const isLong = ms >= SHORT_MS;
  const both = { ms, isLong, seed, without, askers: 24, cutOneOf: 40 } as const;
  return !isLong
    ? {
      ...both,
      keys: keysOf(60),
      askPauseMs: 60,
      writers: 4,
      writePauseMs: 40,
      timeoutMs: 300,
      mirrorTtlMs: 1_000,
      pauseMs: 2_600,
      downMs: 300,
      drainMs: 500,
      restMs: 500,
      originMs: [2, 20],
      heldMs: 150,
      slowMs: [10, 50],
      // What a busy machine takes in a few seconds says nothing.
      maxP50Ms: Infinity,
      maxP99Ms: Infinity,
    }
    : {
      ...both,
      keys: keysOf(200),
      askPauseMs: 40,
      writers: 3,
      writePauseMs: 150,
      timeoutMs: 1_000,
      mirrorTtlMs: 3_000,
      pauseMs: 6_000,
      downMs: 2_500,
      drainMs: 2_000,
      restMs: 1_500,
      originMs: [2, 30],
      heldMs: 200,
      slowMs: [20, 200],
      maxP50Ms: 250,
      maxP99Ms: 2_000,
    };
}
