/**
 * A node of a mixed ring: the same file on Deno, Node and Bun, each with its own
 * server: `mixed_node.ts SELF PEER,PEER,... [--port PORT] [--timeout MS]
 * [--certs FOLDER [--h2]]`. Behind a proxy, it listens at another port than the one of
 * its own origin. With certificates, Node and Deno serve HTTP/2, too; with `--h2` Deno
 * asks in nothing else.
 *
 * It answers the run as the other nodes do: `/get` asks the whole ring, `/loads`
 * tells what was loaded here, `/remove` removes a key, `/stats` tells what the pool
 * knows of its cluster.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createSecureServer } from "node:http2";
import process from "node:process";
import { parseArgs } from "node:util";
import { HTTPPool } from "../../mod.ts";
import { keepAliveFetch, toNodeHandler } from "../../node.ts";

type Handler = (request: Request) => Promise<Response>;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: "string" },
    timeout: { type: "string" },
    certs: { type: "string" },
    h2: { type: "boolean" },
  },
});
const [self, peers] = positionals as [string, string];
const { hostname } = new URL(self);
const port = Number(values.port ?? new URL(self).port);

/** The globals that only some runtimes have. */
const { Deno, Bun } = globalThis as unknown as {
  Deno?: {
    serve(options: object, handler: Handler): unknown;
    createHttpClient(options: object): unknown;
  };
  Bun?: { version: string; serve(options: object): unknown };
};

const runtime = Deno !== undefined
  ? `Deno ${process.versions.deno}`
  : Bun !== undefined
  ? `Bun ${Bun.version}`
  : `Node ${process.versions.node}`;

const onNode = Deno === undefined && Bun === undefined;
const read = (name: string): string =>
  readFileSync(`${values.certs}/${name}`, "utf8");
const tls = values.certs === undefined
  ? undefined
  : { ca: read("ca.crt"), cert: read("a.crt"), key: read("a.key") };

/** A fetch that trusts the certificates; `undefined`: the runtime's own will do. */
function trusting(): typeof fetch | undefined {
  if (onNode) return keepAliveFetch(tls) as typeof fetch;
  if (tls === undefined) return undefined;
  const init = Deno === undefined ? { tls: { ca: tls.ca } } : {
    client: Deno.createHttpClient({
      caCerts: [tls.ca],
      http1: values.h2 !== true,
      http2: true,
    }),
  };
  return (input, more) => fetch(input, { ...more, ...init } as RequestInit);
}

const given = trusting();
const pool = new HTTPPool(self, {
  ...(given === undefined ? {} : { fetch: given }),
  ...(values.timeout === undefined ? {} : {
    timeoutMs: Number(values.timeout),
  }),
});
pool.setPeers(peers.split(","));

const loads = new Map<string, number>();
const group = pool.group("mixed", async (key) => {
  loads.set(key, (loads.get(key) ?? 0) + 1);
  if (key.startsWith("fail:")) throw new Error(`cannot load ${key}`);
  if (key.startsWith("none:")) return undefined;
  if (key.startsWith("slow:")) {
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  if (key.startsWith("long:")) {
    await new Promise((resolve) => setTimeout(resolve, 2_500));
  }
  if (key.startsWith("bytes:")) {
    return Uint8Array.from({ length: 2 ** 20 }, (_, i) => i);
  }
  const value = `${key}|${"x".repeat(key.length)}`;
  return key.startsWith("brief:") ? { value, ttlMs: 60_000 } : value;
  // The run counts questions: a copy would need none.
}, { shouldMirror: () => false });

async function answer(request: Request): Promise<Response> {
  const { signal, url } = request;
  const { pathname, searchParams } = new URL(url);
  if (!/^\/(get|remove|loads|stats)$/.test(pathname)) {
    return await pool.handler(request);
  }
  const key = request.method === "POST"
    ? await request.text()
    : searchParams.get("key") ?? "";
  try {
    switch (pathname) {
      case "/get":
        return new Response((await group.get(key, { signal })).bytes());
      case "/remove":
        await group.remove(key);
        return new Response(null, { status: 204 });
      case "/stats":
        return Response.json(pool.stats());
      default:
        return Response.json(Object.fromEntries(loads));
    }
  } catch (error) {
    return new Response(String(error), { status: 500 });
  }
}

const say = (): void => console.log(`running at ${self}`);
console.log(`it is ${runtime}`);
if (Deno !== undefined) {
  Deno.serve({ hostname, port, ...tls, onListen: say }, answer);
} else if (Bun !== undefined) {
  Bun.serve({ hostname, port, fetch: answer, ...(tls && { tls }) });
  say();
} else {
  const listener = toNodeHandler(answer);
  const server = tls === undefined
    ? createServer(listener)
    : createSecureServer({ ...tls, allowHTTP1: true }, listener);
  server.listen(port, hostname, say);
}

// The run holds the other end, so this process ends when the run ends, in whatever way.
process.stdin.on("end", () => process.exit(0)).resume();
