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
 * Writes a line for each list without this process. The first one is a warning, since
 * the port or the host of `self` may be wrong, and so is the first one after a list that
 * had this process. A client, whose name ends in `.invalid`, gets no warning.
 */
export class AbsenceLog {
  readonly #logger: SafeLogger;
  readonly #self: string;
  readonly #hostname: string;
  #warned = false;

  constructor(logger: SafeLogger, self: string) {
    this.#logger = logger;
    this.#self = self;
    this.#hostname = new URL(self).hostname;
  }

  /** @param hasSelf Whether this process is in the list. */
  listChanged(nodes: readonly string[], hasSelf: boolean): void {
    if (hasSelf) {
      this.#warned = false;
      return;
    }
    const line =
      `[Pool ${this.#self}] is not in its own list of peers: it owns no key: ${
        this.#hint(nodes)
      }`;
    const isClient = this.#hostname.endsWith(".invalid");
    if (this.#warned || isClient) this.#logger.info(line);
    else this.#logger.warn(line);
    this.#warned = true;
  }

  /** What may be wrong with `self`: lists are compared as text, and nothing is looked up. */
  #hint(nodes: readonly string[]): string {
    const hostname = this.#hostname;
    if (hostname === "0.0.0.0" || hostname === "[::]") {
      return `${hostname} is where a server listens, not how others reach it`;
    }
    const more = nodes.length > SHOWN ? ", …" : "";
    const asked = `is it one of ${nodes.slice(0, SHOWN).join(", ")}${more}?`;
    const isOwn = isAddress(hostname);
    const isAlike = nodes.some((node) =>
      isAddress(new URL(node).hostname) === isOwn
    );
    if (isAlike || hostname.endsWith(".invalid")) return asked;
    const [own, listed] = isOwn
      ? ["an address", "names"]
      : ["a name", "addresses"];
    return `self has ${own} as its host, and the list has ${listed}: ${asked}`;
  }
}

/** Whether a host is given by its address, not by its name. */
function isAddress(hostname: string): boolean {
  return /^\[|^\d+(\.\d+){3}$/.test(hostname);
}
