/**
 * The program behind `deno task cluster`: three nodes on one database, like the
 * script of the original GeeCache. It stops all of them on Ctrl-C, or when one
 * dies.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { linesOf } from "./lines.ts";

const USAGE = `Usage: deno task cluster [flags]

Runs three GeeCache nodes over one SQLite file. The last one also opens the
front door.

  --ports A,B,C   the ports of the nodes (default 8001,8002,8003)
  --api PORT      the port of the front door (default 9999)
  --db FILE       the database (default scores.db)
  --verbose       also log each request
  --help          show this help`;

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
/** How long a node may take to stop before it is killed. */
const STOP_TIMEOUT_MS = 5_000;

let stopping = false;
/** Whether a node ended before it was told to stop. */
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
      // The node has already ended.
    }
  }
}

/**
 * Prints the output of a node. Resolves with `true` when the node is running, and
 * with `false` if it ends first.
 */
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
    setTimeout(() => stop("SIGKILL"), STOP_TIMEOUT_MS);
  });
}

const running = await Promise.all(nodes.map((c, i) => follow(c, ports[i]!)));
if (running.every(Boolean)) {
  console.log(`
All nodes are running. Ask twice: only one node loads Tom, and only once.

  curl 'http://localhost:${flags.api}/api?key=Tom'
  curl 'http://localhost:${ports[0]}/api?key=Tom'
  curl http://localhost:${ports[0]}/_geecache/scores/Tom   # asks that node only

Ctrl-C stops them.
`);
}
const codes = await Promise.all(ended);
// A node that is stopped before it listens for signals ends with code 143.
Deno.exit(died ? 1 : Math.max(...codes));
