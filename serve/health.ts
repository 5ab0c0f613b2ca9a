/**
 * `/healthz` says whether the process lives, `/readyz` whether it should get requests.
 *
 * @module
 */

import { STATUS_CODE } from "@std/http/status";
import { type Handler, statusResponse, unlessRead } from "./handlers.ts";

/** What readiness depends on. */
export interface Surroundings {
  /** Whether it has opened its sources and listens. */
  readonly started: boolean;
  /** Whether it was told to stop. */
  readonly stopping: boolean;
  /** Its own origin. */
  readonly self: string;
  /** The origins in its list of nodes; empty if it is alone. */
  readonly nodes: readonly string[];
  /** Whether it was told where to get a list. */
  readonly isMember: boolean;
  /** How many others must be in the list. */
  readonly minPeers: number;
}

/** Why a process should get no requests; `undefined` if it should. */
export function unready(surroundings: Surroundings): string | undefined {
  const { started, stopping, self, nodes, isMember, minPeers } = surroundings;
  if (stopping) return "stopping";
  if (!started) return "starting";
  const others = nodes.filter((node) => node !== self).length;
  if (others < minPeers) {
    return `alone: ${others} of at least ${minPeers} other nodes are in the list`;
  }
  if (isMember && !nodes.includes(self)) {
    return `outside: ${self} is not in its own list of ${nodes.length} nodes`;
  }
  return undefined;
}

/** Answers `/healthz` and `/readyz`. */
export function health(look: () => Surroundings): Handler {
  return (request) => {
    const { pathname } = new URL(request.url);
    if (pathname !== "/healthz" && pathname !== "/readyz") return undefined;
    const refusal = unlessRead(request);
    if (refusal !== undefined) return refusal;
    const reason = pathname === "/readyz" ? unready(look()) : undefined;
    return statusResponse(
      reason === undefined ? STATUS_CODE.OK : STATUS_CODE.ServiceUnavailable,
      reason ?? "ok",
      { "Cache-Control": "no-store" },
    );
  };
}
