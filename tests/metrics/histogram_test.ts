/** Histograms: each bucket counts what the one before it counts, and more. */

import fc from "fast-check";
import { BOUNDS, Histogram } from "../../metrics/histogram.ts";
import { label, MetricsText } from "../../metrics/text.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Page } from "../support/metrics.ts";

function pageOf(times: readonly number[]): Page {
  const histogram = new Histogram();
  for (const ms of times) histogram.add(ms);
  const text = new MetricsText();
  text.family("h", "histogram", "Times.");
  histogram.write(text, label("group", "g"));
  return new Page(`${text}`);
}

Deno.test("The bounds grow, each by a factor of 2 or 2.5", () => {
  for (const [place, bound] of BOUNDS.slice(1).entries()) {
    const factor = bound / BOUNDS[place]!;
    assert(Math.abs(factor - 2) < 1e-9 || Math.abs(factor - 2.5) < 1e-9);
  }
});

Deno.test("A bucket counts what took at most as long as its bound", () => {
  fc.assert(fc.property(
    fc.array(fc.oneof(
      fc.constantFrom(...BOUNDS.map((seconds) => seconds * 1000)),
      fc.double({ min: 0, max: 20_000, noNaN: true }),
    )),
    (times) => {
      const page = pageOf(times);
      const buckets = page.all("h_bucket", { group: "g" });
      assertEquals(
        buckets.map(({ labels, value }) => [labels.le, value]),
        [...BOUNDS, Infinity].map((bound) => [
          bound === Infinity ? "+Inf" : `${bound}`,
          times.filter((ms) => ms / 1000 <= bound).length,
        ]),
      );
      assertEquals(page.get("h_count"), times.length);
      const sum = times.reduce((sum, ms) => sum + ms / 1000, 0);
      assert(Math.abs(page.get("h_sum") - sum) < 1e-6);
    },
  ));
});

Deno.test("A time below zero, of a clock that went back, lowers no sum", () => {
  const page = pageOf([-5, 1000]);
  assertEquals([page.get("h_sum"), page.get("h_count")], [1, 2]);
  assertEquals(page.get("h_bucket", { le: "0.00025" }), 1);
});
