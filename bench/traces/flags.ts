/**
 * The command line of `deno task traces`.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { MADE } from "./made.ts";
import { type Size, SIZES } from "./replay.ts";

export const USAGE = `Usage: deno task traces FILE [flags]

Replays an access log through several cache policies, and prints which share of
its requests would be hits. FILE has one key a line and, after white space, the
size of its value in bytes, if you know the sizes. It may be gzip.

In place of FILE, one of these names replays a trace that is made:
  zipf     a million keys, of which few are asked for very often
  scan     the same with fewer keys, and a scan over a million others
  loop     10,000 keys one after the other, again and again
  churn    keys that come, are asked for often, and go

  --sizes SIZES   the rooms to try, with commas between: entries (bytes if the log
                  has sizes) such as 1000, or shares of all keys such as 5%
                  (default 0.1%,1%,3%,10%,30%)
  --entries       count entries even if the log has sizes
  --variants      compare the arena with other numbers for its policy instead
  --chart FILE    also draw the table as an SVG
  --help          show this help

"arena" is the policy of this project's cache, "LRU" its class of that name;
"lru-cache" and "SIEVE" are packages from npm. "optimum" knows all requests in
advance: no policy can do better.`;

/** What the command line asks for. */
export interface Flags {
  help: boolean;
  source: string;
  sizes: readonly Size[];
  entries: boolean;
  variants: boolean;
  chart: string | undefined;
}

/**
 * Reads the command line.
 *
 * @throws {TypeError} If it is not as the help says
 */
export function readFlags(args: string[]): Flags {
  const { _: sources, help, sizes, entries, variants, chart } = parseArgs(
    args,
    {
      string: ["sizes", "chart", "_"],
      boolean: ["entries", "variants", "help"],
      unknown: (arg: string) => {
        if (!arg.startsWith("-")) return;
        throw new TypeError(`Unknown argument ${arg}: see --help`);
      },
    },
  );
  if (!help && sources.length !== 1) {
    const names = Object.keys(MADE).join(", ");
    throw new TypeError(
      `Give one FILE, or one of ${names}: received ${sources.length}; see --help`,
    );
  }
  if (chart === "") throw new TypeError("--chart needs the name of a file");
  return {
    help,
    source: `${sources[0] ?? ""}`,
    sizes: sizes === undefined ? SIZES : sizes.split(",").map(readSize),
    entries,
    variants,
    chart,
  };
}

function readSize(text: string): Size {
  const share = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (share !== null && Number(share[1]) > 0 && Number(share[1]) <= 100) {
    return { share: Number(share[1]) / 100 };
  }
  if (/^\d{1,15}$/.test(text) && Number(text) > 0) {
    return { room: Number(text) };
  }
  throw new TypeError(
    `--sizes must be whole numbers or shares such as 5%, with commas between: received ${text}`,
  );
}
