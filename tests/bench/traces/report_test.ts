import { chartOf } from "../../../bench/traces/chart.ts";
import type { Policy } from "../../../bench/traces/policy.ts";
import { fitting, replay, roomsOf } from "../../../bench/traces/replay.ts";
import { adviceOf, tableOf } from "../../../bench/traces/report.ts";
import type { Trace } from "../../../bench/traces/trace.ts";
import { assert, assertEquals } from "../../support/assert.ts";

const TRACE: Trace = {
  name: "a <log>",
  keys: Int32Array.of(0, 1, 0, 2, 3, 0, 1, 0),
  distinct: 4,
  firstOfScan: 3,
  phases: [{ name: "the end", from: 4, to: 8 }],
};
const SIZED: Trace = {
  name: "sized",
  keys: Int32Array.of(0, 1, 0),
  distinct: 2,
  sizes: Float64Array.of(9, 1024, 1024),
};

/** A policy whose hit ratios are known: the first `share` of all requests are hits. */
function fixed(name: string, share: (room: number) => number): Policy {
  return {
    name,
    replay: ({ keys }, room) =>
      Uint8Array.from(keys, (_, i) => i < keys.length * share(room) ? 1 : 0),
  };
}

const ADVISED = { ours: "ours", usual: "usual", best: "best" };
const THREE = [
  fixed("ours", (room) => room === 1 ? 0.25 : 0.75),
  fixed("usual", () => 0.25),
  fixed("best", () => 1),
];

Deno.test("Rooms are shares of what all keys take, or as they are given, in order and once", () => {
  const sizes = [{ room: 3 }, { share: 0.5 }, { share: 0.0001 }, { room: 2 }];
  assertEquals(roomsOf(TRACE, sizes), [1, 2, 3]);
  assertEquals(roomsOf(SIZED, [{ share: 0.5 }]), [1024]);
});

Deno.test("A trace with sizes is not replayed by policies that only count", () => {
  const counts = { ...fixed("counts", () => 0), countsOnly: true };
  assertEquals(fitting(SIZED, [...THREE, counts]), THREE);
  assertEquals(fitting(TRACE, [...THREE, counts]).length, 4);
});

Deno.test("A table has a row for each room and phase, without the requests of the scan", () => {
  const progress: string[] = [];
  const results = replay(TRACE, THREE, [1, 2], (...all) => {
    progress.push(all.join(" "));
  });
  assertEquals(tableOf(results).split("\n"), [
    "a <log>: 8 requests for 4 keys; hits in %",
    "",
    "| room             | ours | usual |  best |",
    "|------------------|-----:|------:|------:|",
    "| 1 entry (25 %)   | 28.6 |  28.6 | 100.0 |",
    "| - the end        |  0.0 |   0.0 | 100.0 |",
    "| 2 entries (50 %) | 71.4 |  28.6 | 100.0 |",
    "| - the end        | 33.3 |   0.0 | 100.0 |",
  ]);
  assertEquals(progress[0], "ours 1 0 6");
  assertEquals(progress.length, 6);
});

Deno.test("The advice is the largest room that is worth its entries", () => {
  const plain: Trace = { name: "log", keys: TRACE.keys, distinct: 4 };
  const advice = (rooms: number[]) =>
    adviceOf(replay(plain, THREE, rooms), ADVISED);
  assertEquals(
    advice([1, 2, 4]),
    "Give it room for 2 entries: there 75.0 % of the requests are hits, 25.0 % with usual, 100.0 % at best; room for 4 entries would add 0.0 points.",
  );
  assertEquals(
    advice([1, 2]).split("; ")[1],
    "more room than was tried may be worth it.",
  );
  assertEquals(advice([4]).split("; ")[1], "all keys fit in there.");
});

Deno.test("The advice is no room in which next to nothing is a hit", () => {
  const tiny = [
    fixed("ours", (room) => room / 1000),
    fixed("usual", () => 0),
    fixed("best", () => 1),
  ];
  // From 1 to 100, each doubling is worth less than 3 points.
  const long: Trace = { name: "log", keys: new Int32Array(1000), distinct: 1 };
  const advice = adviceOf(replay(long, tiny, [1, 100]), ADVISED);
  assert(
    advice.startsWith("Give it room for 100 entries: there 10.0 %"),
    advice,
  );
});

Deno.test("The advice says so when no cache is of use", () => {
  const none = ["ours", "usual", "best"].map((name) => fixed(name, () => 0));
  const advice = adviceOf(replay(TRACE, none, [1]), ADVISED);
  assert(advice.startsWith("A cache of these sizes is of no use here"));
});

Deno.test("A room of bytes is written with a unit", () => {
  const table = tableOf(replay(SIZED, THREE, [1000, 1536]));
  assert(table.includes("| 1000 B (49 %) "), table);
  assert(table.includes("| 1.5 KiB (75 %) "), table);
});

Deno.test("A chart has a line for each policy with a point for each room", () => {
  const chart = chartOf(replay(TRACE, THREE, [1, 2, 4]));
  const lines = [...chart.matchAll(/<polyline points="([^"]*)"/g)];
  assertEquals(lines.map(([, points]) => points!.split(" ").length), [3, 3, 3]);
  assert(chart.startsWith("<svg "));
  assert(chart.includes("Hit ratios: a &lt;log>"));
  // All hits are at the top, none at the bottom.
  assertEquals(lines[2]![1], "60,50 330,50 600,50");
});
