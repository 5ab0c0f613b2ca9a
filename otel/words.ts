/**
 * What spans and measurements say in the same words.
 *
 * @module
 */

import type { WorkResult } from "../base/watchers.ts";
import type { Attributes } from "./api.ts";

/** Host and port of an origin; to parse a `URL` for each question would cost more. */
const ORIGIN = /^(https?):\/\/(?:\[([^\]]*)\]|([^:/]*))(?::(\d+))?/;

/** The host and the port of a peer. */
export function addressOf(origin: string): Attributes {
  const [, scheme, six, host, port] = ORIGIN.exec(origin) ?? [];
  return {
    "server.address": six ?? host ?? origin,
    "server.port": Number(port ?? (scheme === "https" ? 443 : 80)),
  };
}

/** Whether something went wrong: that there is no such key is an answer. */
export function isFailure(result: WorkResult): boolean {
  return result !== "ok" && result !== "not_found" && result !== "canceled";
}
