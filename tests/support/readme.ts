/** What the papers tell their readers to save and to run. */

import { assertEquals } from "./assert.ts";
import { textOf } from "./examples.ts";
import type { Program } from "./process.ts";

const read = (name: string) =>
  Deno.readTextFile(new URL(`../../${name}`, import.meta.url));

const readme: string = await read("README.md");
const install: string = await read("docs/install.md");

/** The first program of a text, or none. */
function programOf(text: string): string | undefined {
  return /```[jt]s ignore\n([\s\S]*?)```/.exec(text)?.[1];
}

/** The commands of the first block of a text, without their comments. */
function commandsOf(text: string): string[] {
  const block = /```sh\n([\s\S]*?)```/.exec(text)![1]!.trim();
  return block.split("\n").map((line) => line.replace(/ +#.*$/, ""));
}

/** What the top of the README gives to a reader. */
export interface FirstProgram {
  /** Its package for each runtime, by the name of what installs it. */
  install: { npm: string; deno: string };
  code: string;
  /** The line it ends in. */
  line: number;
  /** What its last comment says that it prints. */
  prints: string;
  /** How each runtime starts it. */
  commands: string[];
}

/** The program at the top of the README. */
export function firstProgram(): FirstProgram {
  const [npm, deno] = commandsOf(readme);
  const code = programOf(readme)!;
  const end = readme.indexOf(code) + code.length;
  const after = readme.slice(end, readme.indexOf("\n## "));
  return {
    install: { npm: npm!, deno: deno! },
    code,
    line: readme.slice(0, end).split("\n").length,
    prints: /\/\/ (.*)\n$/.exec(code)![1]!,
    commands: [...after.matchAll(/`((?:node|deno|bun) [^`]*)`/g)]
      .map(([, command]) => command!),
  };
}

/** A section of docs/install.md: its command lines, and its program. */
export function installOf(
  heading: string,
): { commands: string[]; code: string } {
  const start = install.indexOf(`\n## ${heading}\n`);
  const section = install.slice(start, install.indexOf("\n## ", start + 1));
  return { commands: commandsOf(section), code: programOf(section)! };
}

/** Sees that a program, told to listen on `port`, does what its page says. */
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
