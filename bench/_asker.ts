/** A pool that owns nothing: it asks one other process for every key. */

import type { Group, HTTPPool, HTTPPoolOptions } from "../http.ts";
import { SILENT } from "./_measure.ts";
import type { Ask } from "./_rate.ts";
import { ALL, type Values } from "./_values.ts";

/** Asks through the groups of a pool. */
export interface Asker {
  get(values: Values): Ask;
  getMany(values: Values): Ask<readonly string[]>;
  /** Closes the pool. It throws if a key was answered here, not by the peer. */
  close(): Promise<void>;
}

/**
 * Makes a pool that asks the processes at `origins`.
 *
 * @param Pool The class, since the library of another checkout has its own.
 */
export function askerOf(
  Pool: typeof HTTPPool,
  origins: readonly string[],
  options: HTTPPoolOptions = {},
): Asker {
  const pool = new Pool("http://asker.invalid", { logger: SILENT, ...options });
  pool.setPeers(origins);
  const groups = new Map<Values, Group>();
  for (const values of ALL) {
    const getter = (key: string): never => {
      throw new Error(`${key} was not asked of the peer`);
    };
    groups.set(values, pool.group(values.group, getter));
  }
  return {
    get: (values) => {
      const group = groups.get(values)!;
      return async (key) => (await group.get(key)).byteLength;
    },
    getMany: (values) => {
      const group = groups.get(values)!;
      return async (keys) => {
        let bytes = 0;
        for (const value of (await group.getMany(keys)).values()) {
          if (value instanceof Error) throw value;
          bytes += value.byteLength;
        }
        return bytes;
      };
    },
    close: async () => {
      for (const group of groups.values()) {
        const { cacheHits, localLoads } = group.stats();
        if (cacheHits + localLoads > 0) {
          throw new Error(
            `Cannot measure: ${group.name} answered ${cacheHits} keys from memory and loaded ${localLoads}`,
          );
        }
      }
      await pool.close();
    },
  };
}
