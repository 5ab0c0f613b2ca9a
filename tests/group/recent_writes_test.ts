import { RecentWrites } from "../../group/recent_writes.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { FakeClock } from "../support/time.ts";

Deno.test("RecentWrites knows for a while what was written since the last change", async () => {
  const clock = new FakeClock();
  const fence = new RecentWrites(clock);
  fence.add("before any change");
  fence.addAll();
  assert(!fence.has("before any change"));
  fence.begin(1_000);
  fence.add("a");
  assertEquals([fence.has("a"), fence.has("b")], [true, false]);
  assert(!fence.has("before any change"));
  await clock.advance(999);
  assert(fence.has("a"));
  await clock.advance(1);
  assert(!fence.has("a"));
});

Deno.test("RecentWrites keeps its keys through a change that follows soon, and begins anew at a later one", async () => {
  const clock = new FakeClock();
  const fence = new RecentWrites(clock);
  fence.begin(1_000);
  fence.add("a");
  await clock.advance(999);
  fence.begin(1_000);
  fence.add("b");
  await clock.advance(999);
  assertEquals([fence.has("a"), fence.has("b"), fence.has("c")], [
    true,
    true,
    false,
  ]);
  fence.addAll();
  assert(fence.has("c"));
  await clock.advance(1);
  fence.begin(1_000);
  assert(!fence.has("a"));
});

Deno.test("RecentWrites counts every key as written after 100,000 of them", () => {
  const fence = new RecentWrites(new FakeClock());
  fence.begin(1_000);
  for (let i = 0; i < 100_000; i++) fence.add(`k${i}`);
  assert(!fence.has("other"));
  fence.add("one more");
  assert(fence.has("other"));
});
