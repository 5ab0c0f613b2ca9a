/**
 * What a pool writes to its log.
 *
 * @module
 */

import { describe } from "../base/errors.ts";
import type { SafeLogger } from "../base/logger.ts";
import type { Observer } from "../base/observer.ts";
import type { Members } from "./members.ts";

/** How many nodes of a list without this process are shown. */
const SHOWN = 5;

/** How many lines are written about peers without a group, at the most. */
const MAX_TOLD = 1_000;

/** Writes a line for each change of a peer's state, and for each list that differs. */
export function logEvents(
  observer: Observer,
  logger: SafeLogger,
  self: string,
  members: Members,
): void {
  observer.on("state", ({ peer, state, reason }) => {
    // A peer that left is asked for copies for a while, but nobody relies on it.
    if (!members.has(peer)) return;
    if (state === "closed") logger.info(`[Pool ${self}] ${peer} is back`);
    else {
      logger.warn(
        `[Pool ${self}] ${peer} is out of reach, so the next node is asked for its keys: ${reason}`,
      );
    }
  });
  observer.on("list", ({ peer, name }) => {
    const who = peer ??
      `a process that is no peer and calls itself ${describe(name)}`;
    logger.warn(
      `[Pool ${self}] ${who} has another list of nodes: until both have the same, keys may be loaded twice`,
    );
  });
  const told = new Set<string>();
  observer.on("noGroup", ({ peer, what }) => {
    const line = `[Pool ${self}] ${peer} is asked in vain: ${what}`;
    // A peer may lack so many groups that more lines tell nothing new.
    if (!members.has(peer) || told.has(line) || told.size >= MAX_TOLD) return;
    told.add(line);
    logger.warn(line);
  });
}

/**
 * Returns a function that writes a line about a list without this process. The first
 * line is a warning, since the port or the host of `self` may be wrong. A client, whose
 * name ends in `.invalid`, gets none.
 */
export function absenceLog(
  logger: SafeLogger,
  self: string,
): (nodes: readonly string[]) => void {
  const { hostname } = new URL(self);
  let warned = hostname.endsWith(".invalid");
  const isAnywhere = hostname === "0.0.0.0" || hostname === "[::]";
  return (nodes) => {
    const more = nodes.length > SHOWN ? ", …" : "";
    const hint = isAnywhere
      ? `${hostname} is where a server listens, not how others reach it`
      : `is it one of ${nodes.slice(0, SHOWN).join(", ")}${more}?`;
    const line =
      `[Pool ${self}] is not in its own list of peers: it owns no key: ${hint}`;
    if (warned) logger.info(line);
    else logger.warn(line);
    warned = true;
  };
}
