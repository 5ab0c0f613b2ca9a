/** What a pool and its groups tell those who listen. */

import type { Events, Observer } from "../../base/observer.ts";
import { Group } from "../../group.ts";
import { localOf } from "../../group/local_group.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { FakeClock } from "../support/time.ts";

/** Notes the events of these names. */
function noteEvents(
  observer: Observer,
  ...names: (keyof Events)[]
): [keyof Events, unknown][] {
  const events: [keyof Events, unknown][] = [];
  for (const name of names) {
    observer.on(name, (event) => void events.push([name, event]));
  }
  return events;
}

Deno.test("A group tells of each load with its time and its failure", async () => {
  const clock = new FakeClock();
  const failure = new Error("no such table");
  const group = new Group("g", async (key) => {
    await new Promise<void>((resolve) => clock.after(5, resolve));
    if (key === "bad") throw failure;
    return "v";
  }, { clock });
  const events = noteEvents(localOf(group).observer, "load");
  for (const key of ["k", "bad"]) {
    const value = group.get(key);
    await Promise.all([
      key === "bad" ? assertRejects(() => value, Error) : value,
      clock.advance(5),
    ]);
  }
  await group.get("k");
  assertEquals(events, [
    ["load", { group: "g", key: "k", ms: 5, error: undefined }],
    ["load", { group: "g", key: "bad", ms: 5, error: failure }],
  ]);
});

Deno.test("A group tells of each entry that leaves to make room", async () => {
  // With room for two entries.
  const group = new Group("g", () => "v", { maxBytes: 1224 });
  const events = noteEvents(localOf(group).observer, "eviction");
  for (const key of ["a", "b", "c"]) await group.get(key);
  assertEquals(events, [["eviction", { group: "g", store: "main" }]]);
});
