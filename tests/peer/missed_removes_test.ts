import { memoryUsage } from "node:process";
import fc from "fast-check";
import {
  MAX_MISSED_KEYS,
  MissedRemoves,
  type Removal,
} from "../../peer/missed_removes.ts";
import { assert, assertEquals } from "../support/assert.ts";

function takeAll(owed: MissedRemoves): Removal[] {
  const debts: Removal[] = [];
  for (let debt = owed.take(); debt; debt = owed.take()) {
    debts.push(debt);
    owed.end(debt);
  }
  return debts;
}

Deno.test("Each missed key is kept once, group by group", () => {
  const owed = new MissedRemoves();
  owed.add({ group: "g", keys: ["a", "b"] });
  owed.add({ group: "h", keys: ["a"] });
  owed.add({ group: "g", keys: ["b", "c"] });
  assertEquals(owed.size, 4);
  assertEquals(takeAll(owed), [
    { group: "g", keys: ["a", "b", "c"] },
    { group: "h", keys: ["a"] },
  ]);
  assertEquals([owed.size, owed.take()], [0, undefined]);
});

Deno.test("A missed clear of a group takes the place of its keys, earlier and later ones", () => {
  const owed = new MissedRemoves();
  owed.add({ group: "g", keys: ["a"] });
  owed.add({ group: "g", keys: undefined });
  owed.add({ group: "g", keys: ["b"] });
  assertEquals(owed.size, 1);
  assertEquals(takeAll(owed), [{ group: "g", keys: undefined }]);
});

Deno.test("Too many missed keys of one group become a clear of that group, and of no other", () => {
  const owed = new MissedRemoves();
  const keys = Array.from({ length: MAX_MISSED_KEYS }, (_, i) => `k${i}`);
  owed.add({ group: "h", keys: ["a"] });
  owed.add({ group: "g", keys });
  owed.add({ group: "g", keys });
  assertEquals(owed.size, MAX_MISSED_KEYS + 1);
  owed.add({ group: "g", keys: ["one more"] });
  assertEquals(takeAll(owed), [
    { group: "h", keys: ["a"] },
    { group: "g", keys: undefined },
  ]);
});

Deno.test("A remove that is missed while others are being delivered is kept apart from them", () => {
  const owed = new MissedRemoves();
  owed.add({ group: "g", keys: ["a"] });
  const debt = owed.take()!;
  owed.add({ group: "g", keys: ["a"] });
  assertEquals(debt, { group: "g", keys: ["a"] });
  assertEquals(takeAll(owed), [{ group: "g", keys: ["a"] }]);
});

Deno.test("A key counts as missed until its remove is delivered, also while it is on its way", () => {
  const owed = new MissedRemoves();
  const which = () =>
    ["g a", "g b", "h a"].filter((one) => {
      const [group, key] = one.split(" ") as [string, string];
      return owed.has(group, key);
    });
  assertEquals(which(), []);
  owed.add({ group: "g", keys: ["a"] });
  owed.add({ group: "h", keys: undefined });
  assertEquals(which(), ["g a", "h a"]);
  const debts = [owed.take()!, owed.take()!];
  assertEquals([which(), owed.size], [["g a", "h a"], 2]);
  owed.end(debts[0]!);
  assertEquals([which(), owed.size], [["h a"], 1]);
  owed.end(debts[1]!);
  assertEquals([which(), owed.size], [[], 0]);
});

Deno.test("Every missed remove is delivered, in whatever order they are added, taken and added again", () => {
  const anyDebt = fc.record({
    group: fc.constantFrom("g", "h"),
    keys: fc.option(fc.array(fc.constantFrom("a", "b", "c")), {
      nil: undefined,
    }),
  });
  fc.assert(fc.property(
    fc.array(fc.oneof(anyDebt, fc.boolean())),
    (steps) => {
      const owed = new MissedRemoves();
      const missed = new Set<string>();
      const told = (debt: Removal) => {
        const { group, keys } = debt;
        for (const key of keys ?? ["a", "b", "c"]) {
          missed.delete(`${group} ${key}`);
        }
      };
      for (const step of steps) {
        if (typeof step !== "boolean") {
          owed.add(step);
          for (const key of step.keys ?? ["a", "b", "c"]) {
            missed.add(`${step.group} ${key}`);
          }
          continue;
        }
        const debt = owed.take();
        if (debt === undefined) continue;
        if (step) told(debt);
        else owed.add(debt);
        owed.end(debt);
        for (const group of ["g", "h"]) {
          for (const key of ["a", "b", "c"]) {
            if (missed.has(`${group} ${key}`)) assert(owed.has(group, key));
          }
        }
      }
      takeAll(owed).forEach(told);
      assert(missed.size === 0, [...missed].join());
    },
  ));
});

Deno.test("All missed removes can be listed, on their way or not, and are still missed", () => {
  const owed = new MissedRemoves();
  owed.add({ group: "g", keys: ["a"] });
  owed.add({ group: "h", keys: undefined });
  const first = owed.take()!;
  owed.add({ group: "g", keys: ["b"] });
  const all = [...owed.all()].map(({ group, keys }) => `${group} ${keys}`);
  assertEquals(all.sort(), ["g a", "g b", "h undefined"]);
  assertEquals(owed.size, 3);
  owed.end(first);
  assertEquals([...owed.all()].length, 2);
});

Deno.test("Missed keys do not keep the messages alive that they were cut from", () => {
  const owed = new MissedRemoves();
  const before = memoryUsage().heapUsed;
  for (let i = 0; i < 600; i++) {
    const message = `${i}`.padEnd(24, "-") + "x".repeat(200_000);
    owed.add({
      group: "g",
      keys: [
        new TextDecoder().decode(
          new TextEncoder().encode(message),
        ).slice(0, 24),
      ],
    });
  }
  const grownBy = memoryUsage().heapUsed - before;
  assertEquals(owed.size, 600);
  // The messages are 120 MB together. In Node 20 a slice keeps all of a string alive.
  assert(grownBy < 60 * 2 ** 20, `${grownBy} bytes`);
});
