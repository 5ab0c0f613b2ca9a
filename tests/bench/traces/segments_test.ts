/** One test for each rule of the arena's policy. Segments hold one entry, if not said otherwise. */

import {
  ARENA,
  type SegmentOptions,
  segments,
} from "../../../bench/traces/segments.ts";
import { loop, zipf } from "../../../bench/traces/made.ts";
import { OUR_LRU } from "../../../bench/traces/rivals.ts";
import type { Trace } from "../../../bench/traces/trace.ts";
import { assert, assertEquals } from "../../support/assert.ts";

/** A small log of half the room that does not adapt, and no ghosts to speak of. */
const PLAIN: Partial<SegmentOptions> = {
  segments: 4,
  firstShare: 0.5,
  leastShare: 0.5,
  mostShare: 0.5,
  ghosts: 0,
};

/** The hits of requests for keys that are letters (spaces mean nothing), as a text of `+` and `-`. */
function hitsOf(
  keys: string,
  room: number,
  options: Partial<SegmentOptions>,
  sizes?: readonly number[],
): string {
  const trace: Trace = {
    name: "letters",
    keys: Int32Array.from(
      keys.replaceAll(" ", ""),
      (letter) => letter.charCodeAt(0) - 97,
    ),
    distinct: 26,
    ...(sizes === undefined ? {} : { sizes: Float64Array.from(sizes) }),
  };
  const hits = segments("tried", options).replay(trace, room);
  return [...hits].map((hit) => hit === 1 ? "+" : "-").join("");
}

function hitCount(hits: Uint8Array): number {
  return hits.reduce((sum, hit) => sum + hit, 0);
}

Deno.test("The arena fills its main log with what comes after the small one is full", () => {
  // The small log holds a and b, the main log c and d: e takes the place of a.
  assertEquals(hitsOf("abc d e bcd a", 4, PLAIN), "-----+++-");
});

Deno.test("The arena keeps what was used, and lets go of the rest in its order", () => {
  // For e, a goes to the main log, since it was used, and pushes out c there.
  for (const [next, hit] of [["a", "+"], ["b", "+"], ["c", "-"], ["d", "+"]]) {
    assertEquals(hitsOf(`abc d a e ${next}`, 4, PLAIN), `----+-${hit}`);
  }
});

Deno.test("The arena takes what comes back soon into its main log", () => {
  // a left the small log. It comes back, and four others come after it.
  const asked = "abc def a ghi j a";
  assertEquals(hitsOf(asked, 4, { ...PLAIN, ghosts: 64 }).at(-1), "+");
  assertEquals(hitsOf(asked, 4, PLAIN).at(-1), "-");
});

Deno.test("The arena gives the small log more room when what left it comes back", () => {
  const still = { ...PLAIN, segments: 10, firstShare: 0.2, leastShare: 0.2 };
  const adapts = { ...still, mostShare: 0.9, ghosts: 1 };
  const trace: Trace = recent(40, 4000);
  const fixed = segments("fixed", { ...still, mostShare: 0.2, ghosts: 1 });
  const adaptive = segments("adaptive", adapts);
  const [of, more] = [fixed, adaptive].map((policy) =>
    hitCount(policy.replay(trace, 40))
  );
  assert(more! > of! * 1.5, `${of} hits, and ${more} if it adapts`);
});

/** Each new key is asked for once more after `apart` others, and never again. */
function recent(apart: number, requests: number): Trace {
  const keys = Int32Array.from(
    { length: requests },
    (_, i) => i % 2 === 0 ? i / 2 : Math.max(0, (i - 1) / 2 - apart / 2),
  );
  return { name: "recent", keys, distinct: requests };
}

Deno.test("The arena walks a bounded part of its main log for one entry", () => {
  // All four are used. a leaves the small log, and goes through the main one. With
  // a bound of 0, what comes first in the main log goes, though it was used.
  const quarter = { firstShare: 0.25, leastShare: 0.25, mostShare: 0.25 };
  const options = { ...PLAIN, ...quarter };
  const full = "ab cd ab cd";
  assertEquals(
    hitsOf(`${full} e ab cd`, 4, { ...options, walks: 8 }).slice(-4),
    "-+++",
  );
  assertEquals(
    hitsOf(`${full} e ab cd`, 4, { ...options, walks: 0 }).slice(-4),
    "+-++",
  );
});

Deno.test("The arena counts bytes: what is larger than a segment has one of its own", () => {
  const options = { ...PLAIN, segments: 4 };
  // Segments of 10. b takes 25 of the 40, so a (8) and c (2) share one segment.
  assertEquals(hitsOf("abc abc", 40, options, [8, 25, 2, 8, 25, 2]), "---+++");
  // Only one of two such fits.
  assertEquals(hitsOf("ab ab", 40, options, [25, 25, 25, 25]), "----");
  // What is larger than the room is never kept, and pushes nothing out.
  assertEquals(hitsOf("ab ab", 40, options, [8, 41, 8, 41]), "--+-");
});

Deno.test("The arena never holds more than its room", () => {
  // As many hits as in a loop that is longer than the room, if more were held.
  for (const room of [1, 2, 3, 7, 64, 100]) {
    const trace = loop(room * 2, room * 20);
    const hits = ARENA.replay(trace, room);
    for (let from = 0; from < hits.length; from += trace.distinct) {
      const lap = hits.subarray(from, from + trace.distinct);
      assert(hitCount(lap) <= room, `room for ${room}`);
    }
  }
});

Deno.test("The arena has more hits than an LRU by Zipf's law, and in a loop", () => {
  for (
    const [trace, room, points] of [
      [zipf(20_000, 60_000), 200, 0.08],
      [loop(1_000, 20_000), 300, 0.15],
    ] as const
  ) {
    const [arena, lru] = [ARENA, OUR_LRU].map((policy) =>
      hitCount(policy.replay(trace, room)) / trace.keys.length
    );
    assert(arena! > lru! + points, `${trace.name}: ${arena} and ${lru}`);
  }
});
