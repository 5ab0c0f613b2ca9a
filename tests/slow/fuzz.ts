/** Runs every target of `deno task fuzz` for a moment, and checks that it reports what it finds. */

import fc from "fast-check";
import { fuzz, tableOf, targets } from "../../scripts/fuzz.ts";
import { assertEquals, assertMatch } from "../support/assert.ts";

for (const target of targets) {
  Deno.test(`Fuzzing finds nothing: ${target.name}`, async () => {
    const { finding } = await fuzz(target, 100, 1);
    assertEquals(finding, undefined);
  });
}

Deno.test("Fuzzing finds a planted fault, makes the input small, and can repeat it", async () => {
  const property = fc.property(fc.nat(), (n) => {
    if (n > 9) throw new Error("planted");
  }) as fc.IRawProperty<unknown>;
  const outcome = await fuzz({ name: "planted", property }, 10_000, 7);
  assertMatch(outcome.finding!, /^\[10\]\nError: planted/);
  assertMatch(outcome.finding!, /--seed 7 --target planted --path \d/);
  assertMatch(tableOf([outcome]), /\nplanted +\d+ +1$/);
});
