/**
 * The view as output that a program or a file takes: a snapshot, or a line of JSON for
 * each second.
 *
 * @module
 */

import type { Clock } from "../../mod.ts";
import type { Fetch } from "../page/nodes.ts";
import type { Point } from "../page/view.ts";
import { Exit } from "../exit.ts";
import { follow } from "./feed.ts";
import { EMPTY, type Model, withHistory, withView } from "./model.ts";
import { paintOf } from "./paint.ts";
import { screenOf } from "./screen.ts";
import { safeJson } from "./plain_text.ts";

/** Where {@linkcode print} takes from and puts to. */
export interface PrintOptions {
  readonly urls: readonly string[];
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly json: boolean;
  readonly once: boolean;
  readonly columns: number;
  /** Prints a line. Returns whether anybody reads it. */
  readonly line: (text: string) => boolean;
  /** Hears why there are no news. */
  readonly trouble: (reason: string) => void;
}

/**
 * Prints a snapshot, or lines of JSON until nobody reads them.
 *
 * @throws {Exit} if no address has ever answered, or a snapshot could not be had
 */
export async function print(options: PrintOptions): Promise<void> {
  const { urls, fetch, clock, json, once } = options;
  const over = new AbortController();
  let points: readonly Point[] = [];
  let model: Model = EMPTY;
  let lost: string | undefined;
  await follow({ urls, fetch, clock, signal: over.signal }, {
    history: (all) => points = withHistory(points, all),
    view: (view, url) => {
      model = withView(model, view, { points, url, now: clock.now() });
      points = model.news!.points;
      // There are rates from the second point on.
      if (once && points.length < 2) return;
      const lines = json ? [safeJson({ url, ...view })] : screenOf(model, {
        columns: options.columns,
        now: clock.now(),
        date: Date.now(),
        paint: paintOf(false),
      });
      const isRead = lines.every(options.line);
      if (once || !isRead) over.abort();
    },
    lost: (reason) => {
      options.trouble(reason);
      if (!once) return;
      lost = reason;
      over.abort();
    },
  });
  if (lost !== undefined) throw new Exit(`Cannot show ${lost}`);
}
