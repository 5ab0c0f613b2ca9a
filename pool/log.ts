/**
 * What a pool writes to its log.
 *
 * @module
 */

import type { SafeLogger } from "../base/logger.ts";
import type { Observer } from "../base/observer.ts";
import type { Members } from "./members.ts";

/** Writes a line for each change of a peer's state, and for each list that differs. */
export function logEvents(
  observer: Observer,
  logger: SafeLogger,
  self: string,
  members: Members,
): void {
  observer.on("state", ({ peer, state }) => {
    // A peer that left is asked for copies for a while, but nobody relies on it.
    if (!members.has(peer)) return;
    if (state === "closed") logger.info(`[Pool ${self}] ${peer} is back`);
    else {
      logger.warn(
        `[Pool ${self}] ${peer} is out of reach: its keys are asked of the next node`,
      );
    }
  });
  observer.on("list", ({ peer = "a process that is no peer" }) => {
    logger.warn(
      `[Pool ${self}] ${peer} has another list of nodes: until both have the same, keys may be loaded twice`,
    );
  });
}
