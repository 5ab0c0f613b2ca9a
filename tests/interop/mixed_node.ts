/**
 * A node of a mixed ring: the same file on Deno, Node and Bun, each with its own
 * server: `mixed_node.ts SELF PEER,PEER,...`.
 *
 * It answers the run as the other nodes do: `/get` asks the whole ring, `/loads`
 * tells what was loaded here, `/remove` removes a key.
 *
 * @module
 */

import { createServer } from "node:http";
import process from "node:process";
import { HTTPPool } from "../../mod.ts";
import { keepAliveFetch, toNodeHandler } from "../../node.ts";

type Handler = (request: Request) => Promise<Response>;

const [self, peers] = process.argv.slice(2) as [string, string];
const { hostname, port } = new URL(self);

/** The globals that only some runtimes have. */
const { Deno, Bun } = globalThis as unknown as {
  Deno?: { serve(options: object, handler: Handler): unknown };
  Bun?: { version: string; serve(options: object): unknown };
};

const runtime = Deno !== undefined
  ? `Deno ${process.versions.deno}`
  : Bun !== undefined
  ? `Bun ${Bun.version}`
  : `Node ${process.versions.node}`;

const onNode = Deno === undefined && Bun === undefined;
const pool = new HTTPPool(self, onNode ? { fetch: keepAliveFetch() } : {});
pool.setPeers(peers.split(","));

const loads = new Map<string, number>();
const group = pool.group("mixed", async (key) => {
  loads.set(key, (loads.get(key) ?? 0) + 1);
  if (key.startsWith("fail:")) throw new Error(`cannot load ${key}`);
  if (key.startsWith("none:")) return undefined;
  if (key.startsWith("slow:")) {
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  if (key.startsWith("bytes:")) {
    return Uint8Array.from({ length: 2 ** 20 }, (_, i) => i);
  }
  return `${key}|${"x".repeat(key.length)}`;
});

async function answer(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (!/^\/(get|remove|loads)$/.test(pathname)) {
    return await pool.handler(request);
  }
  const key = request.method === "POST"
    ? await request.text()
    : searchParams.get("key") ?? "";
  try {
    switch (pathname) {
      case "/get":
        return new Response((await group.get(key)).bytes());
      case "/remove":
        await group.remove(key);
        return new Response(null, { status: 204 });
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
  Deno.serve({ hostname, port: Number(port), onListen: say }, answer);
} else if (Bun !== undefined) {
  Bun.serve({ hostname, port: Number(port), fetch: answer });
  say();
} else createServer(toNodeHandler(answer)).listen(Number(port), hostname, say);

// The run holds the other end, so this process ends when the run ends, in whatever way.
process.stdin.on("end", () => process.exit(0)).resume();
