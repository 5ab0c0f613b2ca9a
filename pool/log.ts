/**
 * What a pool writes to its log.
 *
 * @module
 */

import { describe } from "../base/errors.ts";
import type { SafeLogger } from "../base/logger.ts";
import type { Observer } from "../base/observer.ts";
import type { Members } from "./members.ts";

/** So many nodes of a list without this process are shown. */
const SHOWN = 5;

/** So many lines are written of peers without a group. */
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
    // A peer that says so of many groups is told of often enough.
    if (!members.has(peer) || told.has(line) || told.size >= MAX_TOLD) return;
    told.add(line);
    logger.warn(line);
  });
}

/**
 * Gives what writes the line of a list without this process. The first one is a
 * warning, unless this process is called a client by its name, which ends in
 * `.invalid`: the port or the host of `self` may be wrong.
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
