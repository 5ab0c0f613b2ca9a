/** What news and keys make of the terminal view. */

import { commandOf } from "../../../serve/top/keys.ts";
import { bar, spark } from "../../../serve/top/draw.ts";
import {
  EMPTY,
  type Model,
  shownOf,
  sorted,
  SORTS,
  withCommand,
  withHistory,
  withView,
} from "../../../serve/top/model.ts";
import { namesOf } from "../../../serve/top/names.ts";
import { assertEquals } from "../../support/assert.ts";
import { nodeAt, NOON, pointAt, viewAt } from "../../support/views.ts";

const NODES = [
  nodeAt(0, { getsPerSecond: 5, bytes: 3, owed: 1 }),
  nodeAt(1, { health: "down", getsPerSecond: null, bytes: null, owed: 2 }),
  nodeAt(2, { getsPerSecond: 9, bytes: 1, loadsPerSecond: 7 }),
];

function seen(at: number, nodes = NODES, before: Model = EMPTY): Model {
  const points = before.news?.points ?? [];
  return withView(before, viewAt(at, nodes), { points, url: "u", now: at });
}

/** The ports of the nodes as they are sorted. */
function order(model: Model): string {
  return sorted(model).map(({ origin }) => origin.at(-1)).join("");
}

Deno.test("s sorts by one thing after the other, and comes back to the list", () => {
  let model = seen(NOON);
  const orders = SORTS.map((sort) => {
    const pair = [model.sort, order(model)];
    assertEquals(model.sort, sort);
    model = withCommand(model, "sort");
    return pair;
  });
  assertEquals(orders, [
    ["list", "123"],
    ["health", "213"],
    ["gets", "312"],
    ["loads", "312"],
    ["memory", "132"],
    ["owed", "213"],
  ]);
  assertEquals(model.sort, "list");
});

Deno.test("Arrows choose a node in the order shown, and go round", () => {
  let model = seen(NOON);
  const chosen = (
    command: "next" | "previous" | "leave",
  ): string | undefined => {
    model = withCommand(model, command);
    return model.chosen?.at(-1);
  };
  assertEquals(
    (["next", "next", "next", "next", "previous"] as const).map(chosen),
    ["1", "2", "3", "1", "3"],
  );
  assertEquals(chosen("leave"), undefined);
  assertEquals(chosen("previous"), "3");
  assertEquals(withCommand(EMPTY, "next"), EMPTY);
});

Deno.test("A pause holds what is shown, and what comes meanwhile is not lost", () => {
  const paused = withCommand(seen(NOON), "pause");
  const later = seen(NOON + 1_000, NODES, paused);
  assertEquals(shownOf(later)?.view.point.at, NOON);
  const on = withCommand(later, "pause");
  assertEquals(shownOf(on)?.view.point.at, NOON + 1_000);
  assertEquals(on.news?.points.length, 2);
  assertEquals(withCommand(EMPTY, "pause"), EMPTY);
});

Deno.test("Since when a node has been as it is, is known from the moment it was seen", () => {
  const up = NODES.map((node) => ({ ...node, health: "up" as const }));
  const first = seen(NOON);
  assertEquals(first.news?.since.get("http://localhost:8002"), {
    health: "down",
    at: NOON,
    isFirst: true,
  });
  const still = seen(NOON + 1_000, NODES, first);
  assertEquals(still.news?.since, first.news?.since);
  const back = seen(NOON + 2_000, up, still);
  assertEquals(back.news?.since.get("http://localhost:8002"), {
    health: "up",
    at: NOON + 2_000,
    isFirst: false,
  });
});

Deno.test("The history of a node that has just started leaves the points before it", () => {
  const points = [1, 2, 3].map((second) => pointAt(second * 1_000));
  const times = (history: number[]): number[] =>
    withHistory(points, history.map((second) => pointAt(second * 1_000)))
      .map(({ at }) => at / 1_000);
  assertEquals(times([]), [1, 2, 3]);
  assertEquals(times([2, 3, 4]), [1, 2, 3, 4]);
  assertEquals(times([7]), [1, 2, 3, 7]);
});

Deno.test("News clear up the trouble before them", () => {
  const model = seen(NOON, NODES, { ...EMPTY, trouble: "it was closed" });
  assertEquals(model.trouble, undefined);
});

Deno.test("Keys have their meaning, and others have none", () => {
  const keys = {
    quit: [{ name: "q" }, { name: "c", ctrl: true }, { name: "d", ctrl: true }],
    pause: [{ name: "p" }, { name: "space" }],
    next: [{ name: "down" }, { name: "right" }, { name: "tab" }],
    previous: [{ name: "up" }, { name: "tab", shift: true }],
    help: [{ sequence: "?" }, { name: "h" }],
    leave: [{ name: "escape" }],
    sort: [{ name: "s" }],
  };
  for (const [command, all] of Object.entries(keys)) {
    for (const key of all) assertEquals(commandOf(key), command);
  }
  for (const key of [{}, { name: "x" }, { name: "q", ctrl: true }]) {
    assertEquals(commandOf(key), undefined);
  }
  assertEquals(commandOf({ name: "constructor" }), undefined);
});

Deno.test("A sparkline has a column for as many seconds as fit, and a space where nothing was", () => {
  const points = [4, 8, 0].map((gets, i) => pointAt(i * 1_000, { gets }));
  assertEquals(spark(points, "gets", 120).trimStart(), "▅█▁");
  assertEquals(spark(points, "gets", 120, 16).trimStart(), "▃▅▁");
  const gap = [...points, pointAt(5_000, { gets: 8 })];
  assertEquals(spark(gap, "gets", 120).trimStart(), "▅█▁  █");
  assertEquals(spark([pointAt(0, { loadP50: null })], "loadP50", 3), "   ");
  assertEquals(spark([], "gets", 3), "   ");
  // Twelve seconds a column: only the newest column changes.
  const many = Array.from(
    { length: 100 },
    (_, i) => pointAt(i * 1_000, { gets: i }),
  );
  const before = spark(many.slice(0, 97), "gets", 10, 100);
  assertEquals(spark(many, "gets", 10, 100).slice(0, 9), before.slice(0, 9));
});

Deno.test("A bar is only empty at 0, and only full at 1", () => {
  const of = (part: number): string => bar(part, 4).join("");
  assertEquals([0, 0.001, 0.5, 0.999, 1, 7].map(of), [
    "░░░░",
    "█░░░",
    "██░░",
    "███░",
    "████",
    "████",
  ]);
});

Deno.test("Names lose the end that all of them share, and addresses at most the port", () => {
  const names = (...hosts: string[]): string[] => [
    ...namesOf(hosts.map((host) => `http://${host}`)).values(),
  ];
  assertEquals(names("localhost:1", "localhost:2"), [
    "localhost:1",
    "localhost:2",
  ]);
  assertEquals(names("a.b.c:1", "d.b.c:1"), ["a", "d"]);
  assertEquals(names("10.1.0.5:8080", "10.2.0.5:8080"), [
    "10.1.0.5",
    "10.2.0.5",
  ]);
  assertEquals(names("[::1]:80", "[::2]:80"), ["[::1]", "[::2]"]);
  assertEquals(names("a.b:1"), ["a.b:1"]);
});
