/**
 * One process of the soak, on Deno or on Node: a pool with a secret behind its peers'
 * path, a front door for everybody, and doors for the run that started it.
 *
 * `--broken` makes it a node that has a fault, so that the run can show that it notices:
 * `answers` (the getter gives an old value), `lives` (values never expire), `memory` and
 * `sockets` (it leaks them), `patience` (some requests of strangers hold everybody up) and
 * `rejections` (nobody catches one).
 *
 * @module
 */

import { createServer } from "node:http";
import process from "node:process";
import { parseArgs } from "node:util";
import {
  entryResponse,
  errorResponse,
  type Group,
  HTTPPool,
  NotFoundError,
} from "../../mod.ts";
import { keepAliveFetch, toNodeHandler } from "../../node.ts";
import {
  exists,
  GROUPS,
  LARGE_BYTES,
  LARGE_KEYS,
  LIVES,
  RUN,
  valueOf,
} from "./values.ts";

/** What a node answers to `/run/stats`. */
export interface NodeStats {
  /** Objects, and buffers outside of V8's heap. */
  heapBytes: number;
  /** How many requests the handler threw at. */
  errors: number;
  /** How many links of peers, and of those who pretend to be some, are open. */
  links: number;
  refused: number;
}

const MIB = 2 ** 20;
/** One load of so many fails where a stale value can be answered in its place. */
const FAIL_ONE_OF = 50;
/** One answer of the source of so many is old, in a node that is broken so. */
const OLD_ONE_OF = 20;
const LEAK_BYTES = MIB / 8;
const HOLD_UP_EVERY_MS = 3_500;
const HELD_UP_MS = 1_800;
const REJECT_AFTER = 500;

const { values: flags } = parseArgs({
  options: {
    self: { type: "string" },
    peers: { type: "string" },
    origin: { type: "string" },
    secret: { type: "string" },
    broken: { type: "string", default: "" },
  },
});
const self = flags.self!;
const secret = flags.secret!;
const { broken } = flags;

/** `Deno.serve` is there on Deno alone. */
const { Deno } = globalThis as unknown as {
  Deno?: { serve(options: object, handler: Handler): unknown };
};
type Handler = (request: Request) => Promise<Response>;

const pool = new HTTPPool(self, {
  secret,
  cluster: "soak",
  maxBodyBytes: MIB,
  maxPeerRequests: 2_000,
  ...(Deno === undefined ? { fetch: keepAliveFetch() } : {}),
});
pool.setPeers(flags.peers!.split(","));

async function load(
  key: string,
  group: string,
  signal: AbortSignal,
  stale: unknown,
): Promise<string | Uint8Array | undefined> {
  if (group === "large") {
    const number = Number(/^large:(\d)$/.exec(key)?.[1]);
    return number < LARGE_KEYS
      ? new Uint8Array(LARGE_BYTES).fill(number)
      : undefined;
  }
  // A key is checked as a parameter of a URL would be, before the source is asked.
  if (!exists(group, key)) return undefined;
  if (stale !== undefined && Math.random() < 1 / FAIL_ONE_OF) {
    throw new Error("the source is said to be down");
  }
  const url = `${flags.origin}/?key=${encodeURIComponent(key)}`;
  const response = await fetch(url, { signal });
  const text = await response.text();
  if (!response.ok) throw new Error(`the source said ${text}`);
  const version = Number(text.slice(text.indexOf("@") + 1));
  const isOld = broken === "answers" && version > 1 &&
    Math.random() < 1 / OLD_ONE_OF;
  return valueOf(key, isOld ? version - 1 : version);
}

const groups = new Map<string, Group>(GROUPS.map((name) => [
  name,
  pool.group(
    name,
    (key, { signal, stale }) => load(key, name, signal, stale),
    {
      maxBytes: 4 * MIB,
      maxConcurrentLoads: 16,
      ...(broken === "lives" ? {} : LIVES[name]),
    },
  ),
]));

/** What a broken node leaks. */
const leaked: unknown[] = [];
let served = 0;

/** The fault of a broken node at a request of the run. */
function fail(): void {
  served++;
  if (broken === "memory") leaked.push(new Uint8Array(LEAK_BYTES).fill(served));
  if (broken === "sockets" && served % 10 === 0) {
    leaked.push(createServer().listen(0, "127.0.0.1"));
  }
  if (broken === "rejections" && served === REJECT_AFTER) {
    Promise.reject(new Error("nobody catches this"));
  }
}

let holdAt = 0;

/** Blocks the process now and then. */
function holdUp(): void {
  const now = performance.now();
  if (now < holdAt) return;
  holdAt = now + HOLD_UP_EVERY_MS;
  while (performance.now() < now + HELD_UP_MS) { /* everybody waits */ }
}

function stats(): Response {
  return Response.json(
    {
      heapBytes: process.memoryUsage().heapUsed,
      errors,
      links: pool.stats().links,
      refused: pool.stats().refused,
    } satisfies NodeStats,
  );
}

/** Answers the run, by the pool itself. */
async function answerRun(request: Request, url: URL): Promise<Response> {
  const { searchParams, pathname } = url;
  if (pathname === "/run/stats") return stats();
  fail();
  const group = groups.get(searchParams.get("group") ?? "")!;
  const key = searchParams.get("key") ?? "";
  switch (pathname) {
    case "/run/get": {
      const value = await group.find(key);
      return value === undefined
        ? new Response(null, { status: 404 })
        : new Response(value.bytes());
    }
    case "/run/many": {
      const found = await group.getMany(await request.json() as string[]);
      return Response.json([...found].map(([key, value]) => {
        if (value instanceof NotFoundError) return [key, null];
        if (value instanceof Error) throw value;
        return [key, value.text()];
      }));
    }
    case "/run/set": {
      const ttl = searchParams.get("ttl");
      await group.set(
        key,
        await request.text(),
        ttl === null ? {} : { ttlMs: Number(ttl) },
      );
      return new Response();
    }
    case "/run/remove":
      await group.remove(key);
      return new Response();
    default:
      return new Response("no such door", { status: 400 });
  }
}

/** The front door, for everybody. */
async function answerClient(request: Request, url: URL): Promise<Response> {
  const name = url.pathname.slice("/api/".length);
  const key = url.searchParams.get("key") ?? "";
  const group = groups.get(name);
  if (group === undefined) {
    return new Response("no such group", { status: 404 });
  }
  try {
    const entry = await group.getEntry(key, { signal: request.signal });
    return await entryResponse(request, {
      ...entry,
      ...LIVES[name as "plain"],
    });
  } catch (error) {
    return errorResponse(request, error, { asked: { group: name, key } });
  }
}

let errors = 0;

async function handle(request: Request): Promise<Response> {
  // A client may ask for what is no URL, which `new URL()` would throw at.
  const url = URL.parse(request.url);
  if (url === null) return new Response("no such page", { status: 400 });
  const isRun = request.headers.get(RUN) === secret;
  try {
    if (isRun) return await answerRun(request, url);
  } catch (error) {
    return new Response(String(error), { status: 500 });
  }
  const isClient = url.pathname.startsWith("/api/");
  if (broken === "patience" && isClient && !url.searchParams.has("run")) {
    holdUp();
  }
  try {
    return isClient
      ? await answerClient(request, url)
      : await pool.handler(request);
  } catch (error) {
    errors++;
    console.error(
      `The handler threw at ${request.method} ${url.pathname}`,
      error,
    );
    return new Response(null, { status: 500 });
  }
}

const listening = {
  hostname: "127.0.0.1",
  port: Number(new URL(self).port),
};
const onListen = (): void => console.log("running");
if (Deno !== undefined) {
  Deno.serve({ ...listening, onListen }, handle);
} else {
  // What docs/node.md and SECURITY.md say that a service sets.
  const server = createServer({
    headersTimeout: 10_000,
    requestTimeout: 60_000,
    connectionsCheckingInterval: 2_000,
    keepAliveTimeout: 30_000,
  }, toNodeHandler(handle, { onError: () => {} }));
  server.maxConnections = 4_096;
  server.setTimeout(30_000);
  server.listen(listening.port, listening.hostname, onListen);
}

// The run holds the other end, so this process ends when the run ends, in whatever way.
process.stdin.on("end", () => process.exit(0)).resume();
