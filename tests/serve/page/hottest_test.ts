/** The keys that are asked for most. */

import { Hottest, MAX_KEY_LENGTH } from "../../../serve/page/hottest.ts";
import { assert, assertEquals } from "../../support/assert.ts";

Deno.test("Hottest names the keys with the most gets, by group", () => {
  const hottest = new Hottest(() => 0);
  for (const key of ["Tom", "a/b", "Tom", "Sam", "Tom"]) {
    hottest.add("scores", key);
  }
  hottest.add("other", "a/b");
  hottest.add("other", "a/b");
  assertEquals(hottest.top(2), [
    { group: "scores", key: "Tom", count: 3 },
    { group: "other", key: "a/b", count: 2 },
  ]);
});

Deno.test("Hottest forgets what is more than a minute ago, part by part", () => {
  let now = 0;
  const hottest = new Hottest(() => now);
  const count = () => hottest.top(1)[0]?.count;
  hottest.add("g", "k");
  now = 30_000;
  hottest.add("g", "k");
  assertEquals(count(), 2);
  now = 59_999;
  assertEquals(count(), 2);
  now = 60_000;
  assertEquals(count(), 1);
  now = 1e9;
  assertEquals(count(), undefined);
});

Deno.test("Hottest takes bounded memory, whatever the keys are", () => {
  const hottest = new Hottest(() => 0);
  for (let i = 0; i < 10_000; i++) {
    hottest.add("g", `key-${i}`);
    if (i % 3 === 0) hottest.add("g", "hot");
  }
  hottest.add("g", "x".repeat(MAX_KEY_LENGTH + 1));
  const all = hottest.top(Infinity);
  assert(all.length <= 128, `${all.length}`);
  assertEquals(all[0], { group: "g", key: "hot", count: 3_334 });
  // What took the place of others is not hot for that.
  assertEquals(all[1]!.count, 1);
  assert(all.every(({ key }) => key.length <= MAX_KEY_LENGTH));
});
