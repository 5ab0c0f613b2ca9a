/**
 * Tells the log of loads: of each at the level `debug`, and of those that failed at
 * `warn`, without a line for each: a source that is down would write as many as there
 * are requests.
 *
 * @module
 */

import type { Logger, PoolObserver } from "../mod.ts";
import { messageOf } from "./exit.ts";

/** How often a group's failures are told, in milliseconds. */
const EVERY_MS = 1_000;

/** Makes what observes loads: it warns at most once a second for a group. */
export function loadLog(
  log: Pick<Logger, "debug" | "warn">,
  now: () => number,
): PoolObserver {
  const told = new Map<string, { at: number; since: number }>();
  const failed = (group: string, error: unknown): void => {
    const last = told.get(group);
    if (last !== undefined && now() - last.at < EVERY_MS) {
      last.since++;
      return;
    }
    const more = last?.since ? ` (${last.since} more since the last line)` : "";
    told.set(group, { at: now(), since: 0 });
    log.warn(`[${group}] ${messageOf(error)}${more}`);
  };
  return {
    load: ({ group, keys, reason }) => {
      log.debug(`[${group}] load ${keys.join()} (${reason})`);
      return {
        end: ({ result, error }) => {
          if (result === "failed") failed(group, error);
        },
      };
    },
  };
}
