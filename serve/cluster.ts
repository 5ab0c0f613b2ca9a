/**
 * The program behind `deno task cluster`: three nodes on one database, like the
 * script of the original GeeCache, and their page. It starts the nodes as processes of
 * their own and serves the front door and the page itself, so that both live on whatever
 * becomes of a node. It stops all of them on Ctrl-C, or if one cannot start.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { HTTPPool } from "../mod.ts";
import { readSettings } from "./config.ts";
import { Exit } from "./exit.ts";
import { frontDoor, type OpenGroup } from "./front_door.ts";
import { DEMO_GROUP } from "./groups.ts";
import { inOrder, UnderWay } from "./handlers.ts";
import { port } from "./kinds.ts";
import type { Controls, NodeAction } from "./page/controls.ts";
import { Page } from "./page/page.ts";
import { Traffic } from "./page/traffic.ts";
import { NodeChild, type NodeEnd } from "./processes.ts";
import { Servers } from "./servers.ts";

const USAGE = `Usage: deno task cluster [flags]

Runs three GeeCache nodes over one SQLite file, and a front door with a page that
shows them: http://localhost:9999/

  --ports A,B,C   the ports of the nodes (default 8001,8002,8003)
  --api PORT      the port of the front door and the page (default 9999)
  --db FILE       the database (default scores.db)
  --verbose       also log each request
  --help          show this help`;

/** How long a node may take to stop before it is killed. */
const STOP_TIMEOUT_MS = 5_000;
/** How long a frozen node holds up those who ask it. */
const PEER_TIMEOUT_MS = 1_000;
/** What the front door keeps of others' values. */
const FRONT_MAX_BYTES = 64 * 1024;

interface Flags {
  ports: readonly number[];
  api: number;
  db: string;
  verbose: boolean;
}

/** Ports as they were written. */
type Written = Omit<Flags, "ports" | "api"> & { ports: string; api: string };

function readFlags(): Flags {
  const { ports, api, db, verbose }: Written = parseArgs(Deno.args, {
    string: ["ports", "api", "db"],
    boolean: ["verbose"],
    default: { ports: "8001,8002,8003", api: "9999", db: "scores.db" },
    unknown: (flag: string) => {
      throw new Exit(`Unknown argument ${flag}: see --help`, 2);
    },
  });
  const numbers = ports.split(",").map(port.parse);
  if (numbers.some((number) => !number) || isRepeated(numbers)) {
    throw new Exit(
      `--ports must be different ports with commas between them: received ${ports}`,
      2,
    );
  }
  const number = port.parse(api);
  if (number === undefined) {
    throw new Exit(`--api must be ${port.rule}: received ${api}`, 2);
  }
  return { ports: numbers as number[], api: number, db, verbose };
}

function isRepeated(all: readonly unknown[]): boolean {
  return new Set(all).size < all.length;
}

/** The nodes of the cluster. */
class Cluster implements Pick<Controls, "nodes" | "act"> {
  readonly children: readonly NodeChild[];
  readonly #ends: (() => void)[] = [];
  /** Whether all nodes have started. */
  #started = false;
  #stopping = false;
  #code = 0;

  constructor({ ports: numbers, db, verbose }: Flags) {
    const ports = numbers.map(String);
    const origins = ports.map((port) => `http://localhost:${port}`).join();
    this.children = ports.map((port) =>
      new NodeChild(port, [
        ...["--port", port, "--peers", origins, "--db", db, "--demo"],
        ...(verbose ? ["--verbose"] : []),
      ], (node, end) => this.#ended(node, end))
    );
  }

  /** Starts all nodes. Resolves with whether all of them run. */
  async start(): Promise<boolean> {
    const all = await Promise.all(this.children.map((child) => child.start()));
    this.#started = all.every(Boolean);
    return this.#started;
  }

  nodes(): ReturnType<Controls["nodes"]> {
    return this.children.map((child) => {
      const { origin, process } = child;
      const can = child.can.filter((action) =>
        this.#rule(child, action) === undefined
      );
      return { origin, process, can };
    });
  }

  async act(origin: string, action: NodeAction): Promise<void> {
    const child = this.children.find((each) => each.origin === origin)!;
    const rule = child.can.includes(action)
      ? this.#rule(child, action)
      : `it is ${child.process}`;
    if (rule !== undefined) {
      throw new Error(`Cannot ${action} ${origin}: ${rule}`);
    }
    await child.act(action);
  }

  /** Why something is not done, though it could be. */
  #rule(child: NodeChild, action: NodeAction): string | undefined {
    const isLast = this.children.every((other) =>
      other === child || !other.goesOn
    );
    return isLast && (action === "kill" || action === "freeze")
      ? "no other node is running"
      : undefined;
  }

  /** Sends a signal to all nodes. */
  stop(signal: Deno.Signal): void {
    this.#stopping = true;
    for (const child of this.children) child.kill(signal);
  }

  /** Resolves with the exit code once all nodes have ended. */
  async whenOver(): Promise<number> {
    while (this.#alive > 0) {
      await new Promise<void>((resolve) => this.#ends.push(resolve));
    }
    return this.#code;
  }

  get #alive(): number {
    return this.children.filter(({ process }) => process !== "ended").length;
  }

  #ended({ port, args }: NodeChild, { code, wasAsked }: NodeEnd): void {
    const what = `[${port}] ended with exit code ${code}`;
    if (this.#stopping) {
      // A node that is stopped before it listens for signals ends with code 143.
      if (this.#code !== 1) this.#code = Math.max(this.#code, code);
    } else if (!this.#started) {
      console.log(`${what}: stopping all`);
      this.#code = 1;
      this.stop("SIGTERM");
    } else if (this.#alive === 0) {
      console.log(`${what}: no node is left`);
      this.#code = 1;
    } else if (wasAsked) {
      console.log(`${what}: the others go on`);
    } else {
      console.log(`${what}: the others go on. To start it again:

  deno task serve ${args.join(" ")}
`);
    }
    for (const resolve of this.#ends.splice(0)) resolve();
  }
}

/** A pool that is no node: it only asks them. */
function openFrontPool(origins: readonly string[]): HTTPPool {
  const pool = new HTTPPool("http://front-door.invalid", {
    timeoutMs: PEER_TIMEOUT_MS,
    // What a node that is down misses is told once it is back.
    unreachable: "later",
  });
  pool.setPeers(origins);
  return pool;
}

/** The groups of the nodes, as the front door has them. */
async function openGroups(pool: HTTPPool, flags: Flags): Promise<OpenGroup[]> {
  const { groups } = await readSettings(["--db", flags.db, "--demo"], {}, read);
  const getter = (): never => {
    throw new Error("no node can be reached");
  };
  return groups.map((settings) => ({
    settings,
    group: pool.group(settings.name, getter, { maxBytes: FRONT_MAX_BYTES }),
  }));
}

/** There is no configuration file. */
function read(file: string): never {
  throw new Error(`Cannot read ${file}`);
}

async function main(): Promise<number> {
  if (Deno.args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const flags = readFlags();
  const cluster = new Cluster(flags);
  // Nodes would outlive a terminal that is closed.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    if (signal !== "SIGINT" && Deno.build.os === "windows") continue;
    Deno.addSignalListener(signal, () => {
      cluster.stop("SIGTERM");
      setTimeout(() => cluster.stop("SIGKILL"), STOP_TIMEOUT_MS);
    });
  }
  const pool = openFrontPool(cluster.children.map(({ origin }) => origin));
  const groups = await openGroups(pool, flags);
  const traffic = new Traffic(
    pool.getGroup(DEMO_GROUP)!,
    (key) => page.asked(DEMO_GROUP, key),
    () => page.isSampling,
  );
  const page: Page = new Page({
    pool,
    admin: true,
    hosts: [],
    controls: {
      nodes: () => cluster.nodes(),
      act: (origin, action) => cluster.act(origin, action),
      traffic: () => traffic.state,
      setTraffic: (on) => traffic.set(on),
    },
  });
  const door = frontDoor({
    groups,
    underWay: new UnderWay(),
    asked: (group, key) => page.asked(group, key),
  });
  const servers = new Servers("127.0.0.1", undefined);
  const { origin } = await servers.open(
    flags.api,
    inOrder([(request) => page.handle(request), door]),
  );
  if (await cluster.start()) {
    traffic.set(true);
    console.log(greeting(origin, cluster.children));
  }
  const code = await cluster.whenOver();
  traffic.set(false);
  page.close();
  await pool.close();
  await Promise.race([
    servers.shutdown(),
    new Promise((resolve) => setTimeout(resolve, STOP_TIMEOUT_MS)),
  ]);
  return code;
}

function greeting(origin: string, children: readonly NodeChild[]): string {
  const [{ port: first }] = children as [NodeChild];
  const kill = Deno.build.os === "windows" ? "taskkill /F /PID" : "kill -9";
  const kills = children.map(({ pid, port }) => `  ${kill} ${pid}   # ${port}`);
  return `
All nodes are running. See them live:

  ${origin}/

Ask twice: only one node loads Tom, and only once.

  curl '${origin}/api?key=Tom'
  curl 'http://localhost:${first}/api?key=Tom'
  curl http://localhost:${first}/_geecache/scores/Tom   # asks that node only

Kill one and ask again: the others stand in for it.

${kills.join("\n")}

Ctrl-C stops them.
`;
}

try {
  Deno.exit(await main());
} catch (error) {
  if (!(error instanceof Exit)) throw error;
  console.error(error.message);
  Deno.exit(error.code);
}
