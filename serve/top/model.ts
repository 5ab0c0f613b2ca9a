/**
 * What the terminal view knows, and what news and keys make of it.
 *
 * @module
 */

import type { Health, NodeView, Point, View } from "../page/view.ts";

/** What the nodes are sorted by. */
export const SORTS = [
  "list",
  "health",
  "gets",
  "loads",
  "memory",
  "owed",
] as const;
export type Sort = typeof SORTS[number];

/** What a key means. */
export type Command =
  | "quit"
  | "pause"
  | "sort"
  | "next"
  | "previous"
  | "help"
  | "leave";

/** Since when a node has been as it is. */
export interface Since {
  readonly health: Health;
  /** Milliseconds since 1970, by the clock of who told it. */
  readonly at: number;
  /** Whether it was so when it was first seen. */
  readonly isFirst: boolean;
}

/** News, and when they came. */
export interface News {
  readonly view: View;
  readonly points: readonly Point[];
  readonly since: ReadonlyMap<string, Since>;
  readonly url: string;
  /** When they came, by the clock of this process. */
  readonly cameAt: number;
}

/** Everything that is drawn. */
export interface Model {
  readonly news?: News;
  /** What is shown instead while it is paused. */
  readonly held?: News;
  /** Why there are no news now. */
  readonly trouble?: string;
  readonly sort: Sort;
  /** The origin of the chosen node. */
  readonly chosen?: string;
  readonly help: boolean;
}

/** How many points are kept: as many as a node keeps. */
const MAX_POINTS = 120;

export const EMPTY: Model = { sort: "list", help: false };

/**
 * The points of the last minutes came. Those before them stay: a node that has just
 * started knows none.
 */
export function withHistory(
  points: readonly Point[],
  history: readonly Point[],
): readonly Point[] {
  const first = history[0]?.at ?? Infinity;
  return [...points.filter(({ at }) => at < first), ...history]
    .slice(-MAX_POINTS);
}

/** A view came. `points` are those before it. */
export function withView(
  model: Model,
  view: View,
  { points, url, now }: {
    points: readonly Point[];
    url: string;
    now: number;
  },
): Model {
  const { trouble: _, ...rest } = model;
  const { point } = view;
  const all = points.at(-1)?.at === point.at ? points : [...points, point];
  const since = new Map<string, Since>();
  for (const { origin, health } of view.nodes) {
    const before = model.news?.since.get(origin);
    since.set(
      origin,
      before?.health === health
        ? before
        : { health, at: point.at, isFirst: before === undefined },
    );
  }
  const news = {
    view,
    points: all.slice(-MAX_POINTS),
    since,
    url,
    cameAt: now,
  };
  return { ...rest, news };
}

/** A key was pressed. */
export function withCommand(model: Model, command: Command): Model {
  switch (command) {
    case "pause": {
      const { held, ...rest } = model;
      if (held !== undefined || model.news === undefined) return rest;
      return { ...rest, held: model.news };
    }
    case "sort":
      return {
        ...model,
        sort: SORTS[(SORTS.indexOf(model.sort) + 1) % SORTS.length]!,
      };
    case "help":
      return { ...model, help: !model.help };
    case "leave": {
      const { chosen: _, ...rest } = model;
      return model.help ? { ...model, help: false } : rest;
    }
    case "next":
      return withChosen(model, 1);
    case "previous":
      return withChosen(model, -1);
    case "quit":
      return model;
  }
}

/** Moves the choice among the nodes as they are shown; at the ends it starts over. */
function withChosen(model: Model, step: 1 | -1): Model {
  const nodes = sorted(model);
  if (nodes.length === 0) return model;
  const at = nodes.findIndex(({ origin }) => origin === model.chosen);
  const from = at < 0 && step < 0 ? 0 : at;
  const next = nodes[(from + step + nodes.length) % nodes.length]!;
  return { ...model, chosen: next.origin };
}

/** What is shown: the newest, or what was when it was paused. */
export function shownOf(model: Model): News | undefined {
  return model.held ?? model.news;
}

/** A node with its place in the list. */
export type Listed = NodeView & { readonly share: number | null };

const WORST: readonly Health[] = [
  "down",
  "silent",
  "draining",
  "returning",
  "up",
];

const RANKS: Record<Exclude<Sort, "list">, (node: NodeView) => number> = {
  health: ({ health }) => -WORST.indexOf(health),
  gets: ({ getsPerSecond }) => getsPerSecond ?? -1,
  loads: ({ loadsPerSecond }) => loadsPerSecond ?? -1,
  memory: ({ bytes }) => bytes ?? -1,
  owed: ({ owed }) => owed,
};

/** The nodes as they are sorted, those with the highest number first. */
export function sorted(model: Model): Listed[] {
  const news = shownOf(model);
  if (news === undefined) return [];
  const { nodes, ring } = news.view;
  const listed = nodes.map((node, i) => ({
    ...node,
    share: ring.share[i] ?? null,
  }));
  if (model.sort === "list") return listed;
  const rank = RANKS[model.sort];
  return listed.sort((a, b) => rank(b) - rank(a));
}
