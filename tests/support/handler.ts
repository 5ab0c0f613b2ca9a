/** A pool whose handler tests ask directly, without a server. */

import { HTTPPool, type HTTPPoolOptions } from "../../mod.ts";
import type { FakeClock } from "./time.ts";

/** The origin of the pool that is asked. */
export const SELF = "http://localhost:9999";
/** The header by which another process is known. */
export const PEER = { "Geecache-Peer": "http://localhost:8001" };

/** A pool with a group whose getter loads, fails, finds nothing, or gives a value that expires. */
export function scoresPool(options?: HTTPPoolOptions): HTTPPool {
  const pool = new HTTPPool(SELF, options);
  pool.group("scores", (key) => {
    if (key === "absent") return undefined;
    if (key === "kkk") throw new Error("kkk not exist");
    if (key === "brief") return { value: "b", ttlMs: 1500 };
    return `<${key}>`;
  });
  return pool;
}

/** Asks the handler of `pool`, as a server would. */
export async function ask(
  pool: HTTPPool,
  path: string,
  init?: RequestInit,
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await pool.handler(new Request(SELF + path, init));
  const { status, headers } = response;
  return { status, headers, text: await response.text() };
}

/** A pool whose groups "g" and "h" load for ever, and the signal of each load. */
export function stuckPool(clock: FakeClock): {
  pool: HTTPPool;
  signals: AbortSignal[];
} {
  const signals: AbortSignal[] = [];
  const pool = new HTTPPool(SELF, { clock });
  for (const name of ["g", "h"]) {
    pool.group(name, (_key, { signal }) => {
      signals.push(signal);
      return new Promise<string>(() => {});
    });
  }
  return { pool, signals };
}
