/**
 * What a cluster costs its origin, and how one process more or less changes that:
 * the real pools, groups, rings and breakers, on a virtual clock and a virtual
 * network. Equal seeds give equal tables.
 *
 * `--seed N`, `--nodes 3,10,30,100,300`, `--growing 30,200`, `--keys N`.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { simulate } from "./_simulation.ts";

const args = parseArgs(Deno.args, {
  string: ["seed", "nodes", "growing", "keys"],
  default: {
    seed: "1",
    nodes: "3,10,30,100,300",
    growing: "30,200",
    keys: "5000",
  },
  unknown: (arg: string): never => {
    throw new TypeError(`Cannot simulate: unknown argument: received ${arg}`);
  },
});

/** Reads a whole number of at least `least`; an error names the flag. */
function whole(flag: string, text: string, least: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number < 2 ** 31) return number;
  throw new TypeError(
    `Cannot simulate: --${flag} must be whole, at least ${least}: received ${text}`,
  );
}

/** Reads sizes of clusters. */
function sizes(flag: "nodes" | "growing"): number[] {
  return args[flag].split(",").map((size: string) => whole(flag, size, 2));
}

const { table, broken } = await simulate({
  seed: whole("seed", args.seed, 0),
  nodes: sizes("nodes"),
  growing: sizes("growing"),
  keys: whole("keys", args.keys, 1),
  // The table alone goes to standard output.
  onProgress: (what, done, of) => console.error(`${done}/${of} ${what}`),
});
console.log(table);
for (const sentence of broken) console.error(`broken: ${sentence}`);
if (broken.length > 0) Deno.exit(1);
