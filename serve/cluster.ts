/**
 * The program behind `deno task cluster`: three nodes on one database, like the
 * script of the original GeeCache. It stops all of them on Ctrl-C, or if one cannot
 * start. If one is killed later, the others go on.
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
/** Whether all nodes have started. */
let started = false;
/** How many nodes have not ended. */
let alive = ports.length;

/** What `serve.ts` is told. */
function argsOf(port: string): string[] {
  const last = port === ports.at(-1);
  return [
    ...["--port", port, "--peers", origins.join(), "--db", flags.db],
    ...(last ? ["--api", flags.api] : []),
    ...(flags.verbose ? ["--verbose"] : []),
  ];
}

function start(port: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--allow-net", "--allow-read"],
      ...["--allow-write", serve.href, ...argsOf(port)],
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

/** Waits until a node ends. Resolves with its exit code if that counts for ours. */
async function end(child: Deno.ChildProcess, port: string): Promise<number> {
  const { code } = await child.status;
  alive--;
  // A node that is stopped before it listens for signals ends with code 143.
  if (stopping) return code;
  const what = `[${port}] ended with exit code ${code}`;
  if (!started) {
    console.log(`${what}: stopping all`);
    stop("SIGTERM");
    return 1;
  }
  if (alive === 0) {
    console.log(`${what}: no node is left`);
    return 1;
  }
  console.log(`${what}: the others go on. To start it again:

  deno task serve ${argsOf(port).join(" ")}
`);
  return 0;
}

const nodes = ports.map(start);
const ended = nodes.map((child, i) => end(child, ports[i]!));
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  if (signal === "SIGTERM" && Deno.build.os === "windows") continue;
  Deno.addSignalListener(signal, () => {
    stop("SIGTERM");
    setTimeout(() => stop("SIGKILL"), STOP_TIMEOUT_MS);
  });
}

const running = await Promise.all(nodes.map((c, i) => follow(c, ports[i]!)));
if (running.every(Boolean)) {
  started = true;
  const kill = Deno.build.os === "windows" ? "taskkill /F /PID" : "kill -9";
  const kills = nodes.map(({ pid }, i) => `  ${kill} ${pid}   # ${ports[i]}`);
  console.log(`
All nodes are running. Ask twice: only one node loads Tom, and only once.

  curl 'http://localhost:${flags.api}/api?key=Tom'
  curl 'http://localhost:${ports[0]}/api?key=Tom'
  curl http://localhost:${ports[0]}/_geecache/scores/Tom   # asks that node only

Kill one and ask again: the others stand in for it.

${kills.join("\n")}

Ctrl-C stops them.
`);
}
const codes = await Promise.all(ended);
Deno.exit(codes.includes(1) ? 1 : Math.max(...codes));
