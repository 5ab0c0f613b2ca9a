/** The text format: any label, and nothing that is no part of it. */

import fc from "fast-check";
import { label, MetricsText } from "../../metrics/text.ts";
import { assertEquals } from "../support/assert.ts";
import { Page } from "../support/metrics.ts";

Deno.test("Numbers are written under their family's head, and a family without numbers is left out", () => {
  const text = new MetricsText();
  text.family("a_total", "counter", "Things.");
  text.sample(2, "");
  text.sample(1.5, label("x", "y"));
  text.family("b", "gauge", "Nothing.");
  text.family("c", "gauge", "Bytes.");
  text.sample(Infinity, `${label("x", "y")},${label("z", "")}`);
  assertEquals(
    `${text}`,
    "# HELP a_total Things.\n# TYPE a_total counter\n" +
      'a_total 2\na_total{x="y"} 1.5\n' +
      "# HELP c Bytes.\n# TYPE c gauge\n" +
      'c{x="y",z=""} +Inf\n',
  );
});

/** Text of which the format could make something else. */
const hostile = fc.array(
  fc.oneof(
    fc.constantFrom(
      ...['"', "\\", "\n", "\\n", "\r", "{", "}", ",", "=", "#", " "],
      ...["\0", "\u2028", "\ufeff", "日", "😀", '"} 1\n', "# TYPE a gauge\n"],
    ),
    fc.string({ unit: "binary" }),
  ),
).map((parts) => parts.join("")).filter((text) => text.isWellFormed());

Deno.test("Any text is the value of a label, and is read as it was written", () => {
  fc.assert(fc.property(
    // A series is there once.
    fc.uniqueArray(
      fc.tuple(hostile, hostile, fc.double({ noNaN: true })),
      { selector: ([a, b]) => JSON.stringify([a, b]) },
    ),
    (rows) => {
      const text = new MetricsText();
      text.family("m", "gauge", "Anything.");
      // A number after them all shows that no label took more than its line.
      for (const [a, b, value] of [...rows, ["the end", "", 1] as const]) {
        text.sample(
          value === -Infinity ? 0 : value,
          `${label("a", a)},${label("b", b)}`,
        );
      }
      const { series } = new Page(`${text}`);
      assertEquals(
        series.map(({ labels, value }) => [labels.a, labels.b, value]),
        [
          ...rows.map(([a, b, value]) => [
            ...[a, b],
            // The sign of a zero is lost, as in any text.
            (value === -Infinity ? 0 : value) + 0,
          ]),
          ["the end", "", 1],
        ],
      );
    },
  ));
});
