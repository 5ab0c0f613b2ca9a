/** What gets are counted as. */

import { RequestTypes } from "../../group/counts.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("Each get is of one type, and all of them are the gets", () => {
  const counts = { gets: 9, cacheHits: 5, staleHits: 2, negativeHits: 1 };
  const types = new RequestTypes().of(counts);
  assertEquals(types, { hit: 3, stale: 2, miss: 3, negative: 1 });
});

Deno.test("Misses never go back, although a get may turn out later to be negative", () => {
  const types = new RequestTypes();
  const counts = { gets: 5, cacheHits: 1, staleHits: 0, negativeHits: 1 };
  assertEquals(types.of(counts).miss, 3);
  assertEquals(types.of({ ...counts, negativeHits: 2 }).miss, 3);
  assertEquals(types.of({ ...counts, gets: 8 }).miss, 6);
});
