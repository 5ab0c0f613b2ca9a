/**
 * The group of `deno task cluster`: it has a value for any key, from a source that takes
 * a moment, so that there is something to see.
 *
 * @module
 */

import type { Group, HTTPPool } from "../../mod.ts";

export const DEMO_GROUP = "demo";

/** What one process keeps of it. */
export const DEMO_MAX_BYTES: number = 256 * 1024;
/** How long a value is, at least. */
const VALUE_BYTES = 256;
/** How long the source takes. */
const LOAD_MS = 20;

/** Adds the group to a pool. */
export function openDemo(pool: HTTPPool): Group {
  return pool.group(DEMO_GROUP, async (key) => {
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
    const time = new Date().toISOString().slice(11, 19);
    return `${key}, loaded by ${pool.self} at ${time} UTC`.padEnd(VALUE_BYTES);
  }, { maxBytes: DEMO_MAX_BYTES });
}
