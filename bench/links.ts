/**
 * What links cost while nothing is asked: sockets, timers and memory of each, on both
 * sides, and how long it takes to open a thousand at once.
 *
 * One process serves them all, and another one asks, over loopback: Linux has a whole
 * net of it, so one server has a thousand origins. Each run has two processes of its own.
 * `deno task bench:links [LINKS]`.
 *
 * @module
 */

import { HTTPPool, type Peer } from "../http.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { linesOf } from "../serve/lines.ts";
import { median, SILENT } from "./_measure.ts";

const LINKS = 1_000;
const RUNS = 3;
const GROUP = "bench";

/** Much longer than a run takes: ends one that hangs. */
const LIMIT_MS = 120_000;

/** How links are opened: as a pool without the option `fetch` does, or over that option. */
const WAYS = ["default", "fetch"] as const;
type Way = typeof WAYS[number];

/** What a process holds at one moment. */
interface Held {
  sockets: number;
  timers: number;
  rss: number;
  /** Bytes alive, in the heap and outside of it. */
  alive: number;
}

/** What a run measured. */
interface Outcome {
  /** With one question asked of each peer by a GET. */
  before: { asker: Held; server: Held };
  /** With a link to each that is open, and idle. */
  open: { asker: Held; server: Held };
  /** When these have ended. */
  ended: { asker: Held; server: Held };
  /** Milliseconds until each link was open, from when they were asked for at once. */
  openedMs: number;
  /** Milliseconds until the questions that were asked meanwhile were answered. */
  answeredMs: number;
  /** How many could not be had at first. */
  missed: number;
  questions: number;
  requests: number;
}

/** A clock that counts its timers, and that can be stopped: idle links end. */
class CountedClock implements Clock {
  pending = 0;
  #stoppedAt: number | undefined;
  /** What was due while it stood still. */
  readonly #due: (() => void)[] = [];

  now(): number {
    return this.#stoppedAt ?? systemClock.now();
  }

  after(ms: number, run: () => void, inBackground?: boolean): () => void {
    this.pending++;
    let over = false;
    const end = (): void => {
      if (!over) this.pending--;
      over = true;
    };
    const fire = (): void => {
      if (over) return;
      if (this.#stoppedAt !== undefined) return void this.#due.push(fire);
      end();
      run();
    };
    const cancel = systemClock.after(ms, fire, inBackground);
    return () => {
      cancel();
      end();
    };
  }

  stop(): void {
    this.#stoppedAt = this.now();
  }

  goOn(): void {
    this.#stoppedAt = undefined;
    for (const fire of this.#due.splice(0)) fire();
  }
}

async function held(clock: CountedClock): Promise<Held> {
  const { gc } = globalThis as unknown as { gc(): void };
  // The memory of buffers is freed some time after they were collected.
  for (let i = 0; i < 3; i++) {
    gc();
    await new Promise((next) => setTimeout(next, 0));
  }
  const { rss, heapUsed, external } = Deno.memoryUsage();
  let sockets = 0;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      const what = Deno.readLinkSync(`/proc/self/fd/${name}`);
      if (what.startsWith("socket:")) sockets++;
    } catch {
      // That of the folder itself.
    }
  }
  return { sockets, timers: clock.pending, rss, alive: heapUsed + external };
}

async function serve(): Promise<void> {
  const clock = new CountedClock();
  const pool = new HTTPPool("http://127.0.0.1:1", { logger: SILENT, clock });
  pool.group(GROUP, (key) => key);
  const { port } = Deno.serve(
    { hostname: "0.0.0.0", port: 0, onListen: () => {} },
    pool.handler,
  ).addr;
  const asked = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async () => Response.json(await held(clock)),
  ).addr.port;
  console.log(JSON.stringify([port, asked]));
  // The child ends with its parent, however that ends.
  for await (const _ of Deno.stdin.readable);
  Deno.exit();
}

async function ask(
  port: number,
  asked: number,
  count: number,
  way: Way,
): Promise<Outcome> {
  const clock = new CountedClock();
  const pool = new HTTPPool("http://127.0.0.1:2", {
    logger: SILENT,
    clock,
    ...(way === "fetch" && { fetch: (request: Request) => fetch(request) }),
  });
  pool.setPeers(Array.from(
    { length: count },
    (_, i) => `http://127.0.${1 + Math.floor(i / 250)}.${1 + i % 250}:${port}`,
  ));
  const peers: Peer[] = [...pool.peers()];
  const measure = async () => ({
    server: await (await fetch(`http://127.0.0.1:${asked}`)).json() as Held,
    asker: await held(clock),
  });
  for (let i = 0; i < count; i += 50) {
    const some = peers.slice(i, i + 50);
    await Promise.all(some.map((peer) => peer.get(GROUP, "first")));
  }
  const before = await measure();

  const start = performance.now();
  const states = (): string[] => pool.stats().peers.map(({ link }) => link);
  // Two questions in one second are what a link is opened for.
  await Promise.all(
    peers.flatMap((peer) => ["a", "b", "c"].map((key) => peer.get(GROUP, key))),
  );
  const answeredMs = performance.now() - start;
  let missed = 0;
  for (;;) {
    const now = states();
    missed = Math.max(missed, now.filter((s) => s === "unavailable").length);
    if (now.every((state) => state === "open")) break;
    // Those that are open are asked, too: they would be idle, and end.
    await Promise.all(peers.map((peer) => peer.get(GROUP, "more")));
  }
  const openedMs = performance.now() - start;
  clock.stop();
  const open = await measure();
  clock.goOn();
  while (states().includes("open")) {
    await new Promise((next) => setTimeout(next, 50));
  }
  // The server hears of that a moment later.
  await new Promise((next) => setTimeout(next, 500));
  const ended = await measure();
  const sum = (of: "questions" | "requests") =>
    pool.stats().peers.reduce((sum, peer) => sum + peer[of], 0);
  return {
    before,
    open,
    ended,
    openedMs,
    answeredMs,
    missed,
    questions: sum("questions"),
    requests: sum("requests"),
  };
}

/** Starts this file with other arguments, and gives its first line. */
async function start(
  ...args: string[]
): Promise<[child: Deno.ChildProcess, line: string]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--expose-gc", import.meta.url, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  for await (const line of linesOf(child.stdout)) return [child, line];
  throw new Error(`Cannot measure: ${args[0]} ended before it was ready`);
}

async function measureOnce(count: number, way: Way): Promise<Outcome> {
  const [server, ports] = await start("serve");
  try {
    const args = [ports, `${count}`, way];
    const [asker, line] = await start("ask", ...args);
    await asker.stdin.close();
    await asker.status;
    return JSON.parse(line);
  } finally {
    await server.stdin.close();
    await server.status;
  }
}

async function main(count: number): Promise<void> {
  console.log(`${count} links, medians of ${RUNS} runs (lowest–highest)`);
  for (const way of WAYS) {
    const runs: Outcome[] = [];
    for (let i = 0; i < RUNS; i++) runs.push(await measureOnce(count, way));
    const line = (
      what: string,
      of: (run: Outcome) => number,
      digits = 0,
    ): void => {
      const numbers = runs.map(of);
      const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
      console.log(
        `  ${what}: ${median(numbers).toFixed(digits)} (${
          low.toFixed(digits)
        }–${high.toFixed(digits)})`,
      );
    };
    console.log(way === "default" ? "the pool's own way:" : "over a fetch:");
    line("ms until all are open", ({ openedMs }) => openedMs);
    line("ms until all is answered", ({ answeredMs }) => answeredMs);
    line("could not be had at first", ({ missed }) => missed);
    line("questions", ({ questions }) => questions);
    line("requests", ({ requests }) => requests);
    for (const side of ["asker", "server"] as const) {
      const each =
        (of: keyof Held, since: "before" | "ended") => (run: Outcome) =>
          (run.open[side][of] - run[since][side][of]) / count;
      line(`${side}: sockets for each`, each("sockets", "ended"), 2);
      line(`${side}: timers for each`, each("timers", "ended"), 3);
      line(`${side}: bytes alive for each`, each("alive", "ended"));
      // The process gives no memory back, and has sockets of GETs by now.
      line(`${side}: growth of the process for each`, each("rss", "before"));
    }
  }
}

const [mode, ...rest] = Deno.args;
if (mode === "serve") await serve();
else if (mode === "ask") {
  setTimeout(() => Deno.exit(1), LIMIT_MS);
  const [port, asked] = JSON.parse(rest[0]!) as [number, number];
  const outcome = await ask(port, asked, Number(rest[1]), rest[2] as Way);
  console.log(JSON.stringify(outcome));
  Deno.exit();
} else if (Deno.build.os === "linux") await main(Number(mode ?? LINKS));
else console.log("Left out: only Linux has so many addresses of its own");
