import fc from "fast-check";
import { type EvictionReason, LRU } from "../lru.ts";
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "./support/assert.ts";

type Item = { weight: number; id: number };
type Report = [key: number, value: Item, reason: EvictionReason];

/** An LRU that is so plain that it is obviously right: an array, oldest first. */
class Model {
  entries: [number, Item][] = [];
  readonly reports: Report[] = [];
  readonly #maxWeight: number;

  constructor(maxWeight: number) {
    this.#maxWeight = maxWeight;
  }

  get weight(): number {
    return this.entries.reduce((sum, [, { weight }]) => sum + weight, 0);
  }

  #drop(key: number, reason: EvictionReason): Item | undefined {
    const found = this.peek(key);
    if (found !== undefined) this.reports.push([key, found, reason]);
    this.entries = this.entries.filter(([other]) => other !== key);
    return found;
  }

  peek(key: number): Item | undefined {
    return this.entries.find(([other]) => other === key)?.[1];
  }

  get(key: number): Item | undefined {
    const found = this.peek(key);
    if (found === undefined) return undefined;
    this.entries = this.entries.filter(([other]) => other !== key);
    this.entries.push([key, found]);
    return found;
  }

  set(key: number, value: Item): void {
    this.#drop(key, "replaced");
    if (value.weight > this.#maxWeight) return;
    this.entries.push([key, value]);
    while (this.weight > this.#maxWeight) this.evictOldest();
  }

  delete(key: number): boolean {
    return this.#drop(key, "deleted") !== undefined;
  }

  evictOldest(): [number, Item] | undefined {
    const oldest = this.entries[0];
    if (oldest !== undefined) this.#drop(oldest[0], "capacity");
    return oldest;
  }

  clear(): void {
    for (const [key] of this.entries) this.#drop(key, "cleared");
  }
}

const maxWeight = fc.constantFrom(1, 2, 7, 10, Infinity);
const op = fc.record({
  // Repeated, so that fast-check picks it as often as it is named.
  do: fc.constantFrom(
    ...["set", "set", "set", "set", "set", "set", "get", "get"] as const,
    ...["peek", "has", "delete", "delete", "evictOldest", "clear"] as const,
  ),
  key: fc.nat(6),
  weight: fc.nat(12),
});
const ops = fc.array(op, { maxLength: 60, size: "max" });

const weigh = (_key: number, item: Item): number => item.weight;

Deno.test("LRU does the same as a plain array, step by step", () => {
  fc.assert(fc.property(maxWeight, ops, (maxWeight, ops) => {
    const reports: Report[] = [];
    const lru = new LRU<number, Item>({
      maxWeight,
      weigh,
      onEvict: (...report) => reports.push(report),
    });
    // Without onEvict the LRU takes shortcuts, which must give the same results.
    const quiet = new LRU<number, Item>({ maxWeight, weigh });
    const model = new Model(maxWeight);
    ops.forEach(({ do: name, key, weight }, id) => {
      const run = (on: Model | LRU<number, Item>): unknown => {
        switch (name) {
          case "set":
            on.set(key, { weight, id });
            return;
          case "has":
            return on instanceof LRU ? on.has(key) : !!on.peek(key);
          case "evictOldest":
          case "clear":
            return on[name]();
          default:
            return on[name](key);
        }
      };
      const expected = run(model);
      assertEquals(run(lru), expected, name);
      assertEquals(run(quiet), expected, name);
      assertEquals(reports, model.reports);
      for (const one of [lru, quiet]) {
        assertEquals([...one], model.entries);
        assertEquals(one.size, model.entries.length);
        assertEquals(one.weight, model.weight);
      }
    });
  }));
});

Deno.test("LRU reports every entry it kept exactly once, though onEvict calls back and throws", () => {
  const inner = fc.array(fc.option(op), { maxLength: 30, size: "max" });
  fc.assert(fc.property(maxWeight, ops, inner, (maxWeight, ops, inner) => {
    const left = [...inner];
    const reported: number[] = [];
    const kept: number[] = [];
    let id = 0;
    const consistent = (): void => {
      const entries = [...lru];
      assertEquals(entries.length, lru.size);
      assertEquals(
        entries.reduce((sum, [, { weight }]) => sum + weight, 0),
        lru.weight,
      );
      assert(lru.weight <= maxWeight);
      for (const [key, value] of entries) {
        assertStrictEquals(lru.peek(key), value);
      }
    };
    const broken = new Error("onEvict is broken");
    let threw = false;
    const run = ({ do: name, key, weight }: typeof ops[number]): void => {
      if (name === "set") {
        if (weight <= maxWeight) kept.push(id);
        lru.set(key, { weight, id: id++ });
      } else if (name === "delete") lru.delete(key);
      else if (name === "get") lru.get(key);
      else if (name === "evictOldest") lru.evictOldest();
      else if (name === "clear") lru.clear();
    };
    const lru = new LRU<number, Item>({
      maxWeight,
      weigh,
      onEvict(_key, value) {
        reported.push(value.id);
        consistent();
        const next = left.shift();
        if (next) return run(next);
        if (next === null) {
          threw = true;
          throw broken;
        }
      },
    });
    for (const op of ops) {
      threw = false;
      let caught: unknown;
      try {
        run(op);
      } catch (error) {
        caught = error;
      }
      assertStrictEquals(caught, threw ? broken : undefined);
      consistent();
    }
    const there = [...lru].map(([, value]) => value.id);
    assertEquals([...reported, ...there].sort((a, b) => a - b), kept);
  }));
});

Deno.test("LRU.set() drops only the older value of a key whose new entry is heavier than the budget", () => {
  const reports: unknown[] = [];
  const lru = new LRU<string, number>({
    maxWeight: 10,
    weigh: (_key, value) => value,
    onEvict: (...report) => reports.push(report),
  });
  lru.set("a", 4).set("b", 6).set("huge", 11);
  assertEquals(reports, []);
  lru.set("a", 11);
  assertEquals(reports, [["a", 4, "replaced"]]);
  assertEquals([...lru], [["b", 6]]);
  assertEquals(lru.weight, 6);
});

Deno.test("LRU.set() refuses a bad weight and changes nothing", () => {
  for (const weight of [NaN, -1, 0.5, Infinity, 2 ** 53]) {
    const reports: unknown[] = [];
    const lru = new LRU<string, number>({
      maxWeight: 2,
      weigh: (_key, value) => value,
      onEvict: (...report) => reports.push(report),
    });
    lru.set("a", 1).set("b", 1);
    for (const key of ["a", "c"]) {
      assertThrows(
        () => lru.set(key, weight),
        RangeError,
        `received ${weight}`,
      );
    }
    assertEquals([...lru], [["a", 1], ["b", 1]]);
    assertEquals([lru.weight, reports], [2, []]);
  }
});

Deno.test("LRU.set() throws what weigh() throws and changes nothing", () => {
  const failure = new TypeError("no weight");
  const lru = new LRU<string, number>({
    weigh(_key, value) {
      if (value < 0) throw failure;
      return 1;
    },
  });
  lru.set("a", 1);
  assertStrictEquals(assertThrows(() => lru.set("a", -1), TypeError), failure);
  assertEquals([...lru], [["a", 1]]);
});

Deno.test("LRU.set() calls weigh() once", () => {
  const weighed: unknown[] = [];
  const lru = new LRU<string, number>({
    maxWeight: 2,
    weigh: (...args) => weighed.push(args) && 1,
  });
  lru.set("a", 1).set("b", 2).set("a", 3).set("c", 4);
  assertEquals(weighed, [["a", 1], ["b", 2], ["a", 3], ["c", 4]]);
});

Deno.test("LRU counts entries and has no limit unless told otherwise", () => {
  const lru = new LRU<number, number>();
  for (let i = 0; i < 5000; i++) lru.set(i, i);
  assertEquals([lru.size, lru.weight, lru.has(0)], [5000, 5000, true]);
});

Deno.test("LRU refuses a budget of 0 or less", () => {
  for (const maxWeight of [0, -0, -1, -Infinity, NaN]) {
    assertThrows(
      () => new LRU({ maxWeight }),
      RangeError,
      `received ${maxWeight}`,
    );
  }
});

Deno.test("LRU reports the replaced value before the entries that were evicted for the new one", () => {
  const reports: unknown[] = [];
  const lru = new LRU<string, number>({
    maxWeight: 6,
    weigh: (_key, value) => value,
    onEvict: (...report) => reports.push(report),
  });
  lru.set("a", 2).set("b", 2).set("c", 2).set("c", 5);
  assertEquals(reports, [
    ["c", 2, "replaced"],
    ["a", 2, "capacity"],
    ["b", 2, "capacity"],
  ]);
});

Deno.test("LRU makes every report though each throws, and throws the first error, whatever it is", () => {
  const reports: string[] = [];
  const lru = new LRU<string, number>({
    onEvict(key) {
      reports.push(key);
      // A falsy first error must not give way to the second.
      throw reports.length === 1 ? undefined : new Error(key);
    },
  });
  lru.set("a", 1).set("b", 2).set("c", 3);
  let caught: unknown = "nothing";
  try {
    lru.clear();
  } catch (error) {
    caught = error;
  }
  assertEquals(reports, ["a", "b", "c"]);
  assertStrictEquals(caught, undefined);
  assertEquals([lru.size, lru.weight], [0, 0]);
});

Deno.test("LRU lets onEvict put back at once the entry that was just dropped", () => {
  const lru = new LRU<string, number>({
    onEvict(key, value, reason) {
      if (reason === "replaced") return;
      assertEquals(lru.has(key), false);
      lru.set(key, value + 1);
    },
  });
  lru.set("a", 1).set("b", 2);
  lru.delete("a");
  assertEquals([...lru], [["b", 2], ["a", 2]]);
  assertEquals(lru.evictOldest(), ["b", 2]);
  assertEquals([...lru], [["a", 2], ["b", 3]]);
  lru.clear();
  assertEquals([...lru], [["a", 3], ["b", 4]]);
});

Deno.test("LRU compares keys as a Map does", () => {
  const lru = new LRU<unknown, string>();
  const object = {};
  lru.set(NaN, "NaN").set(-0, "zero").set(undefined, "undefined")
    .set(object, "object").set("1", "string").set(1, "number");
  assertEquals(lru.get(NaN), "NaN");
  assertEquals(lru.get(0), "zero");
  assertEquals(lru.get(undefined), "undefined");
  assertEquals(lru.get(object), "object");
  assertEquals(lru.get({}), undefined);
  assertEquals([lru.get("1"), lru.get(1)], ["string", "number"]);
  lru.set(NaN, "again").set(0, "zero again");
  assertEquals([lru.size, lru.get(-0)], [6, "zero again"]);
  assert(lru.delete(NaN) && !lru.has(NaN));
});

Deno.test("LRU keeps undefined as a value, and has() tells it from a missing entry", () => {
  const reports: unknown[] = [];
  const lru = new LRU<string, undefined>({
    maxWeight: 1,
    onEvict: (...report) => reports.push(report),
  });
  lru.set("a", undefined);
  assertEquals([lru.has("a"), lru.has("b")], [true, false]);
  assertEquals([lru.get("a"), lru.get("b")], [undefined, undefined]);
  lru.set("a", undefined).set("b", undefined);
  assertEquals(lru.delete("b"), true);
  assertEquals(reports, [
    ["a", undefined, "replaced"],
    ["a", undefined, "capacity"],
    ["b", undefined, "deleted"],
  ]);
});

Deno.test("LRU iterates over the entries of the moment, except those that are dropped meanwhile", () => {
  const lru = new LRU<string, number>();
  lru.set("a", 1).set("b", 2).set("c", 3).set("d", 4);
  const seen: string[] = [];
  for (const [key] of lru) {
    seen.push(key);
    // An iteration along live links would meet `a` for ever, and `e` for the first time.
    lru.get("a");
    lru.set("e", 5);
    lru.delete("b");
    if (key === "a") lru.delete("d");
  }
  assertEquals(seen, ["a", "c"]);
  lru.set("a", 7);
  assertEquals([...lru], [["c", 3], ["e", 5], ["a", 7]]);
  for (const [key] of lru) {
    assertEquals(key, "c");
    lru.clear();
  }
});

/** A map with room for `room` entries, those counted that left, as V8's has for 2^24. */
function smallMap(room: number): MapConstructor {
  return class<K, V> extends Map<K, V> {
    #taken = 0;

    constructor(entries?: Iterable<[K, V]>) {
      super();
      for (const [key, value] of entries ?? []) this.set(key, value);
    }

    override set(key: K, value: V): this {
      if (!this.has(key)) {
        if (this.#taken >= room) throw new RangeError("the map is full");
        this.#taken++;
      }
      return super.set(key, value);
    }

    override clear(): void {
      super.clear();
      this.#taken = 0;
    }
  } as unknown as MapConstructor;
}

/** Runs `run` with other globals. */
function withGlobals<T>(globals: object, run: () => T): T {
  const own = Object.fromEntries(
    Object.keys(globals).map((name) => [name, Reflect.get(globalThis, name)]),
  );
  Object.assign(globalThis, globals);
  try {
    return run();
  } finally {
    Object.assign(globalThis, own);
  }
}

Deno.test("An LRU with more than half of the entries that a Map has room for takes new ones for ever", () => {
  withGlobals({ Map: smallMap(160) }, () => {
    const lru = new LRU<number, number>({ maxWeight: 100 });
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 2_000; i++) lru.set(i, -i);
      const ends = [lru.peek(1_899), lru.peek(1_900), lru.peek(1_999)];
      assertEquals([lru.size, ...ends], [100, undefined, -1_900, -1_999]);
      lru.clear();
    }
  });
});

Deno.test("An LRU that would outgrow a Map evicts what was used least recently, and reports it", () => {
  const gone: [number, EvictionReason][] = [];
  const lru = withGlobals({ Map: smallMap(160) }, () => {
    const lru = new LRU<number, number>({
      onEvict: (key, _value, reason) => gone.push([key, reason]),
    });
    for (let i = 0; i < 1_000; i++) lru.set(i, i);
    return lru;
  });
  assert(lru.size >= 150 && lru.size <= 160, String(lru.size));
  const expected = Array.from({ length: 1_000 - lru.size }, (_, i) => i);
  assertEquals(gone, expected.map((key) => [key, "capacity"]));
  assertEquals([...lru].map(([key]) => key)[0], expected.length);
});

Deno.test("A set() that memory has no room for leaves an LRU as it should be", () => {
  class Full {
    constructor() {
      throw new RangeError("no memory");
    }
  }
  const lru = new LRU<number, number>();
  for (let i = 1; i <= 15; i++) lru.set(i, i);
  // There are slots for 15 entries, and no more can be had.
  withGlobals({ Float64Array: Full }, () => lru.set(16, 16).set(17, 17));
  assertEquals(
    [...lru].map(([key]) => key),
    Array.from({ length: 15 }, (_, i) => i + 3),
  );
  assertThrows(
    () => withGlobals({ Float64Array: Full, Map: Full }, () => lru.set(18, 18)),
    RangeError,
    "no memory",
  );
  assertEquals([lru.has(18), lru.weight], [false, lru.size]);
  for (let i = 18; i < 40; i++) lru.set(i, i);
  const keys = [...lru].map(([key]) => key);
  assertEquals([keys.at(-1), lru.size, lru.weight], [
    39,
    keys.length,
    keys.length,
  ]);
});
