/**
 * A thousand gets of one key at once, in all nodes, and how many loads that took.
 *
 * @module
 */

import type { Group } from "../../mod.ts";
import { messageOf } from "../exit.ts";
import { hasTypes } from "./state.ts";

/** What came of gets. */
export interface Gets {
  readonly ok: number;
  readonly failed: number;
  /** Why one of them failed. */
  readonly error?: string;
}

/** How many gets a browser may have done at once. */
export const MAX_GETS = 1_000;

/** Gets `key` that many times at once in this process. */
export async function getAtOnce(
  group: Group,
  key: string,
  count: number,
): Promise<Gets> {
  const all = await Promise.allSettled(
    Array.from({ length: count }, () => group.get(key)),
  );
  const failed = all.filter((one) => one.status === "rejected");
  const error = failed.length > 0
    ? { error: messageOf(failed[0]!.reason) }
    : {};
  return { ok: count - failed.length, failed: failed.length, ...error };
}

/**
 * Reads what another process sent.
 *
 * @throws {TypeError} If that is not what came of gets.
 */
export function readGets(sent: unknown): Gets {
  if (!hasTypes(sent, { ok: "number", failed: "number" })) {
    throw new TypeError("there is no count of gets in the answer");
  }
  const { ok, failed, error } = sent as Gets;
  return { ok, failed, ...(error === undefined ? {} : { error: `${error}` }) };
}

/** Adds up what came of gets in several processes. */
export function sumOf(all: readonly Gets[]): Gets {
  return all.reduce((a, b) => ({
    ...a,
    ...b,
    ok: a.ok + b.ok,
    failed: a.failed + b.failed,
  }), { ok: 0, failed: 0 });
}

/** Splits `count` into `parts` numbers that differ by one at most. */
export function split(count: number, parts: number): number[] {
  return Array.from(
    { length: parts },
    (_, i) => Math.floor((count + i) / parts),
  );
}
