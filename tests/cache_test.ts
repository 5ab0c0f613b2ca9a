import fc from "fast-check";
import { ByteView, MAX_PACKED_BYTES } from "../base/byte_view.ts";
import { CachePair, type CacheStats } from "../cache.ts";
import type { Clock } from "../base/clock.ts";
import { assert, assertEquals, assertStrictEquals } from "./support/assert.ts";
import { FakeClock } from "./support/time.ts";
import { CHARACTER } from "./support/text.ts";

type Store = "main" | "hot";

function view(length: number): ByteView {
  return ByteView.from(new Uint8Array(length));
}

/** The charge of one entry, as the cache reports it when it holds nothing else. */
function chargeOf(key: string, value: ByteView): number {
  const cache = new CachePair(Infinity, new FakeClock());
  cache.set("main", key, value, Infinity);
  return cache.main.stats().bytes;
}

const value = view(10);
/** The charge of `value` under a key of one character. */
const UNIT = chargeOf("k", value);

/** A cache with room for `units` entries like `value`. */
function cacheFor(units: number, clock: Clock = new FakeClock()): CachePair {
  return new CachePair(units * UNIT, clock);
}

function fill(cache: CachePair, where: Store, keys: string): void {
  for (const key of keys) cache.set(where, key, value, Infinity);
}

function keysOf(cache: CachePair): [main: string, hot: string] {
  return [[...cache.main.keys()].join(""), [...cache.hot.keys()].join("")];
}

const key = fc.constantFrom("a", "b", "c", "é", "😀", "d".repeat(300));
const op = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("set" as const),
      where: fc.constantFrom<Store>("main", "hot"),
      key,
      size: fc.constantFrom(0, 1, 200, MAX_PACKED_BYTES, 257, 600, 5000),
      ttl: fc.constantFrom(0, 1, 3, Infinity, Infinity),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("get" as const), key }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("delete" as const), key }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("advance" as const),
      ms: fc.nat(3),
    }),
  },
);

Deno.test("CachePair counts what it holds and stays within its budget, whatever is done to it", async () => {
  const ops = fc.array(op, { maxLength: 60, size: "max" });
  const budget = fc.integer({ min: 0, max: 6 * UNIT });
  await fc.assert(fc.asyncProperty(budget, ops, async (maxBytes, ops) => {
    const fake = new FakeClock();
    // At a time before all others nothing has expired: this shows the entries
    // that are still held, and charged, after their end.
    let beforeTime = false;
    const clock: Clock = {
      now: () => beforeTime ? -Infinity : fake.now(),
      after: (ms, run) => fake.after(ms, run),
    };
    const cache = new CachePair(maxBytes, clock);
    const last = new Map<string, { value: ByteView; until: number }>();
    let [gets, hits, evictions] = [0, 0, 0];

    for (const op of ops) {
      const items = cache.main.size + cache.hot.size;
      if (op.do === "advance") await fake.advance(op.ms);
      else if (op.do === "clear") {
        cache.clear();
        last.clear();
      } else if (op.do === "delete") {
        cache.delete(op.key);
        last.delete(op.key);
      } else if (op.do === "get") {
        gets++;
        if (cache.get(op.key) !== undefined) hits++;
      } else {
        beforeTime = true;
        const replaced = cache.peek(op.key) === undefined ? 0 : 1;
        beforeTime = false;
        const value = view(op.size);
        cache.set(op.where, op.key, value, op.ttl);
        last.set(op.key, { value, until: fake.now() + op.ttl });
        const kept = cache[op.where].peek(op.key) === undefined ? 0 : 1;
        const fits = chargeOf(op.key, value) <= maxBytes && op.ttl > 0;
        assertEquals(kept, fits ? 1 : 0);
        const after = cache.main.size + cache.hot.size;
        evictions += items - replaced + kept - after;
      }

      beforeTime = true;
      for (const store of [cache.main, cache.hot]) {
        const keys = [...store.keys()];
        assertEquals(keys.length, store.size);
        assertEquals(
          keys.reduce((n, key) => n + chargeOf(key, store.peek(key)!), 0),
          store.bytes,
        );
      }
      assert(cache.main.bytes + cache.hot.bytes <= maxBytes);
      const all = [...cache.keys()];
      assertEquals(new Set(all).size, all.length);
      beforeTime = false;

      for (const key of cache.keys()) {
        const { value, until } = last.get(key)!;
        assertStrictEquals(cache.peek(key)!, value);
        assert(fake.now() < until);
      }
      const [main, hot] = [cache.main.stats(), cache.hot.stats()];
      assertEquals([main.gets, hot.gets], [gets, gets - main.hits]);
      assertEquals(main.hits + hot.hits, hits);
      assertEquals(main.evictions + hot.evictions, evictions);
    }
  }));
});

Deno.test("CachePair charges a key by its bytes, and a value by the memory that it takes", () => {
  const empty = chargeOf("k", view(0));
  assert(empty > 1);
  // A packed value lies in the runtime's heap and costs more than its bytes.
  const packed = chargeOf("k", view(MAX_PACKED_BYTES));
  assert(packed > empty + MAX_PACKED_BYTES);
  const byte = (packed - empty) / MAX_PACKED_BYTES;
  assertEquals(chargeOf("k", view(10)), empty + 10 * byte);
  assertEquals(chargeOf("kkk", view(0)), empty + 2);
  assertEquals(chargeOf("é😀", view(0)), empty + 5);
  assertEquals(chargeOf("é".repeat(1000), view(0)), empty + 1999);
  // A buffer of its own costs more than the byte that made it necessary.
  const large = chargeOf("k", view(257));
  assert(large > empty + 257 && large < packed + 257);
  assertEquals(chargeOf("k", view(1000)), large + 743);
});

Deno.test("CachePair finds any key again", () => {
  const text = fc.string({ unit: CHARACTER, minLength: 1, maxLength: 300 });
  fc.assert(fc.property(text, text, (start, rest) => {
    for (const key of [start, "\ufeff" + rest, rest.repeat(300)]) {
      const cache = cacheFor(Infinity);
      cache.set("main", key, value, Infinity);
      assertStrictEquals(cache.get(key), value);
      assertEquals([...cache.keys()], [key]);
    }
  }));
});

Deno.test("CachePair evicts from hot first while hot is larger than an eighth of main", () => {
  const cache = cacheFor(10);
  fill(cache, "main", "abcdefgh");
  fill(cache, "hot", "xy");
  // Two units against nine: hot gives up its oldest.
  fill(cache, "main", "i");
  assertEquals(keysOf(cache), ["abcdefghi", "y"]);
  // One against ten: main gives up its oldest.
  fill(cache, "main", "j");
  assertEquals(keysOf(cache), ["bcdefghij", "y"]);
  // Two against nine, with the new one: hot makes room for its own.
  fill(cache, "hot", "z");
  assertEquals(keysOf(cache), ["bcdefghij", "z"]);
  assertEquals(cache.main.stats().evictions, 1);
  assertEquals(cache.hot.stats().evictions, 2);
});

Deno.test("CachePair evicts from main when hot is exactly an eighth of it", () => {
  const cache = cacheFor(8);
  fill(cache, "hot", "x");
  fill(cache, "main", "abcdefgh");
  assertEquals(keysOf(cache), ["bcdefgh", "x"]);
});

Deno.test("CachePair lets hot use all of the budget that main does not use", () => {
  const cache = cacheFor(3);
  fill(cache, "hot", "wxyz");
  assertEquals(keysOf(cache), ["", "xyz"]);
  fill(cache, "main", "a");
  assertEquals(keysOf(cache), ["a", "yz"]);
});

Deno.test("CachePair evicts the entry that was used least recently, and a peek is no use", () => {
  const cache = cacheFor(3);
  fill(cache, "main", "abc");
  cache.get("a");
  cache.peek("b");
  fill(cache, "main", "d");
  assertEquals(keysOf(cache), ["cad", ""]);
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
    const cache = cacheFor(3);
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
  // So much that hot would never be larger than an eighth of it.
  const exact = view(20 * UNIT);
  const cache = new CachePair(chargeOf("b", exact), new FakeClock());
  fill(cache, "main", "a");
  fill(cache, "hot", "x");
  cache.set("main", "b", exact, Infinity);
  assertEquals(keysOf(cache), ["b", ""]);
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
  assertStrictEquals(cache.get("x"), value);
  await clock.advance(1);
  assertEquals(cache.get("x"), undefined);
  await clock.advance(Number.MAX_SAFE_INTEGER);
  assertStrictEquals(cache.get("forever"), value);
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
  assertEquals([...cache.keys()], ["a", "b"]);
});

Deno.test("CachePair.peek() and keys() skip expired entries and count nothing", async () => {
  const clock = new FakeClock();
  const cache = cacheFor(9, clock);
  cache.set("main", "a", value, 1);
  cache.set("hot", "x", value, 1);
  fill(cache, "main", "b");
  fill(cache, "hot", "y");
  await clock.advance(1);
  assertEquals([...cache.keys()], ["b", "y"]);
  assertEquals([cache.peek("a"), cache.peek("x")], [undefined, undefined]);
  assertStrictEquals(cache.peek("b"), value);
  assertStrictEquals(cache.peek("y"), value);
  for (const store of [cache.main, cache.hot]) {
    const { gets, hits, items, bytes } = store.stats();
    assertEquals([gets, hits, items, bytes], [0, 0, 2, 2 * UNIT]);
  }
});

Deno.test("CachePair counts gets, hits and evictions of each store", async () => {
  const clock = new FakeClock();
  const cache = cacheFor(2, clock);
  cache.set("main", "a", value, 1);
  fill(cache, "hot", "x");
  for (const key of ["a", "a", "x", "none"]) cache.get(key);
  await clock.advance(1);
  cache.get("a");
  fill(cache, "main", "bcd");
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
