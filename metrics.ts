/**
 * A pool's numbers for Prometheus.
 *
 * @example A page of numbers beside the pool
 * ```ts
 * import { HTTPPool } from "@geecache/geecache";
 * import { metrics, METRICS_TYPE } from "@geecache/geecache/metrics";
 * import { assert } from "@std/assert";
 *
 * const pool = new HTTPPool("http://localhost:9999");
 * const scores = pool.group("scores", () => "630");
 * metrics(pool); // From here on, loads are timed.
 *
 * function handler(request: Request): Promise<Response> | Response {
 *   if (new URL(request.url).pathname !== "/metrics") return pool.handler(request);
 *   return new Response(metrics(pool), { headers: { "Content-Type": METRICS_TYPE } });
 * }
 *
 * for (let i = 0; i < 3; i++) await scores.get("Tom");
 * const page = await (await handler(new Request("http://localhost:9999/metrics"))).text();
 * assert(page.includes('geecache_requests_total{group="scores",type="hit"} 2\n'));
 * assert(page.includes('geecache_load_duration_seconds_count{group="scores"} 1\n'));
 * await pool.close();
 * ```
 *
 * @module
 */

import { checkMethods } from "./base/checks.ts";
import type { HTTPPool } from "./http.ts";
import {
  type Family,
  type GroupNow,
  OF_GROUPS,
  OF_PEERS,
  OF_POOL,
  type PeerNow,
} from "./metrics/families.ts";
import { Histogram } from "./metrics/histogram.ts";
import { Recorder } from "./metrics/recorder.ts";
import { label, MetricsText } from "./metrics/text.ts";

// What its users need beside it, for those who import this file alone.
export type { HTTPPool } from "./http.ts";

/** The `Content-Type` of what {@linkcode metrics} writes. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const recorders = new WeakMap<HTTPPool, Recorder>();

/**
 * The numbers of a pool, its groups and its peers, in the text format of Prometheus.
 *
 * What is counted in `stats()` counts from the pool's start, and costs nothing between two
 * calls. Loads and requests to peers are counted and timed **from the first call on** for
 * this pool: call it once when the pool is made, and again whenever somebody looks.
 *
 * Labels are names of groups, origins of peers, and words that are fixed. None is a key.
 * The series of a group or a peer end when it leaves the pool. A process with two pools
 * needs a page for each.
 *
 * `docs/operations.md` says what each number means.
 *
 * @throws {TypeError} If `pool` is no pool.
 */
export function metrics(pool: HTTPPool): string {
  const methods = ["stats", "groups", "peers", "observe"];
  checkMethods("Cannot write metrics", "pool", pool ?? null, methods);
  let recorder = recorders.get(pool);
  if (recorder === undefined) {
    recorder = new Recorder(pool);
    recorders.set(pool, recorder);
    pool.observe(recorder);
  }
  const text = new MetricsText();
  const stats = pool.stats();
  writeAll(text, OF_GROUPS, groupsNow(pool, recorder));
  writeAll(text, OF_PEERS, peersNow(stats.peers, recorder));
  writeAll(text, OF_POOL, [{ labels: "", now: stats }]);
  return text.toString();
}

/** What numbers are written of, with the labels that they all have. */
interface Labeled<T> {
  readonly labels: string;
  readonly now: T;
}

function groupsNow(pool: HTTPPool, recorder: Recorder): Labeled<GroupNow>[] {
  return Array.from(pool.groups(), (group) => ({
    labels: label("group", group.name),
    now: { stats: group.stats(), work: recorder.group(group) },
  }));
}

function peersNow(
  peers: PeerNow["stats"][],
  recorder: Recorder,
): Labeled<PeerNow>[] {
  const works = recorder.peers();
  return peers.map((stats) => ({
    labels: label("peer", stats.id),
    now: { stats, work: works.get(stats.id)! },
  }));
}

function writeAll<T>(
  text: MetricsText,
  families: readonly Family<T>[],
  all: readonly Labeled<T>[],
): void {
  for (const { name, type, help, of } of families) {
    text.family(name, type, help);
    for (const { labels, now } of all) {
      const found = of(now);
      if (found instanceof Histogram) found.write(text, labels);
      else if (typeof found === "number") text.sample(found, labels);
      else {
        for (const [value, own = ""] of found) {
          text.sample(value, `${labels},${own}`);
        }
      }
    }
  }
}
