/**
 * The flags of `deno task top`.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { Exit } from "../exit.ts";

/** How the program is used. */
export const USAGE = `Usage: deno task top [flags] [URL ...]

Shows a cluster in the terminal, as its page in a browser does. URL is any node of it,
or the front door of deno task cluster (default http://localhost:9999). If there are
several, the next one is asked when one does not answer. docs/page.md explains the rest.

  --once       print one snapshot without colors, and end; so it is, too, if the output
               is no terminal
  --json       print one JSON object a line for each second, or one with --once
  --no-color   draw without colors, as with the variable NO_COLOR
  --help       show this help

Keys: q quits, p pauses, s sorts the nodes, arrows or Tab choose one, ? explains.`;

/** What the program is told. */
export interface Flags {
  readonly urls: readonly string[];
  readonly once: boolean;
  readonly json: boolean;
  readonly color: boolean;
  readonly help: boolean;
}

/**
 * Reads the flags.
 *
 * @throws {Exit} with code 2, if one is unknown or an address is none
 */
export function readFlags(args: readonly string[]): Flags {
  const { _: urls, once, json, color, help } = parseArgs(args, {
    boolean: ["once", "json", "color", "help"],
    string: ["_"],
    negatable: ["color"],
    default: { color: true },
    unknown: (flag: string, name?: string) => {
      if (name === undefined) return;
      throw new Exit(`Unknown argument ${flag}: see --help`, 2);
    },
  });
  const all = urls.length === 0 ? ["http://localhost:9999"] : urls;
  return { urls: all.map(originOf), once, json, color, help };
}

/** The origin of an address; without a scheme, it is http. */
function originOf(text: string): string {
  const full = text.includes("://") ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") {
    return url.origin;
  }
  throw new Exit(
    `URL must be the address of a node, such as http://localhost:9999: received ${
      JSON.stringify(text)
    }`,
    2,
  );
}
