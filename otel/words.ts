/**
 * What spans and measurements say in the same words.
 *
 * @module
 */

import type { WorkResult } from "../base/watchers.ts";
import type { Attributes } from "./api.ts";

/** The host and the port of a peer. */
export function addressOf(origin: string): Attributes {
  const { hostname, port, protocol } = new URL(origin);
  const own = protocol === "https:" ? 443 : 80;
  return {
    "server.address": hostname.replace(/^\[(.*)\]$/, "$1"),
    "server.port": port === "" ? own : Number(port),
  };
}

/** Whether something went wrong: that there is no such key is an answer. */
export function isFailure(result: WorkResult): boolean {
  return result !== "ok" && result !== "not_found" && result !== "canceled";
}
