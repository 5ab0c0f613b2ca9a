import fc from "fast-check";
import { ByteView, MAX_PACKED_BYTES } from "../base/byte_view.ts";
import { CachePair, type CacheStats, type Source } from "../cache.ts";
import type { Clock } from "../base/clock.ts";
import { SEGMENT_BYTES } from "../memory/segments.ts";
import { assert, assertEquals, assertStrictEquals } from "./support/assert.ts";
import { FakeClock } from "./support/time.ts";
import { CHARACTER } from "./support/text.ts";

type Store = "main" | "hot";

/** What a naive model knows of an entry. */
interface Entry {
  value: ByteView;
  where: Store;
  source: Source;
  until: number;
  ownUntil: number;
}

function view(length: number): ByteView {
  return ByteView.from(new Uint8Array(length));
}

/** What one entry takes, as the cache reports it. */
function chargeOf(key: string, value: ByteView): number {
  const cache = new CachePair(1 << 20, new FakeClock());
  cache.set("main", key, value, Infinity);
  return cache.main.stats().bytes;
}

const value = view(10);
/** What `value` takes under a key of one character. */
const UNIT = chargeOf("k", value);
/** What a cache takes before it holds anything, with its first segment. */
const EMPTY = new CachePair(0, new FakeClock()).bytes + SEGMENT_BYTES;

/** A cache with room for `units` entries like `value`, in few segments. */
function cacheFor(units: number, clock: Clock = new FakeClock()): CachePair {
  return new CachePair(EMPTY + Math.ceil(units * UNIT / 16) * 16, clock);
}

function fill(cache: CachePair, where: Store, keys: string): void {
  for (const key of keys) cache.set(where, key, value, Infinity);
}

function keysOf(cache: CachePair): [main: string, hot: string] {
  const sorted = (keys: Iterable<string>): string => [...keys].sort().join("");
  return [sorted(cache.main.keys()), sorted(cache.hot.keys())];
}

const key = fc.constantFrom("a", "b", "c", "é", "😀", "d".repeat(300));
const op = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("set" as const),
      where: fc.constantFrom<Store>("main", "hot"),
      key,
      size: fc.constantFrom(0, 1, 200, MAX_PACKED_BYTES, 257, 600, 5000),
      ttl: fc.constantFrom(0, 0.5, 1, 3, Infinity, Infinity),
      source: fc.constantFrom<Source | undefined>(
        undefined,
        undefined,
        "loaded",
        "inherited",
        "mirrored",
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("get" as const),
      key,
      times: fc.integer({ min: 1, max: 12 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("find" as const), key }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("delete" as const), key }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("deleteCopy" as const), key }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("clearCopies" as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("ring" as const),
      ttl: fc.constantFrom(0, 1.5, Infinity),
      wasTold: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("advance" as const),
      ms: fc.nat(3),
    }),
  },
);

Deno.test("CachePair counts what it holds and stays within its budget, whatever is done to it", async () => {
  const ops = fc.array(op, { maxLength: 100, size: "max" });
  const budget = fc.oneof(
    fc.integer({ min: 0, max: 12_000 }),
    fc.integer({ min: 24_000, max: 200_000 }),
  );
  await fc.assert(fc.asyncProperty(budget, ops, async (maxBytes, ops) => {
    const clock = new FakeClock();
    const told = { main: 0, hot: 0 };
    const cache = new CachePair(maxBytes, clock, (store) => told[store]++);
    const model = new Map<string, Entry>();
    const owns = (key: string): boolean => key < "c";
    let [gets, hits] = [0, 0];
    let age = 0;

    for (const op of ops) {
      const now = clock.now();
      if (op.do === "advance") await clock.advance(op.ms);
      else if (op.do === "clear") {
        cache.clear();
        model.clear();
      } else if (op.do === "clearCopies") {
        cache.clearCopies();
        for (const [key, { where, source }] of model) {
          if (where === "hot" || source === "inherited") model.delete(key);
        }
      } else if (op.do === "delete") {
        cache.delete(op.key);
        model.delete(op.key);
      } else if (op.do === "deleteCopy") {
        cache.deleteCopy(op.key);
        const entry = model.get(op.key);
        if (entry?.where === "hot" || entry?.source === "inherited") {
          model.delete(op.key);
        }
      } else if (op.do === "ring") {
        cache.ringChanged(owns, op.ttl, op.wasTold);
        changeRing(model, owns, op.ttl, op.wasTold, now);
      } else if (op.do === "get") {
        for (let i = 0; i < op.times; i++) {
          gets++;
          let copied = "";
          const view = cache.get(op.key, (key) => copied = key);
          const entry = model.get(op.key);
          if (view === undefined) {
            if (entry !== undefined && entry.until <= now) model.delete(op.key);
            continue;
          }
          hits++;
          assertEquals(view.equals(entry!.value), true);
          assertEquals(copied, entry!.where === "hot" ? op.key : "");
        }
      } else if (op.do === "find") {
        gets++;
        const bytes = new TextEncoder().encode(op.key);
        let copied = "";
        const location = cache.find(bytes, 0, bytes.length, (key) => {
          copied = key;
        });
        const entry = model.get(op.key);
        if (location >= 0) {
          hits++;
          const { value, until } = entry!;
          assertEquals(cache.entries.valueLength(location), value.byteLength);
          const copy = new Uint8Array(value.byteLength);
          cache.entries.copyValue(location, copy, 0);
          assertEquals(value.equals(copy), true);
          assertEquals(cache.entries.expiresAt(location), until);
          assertEquals(copied, entry!.where === "hot" ? op.key : "");
        } else if (entry !== undefined && entry.until <= now) {
          model.delete(op.key);
        }
      } else if (op.do === "set") {
        const value = ByteView.from(new Uint8Array(op.size).fill(++age));
        const { key, where, ttl, source } = op;
        cache.set(where, key, value, ttl, {
          ownTtlMs: 2 * ttl,
          ...(source !== undefined && { source }),
        });
        const isKept = cache.peek(key) !== undefined;
        // What there is room for is kept, whatever else was there.
        const alone = new CachePair(maxBytes, clock);
        alone.set(where, key, value, ttl);
        assertEquals(isKept, alone.peek(key) !== undefined);
        model.delete(key);
        if (isKept) {
          const usual = where === "main" ? "loaded" : "mirrored";
          model.set(key, {
            value,
            where,
            source: source ?? usual,
            until: now + ttl,
            ownUntil: now + 2 * ttl,
          });
        }
      }

      for (const key of model.keys()) {
        // It made room for others.
        if (cache.sourceOf(key) === undefined) model.delete(key);
      }
      for (const [key, entry] of model) {
        const isLive = clock.now() < entry.until;
        const view = cache.peek(key);
        assertEquals(view !== undefined, isLive);
        if (isLive) assertEquals(view!.equals(entry.value), true);
        assertEquals(cache.sourceOf(key), entry.source);
        assertEquals(cache.expiresAt(key), entry.until);
        assertEquals(cache.ownExpiresAt(key), entry.ownUntil);
      }
      const live = [...model].filter(([, { until }]) => clock.now() < until);
      for (const where of ["main", "hot"] as const) {
        const its = live.filter(([, entry]) => entry.where === where);
        assertEquals(
          [...cache[where].keys()].sort(),
          its.map(([key]) => key).sort(),
        );
        const items = [...model.values()].filter((entry) =>
          entry.where === where
        );
        assertEquals(cache[where].size, items.length);
        assertEquals(cache[where].stats().evictions, told[where]);
      }
      assertEquals(
        [...cache.keys()].sort(),
        live.map(([key]) => key).sort(),
      );
      assert(cache.main.bytes + cache.hot.bytes <= cache.bytes);
      assert(cache.bytes <= Math.max(maxBytes, EMPTY - SEGMENT_BYTES));
      const [main, hot] = [cache.main.stats(), cache.hot.stats()];
      assertEquals([main.gets, hot.gets], [gets, gets - main.hits]);
      assertEquals(main.hits + hot.hits, hits);
    }
  }));
});

/** What a change of the list does to a naive model of a cache. */
function changeRing(
  model: Map<string, Entry>,
  owns: (key: string) => boolean,
  ttl: number,
  wasTold: boolean,
  now: number,
): void {
  for (const [key, entry] of model) {
    if (entry.where === "hot" && entry.source !== "mirrored") {
      const isMine = wasTold && owns(key) && now < entry.until;
      if (!isMine) entry.source = "mirrored";
      else {
        entry.where = "main";
        entry.source = "inherited";
        entry.until = entry.ownUntil;
      }
    }
    if (entry.where === "hot" || owns(key)) continue;
    entry.where = "hot";
    entry.source = "mirrored";
    entry.until = Math.min(now + ttl, entry.ownUntil);
    if (ttl === 0) model.delete(key);
  }
}

Deno.test("CachePair shows entries the changes of the list that they have missed, when they are asked for", async () => {
  const many = 10_000;
  const clock = new FakeClock();
  const cache = new CachePair(1 << 24, clock);
  const keys = Array.from({ length: many }, (_, i) => `k${i}`);
  for (const key of keys) cache.set("main", key, value, Infinity);
  cache.set("hot", "held", value, 90, { ownTtlMs: 200, source: "loaded" });
  cache.set("hot", "mirror", value, 90, { ownTtlMs: 200 });
  let asked = 0;
  const owns = (key: string): boolean => {
    asked++;
    return key !== "k7";
  };
  cache.ringChanged(owns, 60, true);
  assertEquals([asked, clock.pending], [0, 1]);
  assertEquals(cache.sourceOf("k7"), "mirrored");
  assertEquals(cache.sourceOf("k8"), "loaded");
  assertEquals([cache.expiresAt("k7"), cache.expiresAt("k8")], [60, Infinity]);
  assertEquals([cache.sourceOf("held"), cache.expiresAt("held")], [
    "inherited",
    200,
  ]);
  assertEquals(cache.sourceOf("mirror"), "mirrored");
  assert(asked < 10);
  // A change before all have seen the last one: it is not known whose the others were.
  cache.ringChanged(() => true, 50, true);
  assertEquals([cache.sourceOf("k7"), cache.expiresAt("k7")], ["mirrored", 60]);
  assertEquals([cache.sourceOf("k8"), cache.expiresAt("k8")], [
    "loaded",
    Infinity,
  ]);
  for (let i = 0; clock.pending > 0; i++) {
    assert(i < 100);
    await clock.advance(0);
  }
  assertEquals([cache.main.size, cache.hot.size], [2, many]);
  for (const key of keys) {
    assertEquals(cache.peek(key)!.byteLength, 10);
    assertEquals(cache.expiresAt(key), key === "k8" ? Infinity : 60);
  }
  await clock.advance(60);
  assertEquals([...cache.keys()].sort(), ["held", "k8", "mirror"]);
});

Deno.test("CachePair drops copies in the background, and gives none meanwhile", async () => {
  const clock = new FakeClock();
  const cache = new CachePair(1 << 24, clock);
  for (let i = 0; i < 10_000; i++) {
    cache.set(i % 2 === 0 ? "main" : "hot", `k${i}`, value, Infinity);
  }
  cache.set("main", "inherited", value, Infinity, { source: "inherited" });
  for (let i = 0; i < 50; i++) cache.get("k1");
  cache.clearCopies();
  assertEquals([cache.get("k1"), cache.get("inherited")], [
    undefined,
    undefined,
  ]);
  assertEquals([...cache.hot.keys()], []);
  assertEquals([...cache.main.keys()].length, 5000);
  // What comes now stays.
  cache.set("hot", "k3", value, Infinity);
  while (clock.pending > 0) await clock.advance(0);
  assertEquals(cache.hot.stats().items, 1);
  assertEquals([...cache.keys()].length, 5001);
});

Deno.test("CachePair does nothing in the background once it is closed", async () => {
  const clock = new FakeClock();
  const cache = new CachePair(1 << 24, clock);
  for (let i = 0; i < 10_000; i++) {
    cache.set("main", `k${i}`, value, Infinity);
  }
  cache.ringChanged(() => true, 60, true);
  cache.close();
  assertEquals(clock.pending, 0);
  await clock.advance(1);
  assertEquals(cache.main.size, 10_000);
});

Deno.test("CachePair shows every entry 300 changes, one after the other", () => {
  const cache = new CachePair(1 << 24, new FakeClock());
  for (let i = 0; i < 10_000; i++) {
    cache.set("main", `k${i}`, value, Infinity);
  }
  for (let i = 0; i < 300; i++) cache.ringChanged(() => true, Infinity, true);
  assertEquals(cache.sourceOf("k1"), "mirrored");
  assertEquals([...cache.keys()].length, 10_000);
});

Deno.test("CachePair survives an owner's list that writes while it is asked", () => {
  const cache = new CachePair(1 << 20, new FakeClock());
  for (let i = 0; i < 100; i++) cache.set("main", `k${i}`, value, Infinity);
  cache.ringChanged(
    (key) => {
      cache.delete("k5");
      cache.set("main", `new-${key}`, view(500), Infinity);
      return key !== "k9";
    },
    60,
    true,
  );
  assertEquals(cache.peek("k5"), undefined);
  assertEquals(cache.sourceOf("k9"), "mirrored");
  assertEquals(cache.sourceOf("k10"), "loaded");
});

Deno.test("CachePair gives the same view for what is used often, and copies of the rest", () => {
  const cache = new CachePair(1 << 20, new FakeClock());
  cache.set("main", "a", value, Infinity);
  for (let i = 0; i < 50; i++) cache.get("a");
  const often = cache.get("a")!;
  for (let i = 0; i < 3; i++) assertStrictEquals(cache.get("a"), often);
  assertStrictEquals(cache.peek("a"), often);
  // A new value has another one.
  const other = view(9);
  cache.set("main", "a", other, Infinity);
  assertEquals(cache.get("a")!.equals(other), true);
  assertEquals(often.equals(value), true);
});

Deno.test("CachePair keeps what is used often, though the arena does not see it", () => {
  const cache = new CachePair(1 << 20, new FakeClock());
  cache.set("main", "often", value, Infinity);
  for (let i = 0; i < 50; i++) cache.get("often");
  for (let i = 0; i < 100_000; i++) {
    cache.set("main", `k${i}`, value, Infinity);
    if (i % 100 === 0) assert(cache.get("often") !== undefined);
  }
  // It goes like all others once it is not used any more.
  for (let i = 0; i < 200_000; i++) {
    cache.set("main", `more-${i}`, value, Infinity);
    if (i % 2 === 0) cache.get(`more-${i}`);
  }
  assertEquals(cache.peek("often"), undefined);
});

Deno.test("CachePair bounds its front, which takes turns", () => {
  const cache = new CachePair(1 << 20, new FakeClock());
  const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`);
  for (const key of keys) cache.set("main", key, value, Infinity);
  const isInFront = (key: string): boolean => cache.get(key) === cache.get(key);
  const read = (some: string[], rounds: number): number => {
    for (let round = 0; round < rounds; round++) {
      for (const key of some) assert(cache.get(key) !== undefined);
    }
    return some.filter(isInFront).length;
  };
  const first = read(keys.slice(0, 100), 30);
  assert(first > 90, `${first}`);
  // Others take their turn once they are used more.
  const others = read(keys.slice(100, 200), 100);
  assert(others > 90, `${others}`);
  read(keys, 3);
  const all = keys.filter(isInFront).length;
  assert(all > 100 && all < 300, `${all}`);
});

Deno.test("CachePair charges an entry its key's UTF-8, its value and a head, in steps of 8 bytes", () => {
  assertEquals(chargeOf("k", view(0)), 24);
  assertEquals(chargeOf("k", view(7)), 24);
  assertEquals(chargeOf("k", view(8)), 32);
  assertEquals(chargeOf("é😀12", view(0)), 24);
  assertEquals(chargeOf("é😀123", view(0)), 32);
  assertEquals(chargeOf("é".repeat(100), view(1000)), 16 + 200 + 1000);
  // A large value has a segment of its own.
  assertEquals(chargeOf("k", view(100_000)), SEGMENT_BYTES + 24 + 100_000);
});

Deno.test("CachePair finds any key again", () => {
  const text = fc.string({ unit: CHARACTER, minLength: 1, maxLength: 300 });
  fc.assert(fc.property(text, text, (start, rest) => {
    for (const key of [start, "\ufeff" + rest, rest.repeat(300)]) {
      const cache = new CachePair(Infinity, new FakeClock());
      cache.set("main", key, value, Infinity);
      assertEquals(cache.get(key)!.equals(value), true);
      assertEquals([...cache.keys()], [key]);
    }
  }));
});

Deno.test("CachePair evicts from hot first while hot is larger than an eighth of main", () => {
  const cache = new CachePair(1 << 20, new FakeClock());
  const fillMany = (where: Store, name: string): void => {
    for (let i = 0; i < 20_000; i++) {
      cache.set(where, `${name}-${i}`, value, Infinity);
    }
  };
  fillMany("hot", "a");
  // Hot may have all of the budget that main does not use.
  assert(cache.hot.bytes > 0.35 * 2 ** 20, `${cache.hot.bytes}`);
  fillMany("main", "b");
  const share = (): number => cache.hot.bytes / cache.main.bytes;
  assert(share() > 0.03 && share() < 0.15, `${share()}`);
  fillMany("hot", "c");
  assert(share() > 0.03 && share() < 0.15, `${share()}`);
  fillMany("main", "d");
  assert(share() > 0.03 && share() < 0.15, `${share()}`);
});

Deno.test("A small CachePair evicts the oldest that was not used, and a peek is no use", () => {
  const cache = cacheFor(9);
  fill(cache, "main", "abcdefg");
  cache.get("a");
  cache.peek("b");
  fill(cache, "main", "h");
  const others = [..."abcdefgh"].filter((key) => key !== "b");
  assertEquals(keysOf(cache), [others.join(""), ""]);
  assertEquals(cache.main.stats().evictions, 1);
});

Deno.test("A small CachePair evicts copies first while they are more than an eighth", () => {
  const cache = new CachePair(1 << 13, new FakeClock());
  const names = Array.from({ length: 400 }, (_, i) => `k${i}`);
  for (const name of names.slice(0, 40)) {
    cache.set("hot", name, value, Infinity);
    cache.get(name);
  }
  for (const name of names.slice(40)) cache.set("main", name, value, Infinity);
  assert(cache.main.size > 70, `${cache.main.size}`);
  assert(cache.hot.stats().evictions > 25, `${cache.hot.stats().evictions}`);
});

Deno.test("CachePair keeps a key in one store only", () => {
  const cache = cacheFor(9);
  fill(cache, "main", "a");
  fill(cache, "hot", "a");
  assertEquals(keysOf(cache), ["", "a"]);
  fill(cache, "main", "a");
  assertEquals(keysOf(cache), ["a", ""]);
  cache.delete("a");
  assertEquals(keysOf(cache), ["", ""]);
});

Deno.test("CachePair drops a key's older value for one that is too large, and nothing else", () => {
  for (const where of ["main", "hot"] as const) {
    const cache = cacheFor(4);
    fill(cache, "main", "ab");
    fill(cache, "hot", "x");
    cache.set(where, "a", view(10 * UNIT), Infinity);
    cache.set(where, "x", view(10 * UNIT), Infinity);
    cache.set(where, "new", view(10 * UNIT), Infinity);
    assertEquals(keysOf(cache), ["b", ""]);
    assertEquals(cache.main.stats().evictions, 0);
    assertEquals(cache.hot.stats().evictions, 0);
  }
});

Deno.test("CachePair keeps a value that takes the whole budget", () => {
  const cache = new CachePair(EMPTY + 24 + 2000, new FakeClock());
  fill(cache, "main", "a");
  fill(cache, "hot", "x");
  cache.set("main", "b", view(2000), Infinity);
  assertEquals(keysOf(cache), ["b", ""]);
  assertEquals(cache.bytes, EMPTY + 24 + 2000);
});

Deno.test("CachePair keeps nothing in a budget of 0", () => {
  const cache = new CachePair(0, new FakeClock());
  cache.set("main", "a", view(0), Infinity);
  assertEquals(cache.get("a"), undefined);
  assertEquals([cache.main.size, cache.main.bytes], [0, 0]);
});

Deno.test("CachePair ends an entry at exactly its time", async () => {
  const clock = new FakeClock();
  const cache = cacheFor(9, clock);
  await clock.advance(5);
  cache.set("main", "a", value, 100);
  cache.set("hot", "x", value, 101);
  cache.set("main", "forever", value, Infinity);
  await clock.advance(99);
  assertEquals(cache.expiresAt("a"), 105);
  await clock.advance(1);
  assertEquals(cache.get("a"), undefined);
  assertEquals(cache.get("x")!.equals(value), true);
  await clock.advance(1);
  assertEquals(cache.get("x"), undefined);
  await clock.advance(Number.MAX_SAFE_INTEGER);
  assertEquals(cache.get("forever")!.equals(value), true);
  // An expired entry was not evicted; the get that finds it frees it.
  assertEquals([cache.main.size, cache.hot.size], [1, 0]);
  assertEquals(cache.main.stats().evictions, 0);
});

Deno.test("CachePair drops a key's older value for one that has no time to live", () => {
  const cache = cacheFor(9);
  fill(cache, "main", "a");
  fill(cache, "hot", "x");
  cache.set("main", "a", value, 0);
  cache.set("main", "x", value, 0);
  assertEquals([cache.main.size, cache.hot.size], [0, 0]);
});

Deno.test("CachePair gives an overwritten entry the time of its new value", async () => {
  const clock = new FakeClock();
  const cache = cacheFor(9, clock);
  cache.set("main", "a", value, 10);
  cache.set("main", "a", value, 20);
  cache.set("main", "b", value, 10);
  cache.set("main", "b", value, Infinity);
  await clock.advance(15);
  assertEquals(keysOf(cache), ["ab", ""]);
});

Deno.test("CachePair.peek() and keys() skip expired entries and count nothing", async () => {
  const clock = new FakeClock();
  const cache = cacheFor(9, clock);
  cache.set("main", "a", value, 1);
  cache.set("hot", "x", value, 1);
  fill(cache, "main", "b");
  fill(cache, "hot", "y");
  await clock.advance(1);
  assertEquals(keysOf(cache), ["b", "y"]);
  assertEquals([cache.peek("a"), cache.peek("x")], [undefined, undefined]);
  assertEquals(cache.peek("b")!.equals(value), true);
  assertEquals(cache.peek("y")!.equals(value), true);
  for (const store of [cache.main, cache.hot]) {
    const { gets, hits, items, bytes } = store.stats();
    // One of them has a time, which takes 16 bytes.
    assertEquals([gets, hits, items, bytes], [0, 0, 2, 2 * UNIT + 16]);
  }
});

Deno.test("CachePair counts gets, hits and evictions of each store", async () => {
  const clock = new FakeClock();
  const cache = cacheFor(4, clock);
  cache.set("main", "a", value, 1);
  fill(cache, "hot", "x");
  for (const key of ["a", "a", "x", "none"]) cache.get(key);
  await clock.advance(1);
  cache.get("a");
  for (const key of "bc") fill(cache, "main", key);
  for (const key of "de") fill(cache, "main", key);
  // Neither of these makes room for anything.
  fill(cache, "main", "d");
  cache.delete("c");
  cache.clear();
  const counts = { bytes: 0, items: 0 };
  assertEquals<CacheStats>(
    cache.main.stats(),
    { ...counts, gets: 5, hits: 2, evictions: 1 },
  );
  assertEquals<CacheStats>(
    cache.hot.stats(),
    { ...counts, gets: 3, hits: 1, evictions: 1 },
  );
});

Deno.test("CachePair does not keep a large buffer alive for a slice of it", () => {
  const cache = new CachePair(Infinity, new FakeClock());
  const slice = ByteView.from(new Uint8Array(5000)).slice(0, 1000);
  cache.set("main", "a", slice, Infinity);
  const view = cache.get("a")!;
  assertStrictEquals(view.compact(), view);
  assertEquals(view.equals(slice), true);
});

Deno.test("A value that becomes a copy keeps its time of expiry", () => {
  let time = 0;
  const clock = { now: () => time, after: () => () => {} };
  const pair = new CachePair(Infinity, clock);
  pair.set("main", "soon", ByteView.from("v"), 1_000);
  pair.set("main", "late", ByteView.from("v"), 90_000);
  pair.ringChanged(() => false, 60_000, true);
  assertEquals(pair.ownExpiresAt("soon"), 1_000);
  assertEquals([pair.expiresAt("late"), pair.ownExpiresAt("late")], [
    60_000,
    90_000,
  ]);
  time = 1_000;
  assertEquals(pair.peek("soon"), undefined);
});
