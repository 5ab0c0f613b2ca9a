/**
 * The lines of a bench that compares two sides: which ones are wanted, how they are
 * measured, and how they are printed. A line's name appears when it begins.
 *
 * @module
 */

import process from "node:process";
import { Skipped } from "./_child.ts";
import { takeTurns } from "./_measure.ts";

/** Two sides that take turns. */
export interface Line {
  /** What is measured, and beside what. */
  name: string;
  /** The ratio that is to be reached, if there is one. */
  goal?: number;
  /** Whether the sides give costs, of which less is better. They give rates otherwise. */
  costs?: boolean;
  ours: () => Promise<number>;
  theirs: () => Promise<number>;
  rounds?: number;
}

/** Something else that is measured under a name, and prints its own lines. */
export interface Table {
  name: string;
  print: () => Promise<void>;
}

/** Prints a part of a line at once. */
export function print(text: string): void {
  process.stdout.write(text);
}

async function printLine(line: Line): Promise<void> {
  const { name, goal, costs = false, ours, theirs, rounds } = line;
  print(`${name} | `);
  const turns = await takeTurns(ours, theirs, rounds);
  const digits = costs ? 2 : 0;
  const cells = [
    turns.ours.toFixed(digits),
    turns.theirs.toFixed(digits),
    `${turns.ratio.toFixed(2)} (${turns.low.toFixed(2)}–${
      turns.high.toFixed(2)
    })`,
  ];
  if (goal !== undefined) {
    const met = costs ? turns.ratio <= goal : turns.ratio >= goal;
    cells.push(goal.toFixed(2), met ? "met" : "missed");
  }
  print(`${cells.join(" | ")}\n`);
}

/**
 * Measures and prints those whose name matches `only`, one after the other.
 *
 * @param only A regular expression, upper and lower case alike.
 */
export async function printLines(
  lines: readonly (Line | Table)[],
  only = "",
): Promise<void> {
  const wanted = new RegExp(only, "i");
  const chosen = lines.filter(({ name }) => wanted.test(name));
  if (chosen.length === 0) {
    const names = lines.map(({ name }) => `\n  ${name}`).join("");
    throw new Error(`Cannot measure: no line matches ${only}:${names}`);
  }
  console.log(
    "Answers per second, unless a line says otherwise. Ratios are medians (min–max).\n" +
      "what | ours | theirs | ratio | goal | ",
  );
  for (const line of chosen) {
    try {
      if ("print" in line) await line.print();
      else await printLine(line);
    } catch (error) {
      if (!(error instanceof Skipped)) throw error;
      print(`skipped: ${error.message}\n`);
    }
  }
}

/** Starts something when it is asked for, once, and ends it with the others. */
export class Starter {
  readonly #ends: (() => unknown)[] = [];

  /** What `start` starts: `end` ends it. */
  once<Started>(
    start: () => Promise<Started>,
    end: (started: Started) => unknown,
  ): () => Promise<Started> {
    let started: Promise<Started> | undefined;
    return () => {
      if (started === undefined) {
        started = start();
        started.then((it) => this.#ends.push(() => end(it)), () => {});
      }
      return started;
    };
  }

  /** Ends what was started, the last first. */
  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}
