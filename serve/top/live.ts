/**
 * The view that goes on: it draws what comes, once a second and after each key.
 *
 * @module
 */

import type { Clock } from "../../mod.ts";
import type { Fetch } from "../page/nodes.ts";
import type { Point } from "../page/view.ts";
import { follow } from "./feed.ts";
import { commandOf } from "./keys.ts";
import {
  EMPTY,
  type Model,
  withCommand,
  withHistory,
  withView,
} from "./model.ts";
import type { Paint } from "./paint.ts";
import { screenOf } from "./screen.ts";
import type { Hears, Terminal } from "./terminal.ts";

/** How often it draws without news. */
const EVERY_MS = 1_000;

/** What it needs. */
export interface LiveOptions {
  readonly urls: readonly string[];
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly paint: Paint;
  /** Opens the terminal, once a node has answered. */
  readonly open: (
    hears: Hears,
  ) => Pick<Terminal, "size" | "draw" | "clear" | "close">;
}

/**
 * Shows the cluster until somebody quits. Resolves with the exit code.
 *
 * @throws {Exit} if no address has ever answered
 */
export async function live(options: LiveOptions): Promise<number> {
  const { urls, fetch, clock, paint } = options;
  const over = new AbortController();
  let model: Model = EMPTY;
  let points: readonly Point[] = [];
  let code = 0;
  let terminal: ReturnType<LiveOptions["open"]> | undefined;
  let drawn = { columns: 0, rows: 0 };
  let cancel = (): void => {};

  const draw = (): void => {
    if (terminal === undefined || over.signal.aborted) return;
    cancel();
    cancel = clock.after(EVERY_MS, draw);
    const { columns, rows } = terminal.size;
    if (columns !== drawn.columns || rows !== drawn.rows) terminal.clear();
    drawn = { columns, rows };
    terminal.draw(screenOf(model, {
      ...drawn,
      now: clock.now(),
      date: Date.now(),
      paint,
    }));
  };
  const hears: Hears = {
    key: (key) => {
      const command = commandOf(key);
      if (command === undefined) return;
      if (command === "quit") return over.abort();
      model = withCommand(model, command);
      draw();
    },
    resized: draw,
    signal: (number) => {
      code = number;
      over.abort();
    },
  };

  try {
    await follow({ urls, fetch, clock, signal: over.signal }, {
      history: (all) => points = withHistory(points, all),
      view: (view, url) => {
        model = withView(model, view, { points, url, now: clock.now() });
        points = model.news!.points;
        terminal ??= options.open(hears);
        draw();
      },
      lost: (trouble) => {
        model = { ...model, trouble };
        draw();
      },
    });
    return code;
  } finally {
    cancel();
    terminal?.close();
  }
}
