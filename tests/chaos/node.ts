/**
 * One process of the chaos run: a pool behind its peers' path, and a front door
 * for the run that started it.
 *
 * `--without breaker` and `--without fences` switch a mechanism off from inside,
 * so that the run can show what the mechanism is for. There is no option for it.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { Breaker } from "../../peer/breaker.ts";
import { HTTPPool, PeerError } from "../../mod.ts";
import { Flights } from "../../group/flights.ts";
import { LocalGroup } from "../../group/local_group.ts";
import { HEADER } from "../../protocol/wire.ts";

/** What a node reports of one peer; see {@linkcode NodeStats}. */
export interface PeerView {
  id: string;
  state: string;
  owed: number;
  requests: number;
  errors: number;
  /** Writes that are on their way to it: soon they are told, or owed again. */
  writing: number;
}

/** What the front door answers to `/stats`. */
export interface NodeStats {
  peers: PeerView[];
}

/** Half of all keys are copied where they are asked for. */
export function isMirrored(key: string): boolean {
  return Number(key.split(":")[1]) % 2 === 0;
}

/** Every peer is asked, however often it failed. */
function removeBreaker(): void {
  Object.defineProperty(Breaker.prototype, "state", { get: () => "closed" });
}

/** A write drops the value in memory, but loads under way store the value that they find. */
function removeFences(): void {
  const { forget, forgetAll } = Flights.prototype;
  const { remove, clear } = LocalGroup.prototype;
  let writing = false;
  // Flights that all callers have left are forgotten as usual.
  Flights.prototype.forget = function (key): boolean {
    return !writing && forget.call(this, key);
  };
  Flights.prototype.forgetAll = function (): void {
    if (!writing) forgetAll.call(this);
  };
  LocalGroup.prototype.remove = function (key): void {
    writing = true;
    remove.call(this, key);
    writing = false;
  };
  LocalGroup.prototype.clear = function (): void {
    writing = true;
    clear.call(this);
    writing = false;
  };
}

async function run(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["self", "port", "peers", "origin", "without"],
  });
  if (flags.without === "breaker") removeBreaker();
  if (flags.without === "fences") removeFences();

  const writing = new Map<string, number>();
  const count = (origin: string, by: number): void => {
    writing.set(origin, (writing.get(origin) ?? 0) + by);
  };
  // In the place of the runtime's, so that links go over what the pool takes by default.
  const { fetch } = globalThis;
  globalThis.fetch = async (input, init) => {
    const isWrite = init?.method === "DELETE" ||
      new Headers(init?.headers).has(HEADER.method);
    if (!isWrite) return await fetch(input, init);
    const { origin } = new URL(String(input));
    count(origin, 1);
    try {
      return await fetch(input, init);
    } finally {
      // Only after a write that failed is counted as owed.
      setTimeout(() => count(origin, -1), 0);
    }
  };
  const pool = new HTTPPool(flags.self, { timeoutMs: Number(flags.timeoutMs) });
  pool.setPeers(flags.peers.split(","));
  const group = pool.group("chaos", async (key, { signal }) => {
    const query = new URLSearchParams({ key });
    const response = await fetch(`${flags.origin}/?${query}`, { signal });
    const text = await response.text();
    if (!response.ok) throw new Error(`the origin said ${text}`);
    return text;
  }, { mirrorTtlMs: Number(flags.mirrorTtlMs), shouldMirror: isMirrored });

  const get = async (key: string): Promise<Response> => {
    try {
      return new Response((await group.get(key)).text());
    } catch (error) {
      return new Response(String(error), { status: 500 });
    }
  };
  const remove = async (key: string): Promise<Response> => {
    try {
      await group.remove(key);
      return Response.json([]);
    } catch (error) {
      const missed = error instanceof AggregateError &&
        error.errors.every((each) => each instanceof PeerError);
      return missed
        ? Response.json(error.errors.map(({ peer }: PeerError) => peer))
        : new Response(String(error), { status: 500 });
    }
  };
  const stats = (): Response => {
    const peers = pool.stats().peers.map((peer) => (
      { ...peer, writing: writing.get(peer.id) ?? 0 }
    ));
    return Response.json({ peers } satisfies NodeStats);
  };

  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: Number(flags.port),
    onListen: () => console.log("running"),
  }, (request) => {
    const url = new URL(request.url);
    const key = url.searchParams.get("key") ?? "";
    switch (url.pathname) {
      case "/get":
        return get(key);
      case "/remove":
        return remove(key);
      case "/stats":
        return stats();
      case "/drain":
        pool.drain({ timeoutMs: Number(url.searchParams.get("ms")) })
          .then(() => server.shutdown())
          .then(() => Deno.exit(0));
        return new Response();
      default:
        return pool.handler(request);
    }
  });

  // The run holds the other end, so this process ends when the run ends, in whatever way.
  for await (const _ of Deno.stdin.readable) { /* it says nothing */ }
  Deno.exit(0);
}

if (import.meta.main) await run();
