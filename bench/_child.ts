/**
 * Child processes of a bench that print lines and may answer commands. They end
 * when the bench ends.
 *
 * @module
 */

import {
  type ChildProcess,
  spawn,
  type SpawnOptions,
} from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";

/** A line of a bench cannot be measured here, for the reason in the message. */
export class Skipped extends Error {
  override name = "Skipped";
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill();
});
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => process.exit(1));
}

/** A child that was started, and has said that it is ready. */
export interface Child {
  readonly pid: number;
  /** The line that said so. */
  readonly ready: string;
  /** Writes a command, one line, and returns the line that answers it. */
  command(line: string): Promise<string>;
  /** Ends the child and waits until it has ended. */
  end(): Promise<void>;
}

/** Resolves when a child has ended; rejects if it cannot be started. */
async function endOf(child: ChildProcess, program: string): Promise<void> {
  running.add(child);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", (error: Error & { code?: string }) => {
        const missing = error.code === "ENOENT";
        reject(missing ? new Skipped(`${program} is not installed`) : error);
      });
      child.once("close", () => resolve());
    });
  } finally {
    running.delete(child);
  }
}

/**
 * Runs a program to its end. What it prints is printed.
 *
 * @throws {Skipped} If the program is not installed.
 */
export async function run(
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<void> {
  const child = spawn(program, args, {
    stdio: ["ignore", "inherit", "inherit"],
    ...options,
  });
  await endOf(child, program);
  if (child.exitCode !== 0) {
    throw new Error(`Cannot measure: ${program} gave ${child.exitCode}`);
  }
}

/**
 * Starts a child and waits for its first line that matches `ready`.
 *
 * @throws {Skipped} If the program is not installed.
 */
export async function startChild(
  program: string,
  args: readonly string[],
  ready: RegExp,
): Promise<Child> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = endOf(child, program);
  const lines = createInterface({ input: child.stdout })[
    Symbol.asyncIterator
  ]();
  const line = async (): Promise<string> => {
    const next = await Promise.race([lines.next(), ended]);
    if (next === undefined || next.done) {
      // It may only be closing: what is wrong with it comes next.
      await ended;
      throw new Error(`Cannot measure: ${program} ended`);
    }
    return next.value;
  };
  let said = await line();
  while (!ready.test(said)) said = await line();
  return {
    pid: child.pid!,
    ready: said,
    command: (command) => {
      child.stdin.write(`${command}\n`);
      return line();
    },
    end: async () => {
      child.stdin.end();
      child.kill();
      await ended;
    },
  };
}
