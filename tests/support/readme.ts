/** What the README tells its readers to save and to run. */

import { assertEquals } from "./assert.ts";
import { textOf } from "./examples.ts";
import type { Program } from "./process.ts";

export const readme: string = await Deno.readTextFile(
  new URL("../../README.md", import.meta.url),
);

/** The first program of a text, or none. */
function programOf(text: string): string | undefined {
  return /```[jt]s ignore\n([\s\S]*?)```/.exec(text)?.[1];
}

/** The program at the top, with the line it ends in. */
export function firstProgram(): { code: string; line: number } {
  const code = programOf(readme)!;
  const end = readme.indexOf(code) + code.length;
  return { code, line: readme.slice(0, end).split("\n").length };
}

/** A section of "Install": its command lines, and its program where it has one. */
export function installOf(
  heading: string,
): { commands: string[]; code?: string } {
  const start = readme.indexOf(`\n### ${heading}\n`);
  const section = readme.slice(start, readme.indexOf("\n##", start + 1));
  const commands = /```sh\n([\s\S]*?)```/.exec(section)![1]!.trim().split("\n");
  const code = programOf(section);
  return code === undefined ? { commands } : { commands, code };
}

/** Sees that a program, told to listen on `port`, does what the README says. */
export async function doesAsTold(
  program: Program,
  port: number,
): Promise<void> {
  try {
    await program.said(/^630$/);
    const url = `http://127.0.0.1:${port}/_geecache/scores/Sam`;
    assertEquals(await textOf(url), "567");
  } finally {
    await program.stop();
  }
}
