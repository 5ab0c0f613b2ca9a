/**
 * What the numbers for Prometheus cost: a scrape of 100 groups and 100 peers, beside
 * prom-client with as many series, and gets of a pool that `metrics()` observes, beside
 * those of one that nobody observes.
 *
 * It measures the process's CPU, so that other programs on the same cores count less.
 *
 * @module
 */

import process from "node:process";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type Group, HTTPPool, metrics } from "../mod.ts";
import { BOUNDS } from "../metrics/histogram.ts";
import { head, type Side, SILENT, takeTurns } from "./_measure.ts";

const GROUPS = 100;
const PEERS = 100;
const SCRAPES = 20;
const KEYS = 10_000;
const HITS = 2_000_000;
const MISSES = 100_000;
const QUESTIONS = 50_000;
const IN_FLIGHT = 64;

const self = "http://10.0.0.0:8080";

async function cpuNsPerOp(side: Side, ops: number): Promise<number> {
  const before = process.cpuUsage();
  await side();
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1000 / ops;
}

/** Measures two sides in turns, and prints what an operation costs. */
async function compare(
  what: string,
  ops: number,
  ours: Side,
  theirs: Side,
): Promise<void> {
  const turns = await takeTurns(
    () => cpuNsPerOp(ours, ops),
    () => cpuNsPerOp(theirs, ops),
  );
  const { ratio, low, high } = turns;
  console.log(
    `${what} | ${turns.ours.toFixed(0)} | ${turns.theirs.toFixed(0)} | ` +
      `${ratio.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`,
  );
}

/** A pool as large as a scrape should have it. */
async function largePool(): Promise<HTTPPool> {
  const pool = new HTTPPool(self, {
    logger: SILENT,
    fetch: () => Promise.reject(new TypeError("refused")),
  });
  const groups = Array.from(
    { length: GROUPS },
    (_, i) => pool.group(`group-${i}`, (key) => key),
  );
  metrics(pool);
  // Before it has peers, it loads.
  for (const group of groups) {
    for (let i = 0; i < 100; i++) await group.get(`key ${i}`);
  }
  const peers = Array.from(
    { length: PEERS },
    (_, i) => `http://10.0.1.${i}:8080`,
  );
  pool.setPeers([self, ...peers]);
  return pool;
}

/** As many series, of the same names and labels, in a registry of prom-client. */
function registryOf(text: string): Registry {
  const registry = new Registry();
  const series = /^(\w+?)(_bucket|_sum|_count)?(?:\{(.*)\})? (\S+)$/;
  const families = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name !== undefined) families.set(name, [type!]);
    const family = line.startsWith("#") ? null : series.exec(line);
    if (family !== null) families.get(family[1]!)!.push(line);
  }
  for (const [name, [type, ...lines]] of families) {
    const parsed = lines.map((line) => {
      const [, , suffix, text = "", value] = series.exec(line)!;
      const labels = Object.fromEntries(
        [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, k, v]) => [k!, v!]),
      );
      return { suffix, labels, value: Number(value) };
    });
    const labelNames = Object.keys(parsed[0]!.labels).filter((k) => k !== "le");
    const config = {
      name,
      help: name,
      labelNames,
      registers: [registry],
    };
    if (type === "histogram") {
      const histogram = new Histogram({ ...config, buckets: [...BOUNDS] });
      for (const { suffix, labels, value } of parsed) {
        if (suffix !== "_count") continue;
        histogram.zero(labels);
        for (let i = 0; i < value; i++) histogram.observe(labels, 0.0001);
      }
    } else if (type === "counter") {
      const counter = new Counter(config);
      for (const { labels, value } of parsed) counter.inc(labels, value);
    } else {
      const gauge = new Gauge(config);
      for (const { labels, value } of parsed) gauge.set(labels, value);
    }
  }
  return registry;
}

const large = await largePool();
const registry = registryOf(metrics(large));
const lines = (text: string): number =>
  text.split("\n").filter((line) => line !== "" && line[0] !== "#").length;
const ours = metrics(large);
const theirs = await registry.metrics();
const bytes = (text: string): number => new TextEncoder().encode(text).length;
console.log(
  `${GROUPS} groups and ${PEERS} peers: ${lines(ours)} series in ` +
    `${bytes(ours)} bytes; prom-client: ${lines(theirs)} in ${bytes(theirs)}`,
);
if (lines(ours) !== lines(theirs)) throw new Error("the two differ");
head("metrics()", "prom-client");
await compare(
  "a scrape",
  SCRAPES,
  () => {
    let length = 0;
    for (let i = 0; i < SCRAPES; i++) length += metrics(large).length;
    return length;
  },
  async () => {
    let length = 0;
    for (let i = 0; i < SCRAPES; i++) {
      length += (await registry.metrics()).length;
    }
    return length;
  },
);
await large.close();

/** Two groups that are alike, of pools of which the first is observed. */
function twoGroups(ttlMs: number): [Group, Group] {
  return [true, false].map((isObserved) => {
    const pool = new HTTPPool(self);
    if (isObserved) metrics(pool);
    return pool.group("g", () => "value", { ttlMs });
  }) as [Group, Group];
}

async function getAll(
  group: Group,
  ops: number,
  keys: readonly string[],
): Promise<number> {
  let sum = 0;
  for (let i = 0; i < ops; i++) {
    sum += (await group.get(keys[i % keys.length]!)).byteLength;
  }
  return sum;
}

const keys = Array.from({ length: KEYS }, (_, i) => `key ${i}`);
head("observed", "not observed");
{
  const [observed, other] = twoGroups(Infinity);
  for (const group of [observed, other]) await getAll(group, KEYS, keys);
  await compare(
    "a hit",
    HITS,
    () => getAll(observed, HITS, keys),
    () => getAll(other, HITS, keys),
  );
}
{
  const [observed, other] = twoGroups(0);
  await compare(
    "a miss, with a getter that answers at once",
    MISSES,
    () => getAll(observed, MISSES, keys),
    () => getAll(other, MISSES, keys),
  );
  for (const group of [observed, other]) {
    if (group.stats().cacheHits > 0) throw new Error("some were hits");
  }
}

/** A process that owns nothing, and asks another one in memory. */
function asker(owner: HTTPPool, isObserved: boolean): [HTTPPool, Group] {
  const pool = new HTTPPool("http://client.invalid", {
    fetch: async (request) => await owner.handler(request),
    logger: SILENT,
  });
  pool.setPeers([owner.self]);
  if (isObserved) metrics(pool);
  const group = pool.group("g", () => "never", { shouldMirror: () => false });
  return [pool, group];
}

/** Gets with so many at a time, as a server has them. */
async function askAll(group: Group): Promise<number> {
  let next = 0;
  let sum = 0;
  const work = async (): Promise<void> => {
    while (next < QUESTIONS) {
      sum += (await group.get(keys[next++ % KEYS]!)).byteLength;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  return sum;
}

const owner = new HTTPPool(self, { logger: SILENT });
const owned = owner.group("g", () => "value");
await getAll(owned, KEYS, keys);
const [observed, observedGroup] = asker(owner, true);
const [other, otherGroup] = asker(owner, false);
await compare(
  `a question to a peer in this process, ${IN_FLIGHT} at a time`,
  QUESTIONS,
  () => askAll(observedGroup),
  () => askAll(otherGroup),
);
const { loads, peerLoads } = observedGroup.stats();
if (loads !== peerLoads) throw new Error("some were not asked of the peer");
for (const pool of [observed, other, owner]) await pool.close();
