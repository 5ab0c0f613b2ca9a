/**
 * The flags of `deno task serve`: the help text, and a parser that ends the
 * program with one clear line if a flag is wrong.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { Exit } from "./exit.ts";

export const USAGE = `Usage: deno task serve [flags]

Runs one GeeCache node with the group "scores" over a SQLite file.

  --port PORT        the port to listen on; 0 picks a free one (default 9999)
  --host HOST        the address to listen on (default 127.0.0.1)
  --self URL         the origin at which other nodes reach this one
                     (default http://localhost:PORT)
  --peers URL,URL    the origins of all nodes, including this one
                     (default: this node runs alone)
  --api PORT         a second port, which serves only the front door
  --db FILE          the database; created with three scores if missing
                     (default scores.db)
  --max-bytes SIZE   the memory budget of the group, such as 2048, 512KiB,
                     64MiB or 1GiB (default 2KiB)
  --admin            let the page show and change keys, also beyond this machine
  --demo             add the group "demo", which has a value for any key
  --verbose          also log each request
  --help             show this help

Then:  curl http://localhost:9999/_geecache/scores/Tom   asks this node only
       curl 'http://localhost:9999/api?key=Tom'          asks the whole cluster`;

export interface Flags {
  port: number;
  host: string;
  self: string | undefined;
  peers: string[];
  api: number | undefined;
  db: string;
  maxBytes: number;
  admin: boolean;
  demo: boolean;
  verbose: boolean;
  help: boolean;
}

/**
 * Reads the command line.
 *
 * @throws {Exit} with code 2, if a flag is unknown or its value is not valid
 */
export function readFlags(args: string[]): Flags {
  const texts = ["port", "host", "self", "peers", "api", "db", "max-bytes"];
  const flags = parseArgs(args, {
    string: texts,
    boolean: ["admin", "demo", "verbose", "help"],
    default: {
      port: "9999",
      host: "127.0.0.1",
      db: "scores.db",
      "max-bytes": "2KiB",
    },
    unknown: (flag: string) => {
      throw new Exit(`Unknown argument ${flag}: see --help`, 2);
    },
  });
  for (const name of texts) {
    if (flags[name] === "") throw new Exit(`--${name} needs a value`, 2);
  }
  const { host, self, db, admin, demo, verbose, help } = flags;
  return {
    host,
    self,
    db,
    admin,
    demo,
    verbose,
    help,
    port: readPort("port", flags.port),
    peers: flags.peers === undefined ? [] : flags.peers.split(","),
    api: flags.api === undefined ? undefined : readPort("api", flags.api),
    maxBytes: readSize(flags["max-bytes"]),
  };
}

function readPort(name: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65535) return port;
  throw new Exit(
    `--${name} must be a number from 0 to 65535: received ${text}`,
    2,
  );
}

function readSize(text: string): number {
  const units = { "": 1, b: 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };
  const match = /^(\d+(?:\.\d+)?) ?(|b|kib|mib|gib)$/.exec(text.toLowerCase());
  if (match === null) {
    throw new Exit(
      `--max-bytes must be a size such as 2048, 512KiB or 64MiB: received ${text}`,
      2,
    );
  }
  return Math.floor(Number(match[1]) * units[match[2] as keyof typeof units]);
}
