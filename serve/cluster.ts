/**
 * Three nodes on one database: `deno task cluster`, as GeeCache's own script has
 * it. Stops them all on Ctrl-C, or when one dies.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { linesOf } from "./lines.ts";

const USAGE = `Usage: deno task cluster [flags]

Three GeeCache nodes over one SQLite file, the last with the front door.

  --ports A,B,C   where they listen (default 8001,8002,8003)
  --api PORT      where the front door is (default 9999)
  --db FILE       the database (default scores.db)
  --verbose       log each request, too
  --help          show this`;

const flags = parseArgs(Deno.args, {
  string: ["ports", "api", "db"],
  boolean: ["verbose", "help"],
  default: { ports: "8001,8002,8003", api: "9999", db: "scores.db" },
  unknown: (flag: string) => {
    console.error(`Unknown argument ${flag}: see --help`);
    Deno.exit(2);
  },
});
if (flags.help) {
  console.log(USAGE);
  Deno.exit(0);
}

const ports: string[] = flags.ports.split(",");
const origins = ports.map((port) => `http://localhost:${port}`);
const serve = new URL("./serve.ts", import.meta.url);
/** A node that does not stop when it is told to is stopped after so long. */
const PATIENCE_MS = 5_000;

let stopping = false;
/** Whether a node ended that nobody had told to. */
let died = false;

function start(port: string): Deno.ChildProcess {
  const last = port === ports.at(-1);
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--allow-net", "--allow-read"],
      ...["--allow-write", serve.href],
      ...["--port", port, "--peers", origins.join(), "--db", flags.db],
      ...(last ? ["--api", flags.api] : []),
      ...(flags.verbose ? ["--verbose"] : []),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

function stop(signal: Deno.Signal): void {
  stopping = true;
  for (const child of nodes) {
    try {
      child.kill(signal);
    } catch {
      // It has ended.
    }
  }
}

/** Prints what a node says; resolves when it runs, and with `false` if it ends first. */
function follow(child: Deno.ChildProcess, port: string): Promise<boolean> {
  return new Promise((resolve) => {
    const print = async (output: ReadableStream<Uint8Array>): Promise<void> => {
      for await (const line of linesOf(output)) {
        console.log(`[${port}] ${line}`);
        if (line.includes("geecache is running")) resolve(true);
      }
      resolve(false);
    };
    print(child.stdout);
    print(child.stderr);
  });
}

const nodes = ports.map(start);
const ended = nodes.map(async (child, i) => {
  const { code } = await child.status;
  if (!stopping) {
    console.log(`[${ports[i]}] ended with exit code ${code}: stopping all`);
    died = true;
    stop("SIGTERM");
  }
  return code;
});
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  if (signal === "SIGTERM" && Deno.build.os === "windows") continue;
  Deno.addSignalListener(signal, () => {
    stop("SIGTERM");
    setTimeout(() => stop("SIGKILL"), PATIENCE_MS);
  });
}

const running = await Promise.all(nodes.map((c, i) => follow(c, ports[i]!)));
if (running.every(Boolean)) {
  console.log(`
All nodes are running. Ask twice: one of them loads Tom, once.

  curl 'http://localhost:${flags.api}/api?key=Tom'
  curl 'http://localhost:${ports[0]}/api?key=Tom'
  curl http://localhost:${ports[0]}/_geecache/scores/Tom   # that node alone

Ctrl-C stops them.
`);
}
const codes = await Promise.all(ended);
// A node that was stopped before it listened for signals ends with 143.
Deno.exit(died ? 1 : Math.max(...codes));
