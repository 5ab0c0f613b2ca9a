/** `deno task serve` as a process. */

import config from "../../deno.json" with { type: "json" };
import { Program } from "./process.ts";

/** What starts it, as the task does. */
export const SERVE: string[] = config.tasks.serve.command.split(" ").slice(1);
/** What it says once it runs, with its origin. */
export const RUNNING: RegExp = /geecache is running at (\S+)$/;

/** A node that runs. */
export interface Node {
  readonly program: Program;
  readonly url: string;
}

/** Runs a test in a folder of its own. */
export async function inFolder(
  run: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs one node on a free port, with flags and variables. */
export async function withProgram(
  { flags = [], env = {}, command = SERVE }: {
    flags?: string[];
    env?: Record<string, string>;
    command?: string[];
  },
  run: (node: Node) => Promise<void>,
): Promise<void> {
  const program = new Program([...command, "--port", "0", ...flags], { env });
  try {
    const [, url] = await program.said(RUNNING);
    await run({ program, url: url! });
  } finally {
    await program.stop();
  }
}

/** Runs one node on a free port and a new database of scores. */
export function withNode(
  flags: string[],
  run: (node: Node) => Promise<void>,
  command: string[] = SERVE,
): Promise<void> {
  return inFolder((folder) => {
    const db = ["--db", `${folder}/scores.db`];
    return withProgram({ flags: [...db, ...flags], command }, run);
  });
}

/** The status and the body of an answer. */
export async function text(
  url: string,
  init?: RequestInit & { client?: Deno.HttpClient },
): Promise<[number, string]> {
  const response = await fetch(url, init);
  return [response.status, await response.text()];
}
