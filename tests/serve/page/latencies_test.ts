/** Times of the last seconds, and the quantiles of several processes. */

import { Latencies, quantile } from "../../../serve/page/latencies.ts";
import { assert, assertEquals } from "../../support/assert.ts";

/** Whether an estimate is at or above what it stands for, and by a fifth at most. */
function isNear(estimate: number | undefined, ms: number): boolean {
  return estimate !== undefined && estimate >= ms * 0.999 &&
    estimate <= ms * 1.2;
}

Deno.test("quantile() finds the times of several processes to within a fifth", () => {
  const [a, b] = [new Latencies(() => 0), new Latencies(() => 0)];
  for (let i = 1; i <= 50; i++) a.add(i);
  for (let i = 51; i <= 100; i++) b.add(i);
  const all = [a.counts(), b.counts()];
  assert(isNear(quantile(all, 0.5), 50), `${quantile(all, 0.5)}`);
  assert(isNear(quantile(all, 0.99), 99), `${quantile(all, 0.99)}`);
  assertEquals(quantile([], 0.5), undefined);
  assertEquals(quantile([[]], 0.5), undefined);
});

Deno.test("Latencies forgets what is ten seconds ago", () => {
  let now = 0;
  const times = new Latencies(() => now);
  times.add(5);
  now = 9_999;
  assertEquals(times.counts().length, 1);
  now = 10_000;
  assertEquals(times.counts(), []);
  times.add(7);
  assertEquals(times.counts().length, 1);
});

Deno.test("Latencies takes any time, and quantile() drops buckets that do not exist", () => {
  const times = new Latencies(() => 0);
  for (const ms of [0, -1, NaN, 1e-9, 1e12, Infinity]) times.add(ms);
  const sum = times.counts().reduce((sum, [, count]) => sum + count, 0);
  assertEquals(sum, 6);
  const none = [[-1, 5], [1e9, 5], [0.5, 5]] as const;
  assertEquals(quantile([none], 0.5), undefined);
  const [one] = [times.counts().slice(0, 1)];
  assertEquals(quantile([none, one], 0.99), quantile([one], 0.99));
});
