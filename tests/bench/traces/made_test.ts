import { churn, loop, MADE, scan, zipf } from "../../../bench/traces/made.ts";
import { assert, assertEquals } from "../../support/assert.ts";

Deno.test("A trace that is made is the same each time", () => {
  for (
    const make of [
      () => zipf(50, 500),
      () => scan(50, 100),
      () => churn(50, 500),
    ]
  ) {
    assertEquals(make(), make());
  }
});

Deno.test("The traces that are made have keys from 0 to less than their number", () => {
  for (
    const trace of [zipf(50, 500), scan(50, 100), loop(50, 500), churn(50, 500)]
  ) {
    assert(trace.keys.every((key) => key >= 0 && key < trace.distinct));
    assert(Object.hasOwn(MADE, trace.name));
  }
});

Deno.test("A scan asks for each cold key once, between two requests for the others", () => {
  const { keys, firstOfScan, phases } = scan(50, 100);
  const cold = keys.filter((key) => key >= firstOfScan!);
  assertEquals([...cold], Array.from({ length: 100 }, (_, i) => 50 + i));
  const [before, during, after] = phases!;
  const stretch = keys.subarray(during!.from, during!.to);
  assertEquals(stretch.filter((key) => key >= firstOfScan!).length, 100);
  assertEquals(before!.to, during!.from);
  assertEquals(during!.to, after!.from);
});

Deno.test("Churn asks for new keys all the time, and no more for the oldest", () => {
  const { keys } = churn(50, 1000);
  assert(keys.subarray(900).every((key) => key >= 90));
  assert(keys.subarray(0, 100).every((key) => key < 50));
});
