/**
 * Checks what holds when things break: `deno task chaos`. Puts load on five processes
 * while they are killed, paused, drained and started again, and while a slow and a
 * cutting proxy stand before two of them.
 *
 * Flags: `--seconds 120`; `--seed 1` for the plan of events; `--without breaker` or
 * `--without fences` to show what these are for: the run must fail then.
 *
 * @module
 */

import { Cluster } from "./cluster.ts";
import { Load } from "./load.ts";
import { delay, Origin } from "./origin.ts";
import { Plan } from "./plan.ts";
import { report } from "./report.ts";
import { type Settings, settingsOf } from "./settings.ts";

const SAY_EVERY_MS = 10_000;
/** How long it may take at the end of a long run until every missed remove is told. */
const SETTLE_MS = 20_000;
/** How long a run may take in addition to its time under load. */
const MORE_MS = 90_000;

async function run(settings: Settings): Promise<boolean> {
  const { ms, seed, timeoutMs, mirrorTtlMs, isLong } = settings;
  const origin = new Origin(settings);
  const cluster = new Cluster(settings, origin);
  let timer: ReturnType<typeof setInterval> | undefined;
  try {
    await cluster.start();
    const begin = performance.now();
    const say = (what: string): void => {
      const seconds = (performance.now() - begin) / 1000;
      console.log(`${seconds.toFixed(1).padStart(6)} s  ${what}`);
    };
    say(`five processes, ${ms / 1000} s, seed ${seed}`);
    const load = new Load(settings, cluster, origin);
    const plan = new Plan(settings, cluster, load, say);
    timer = setInterval(() => {
      const { gets, failed, wrong, stale } = load.tally;
      say(`${gets} gets: ${failed} failed, ${wrong} wrong, ${stale} too old`);
    }, SAY_EVERY_MS);
    const running = load.run();
    const fault = await Promise.race([
      plan.run(),
      running,
      cluster.crash,
      load.broken,
    ]);
    load.end();
    // The rest of the run cannot mend a broken promise.
    if (fault === undefined) await running;
    if (fault === undefined && isLong) {
      say("the load has ended; missed removes are waited for");
      const until = performance.now() + SETTLE_MS;
      while (cluster.promises.open > 0 && performance.now() < until) {
        await delay(100);
      }
      await delay(mirrorTtlMs + timeoutMs);
      await load.sweep();
      say("every process was asked for every key");
    }
    const isKept = report(settings, cluster, origin, load, plan);
    if (fault !== undefined) console.log(`BROKEN ${fault}`);
    return isKept && fault === undefined;
  } finally {
    clearInterval(timer);
    await cluster.close();
    await origin.close();
  }
}

if (import.meta.main) {
  const settings = settingsOf(Deno.args);
  // All children end with this process, in whatever way it ends.
  setTimeout(() => {
    console.log("The run takes far longer than it should");
    Deno.exit(1);
  }, settings.ms + MORE_MS);
  Deno.exit(await run(settings) ? 0 : 1);
}
