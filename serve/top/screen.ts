/**
 * Draws what is known as lines of text: a function of the model and the size, which knows
 * no terminal.
 *
 * @module
 */

import {
  count,
  duration,
  percent,
  place,
  size,
} from "../page/assets/format.js";
import { healthOf, troubleOf } from "../page/assets/words.js";
import type { Health } from "../page/view.ts";
import { bar } from "./draw.ts";
import { HELP } from "./help.ts";
import {
  type Listed,
  type Model,
  type News,
  shownOf,
  sorted,
} from "./model.ts";
import { namesOf } from "./names.ts";
import { numbersOf } from "./numbers.ts";
import type { Paint } from "./paint.ts";
import { type Column, type Table, tableOf } from "./table.ts";
import { cut, fit, plain, safe, width } from "./plain_text.ts";

/** Where it is drawn. */
export interface Frame {
  readonly columns: number;
  /** `undefined`: as many as there are lines, without keys. */
  readonly rows?: number;
  /** The time by the clock of this process, and of day. */
  readonly now: number;
  readonly date: number;
  readonly timeZone?: string;
  readonly paint: Paint;
}

/** Without news for so long, what is shown is old. The page says so, too. */
const OLD_MS = 2_800;
/** Wider lines are hard to read. */
const MAX_COLUMNS = 160;
/** Longer names are cut. */
const MAX_NAME = 48;
/** What a bar leaves for the numbers after it, so that it does not move with them. */
const MEMORY_COLUMNS = 29;
/** How many nodes are shown at least, before anything below them. */
const MIN_NODES = 3;
/** How many of the hottest keys are shown at least, if there is room for some. */
const MIN_HOT = 3;

/** A sign for how a node is, beside the word. */
const SIGNS: Record<Health, string> = {
  up: "●",
  returning: "◐",
  draining: "◌",
  silent: "?",
  down: "×",
};

const LINKS: Record<string, string> = {
  open: "open",
  opening: "opens",
  idle: "idle",
  unavailable: "none",
};

/** The lines of the screen; none is wider than it. */
export function screenOf(model: Model, frame: Frame): string[] {
  const { rows } = frame;
  const columns = Math.min(frame.columns, MAX_COLUMNS);
  const screen = new Screen(model, { ...frame, columns });
  const news = shownOf(model);
  const title = screen.title();
  if (rows === undefined) {
    const lines = news === undefined ? [title] : [title, ...screen.body(news)];
    return lines.map((line) => line.trimEnd());
  }
  const body = model.help
    ? ["", ...HELP.map((line) => ` ${line}`)]
    : news === undefined
    ? []
    : screen.body(news);
  const lines = [title, ...body].slice(0, Math.max(1, rows - 1));
  while (lines.length < rows - 1) lines.push("");
  if (rows > 1) lines.push(screen.keys());
  return lines.map((line) => cut(line, columns));
}

class Screen {
  readonly #model: Model;
  readonly #frame: Frame;
  readonly #paint: Paint;
  readonly #columns: number;

  constructor(model: Model, frame: Frame) {
    this.#model = model;
    this.#frame = frame;
    this.#paint = this.#isOld ? grayOf(frame.paint) : frame.paint;
    this.#columns = frame.columns;
  }

  get #isOld(): boolean {
    const { news, trouble } = this.#model;
    return news !== undefined &&
      (trouble !== undefined || this.#frame.now - news.cameAt > OLD_MS);
  }

  /** What is looked at at the left, and whether it is live at the right. */
  title(): string {
    const paint = this.#paint;
    const news = shownOf(this.#model);
    const right = this.#live();
    const left = news === undefined
      ? ["connecting"]
      : [safe(place(news.url)), ...this.#summary(news)];
    const name = " GeeCache  ";
    const room = this.#columns - width(name) - width(right) - 3;
    const text = fit(left.join(" · "), Math.max(0, room));
    return cut(`${paint.strong(name)}${text}  ${right} `, this.#columns);
  }

  #summary({ view: { nodes } }: News): string[] {
    const up = nodes.filter(({ health }) => health === "up").length;
    if (nodes.length === 1) return ["one node"];
    const differ = nodes.filter(({ ringDiffers }) => ringDiffers).length;
    return [
      `${up}/${nodes.length} nodes up`,
      differ === 0
        ? "ring agreed"
        : this.#paint.warning(`ring differs at ${differ}`),
    ];
  }

  #live(): string {
    const paint = this.#paint;
    const { news, held } = this.#model;
    const { now } = this.#frame;
    if (news === undefined) return paint.warning("○ connecting");
    const age = now - news.cameAt;
    if (this.#isOld) {
      return paint.bad(`× no news for ${ageOf(age)}`);
    }
    return held === undefined
      ? `${paint.good("● live")} ${this.#timeOf(this.#frame.date)}`
      : paint.warning(`‖ paused for ${ageOf(now - held.cameAt)}`);
  }

  /** Everything below the title; gray if it is old. */
  body(news: News): string[] {
    const { view, points } = news;
    const { rows = Infinity } = this.#frame;
    const nodes = sorted(this.#model);
    const groups = view.groupViews ?? [];
    const hottest = view.hottest ?? [];
    const top = [
      this.#trouble(),
      ...numbersOf(view.point, points, this.#columns, this.#paint),
      this.#memory(news),
      "",
    ];
    // The title, the head of the table, the line below it, and the keys.
    const room = rows - top.length - 4;
    const plan = share(room, nodes.length, groups.length, hottest.length);
    return [
      ...top,
      ...this.#nodes(nodes, plan.nodes, news),
      this.#detail(nodes, news),
      ...this.#groups(groups.slice(0, plan.groups)),
      ...this.#hottest(hottest.slice(0, plan.hottest), nodes),
    ];
  }

  #trouble(): string {
    const { trouble } = this.#model;
    return trouble === undefined
      ? ""
      : ` ${
        this.#paint.bad(cut(`${trouble}; asking again`, this.#columns - 2))
      }`;
  }

  #memory({ view: { point } }: News): string {
    const { bytes, maxBytes } = point;
    const part = maxBytes > 0 ? bytes / maxBytes : 0;
    const text = plain(
      `${size(bytes)} of ${size(maxBytes)}${
        maxBytes > 0 ? `, ${percent(part)}` : ""
      }`,
    );
    const label = " Memory       ";
    const room = this.#columns - width(label) - MEMORY_COLUMNS - 2;
    const [full, empty] = bar(part, Math.max(4, Math.min(60, room)));
    const paint = this.#paint;
    return `${label}${paint.drawn(full)}${paint.quiet(empty)}  ${text}`;
  }

  /** The table of nodes; around the chosen one, if there is no room for all. */
  #nodes(nodes: readonly Listed[], room: number, news: News): string[] {
    const { chosen } = this.#model;
    const at = Math.max(0, nodes.findIndex(({ origin }) => origin === chosen));
    const from = Math.max(
      0,
      Math.min(at - Math.floor(room / 2), nodes.length - room),
    );
    const shown = nodes.slice(from, from + room);
    const title = shown.length < nodes.length
      ? `NODE ${from + 1}–${from + shown.length}/${nodes.length}`
      : "NODE";
    const table = tableOf(this.#nodeColumns(title, news), shown, {
      columns: this.#columns - 3,
      all: nodes,
      most: MAX_NAME,
    });
    return [
      `  ${this.#paint.quiet(table.head)}`,
      ...table.rows.map((row, i) =>
        shown[i]!.origin === chosen
          ? this.#paint.chosen(`▸ ${row} `)
          : `  ${row}`
      ),
    ];
  }

  #nodeColumns(title: string, { view, since }: News): Column<Listed>[] {
    const paint = this.#paint;
    const names = namesOf(view.nodes.map(({ origin }) => origin));
    const number = (
      title: string,
      text: (node: Listed) => string,
      more: Partial<Column<Listed>> = {},
    ): Column<Listed> => ({
      title,
      align: "right",
      text: (node) => plain(text(node)),
      ...more,
    });
    const colors: Record<Health, (text: string) => string> = {
      up: paint.good,
      returning: paint.warning,
      draining: paint.warning,
      silent: paint.bad,
      down: paint.bad,
    };
    return [
      {
        title,
        text: ({ origin }) => names.get(origin) ?? "",
        least: 12,
        takesRest: true,
      },
      {
        title: "HEALTH",
        text: (node) => {
          const { health } = node;
          const words = `${SIGNS[health]} ${healthOf(node)}`;
          const at = since.get(node.origin)?.at ?? view.point.at;
          const isGone = health === "down" || health === "silent";
          return isGone ? `${words} ${shortAgeOf(view.point.at - at)}` : words;
        },
        least: 13,
        paint: (text, { health, origin }) =>
          origin === this.#model.chosen ? text : colors[health](text),
      },
      number("SHARE", ({ share }) => wholePercent(share), {
        dispensable: 1,
      }),
      number("GETS/S", ({ getsPerSecond }) => count(getsPerSecond), {
        least: 6,
      }),
      number("HITS", ({ hitRatio }) => percent(hitRatio, true), { least: 6 }),
      number("LOADS/S", ({ loadsPerSecond }) => count(loadsPerSecond), {
        dispensable: 2,
      }),
      {
        title: "LINK",
        text: ({ link }) => link === null ? "–" : LINKS[link] ?? safe(link),
        least: 4,
        dispensable: 3,
      },
      number("OWED", ({ owed }) => count(owed)),
      number("MEMORY", ({ bytes }) => size(bytes), { least: 8 }),
    ];
  }

  /** What is to say about the chosen node, or about the first one in trouble. */
  #detail(nodes: readonly Listed[], { since, view }: News): string {
    const { chosen } = this.#model;
    const node = nodes.find(({ origin }) => origin === chosen) ??
      nodes.find((node) => node.health !== "up" || troubleOf(node) !== "");
    if (node === undefined) return "";
    const { health, origin, items, bytes, maxBytes } = node;
    const facts = [healthOf(node)];
    const was = since.get(origin);
    if (health !== "up" && was !== undefined) {
      facts[0] += ` since ${this.#timeOf(was.at)}${
        was.isFirst ? " or before" : ""
      }, ${ageOf(view.point.at - was.at)}`;
    }
    const trouble = troubleOf(node);
    if (trouble !== "") facts.push(safe(trouble));
    if (items !== null) {
      facts.push(
        `${count(items)} ${items === 1 ? "item" : "items"}`,
        `${size(bytes)} of ${size(maxBytes)}`,
      );
    }
    const text = plain(`${safe(place(origin))}: ${facts.join(" · ")}`);
    const paint = health === "up" ? this.#paint.quiet : this.#paint.warning;
    return `  ${paint(cut(text, this.#columns - 3))}`;
  }

  #groups(groups: NonNullable<News["view"]["groupViews"]>): string[] {
    if (groups.length === 0) return [];
    type Group = typeof groups[number];
    const number = (
      title: string,
      text: (group: Group) => string,
      least = 0,
    ): Column<Group> => ({
      title,
      align: "right",
      text: (group) => plain(text(group)),
      least,
    });
    return this.#section(tableOf<Group>(
      [
        {
          title: "GROUP",
          text: ({ name }) => safe(name),
          least: 12,
          takesRest: true,
        },
        number("GETS/S", ({ getsPerSecond }) => count(getsPerSecond), 6),
        number("HITS", ({ hitRatio }) => percent(hitRatio, true), 6),
        number("LOADS/S", ({ loadsPerSecond }) => count(loadsPerSecond)),
        number("ITEMS", ({ items }) => count(items), 6),
        number("MEMORY", ({ bytes }) => size(bytes), 8),
        number("BUDGET", ({ maxBytes }) => size(maxBytes), 8),
      ],
      groups,
      { columns: this.#columns - 3, most: MAX_NAME },
    ));
  }

  #hottest(
    hottest: NonNullable<News["view"]["hottest"]>,
    nodes: readonly Listed[],
  ): string[] {
    if (hottest.length === 0) return [];
    type Hot = typeof hottest[number];
    const most = hottest[0]!.count;
    const columns = Math.max(6, Math.min(24, Math.floor(this.#columns / 6)));
    const barOf = ({ count }: Hot): string => bar(count / most, columns)[0];
    const names = namesOf(nodes.map(({ origin }) => origin));
    return this.#section(tableOf<Hot>(
      [
        {
          title: "HOTTEST KEY",
          text: ({ key }) => safe(key),
          least: 12,
          takesRest: true,
        },
        {
          title: "GROUP",
          text: ({ group }) => cut(safe(group), 16),
          dispensable: 2,
        },
        { title: "", text: barOf, least: columns, paint: this.#paint.drawn },
        {
          title: "GETS/MIN",
          align: "right",
          text: ({ count: gets }) => count(gets),
        },
        {
          title: "OWNER",
          text: ({ owner }) => cut(names.get(owner) ?? "–", 24),
          dispensable: 1,
        },
      ],
      hottest,
      { columns: this.#columns - 3, most: MAX_NAME },
    ));
  }

  #section({ head, rows }: Table): string[] {
    return [
      "",
      `  ${this.#paint.quiet(head)}`,
      ...rows.map((row) => `  ${row}`),
    ];
  }

  /** The keys, at the bottom. */
  keys(): string {
    const { held, help, sort } = this.#model;
    const keys = [
      ["q", "quit"],
      ["p", held === undefined ? "pause" : "go on"],
      ["s", `sort: ${sort}`],
      ["↑↓", "choose"],
      ["?", help ? "close help" : "help"],
    ];
    const paint = this.#paint;
    return ` ${
      keys.map(([key, word]) => `${paint.strong(key!)} ${paint.quiet(word!)}`)
        .join("   ")
    }`;
  }

  #timeOf(at: number): string {
    const { timeZone } = this.#frame;
    return new Intl.DateTimeFormat("en-GB", {
      timeStyle: "medium",
      ...(timeZone === undefined ? {} : { timeZone }),
    }).format(at);
  }
}

/** Shares are known to within a percent. */
function wholePercent(part: number | null): string {
  return percent(
    part === null || part < 0.1 ? part : Math.round(part * 100) / 100,
  );
}

/** What is old is neither good nor lively. */
function grayOf(paint: Paint): Paint {
  return { ...paint, good: paint.quiet, drawn: paint.quiet };
}

/** In few columns. */
function shortAgeOf(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 100 ? `${minutes} m` : `${Math.floor(minutes / 60)} h`;
}

function ageOf(ms: number): string {
  return plain(duration(Math.max(0, ms)));
}

/** How many rows each table has, if there are `room` for all of them. */
function share(
  room: number,
  nodes: number,
  groups: number,
  hottest: number,
): { nodes: number; groups: number; hottest: number } {
  /** With an empty line and a head. */
  const withHead = (rows: number): number => rows === 0 ? 0 : rows + 2;
  const below = withHead(groups) + withHead(Math.min(hottest, MIN_HOT));
  const half = Math.max(MIN_NODES, Math.ceil(room / 2));
  const shown = Math.min(nodes, Math.max(half, room - below));
  let left = room - shown;
  const fitting = (rows: number, keep: number): number => {
    const fits = Math.max(0, Math.min(rows, left - keep - 2));
    left -= withHead(fits);
    return fits;
  };
  const forHot = withHead(Math.min(hottest, MIN_HOT));
  const groupRows = fitting(groups, left - forHot >= 3 ? forHot : 0);
  return { nodes: shown, groups: groupRows, hottest: fitting(hottest, 0) };
}
