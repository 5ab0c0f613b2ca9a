/**
 * A node of this library for the interop run, with the same paths and the same slow
 * source as the Go nodes beside it.
 *
 * Besides the peers' path it has paths for the run: `/get` asks the whole ring for a
 * key, `/loads` tells what was loaded here, `/remove` tries to remove a key.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { HTTPPool } from "../../mod.ts";

const flags = parseArgs(Deno.args, {
  string: ["self", "peers", "protocol", "port"],
});
const self: string = flags.self;

const loads = new Map<string, number>();

/** Its answers are the same in every node, except that an error names the node. */
async function load(key: string): Promise<string | Uint8Array> {
  loads.set(key, (loads.get(key) ?? 0) + 1);
  switch (key.split(":", 1)[0]) {
    case "fail":
      throw new Error(`${self} cannot load ${key}`);
    case "empty":
      return "";
    case "bytes":
      return Uint8Array.from({ length: 2 ** 20 }, (_, i) => i);
    case "slow":
      await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return `${key}|from the slow source`;
}

const pool = new HTTPPool(self, { protocol: flags.protocol });
pool.setPeers(flags.peers.split(","));
const group = pool.group("interop", load);

/** As Go's `http.Error`. */
function failed(message: string): Response {
  return new Response(`${message}\n`, {
    status: 500,
    headers: { "Content-Type": "text/plain; charset=utf-8" },
  });
}

/** The key that is asked for: a POST has it in its body, since a URL may not carry it. */
function asked(request: Request, url: URL): Promise<string> | string {
  return request.method === "POST"
    ? request.text()
    : url.searchParams.get("key") ?? "";
}

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  try {
    switch (url.pathname) {
      case "/get": {
        const value = await group.get(await asked(request, url));
        return new Response(value.bytes());
      }
      case "/loads":
        return Response.json(Object.fromEntries(loads));
      case "/remove":
        await group.remove(await asked(request, url));
        return new Response(null, { status: 204 });
    }
  } catch (error) {
    if (error instanceof AggregateError) {
      return failed(error.errors.map(({ message }) => message).join("\n"));
    }
    return failed(error instanceof Error ? error.message : String(error));
  }
  // The target as it came: a parsed URL has lost the keys "." and "..".
  return await pool.handler(request);
}

Deno.serve({
  hostname: "127.0.0.1",
  port: Number(flags.port),
  onListen: () => console.log(`running at ${self}`),
}, answer);

// The run holds the other end, so this process ends when the run ends, in whatever way.
for await (const _ of Deno.stdin.readable) { /* it says nothing */ }
Deno.exit(0);
