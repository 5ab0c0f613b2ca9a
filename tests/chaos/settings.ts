/**
 * The settings of a chaos run: how long it takes, and how hard it is.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";

/** The settings of a run; all times are in milliseconds. */
export interface Settings {
  /** How long it is under load. */
  readonly ms: number;
  /** Whether it waits at its end until all missed removes are told, and asks for every key. */
  readonly isLong: boolean;
  /** The seed of the plan of events. */
  readonly seed: number;
  /** The mechanism that is switched off in the nodes, if any. */
  readonly without: string;
  readonly keys: readonly string[];
  /** How many tasks get keys at a time, each with a short pause after each get. */
  readonly askers: number;
  readonly askPauseMs: number;
  /** How many tasks remove keys at a time, each with a pause after each remove. */
  readonly writers: number;
  readonly writePauseMs: number;
  readonly timeoutMs: number;
  readonly mirrorTtlMs: number;
  /** For how long a node is paused. */
  readonly pauseMs: number;
  /** For how long a killed node stays away. */
  readonly downMs: number;
  readonly drainMs: number;
  /** How long it is from the end of one event to the next. */
  readonly restMs: number;
  /** How long the origin takes for a load: from, to. */
  readonly originMs: readonly [number, number];
  /** How long a load takes that a remove is to overtake. */
  readonly heldMs: number;
  /** How late the slow proxy passes a node's answers on: from, to. */
  readonly slowMs: readonly [number, number];
  /** The limits for the time of half of all gets, and of 99 in 100. */
  readonly maxP50Ms: number;
  readonly maxP99Ms: number;
  /** The cutting proxy cuts one in so many pieces of answers. */
  readonly cutOneOf: number;
}

/** A run with less time is a short one, in which everything happens faster. */
const SHORT_MS = 20_000;

const FLAGS = ["seconds", "seed", "without"];
const MECHANISMS = ["", "breaker", "fences"];

const keysOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `user:${i}`);

/**
 * The settings that follow from the command line.
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
      // The times of a busy machine in a few seconds say nothing.
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
