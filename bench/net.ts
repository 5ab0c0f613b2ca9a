/**
 * What it costs to get a key that another process has in memory, beside plain
 * `fetch`, beside Redis, and beside a server that does nothing.
 *
 * The other process is a child of this one, on the same machine, so that no
 * network hides what our own code costs. The sides take turns of equal time: read
 * the ratios.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { HTTPPool } from "../http.ts";
import { linesOf } from "../serve/lines.ts";
import { SILENT, takeTurns } from "./_measure.ts";

const KEYS = 10_000;
const VALUE_BYTES = 64;
const BASE_PATH = "/_geecache/";
const GROUP = "bench";
const ROUND_MS = 600;

/** How many connections ask a server at once when its pace is measured. */
const CONNECTIONS = 32;

/** Much longer than a run takes: ends a run that hangs. */
const LIMIT_MS = 110_000;

const keys = Array.from({ length: KEYS }, (_, i) => `user:${i}`);
const valueOf = (key: string): string => key.padEnd(VALUE_BYTES, ".");

/** The child's ports, which it prints as its first line. */
interface Ports {
  pool: number;
  constant: number;
}

/** Asks one question and returns the length of its answer. */
type Ask = (key: string) => Promise<number>;

async function serve(): Promise<void> {
  let warm = false;
  const pool = new HTTPPool("http://127.0.0.1:1", { logger: SILENT });
  const group = pool.group(GROUP, (key) => {
    // Only hits are measured: a miss must not pass for a slow hit.
    if (warm) throw new Error(`${key} was not in memory`);
    return valueOf(key);
  });
  await group.getMany(keys);
  warm = true;
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const body = new TextEncoder().encode(valueOf(keys[0]!));
  const ports: Ports = {
    pool: Deno.serve(options, pool.handler).addr.port,
    constant: Deno.serve(
      options,
      () =>
        new Response(body, {
          headers: { "Content-Type": "application/octet-stream" },
        }),
    ).addr.port,
  };
  console.log(JSON.stringify(ports));
  // The child ends with its parent, however that ends.
  for await (const _ of Deno.stdin.readable);
  Deno.exit();
}

/** Starts a child process and waits for its first line that matches. */
async function start(
  command: string,
  args: string[],
  ready: RegExp,
): Promise<[child: Deno.ChildProcess, line: string]> {
  const child = new Deno.Command(command, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  for await (const line of linesOf(child.stdout)) {
    if (ready.test(line)) return [child, line];
  }
  throw new Error(`Cannot measure: ${command} ended before it was ready`);
}

/** Answers per second, with `inFlight` questions under way at any moment. */
async function rate(inFlight: number, ask: Ask): Promise<number> {
  let asked = 0;
  let answered = 0;
  const begin = performance.now();
  const end = begin + ROUND_MS;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      // Keys in turn, so that no two ask for one key at once.
      const length = await ask(keys[asked++ % KEYS]!);
      if (length !== VALUE_BYTES) throw new Error(`${length} bytes came`);
      answered++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return answered / (performance.now() - begin) * 1000;
}

/**
 * Answers per second of a server to clients that only write a request and wait
 * for its whole answer. `fetch` would take longer than the server, so it would
 * measure itself.
 */
async function pace(port: number): Promise<number> {
  const request = new TextEncoder().encode(
    `GET ${BASE_PATH}${GROUP}/${
      keys[0]
    } HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`,
  );
  const open = await Promise.all(
    Array.from(
      { length: CONNECTIONS },
      () => Deno.connect({ hostname: "127.0.0.1", port }),
    ),
  );
  let answered = 0;
  const begin = performance.now();
  const end = begin + ROUND_MS;
  const worker = async (connection: Deno.TcpConn): Promise<void> => {
    const bytes = new Uint8Array(4096);
    // All answers have the same length.
    let length = 0;
    while (performance.now() < end) {
      await connection.write(request);
      let got = 0;
      do got += await connection.read(bytes) ?? 0; while (got < length);
      if (length === 0) {
        const text = new TextDecoder().decode(bytes.subarray(0, got));
        const whole = text.startsWith("HTTP/1.1 200") &&
          text.endsWith(valueOf(keys[0]!));
        if (!whole) throw new Error(`no answer came, but ${text}`);
        length = got;
      }
      if (got !== length) throw new Error(`${got} bytes came, not ${length}`);
      answered++;
    }
  };
  try {
    await Promise.all(open.map(worker));
    return answered / (performance.now() - begin) * 1000;
  } finally {
    for (const connection of open) connection.close();
  }
}

/** Prints one line: what was reached, and whether that meets the goal. */
async function line(
  what: string,
  goal: number,
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
): Promise<void> {
  const turns = await takeTurns(ours, theirs);
  console.log([
    what,
    turns.ours.toFixed(0),
    turns.theirs.toFixed(0),
    `${turns.ratio.toFixed(2)} (${turns.low.toFixed(2)}–${
      turns.high.toFixed(2)
    })`,
    goal.toFixed(2),
    turns.ratio >= goal ? "met" : "missed",
  ].join(" | "));
}

/** A port that nothing listens on: Redis cannot choose one itself. */
function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

/** A Redis server, which `end()` ends; `undefined`: there is no Redis here. */
async function startRedis(): Promise<
  { redis: Redis; end: () => Promise<void> } | undefined
> {
  const port = freePort();
  const args = `--port ${port} --bind 127.0.0.1 --appendonly no --save`;
  let child: Deno.ChildProcess;
  try {
    [child] = await start(
      "redis-server",
      [...args.split(" "), ""],
      /Ready to accept/,
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const { Redis } = await import("ioredis");
  const redis = new Redis({
    host: "127.0.0.1",
    port,
    enableAutoPipelining: true,
  });
  const end = async (): Promise<void> => {
    redis.disconnect();
    child.kill();
    await child.status;
  };
  for (const key of keys) await redis.set(key, valueOf(key));
  return { redis, end };
}

async function measure({ pool: port, constant }: Ports): Promise<void> {
  const origin = `http://127.0.0.1:${port}`;
  const pool = new HTTPPool("http://asker.invalid", { logger: SILENT });
  // Not in the list itself, it owns nothing and asks for everything.
  pool.setPeers([origin]);
  const group = pool.group(GROUP, (key) => {
    throw new Error(`${key} was not asked of the peer`);
  });
  const get: Ask = async (key) => (await group.get(key)).byteLength;
  const plain: Ask = async (key) => {
    const response = await fetch(`${origin}${BASE_PATH}${GROUP}/${key}`);
    return (await response.arrayBuffer()).byteLength;
  };
  console.log(
    "what | ours per second | theirs per second | ratio (median, min–max; above 1: ours is faster) | goal | ",
  );
  await line(
    "64 gets in flight, beside fetch",
    8,
    () => rate(64, get),
    () => rate(64, plain),
  );
  const redis = await startRedis();
  if (redis === undefined) {
    console.log("beside Redis: skipped, redis-server is not installed");
  } else {
    const ask: Ask = async (key) => (await redis.redis.getBuffer(key))!.length;
    try {
      for (const [inFlight, goal] of [[64, 1], [256, 1.6]] as const) {
        await line(
          `${inFlight} gets in flight, beside ioredis with auto-pipelining`,
          goal,
          () => rate(inFlight, get),
          () => rate(inFlight, ask),
        );
      }
    } finally {
      await redis.end();
    }
  }
  await line(
    "one get at a time, beside fetch (a time ratio of 1.15)",
    1 / 1.15,
    () => rate(1, get),
    () => rate(1, plain),
  );
  await line(
    "the handler, beside a constant Response",
    0.75,
    () => pace(port),
    () => pace(constant),
  );
  await pool.close();
}

if (Deno.args[0] === "serve") {
  await serve();
} else {
  const limit = setTimeout(() => {
    console.error(`Cannot measure: it took longer than ${LIMIT_MS} ms`);
    Deno.exit(1);
  }, LIMIT_MS);
  const [child, ports] = await start(
    Deno.execPath(),
    ["run", "--quiet", "--allow-all", import.meta.url, "serve"],
    /^\{/,
  );
  try {
    await measure(JSON.parse(ports));
  } finally {
    clearTimeout(limit);
    child.kill();
    await child.status;
  }
}
