/**
 * What it costs to get a key that another process has in memory, beside plain
 * `fetch`, Redis, Go's groupcache, a server that does nothing, and an earlier commit.
 *
 *     deno task bench:net
 *     deno task bench:net --only 'redis|groupcache'
 *     deno task bench:net --only CPU --beside ../geecache-before
 *     deno task bench:net --hold 20 --in-flight 256 --profile /tmp/now
 *
 * - `--only`: a regular expression; only lines whose name matches are measured.
 * - `--beside`: another checkout of this project; without it, lines beside it are
 *   skipped.
 * - `--hold`: asks for so many seconds and measures nothing else. The library is that
 *   of `--beside` if it is given.
 * - `--in-flight`: how many keys are asked for at a time meanwhile, 64 by default.
 * - `--profile`: writes CPU profiles of both processes to files whose names begin so.
 *
 * The other process is a child of this one, on the same machine, so that no
 * network hides what our own code costs. The sides take turns of equal time: read
 * the ratios.
 *
 * @module
 */

import process from "node:process";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { HTTPPool } from "../http.ts";
import { askerOf } from "./_asker.ts";
import { Skipped } from "./_child.ts";
import { startGo } from "./_go.ts";
import { type Line, printLines, Starter, type Table } from "./_lines.ts";
import { pace } from "./_pace.ts";
import { type Cost, hold, startPair, startPeer } from "./_pair.ts";
import type { Ports } from "./_peer.ts";
import { type Ask, rate } from "./_rate.ts";
import { startRedis } from "./_redis.ts";
import { printInFlight, printPeers } from "./_tables.ts";
import { ALL, LARGE, PAGES, SMALL, valueOf, type Values } from "./_values.ts";

const BASE_PATH = "/_geecache/";
const ROOT = new URL("../", import.meta.url);

/** Much longer than a run takes: ends a run that hangs. */
const LIMIT_MS = 6 * 60_000;

/** How many keys `getMany` asks for at once. */
const MANY = 1_000;

/** All lines. What a line needs is started when it is measured. */
function linesOf(ports: Ports, starter: Starter, other?: string) {
  const origin = `http://127.0.0.1:${ports.pool}`;
  const asker = starter.once(
    () => Promise.resolve(askerOf(HTTPPool, [origin])),
    (asker) => asker.close(),
  );
  const redis = starter.once(() => startRedis(ALL), (redis) => redis.end());
  const go = starter.once(() => startGo(SMALL, 64), (go) => go.end());
  const ourPair = starter.once(() => startPair(ROOT), (pair) => pair.end());
  const otherPair = starter.once(async () => {
    if (other === undefined) throw new Skipped("--beside names no checkout");
    return await startPair(pathToFileURL(`${other}/`));
  }, (pair) => pair.end());

  const gets = (inFlight: number, values = SMALL) => async () =>
    rate(inFlight, values.keys, values.bytes, (await asker()).get(values));
  const redisGets = (inFlight: number, values = SMALL) => async () =>
    rate(inFlight, values.keys, values.bytes, (await redis()).get(values));
  const plain: Ask = async (key) => {
    const url = `${origin}${BASE_PATH}${SMALL.group}/${key}`;
    return (await (await fetch(url)).arrayBuffer()).byteLength;
  };
  const fetches = (inFlight: number) => () =>
    rate(inFlight, SMALL.keys, SMALL.bytes, plain);
  const slices = Array.from(
    { length: SMALL.keys.length / MANY },
    (_, i) => SMALL.keys.slice(i * MANY, (i + 1) * MANY),
  );
  const many = (ask: Ask<readonly string[]>) =>
    rate(1, slices, MANY * SMALL.bytes, ask);
  const beside = (of: (cost: Cost) => number) => ({
    // The other side is first, so that a line that cannot be measured says so at once.
    ours: async () => await otherPair() && of(await (await ourPair()).cost(64)),
    theirs: async () => of(await (await otherPair()).cost(64)),
  });
  const sized = (values: Values, name: string): Line => ({
    name: `64 gets of ${name} in flight, beside ioredis`,
    goal: 1,
    ours: gets(64, values),
    theirs: redisGets(64, values),
  });

  const key = SMALL.keys[0]!;
  const paceOf = (port: number) => () =>
    pace(port, `${BASE_PATH}${SMALL.group}/${key}`, valueOf(SMALL, key));

  const lines: (Line | Table)[] = [
    {
      name: "64 gets in flight, beside fetch",
      goal: 8,
      ours: gets(64),
      theirs: fetches(64),
    },
    {
      name: "one get at a time, beside fetch",
      goal: 1.3,
      ours: gets(1),
      theirs: fetches(1),
    },
    {
      name: "64 gets in flight, beside ioredis with auto-pipelining",
      goal: 1.25,
      ours: gets(64),
      theirs: redisGets(64),
    },
    {
      name: "256 gets in flight, beside ioredis with auto-pipelining",
      goal: 1.5,
      ours: gets(256),
      theirs: redisGets(256),
    },
    {
      name: "one get at a time, beside ioredis",
      goal: 0.9,
      ours: gets(1),
      theirs: redisGets(1),
    },
    {
      name: "getMany of 1,000 keys, beside ioredis mget",
      goal: 0.8,
      ours: async () => many((await asker()).getMany(SMALL)),
      theirs: async () => many((await redis()).mget(SMALL)),
    },
    sized(PAGES, "4 KiB"),
    sized(LARGE, "100 KiB"),
    {
      name: "64 gets in flight, beside groupcache",
      goal: 12,
      ours: gets(64),
      theirs: async () => (await go()).rate(64),
    },
    {
      name: "64 gets in flight, beside groupcache that keeps 64 connections",
      ours: gets(64),
      theirs: async () => (await go()).tunedRate(64),
    },
    {
      name: "the handler, beside a constant Response",
      goal: 0.75,
      ours: paceOf(ports.pool),
      theirs: paceOf(ports.constant),
    },
    {
      name: "CPU µs of a get in both processes, 64 in flight, beside --beside",
      goal: 0.5,
      costs: true,
      ...beside(({ serving, asking }) => serving + asking),
    },
    {
      name: "64 gets in flight, beside --beside",
      ...beside(({ rate }) => rate),
    },
    {
      name: "the cost of a get as keys in flight grow",
      print: async () => printInFlight((await asker()).get(SMALL)),
    },
    { name: "the cost of a get as peers grow", print: printPeers },
  ];
  return lines;
}

async function measure(only?: string, other?: string): Promise<void> {
  const starter = new Starter();
  const server = starter.once(
    () => startPeer("serve", ROOT),
    (child) => child.end(),
  );
  try {
    const ports: Ports = JSON.parse((await server()).ready);
    await printLines(linesOf(ports, starter, other), only);
  } finally {
    await starter.end();
  }
}

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    beside: { type: "string" },
    hold: { type: "string" },
    "in-flight": { type: "string", default: "64" },
    profile: { type: "string" },
  },
});
const seconds = Number(values.hold ?? 0);
const limit = setTimeout(() => {
  console.error("Cannot measure: it took too long");
  process.exit(1);
}, LIMIT_MS + seconds * 1000);
try {
  if (values.hold === undefined) await measure(values.only, values.beside);
  else {
    const { beside: other } = values;
    const folder = other === undefined ? ROOT : pathToFileURL(`${other}/`);
    await hold(folder, seconds, Number(values["in-flight"]), values.profile);
  }
} finally {
  clearTimeout(limit);
}
