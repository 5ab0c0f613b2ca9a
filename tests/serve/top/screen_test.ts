/** What the terminal view draws, line by line, without a terminal. */

import fc from "fast-check";
import type { NodeView, View } from "../../../serve/page/view.ts";
import {
  EMPTY,
  type Model,
  withCommand,
  withView,
} from "../../../serve/top/model.ts";
import { paintOf } from "../../../serve/top/paint.ts";
import { type Frame, screenOf } from "../../../serve/top/screen.ts";
import { width } from "../../../serve/top/plain_text.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { nodeAt, NOON, pointsBefore, viewAt } from "../../support/views.ts";

const URL = "http://localhost:9999";
const FRAME: Frame = {
  columns: 80,
  rows: 24,
  now: 61_000,
  date: NOON,
  timeZone: "UTC",
  paint: paintOf(false),
};
const GONE: Partial<NodeView> = {
  health: "down",
  getsPerSecond: null,
  loadsPerSecond: null,
  hitRatio: null,
  items: null,
  bytes: null,
  maxBytes: null,
  owed: 3,
  link: "unavailable",
  error: null,
};

const GOLDEN80 = [
  " GeeCache  localhost:9999 · 2/3 nodes up · ring agreed          ● live 13:30:00",
  "",
  " Gets/s          249   ▆██▆▃▂▃▆██▆▃▂▃▆█   Load p50      25 ms   ████████████████",
  " Hit ratio    93.4 %   ▇██▇▆▅▆▇██▇▆▅▆▇█   Load p99      44 ms   ████████████████",
  " Loads/s          12   ▄▂▂▄▇█▇▄▂▂▄▇█▇▅▄   Peer p50    0.42 ms   ████████████████",
  " Peer req/s    1,044   ▆██▆▃▂▃▆██▆▃▂▃▆█   Peer p99     1.36 s   ████████████████",
  " Memory       ██████████░░░░░░░░░░░░░░░░░░░░░░░░░  300 KiB of 1 MiB, 29.3 %",
  "",
  "  NODE           HEALTH        SHARE GETS/S   HITS LOADS/S LINK OWED   MEMORY",
  "  localhost:8001 ● up           33 %     83 95.1 %     4.1 open    0  100 KiB",
  "  localhost:8002 × down 60 s    33 %      –      –       – none    3        –",
  "  localhost:8003 ● up           33 %     83 95.1 %     4.1 open    0  100 KiB",
  "  localhost:8002: down since 13:29:00, 1 min 0 s · 3 removals to be told",
  "",
  "  GROUP          GETS/S     HITS   LOADS/S    ITEMS     MEMORY     BUDGET",
  "  scores              0        –         0        0        0 B      4 KiB",
  "  demo              249   93.4 %        12      795    300 KiB      1 MiB",
  "",
  "  HOTTEST KEY    GROUP                   GETS/MIN   OWNER",
  "  item:1         demo    █████████████      1,234   localhost:8001",
  "  item:2         demo    ██████               617   localhost:8002",
  "  item:3         demo    ████                 411   localhost:8003",
  "  item:4         demo    ███                  309   localhost:8001",
  " q quit   p pause   s sort: list   ↑↓ choose   ? help",
];

const GOLDEN120 = [
  " GeeCache  localhost:9999 · 2/3 nodes up · ring agreed                                               × no news for 12 s",
  " http://localhost:9999: Connection refused; asking again",
  " Gets/s          249        ▅▇████▆▅▃▂▂▂▂▃▅▆████▇▅▄▂▂▂▂▃▅▆█   Load p50      25 ms        ███████████████████████████████",
  " Hit ratio    93.4 %        ▇█████▇▇▆▅▅▅▅▆▇▇█████▇▆▅▅▅▅▆▇▇█   Load p99      44 ms        ███████████████████████████████",
  " Loads/s          12        ▅▃▂▂▂▂▄▅▇████▇▅▄▂▂▂▂▃▅▆████▇▅▄▄   Peer p50    0.42 ms        ███████████████████████████████",
  " Peer req/s    1,044        ▅▇████▆▅▃▂▂▂▂▃▅▆████▇▅▄▂▂▂▂▃▅▆█   Peer p99     1.36 s        ███████████████████████████████",
  " Memory       █████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  300 KiB of 1 MiB, 29.3 %",
  "",
  "  NODE             HEALTH          SHARE   GETS/S     HITS   LOADS/S   LINK   OWED     MEMORY",
  "  localhost:8001   ● up             33 %       83   95.1 %       4.1   open      0    100 KiB",
  "▸ localhost:8002   × down 60 s      33 %        –        –         –   none      3          –",
  "  localhost:8003   ● up             33 %       83   95.1 %       4.1   open      0    100 KiB",
  "  localhost:8002: down since 13:29:00, 1 min 0 s · 3 removals to be told",
  "",
  "  GROUP          GETS/S     HITS   LOADS/S    ITEMS     MEMORY     BUDGET",
  "  scores              0        –         0        0        0 B      4 KiB",
  "  demo              249   93.4 %        12      795    300 KiB      1 MiB",
  "",
  "  HOTTEST KEY    GROUP                          GETS/MIN   OWNER",
  "  item:1         demo    ████████████████████      1,234   localhost:8001",
  "  item:2         demo    ██████████                  617   localhost:8002",
  "  item:3         demo    ██████                      411   localhost:8003",
  "  item:4         demo    █████                       309   localhost:8001",
  "  item:5         demo    ████                        247   localhost:8002",
  "  item:6         demo    ███                         206   localhost:8003",
  "  item:7         demo    ██                          176   localhost:8001",
  "  item:8         demo    ██                          154   localhost:8002",
  "",
  "",
  " q quit   p pause   s sort: list   ↑↓ choose   ? help",
];

function shown(view: View, now = 61_000, before: Model = EMPTY): Model {
  const points = pointsBefore(view.point.at, 119);
  return withView(before, view, { points, url: URL, now });
}

/** Three nodes, of which the second one went down a minute ago. */
function oneDown(): Model {
  const all = [nodeAt(0), nodeAt(1), nodeAt(2)];
  const two = [nodeAt(0), nodeAt(1, GONE), nodeAt(2)];
  let model = shown(viewAt(NOON - 61_000, all), 0);
  model = shown(viewAt(NOON - 60_000, two), 1_000, model);
  return shown(viewAt(NOON, two), 61_000, model);
}

/** Lines as they look. */
function linesOf(model: Model, frame: Partial<Frame> = {}): string[] {
  return screenOf(model, { ...FRAME, ...frame }).map((line) => line.trimEnd());
}

Deno.test("The screen fits 80 columns and 24 rows: numbers, nodes, groups, the hottest keys", () => {
  assertEquals(linesOf(oneDown()), GOLDEN80);
});

Deno.test("A wider screen shows a chosen node, and why there are no news", () => {
  const model = withCommand(withCommand(oneDown(), "next"), "next");
  const trouble = `${URL}: Connection refused`;
  const lines = linesOf({ ...model, trouble }, {
    columns: 120,
    rows: 30,
    now: 73_000,
  });
  assertEquals(lines, GOLDEN120);
});

Deno.test("A snapshot has all lines, and no keys", () => {
  const { rows: _, ...plain } = FRAME;
  const lines = screenOf(oneDown(), plain);
  assertEquals(lines.slice(0, 12), GOLDEN80.slice(0, 12));
  assert(lines.some((line) => line.includes("item:8 ")));
  assertEquals(lines.filter((line) => line.includes("quit")), []);
});

Deno.test("Without keys to show, there are numbers and nodes", () => {
  const { groupViews: _, hottest: __, ...view } = viewAt(NOON, [nodeAt(0)]);
  const lines = linesOf(shown({ ...view, admin: false }));
  assertEquals(
    lines[0],
    " GeeCache  localhost:9999 · one node                            ● live 13:30:00",
  );
  assertEquals(lines.filter((line) => /GROUP|HOTTEST/.test(line)), []);
});

Deno.test("A ring that is not agreed is said in words", () => {
  const nodes = [nodeAt(0), nodeAt(1, { ringDiffers: true })];
  const lines = linesOf(shown(viewAt(NOON, nodes)));
  assert(lines[0]!.includes("2/2 nodes up · ring differs at 1"));
  assert(
    lines.includes(
      "  localhost:8002: up · has another list of nodes · 265 items · 100 KiB of 256 …",
    ),
    lines.join("\n"),
  );
});

Deno.test("Each health has a word and a sign of its own, whatever the color", () => {
  const nodes = (["up", "returning", "draining", "silent", "down"] as const)
    .map((health, i) => nodeAt(i, { health }));
  const lines = linesOf(shown(viewAt(NOON, nodes)), { columns: 100 });
  assertEquals(
    lines.filter((line) => /^ {2}localhost:800\d /.test(line))
      .map((line) => line.slice(16, 36).trim().replace(/ {2}.*/, "")),
    [
      "● up",
      "◐ coming back",
      "◌ about to close",
      "? silent 0 s",
      "× down 0 s",
    ],
  );
});

Deno.test("Colors change no column, and without them there is no escape sequence", () => {
  const model = withCommand(oneDown(), "next");
  const colors = screenOf(model, { ...FRAME, paint: paintOf(true) });
  const plain = screenOf(model, FRAME);
  // deno-lint-ignore no-control-regex
  assert(colors.some((line) => /\x1b\[/.test(line)));
  // deno-lint-ignore no-control-regex
  assertEquals(colors.map((line) => line.replace(/\x1b\[[\d;]*m/g, "")), plain);
});

Deno.test("Old news are gray: nothing is green that may be over", () => {
  const green = (now: number): boolean =>
    screenOf(oneDown(), { ...FRAME, now, paint: paintOf(true) })
      .some((line) => line.includes("\x1b[32m"));
  assertEquals([green(61_000), green(65_000)], [true, false]);
});

Deno.test("The nodes around the chosen one are shown where there is no room for all", () => {
  const nodes = Array.from({ length: 200 }, (_, i) =>
    nodeAt(i, {
      origin: `http://10-244-3-${i}.geecache.default.svc.cluster.local:8080`,
    }));
  let model = shown(viewAt(NOON, nodes));
  const rows = (): string[] =>
    linesOf(model).filter((line) => /^[▸ ] 10-244-3-\d+ /.test(line))
      .map((line) => line.split(" ●")[0]!.trimEnd());
  assertEquals(rows().at(0), "  10-244-3-0");
  assert(linesOf(model).some((line) => line.includes("NODE 1–7/200")));
  for (let i = 0; i < 100; i++) model = withCommand(model, "next");
  assertEquals(rows().length, 7);
  assertEquals(rows()[3], "▸ 10-244-3-99");
  model = withCommand(withCommand(model, "sort"), "leave");
  model = withCommand(model, "previous");
  assertEquals(rows().at(-1), "▸ 10-244-3-199");
});

Deno.test("Names and keys from outside move nothing and reach no terminal as they are", () => {
  const key = `鍵🔑\x1b[2J\u202e${"長".repeat(200)}`;
  const evil = "http://evil\x1b]0;title\x07";
  const view = viewAt(NOON, [
    nodeAt(0, { origin: evil, error: "\x9b2J", health: "down" }),
  ], {
    hottest: [{ group: "日本語", key, count: 12, owner: evil }],
    groupViews: [{
      ...viewAt(NOON, [nodeAt(0)]).groupViews![0]!,
      name: "\r\n",
    }],
  });
  const lines = screenOf(shown(view), FRAME);
  for (const line of lines) {
    assert(!/[\p{Cc}\p{Cf}]/u.test(line), line);
    assert(width(line) <= 80, line);
  }
  const text = lines.join("\n");
  for (
    const part of [
      "鍵🔑\\u{1b}[",
      "evil\\u{1b}]0;ti",
      "\\u{d}\\u{a}",
      "\\u{9b}2J",
    ]
  ) {
    assert(text.includes(part), text);
  }
});

Deno.test("No size is too small: as many lines as rows, none wider than the screen", () => {
  const models = [EMPTY, oneDown(), withCommand(oneDown(), "help")];
  models.push(withCommand(oneDown(), "next"), { ...oneDown(), trouble: "no" });
  fc.assert(
    fc.property(
      fc.constantFrom(...models),
      fc.integer({ min: 1, max: 240 }),
      fc.integer({ min: 1, max: 70 }),
      (model, columns, rows) => {
        const paint = paintOf(true);
        const lines = screenOf(model, { ...FRAME, columns, rows, paint });
        assertEquals(lines.length, rows);
        for (const line of lines) assert(width(line) <= columns, line);
      },
    ),
  );
});
