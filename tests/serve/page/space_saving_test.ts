/** Counting what is frequent in bounded memory. */

import fc from "fast-check";
import { SpaceSaving } from "../../../serve/page/space_saving.ts";
import { assert, assertEquals } from "../../support/assert.ts";

Deno.test("SpaceSaving counts exactly while there is room", () => {
  const counts = new SpaceSaving(3);
  for (const item of ["a", "b", "a", "c", "a", "b"]) counts.add(item);
  assertEquals(counts.top(), [
    { item: "a", count: 3, error: 0 },
    { item: "b", count: 2, error: 0 },
    { item: "c", count: 1, error: 0 },
  ]);
});

Deno.test("When it is full, a new item takes the place and the count of the lowest", () => {
  const counts = new SpaceSaving(2);
  for (const item of ["a", "a", "a", "b", "b", "c"]) counts.add(item);
  assertEquals(counts.top(), [
    { item: "c", count: 3, error: 2 },
    { item: "a", count: 3, error: 0 },
  ]);
  assertEquals(counts.size, 2);
});

Deno.test("SpaceSaving holds its bounds for any stream", () => {
  const item = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("a", "b", "c") },
    { weight: 2, arbitrary: fc.integer({ max: 40, min: 0 }).map(String) },
  );
  const streams = fc.array(item, { maxLength: 300 });
  fc.assert(fc.property(streams, fc.integer({ min: 1, max: 12 }), (all, m) => {
    const counts = new SpaceSaving(m);
    const truth = new Map<string, number>();
    for (const item of all) {
      counts.add(item);
      truth.set(item, (truth.get(item) ?? 0) + 1);
    }
    const top = counts.top();
    assert(top.length <= m);
    assertEquals(top.length, Math.min(m, truth.size));
    assertEquals(top.reduce((sum, { count }) => sum + count, 0), all.length);
    for (const [i, { item, count, error }] of top.entries()) {
      assert(truth.get(item)! <= count && truth.get(item)! >= count - error);
      assert(i === 0 || top[i - 1]!.count >= count);
    }
    for (const [item, count] of truth) {
      if (count > all.length / m) assert(top.some((one) => one.item === item));
    }
  }));
});
