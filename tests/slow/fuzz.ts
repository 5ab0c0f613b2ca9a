/** Every target of `deno task fuzz`, for a moment; and that it reports what it finds. */

import fc from "fast-check";
import { fuzz, tableOf, targets } from "../../scripts/fuzz.ts";
import { assertEquals, assertMatch } from "../support/assert.ts";

for (const target of targets) {
  Deno.test(`Fuzzing finds nothing: ${target.name}`, async () => {
    const { finding } = await fuzz(target, 100, 1);
    assertEquals(finding, undefined);
  });
}

Deno.test("A fault that is planted is found, made small, and can be had again", async () => {
  const property = fc.property(fc.nat(), (n) => {
    if (n > 9) throw new Error("planted");
  }) as fc.IRawProperty<unknown>;
  const outcome = await fuzz({ name: "planted", property }, 10_000, 7);
  assertMatch(outcome.finding!, /^\[10\]\nError: planted/);
  assertMatch(outcome.finding!, /--seed 7 --target planted --path \d/);
  assertMatch(tableOf([outcome]), /\nplanted +\d+ +1$/);
});
