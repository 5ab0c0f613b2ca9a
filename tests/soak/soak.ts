/**
 * Soaks a cluster: `deno task soak`. Three processes answer good traffic, first alone,
 * then for ten minutes beside hostile clients. It fails on a wrong answer, a crash,
 * memory or files that grow, and good traffic that is held up.
 *
 * Flags: `--seconds 600`; `--runtime node24` for nodes on Node in place of Deno;
 * `--broken answers` or another fault of node.ts, to show that it is noticed.
 *
 * Linux alone tells what a process uses.
 *
 * @module
 */

import { delay, Origin } from "../chaos/origin.ts";
import { HostileClients } from "./clients.ts";
import { Cluster } from "./cluster.ts";
import { Latencies } from "./latencies.ts";
import { report } from "./report.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { Traffic } from "./traffic.ts";
import { KEYS } from "./values.ts";

/** How long a run may take in addition to its parts. */
const MORE_MS = 300_000;

/** How long it takes at most until a crash is noticed. */
const NOTICE_MS = 1_000;

/** What ends a run before its time. */
class Fault extends Error {}

/** A run, from its quiet minute to its last look. */
class Soak {
  readonly #settings: Settings;
  readonly #cluster: Cluster;
  readonly #traffic: Traffic;
  readonly #secret: string;
  readonly #faults: Promise<string>[];
  readonly #begin = performance.now();
  readonly quiet: Latencies;
  readonly paused: Latencies;
  readonly beside: Latencies;
  #hostile: HostileClients | undefined;

  constructor(
    settings: Settings,
    cluster: Cluster,
    traffic: Traffic,
    secret: string,
    stopped: Promise<string>,
  ) {
    this.#settings = settings;
    this.#cluster = cluster;
    this.#traffic = traffic;
    this.#secret = secret;
    this.#faults = [cluster.crash, traffic.broken, stopped];
    this.quiet = new Latencies(settings.windowMs);
    this.paused = new Latencies(settings.windowMs);
    this.beside = new Latencies(settings.windowMs);
  }

  /** What the hostile clients have done. */
  get counts(): HostileClients["counts"] {
    return this.#hostile?.counts ?? {};
  }

  /**
   * Runs all parts.
   *
   * @throws {Fault} If something ends it.
   */
  async run(): Promise<void> {
    const { sayEveryMs, warmMs, quietMs } = this.#settings;
    const timer = setInterval(() => this.#sayState(), sayEveryMs);
    try {
      this.#say("good traffic alone");
      await this.#pass(this.#traffic.sweep());
      this.#cluster.beginSampling();
      this.#traffic.begin();
      await this.#pass(warmMs);
      await this.#measure(this.quiet, quietMs);
      await this.#pass(this.#traffic.rest());
      await this.#pass(this.#cluster.rest("before"));
      this.#say("beside hostile clients");
      await this.#attack();
      this.#say("without them, at rest");
      await this.#pass(this.#traffic.rest());
      await this.#pass(this.#traffic.sweep());
      await this.#pass(this.#cluster.rest("after"));
    } finally {
      clearInterval(timer);
      this.#cluster.endSampling();
      await this.#hostile?.end();
    }
  }

  /** Lets hostile clients loose, with pauses. */
  async #attack(): Promise<void> {
    const { idle, warmMs, hostileMs, attackMs, calmMs, pauseMs } =
      this.#settings;
    const ports = this.#cluster.members.map(({ port }) => port);
    const hostile = new HostileClients(idle, this.#secret, ports);
    this.#hostile = hostile;
    this.#faults.push(hostile.gone);
    this.#traffic.begin();
    await this.#pass(warmMs);
    this.#cluster.beginMeasuring();
    for (let left = hostileMs;;) {
      const ms = Math.min(left, attackMs);
      await this.#measure(this.beside, ms);
      left -= ms;
      if (left <= 0) break;
      await hostile.tell("pause");
      await this.#pass(calmMs);
      await this.#measure(this.paused, pauseMs);
      await hostile.tell("resume");
    }
    this.#cluster.endSampling();
    await hostile.end();
  }

  async #measure(latencies: Latencies, ms: number): Promise<void> {
    this.#traffic.measure(latencies);
    await this.#pass(ms);
    this.#traffic.measure(undefined);
  }

  /** Waits for a time, or for something to end, unless a fault comes first. */
  async #pass(what: number | Promise<unknown>): Promise<void> {
    const waiting = typeof what === "number" ? delay(what) : what;
    const fault = await Promise.race([
      waiting.then(() => undefined),
      ...this.#faults,
    ]);
    if (fault === undefined) return;
    // The first to notice a crash may be a request that failed.
    const crash = await Promise.race([this.#cluster.crash, delay(NOTICE_MS)]);
    throw new Fault(crash ?? fault);
  }

  #sayState(): void {
    const { keys, failed, wrong } = this.#traffic.tally;
    const { nodes } = this.#cluster;
    const latencies = this.#hostile === undefined ? this.quiet : this.beside;
    const memory = nodes.map(({ rss, heap }) =>
      `${rss.lastMiB.toFixed(0)}/${heap.lastMiB.toFixed(0)}`
    );
    const [p99, load] = [latencies.last(99), Deno.loadavg()[0]!]
      .map((value) => value.toFixed(1));
    this.#say([
      `${keys} keys, ${wrong} wrong, ${failed} failed`,
      `p99 ${p99} ms`,
      `RSS/heap ${memory.join(" ")} MiB`,
      `files at most ${nodes.map(({ files }) => files.most)}`,
      `load ${load}`,
    ].join("; "));
  }

  #say(what: string): void {
    const seconds = (performance.now() - this.#begin) / 1000;
    console.log(`${seconds.toFixed(0).padStart(5)} s  ${what}`);
  }
}

/** Sets a run up, runs it, reports, and takes everything down. */
async function run(
  settings: Settings,
  stopped: Promise<string>,
): Promise<boolean> {
  const { runtime, broken, originMs } = settings;
  const endings: (() => Promise<void>)[] = [];
  try {
    const folder = await Deno.makeTempDir({ prefix: "geecache_soak_" });
    endings.push(() => Deno.remove(folder, { recursive: true }));
    const keys = [...KEYS.plain, ...KEYS.fresh];
    const origin = new Origin({ keys, originMs, heldMs: 0 });
    endings.push(() => origin.close());
    const secret = crypto.randomUUID();
    const cluster = await Cluster.start(settings, folder, origin.url, secret);
    endings.push(() => cluster.close());
    const fault = broken === "" ? "" : `, broken: ${broken}`;
    console.log(`three processes on ${runtime}${fault}`);

    const traffic = new Traffic(settings, cluster.members, origin, secret);
    const soak = new Soak(settings, cluster, traffic, secret, stopped);
    try {
      await soak.run();
      return report(settings, cluster, traffic, soak);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return report(settings, cluster, traffic, soak, error.message);
    }
  } finally {
    // One that fails leaves the others to be ended.
    for (const end of endings.reverse()) await end().catch(console.error);
  }
}

if (import.meta.main) {
  if (Deno.build.os !== "linux") {
    console.log("Skipped: only Linux tells what a process uses");
    Deno.exit(0);
  }
  const settings = settingsOf(Deno.args);
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => resolve("the run was stopped"));
    }
  });
  const { warmMs, quietMs, hostileMs } = settings;
  const { attackMs, pauseMs, calmMs } = settings;
  const pausesMs = Math.floor(hostileMs / attackMs) * (pauseMs + calmMs);
  // All children end with this process, in whatever way it ends.
  setTimeout(() => {
    console.log("The run takes far longer than it should");
    Deno.exit(1);
  }, 2 * warmMs + quietMs + hostileMs + pausesMs + MORE_MS);
  Deno.exit(await run(settings, stopped) ? 0 : 1);
}
