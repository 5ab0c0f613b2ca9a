/**
 * Opens the source of a group.
 *
 * @module
 */

import type { Getter, Logger } from "../../mod.ts";
import type { GroupSettings } from "../groups.ts";
import { demoValue } from "./demo.ts";
import { httpGetter } from "./http_getter.ts";
import { openScores } from "./scores.ts";
import { openSqlite } from "./sqlite.ts";

/** A source that is open. */
export interface OpenSource {
  readonly getter: Getter;
  close(): void;
}

/**
 * Opens the source of a group.
 *
 * @throws {Exit} if it cannot be opened
 */
export function openSource(
  { source }: GroupSettings,
  log: Logger,
): OpenSource {
  if (source.kind === "scores") {
    const scores = openScores(source.db);
    return {
      getter: (key) => {
        log.info(`[SlowDB] search key ${key}`);
        const score = scores.scoreOf(key);
        if (score === undefined) throw new Error(`${key} not exist`);
        return score;
      },
      close: () => scores.close(),
    };
  }
  if (source.kind === "demo") return { getter: demoValue, close: () => {} };
  if (source.kind === "http") {
    return { getter: httpGetter(source.url), close: () => {} };
  }
  const { valueOf, close } = openSqlite(source.db, source.query);
  return { getter: valueOf, close };
}
