/**
 * Tells the log of loads that failed, without a line for each: a source that is down
 * would write as many as there are requests.
 *
 * @module
 */

import { messageOf } from "./exit.ts";

/** How often a group's failures are told, in milliseconds. */
const EVERY_MS = 1_000;

/** Makes what is told of failures: it writes at most one line a second for a group. */
export function failureLog(
  warn: (message: string) => void,
  now: () => number,
): (group: string, error: unknown) => void {
  const told = new Map<string, { at: number; since: number }>();
  return (group, error) => {
    const last = told.get(group);
    if (last !== undefined && now() - last.at < EVERY_MS) {
      last.since++;
      return;
    }
    const more = last?.since ? ` (${last.since} more since the last line)` : "";
    told.set(group, { at: now(), since: 0 });
    warn(`[${group}] ${messageOf(error)}${more}`);
  };
}
