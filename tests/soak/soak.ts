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
const MORE_MS = 180_000;

/** How long it takes at most until a crash is noticed. */
const NOTICE_MS = 1_000;

/** What ends with the run, in the order in which it began. */
type Ending = () => Promise<void>;

async function run(
  settings: Settings,
  stopped: Promise<string>,
): Promise<boolean> {
  const { quietMs, hostileMs, warmMs, windowMs, runtime, broken } = settings;
  const { attackMs, pauseMs, calmMs } = settings;
  const endings: Ending[] = [];
  const begin = performance.now();
  const say = (what: string): void => {
    const seconds = (performance.now() - begin) / 1000;
    console.log(`${seconds.toFixed(0).padStart(5)} s  ${what}`);
  };
  try {
    const folder = await Deno.makeTempDir({ prefix: "geecache_soak_" });
    endings.push(() => Deno.remove(folder, { recursive: true }));
    const keys = [...KEYS.plain, ...KEYS.fresh];
    const origin = new Origin({ keys, originMs: settings.originMs, heldMs: 0 });
    endings.push(() => origin.close());
    const secret = crypto.randomUUID();
    const cluster = await Cluster.start(settings, folder, origin.url, secret);
    endings.push(() => cluster.close());
    const { members } = cluster;
    say(
      `three processes on ${runtime}${
        broken === "" ? "" : `, broken: ${broken}`
      }`,
    );

    const traffic = new Traffic(settings, members, origin, secret);
    const faults: Promise<string>[] = [cluster.crash, traffic.broken, stopped];
    let fault: string | undefined;
    /** Waits, unless the run is over. */
    const pass = async (what: number | Promise<unknown>): Promise<void> => {
      if (fault !== undefined) return;
      const waiting = typeof what === "number" ? delay(what) : what;
      fault = await Promise.race([waiting.then(() => undefined), ...faults]);
      if (fault === undefined) return;
      // The first to notice a crash may be a request that failed.
      const crash = await Promise.race([cluster.crash, delay(NOTICE_MS)]);
      fault = crash ?? fault;
    };

    await pass(traffic.sweep());
    cluster.beginSampling();
    traffic.begin();
    await pass(warmMs);
    const quiet = new Latencies(windowMs);
    let latencies = quiet;
    traffic.measure(quiet);
    const timer = setInterval(() => {
      const { keys, failed, wrong } = traffic.tally;
      const memory = cluster.nodes
        .map(({ rss, heap }) =>
          `${rss.lastMiB.toFixed(0)}/${heap.lastMiB.toFixed(0)}`
        );
      const files = cluster.nodes.map(({ files }) => files.most).join();
      say(
        `${keys} keys: ${wrong} wrong, ${failed} failed; ` +
          `p99 ${latencies.last(99).toFixed(1)} ms; RSS/heap ${
            memory.join(" ")
          } MiB; ` +
          `files at most ${files}`,
      );
    }, settings.sayEveryMs);
    endings.push(() => Promise.resolve(clearInterval(timer)));
    await pass(quietMs);
    traffic.measure(undefined);

    if (fault === undefined) await pass(traffic.rest());
    await pass(
      cluster.filesAtRest(() => Infinity).then((counts) =>
        cluster.nodes.forEach(({ files }, i) => files.before = counts[i]!)
      ),
    );

    const hostile = new HostileClients(
      settings.idle,
      secret,
      members.map(({ port }) => port),
    );
    endings.push(() => hostile.end());
    faults.push(hostile.gone);
    traffic.begin();
    await pass(warmMs);
    say("beside hostile clients");
    const beside = latencies = new Latencies(windowMs);
    cluster.beginMeasuring();
    const paused = new Latencies(windowMs);
    for (let left = hostileMs; left > 0 && fault === undefined;) {
      const ms = Math.min(left, attackMs);
      traffic.measure(beside);
      await pass(ms);
      traffic.measure(undefined);
      left -= ms;
      if (left <= 0) break;
      await hostile.tell("pause");
      await pass(calmMs);
      traffic.measure(paused);
      await pass(pauseMs);
      traffic.measure(undefined);
      await hostile.tell("resume");
    }
    cluster.endSampling();
    const { counts } = hostile;
    await hostile.end();

    say("without them, at rest");
    if (fault === undefined) await pass(traffic.rest());
    await pass(traffic.sweep());
    await pass(
      cluster.filesAtRest(({ files }) => files.before + settings.maxMoreFiles)
        .then((counts) =>
          cluster.nodes.forEach(({ files }, i) => files.after = counts[i]!)
        ),
    );
    return report({
      settings,
      cluster,
      traffic,
      quiet,
      paused,
      beside,
      counts,
      fault,
    });
  } finally {
    for (const end of endings.reverse()) await end();
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
