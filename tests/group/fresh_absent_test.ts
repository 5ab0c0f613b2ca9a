/** Keys of which it is known that there are none. */

import { Group, type GroupOptions, NotFoundError } from "../../mod.ts";
import { AbsentKeys } from "../../group/absent_keys.ts";
import { Refreshes } from "../../group/refreshes.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { FakeClock, gate, settle } from "../support/time.ts";

function absent(options: GroupOptions = {}) {
  const clock = new FakeClock();
  const loads: string[] = [];
  const db = new Map<string, string>();
  const group = new Group("g", (key) => {
    loads.push(key);
    return db.get(key);
  }, { clock, negativeTtlMs: 1_000, ...options });
  const none = (key: string) =>
    assertRejects(() => group.get(key), NotFoundError, "no such key");
  return { clock, loads, db, group, none };
}

Deno.test("A key that is not there is not looked for again for negativeTtlMs, and off is the default", async () => {
  const { clock, loads, db, group, none } = absent();
  await none("k");
  await none("k");
  assertEquals(await group.find("k"), undefined);
  assert((await group.getMany(["k"])).get("k") instanceof NotFoundError);
  assertEquals([loads, group.stats().negativeHits], [["k"], 3]);
  assertEquals([...group.keys()], []);
  db.set("k", "v");
  await clock.advance(999);
  await none("k");
  await clock.advance(1);
  assertEquals((await group.get("k")).text(), "v");
  const other = absent({ negativeTtlMs: 0 });
  await other.none("k");
  await other.none("k");
  assertEquals(other.loads, ["k", "k"]);
});

for (const write of ["set", "remove", "clear"] as const) {
  Deno.test(`A ${write} ends what is known of an absent key, and a load from before it says nothing`, async () => {
    const { db, group, none } = absent();
    await none("k");
    db.set("k", "v");
    if (write === "set") await group.set("k", "v");
    else if (write === "clear") await group.clear();
    else await group.remove("k");
    assertEquals((await group.get("k")).text(), "v");
    const clock = new FakeClock();
    const held = gate<undefined>();
    let loads = 0;
    const slow = new Group("g", () => ++loads === 1 ? held.opened : "v", {
      clock,
      negativeTtlMs: 1_000,
    });
    const first = assertRejects(() => slow.get("k"), NotFoundError);
    await settle();
    if (write === "set") await slow.set("k", "v");
    else if (write === "clear") await slow.clear();
    else await slow.remove("k");
    held.open(undefined);
    await first;
    assertEquals((await slow.get("k")).text(), "v");
  });
}

Deno.test("However many absent keys are asked for, no value leaves for them", async () => {
  const maxBytes = 256 * 1024;
  const { group, db, none } = absent({ maxBytes });
  for (let i = 0; i < 100; i++) db.set(`key-${i}`, "v".repeat(100));
  for (const key of db.keys()) await group.get(key);
  const { items, evictions } = group.stats().main;
  assertEquals([items, evictions], [100, 0]);
  for (let i = 0; i < 5_000; i++) await none(`random-${i}`);
  assertEquals(group.stats().main.items, 100);
  assertEquals(group.stats().main.evictions, 0);
  for (const key of db.keys()) assert(group.peek(key) !== undefined);
  // The room is theirs however many values there are.
  for (let i = 0; i < 5_000; i++) await group.set(`more-${i}`, "v".repeat(100));
  const other = absent({ maxBytes, negativeTtlMs: 0 }).group;
  for (let i = 0; i < 5_000; i++) await other.set(`more-${i}`, "v".repeat(100));
  const [its, theirs] = [group, other].map((one) => one.stats().main.bytes);
  assert(its! <= theirs! - maxBytes / 32, `${its} of ${theirs}`);
});

Deno.test("Absent keys have a sixteenth of maxBytes, and the oldest goes first", () => {
  const clock = new FakeClock();
  const keys = new AbsentKeys(clock, 1_000);
  for (let i = 0; i < 100; i++) keys.add(`key-${i}`, 1_000);
  assert(keys.bytes <= 1_000);
  assertEquals([keys.size, keys.has("key-99"), keys.has("key-0")], [
    9,
    true,
    false,
  ]);
  keys.add("k".repeat(1_000), 1_000);
  assertEquals(keys.size, 9);
  for (let i = 0; i < 100; i++) keys.delete(`key-${i}`);
  assertEquals([keys.size, keys.bytes], [0, 0]);
  const { group } = absent({ maxBytes: Infinity });
  assertEquals(group.stats().main.items, 0);
});

Deno.test("Of the pauses of many keys the oldest are forgotten first", async () => {
  const clock = new FakeClock();
  const refreshes = new Refreshes(clock, () => 0, 2);
  for (const key of ["a", "b", "c"]) {
    refreshes.begin(key);
    refreshes.failed(key);
  }
  assertEquals(["a", "b", "c"].map((key) => refreshes.isPaused(key)), [
    false,
    true,
    true,
  ]);
  refreshes.begin("long".repeat(300_000));
  assertEquals(refreshes.isPaused("c"), false);
  refreshes.begin("d");
  await clock.advance(50);
  assertEquals([refreshes.runningMs("d"), refreshes.runningMs("a")], [50, 0]);
  refreshes.forgetAll();
  assertEquals(refreshes.runningMs("d"), 0);
});
