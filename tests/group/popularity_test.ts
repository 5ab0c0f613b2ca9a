import {
  MIN_ASKS,
  MIN_SERVED,
  MIN_USES,
  Popularity,
} from "../../group/popularity.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { hashAscii } from "../../memory/hash.ts";
import { FakeClock } from "../support/time.ts";

const hashOf = (key: string) => hashAscii({ a: 1, b: 2 }, key);

const LIFE_MS = 60_000;

function popularityFor(askers: number, lifeMs = LIFE_MS) {
  const clock = new FakeClock();
  const popularity = new Popularity(clock, lifeMs);
  popularity.askers = askers;
  return { clock, popularity };
}

/** At which ask a key is hot, if it is asked for once in each `everyMs`. */
function asksUntilHot(
  askers: number,
  everyMs: number,
  lifeMs?: number,
  ttlMs?: number,
): number {
  const { clock, popularity } = popularityFor(askers, lifeMs);
  for (let asks = 1; asks <= 10_000; asks++) {
    if (popularity.isHot(hashOf("k"), 0, ttlMs)) return asks;
    clock.block(everyMs);
  }
  return Infinity;
}

Deno.test("A key is hot if it was asked for often enough, and the average asker would use a copy", () => {
  assertEquals(MIN_ASKS, 12);
  assertEquals(asksUntilHot(1, 0), MIN_ASKS);
  assertEquals(asksUntilHot(7, 100), MIN_ASKS);
  // With many askers it takes more, or most copies would never be used.
  const atOnce = MIN_USES / 3 * 300;
  assertEquals(asksUntilHot(300, 0), atOnce);
  for (const askers of [10, 100]) {
    const pace = LIFE_MS / MIN_USES / askers;
    assert(asksUntilHot(askers, pace / 1.2) < Infinity, `${askers}`);
    assertEquals(asksUntilHot(askers, pace * 1.2), Infinity, `${askers}`);
  }
});

Deno.test("A key is hot at the same pace in each life, however long that is", () => {
  for (const lifeMs of [300, 3_000, LIFE_MS]) {
    assertEquals(asksUntilHot(10, lifeMs / 240, lifeMs), 16, `${lifeMs}`);
    assertEquals(asksUntilHot(10, lifeMs / 30, lifeMs), Infinity, `${lifeMs}`);
  }
  // What is kept for ever is worth a copy whenever it is noticed at all.
  assertEquals(asksUntilHot(100, 1_000, Infinity), MIN_ASKS);
  assertEquals(asksUntilHot(100, 5_000, Infinity), Infinity);
  assertEquals(asksUntilHot(10, 0, 0), Infinity);
  assertEquals(asksUntilHot(10, 1, 1), Infinity);
});

Deno.test("A key is not hot if its value is about to expire", () => {
  assertEquals(asksUntilHot(7, 100, LIFE_MS, 30_000), 21);
  assertEquals(asksUntilHot(7, 100, LIFE_MS, 1_000), Infinity);
  assertEquals(asksUntilHot(7, 100, LIFE_MS, 0), Infinity);
});

Deno.test("A key is not hot if all processes ask for it once in each life, even at the same moment", () => {
  for (const askers of [1, 7, 20, 99, 1_000]) {
    for (const lifeMs of [3_000, LIFE_MS]) {
      const { clock, popularity } = popularityFor(askers, lifeMs);
      // At all moments of a period in turn.
      for (let life = 0; life < 30; life++) {
        for (let i = 0; i < askers; i++) {
          assert(
            !popularity.isHot(hashOf("k"), 0),
            `${askers}, ${lifeMs}, ${life}`,
          );
        }
        clock.block(lifeMs * 1.011);
      }
    }
  }
});

Deno.test("An asker that used its last copy gets another one, and its uses count for all", () => {
  const { clock, popularity } = popularityFor(2);
  assertEquals(popularity.isHot(hashOf("k"), MIN_SERVED - 1), false);
  assertEquals(popularity.isHot(hashOf("k"), MIN_SERVED), true);
  assertEquals(popularity.isHot(hashOf("k"), 4), true);
  // 3 + 4 + 5 so far.
  assertEquals(popularity.isHot(hashOf("k"), 0), true);
  clock.block(20_000);
  assertEquals(popularity.isHot(hashOf("k"), 0), false);
  // The most that one asker can say does not make a key hot for many.
  const many = popularityFor(20);
  assertEquals(many.popularity.isHot(hashOf("k"), 1e15), true);
  assertEquals(many.popularity.isHot(hashOf("k"), 0), false);
});

Deno.test("Nothing is hot if nobody else can keep it", () => {
  const { popularity } = popularityFor(0);
  for (let i = 0; i < 100; i++) assert(!popularity.isHot(hashOf("k"), 50));
});

Deno.test("A key that nobody asks for any more is forgotten, however long that takes", () => {
  for (const ms of [60_000, 32 * 20_000, 1e9]) {
    const { clock, popularity } = popularityFor(7);
    for (let i = 0; i < 50; i++) popularity.isHot(hashOf("k"), 0);
    assert(popularity.isHot(hashOf("k"), 0));
    clock.block(ms);
    assert(!popularity.isHot(hashOf("k"), 0), `${ms}`);
  }
});

Deno.test("However many cold keys there are, each is told from a hot one, also beside keys that are never copied", () => {
  // So often each cold key is asked for at once, and so many come in a minute.
  for (const [times, count] of [[1, 1_000_000], [7, 150_000]] as const) {
    const { clock, popularity } = popularityFor(7);
    const colds = (from: number, to: number): number => {
      let hot = 0;
      for (let i = from; i < to; i++) {
        for (let n = 0; n < times; n++) {
          if (popularity.isHot(hashOf(`cold-${i}`), 0)) hot++;
        }
        if (i % 10 === 0) popularity.isHot(hashOf(`always ${i % 50}`), 0);
        clock.block(60_000 / count);
      }
      return hot;
    };
    assertEquals(colds(0, count), 0, `${times}`);
    let asks = 1;
    while (!popularity.isHot(hashOf("hot"), 0)) asks++;
    // There were more than 100 asks a second for each of the keys beside it.
    assert(asks < 300, `${times}: ${asks}`);
    assertEquals(colds(count, count + 1_000), 0, `${times}`);
  }
});

Deno.test("Keys of any characters and length count apart", () => {
  const { popularity } = popularityFor(7);
  const keys = ["a", "b", "ab", "ba", "日", "\u0000", "x".repeat(10_000)];
  for (let asks = 1; asks <= MIN_ASKS; asks++) {
    for (const key of keys) {
      assertEquals(popularity.isHot(hashOf(key), 0), asks === MIN_ASKS, key);
    }
  }
});
