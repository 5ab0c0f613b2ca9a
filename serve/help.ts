/**
 * The help text of `deno task serve`.
 *
 * @module
 */

import { defaultOf, type Name, NAMES, settingOf } from "./settings.ts";

/** Where the explanations begin, and how long their lines may be. */
const INDENT = 34;
const WIDTH = 54;

function linesOf(name: Name): string[] {
  const { kind, help } = settingOf(name);
  const flag = `  --${name} ${kind.placeholder}`.trimEnd();
  const value = defaultOf(name);
  const lines = [...help];
  if (value !== undefined) {
    const shown = `(default ${value})`;
    const longer = `${lines.at(-1)} ${shown}`;
    if (longer.length <= WIDTH) lines[lines.length - 1] = longer;
    else lines.push(shown);
  }
  return lines.map((line, i) => (i === 0 ? flag : "").padEnd(INDENT) + line);
}

/** How the program is used. */
export const USAGE: string = `Usage: deno task serve [flags]

Runs one GeeCache node: a read-through cache beside a service. Without flags it has
the group "scores" over a SQLite file. docs/program.md explains all of this.

${NAMES.flatMap(linesOf).join("\n")}
  --help                          show this help

Each flag has a variable, such as GEECACHE_MAX_BYTES for --max-bytes, and a field in
the configuration file, such as maxBytes. Flags come before variables, and variables
before the file.

Then:  curl http://localhost:9999/_geecache/scores/Tom   asks this node only
       curl 'http://localhost:9999/api?key=Tom'          asks the whole cluster
       curl http://localhost:9999/api/scores/Tom         asks it for any group`;
