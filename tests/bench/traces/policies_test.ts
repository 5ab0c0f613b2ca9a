/** What holds for every policy, and examples for those that come from papers. */

import fc from "fast-check";
import { OPTIMUM } from "../../../bench/traces/optimum.ts";
import type { Policy } from "../../../bench/traces/policy.ts";
import { LRU_CACHE, OUR_LRU, SIEVE } from "../../../bench/traces/rivals.ts";
import { S3_FIFO } from "../../../bench/traces/s3_fifo.ts";
import { ARENA } from "../../../bench/traces/segments.ts";
import { TINY_LFU } from "../../../bench/traces/tiny_lfu.ts";
import type { Trace } from "../../../bench/traces/trace.ts";
import { assert, assertEquals } from "../../support/assert.ts";

const ONLINE = [ARENA, OUR_LRU, LRU_CACHE, SIEVE, S3_FIFO, TINY_LFU];
const SEED = 1;

function traceOf(keys: readonly number[]): Trace {
  return { name: "tried", keys: Int32Array.from(keys), distinct: 20 };
}

function hitCount(policy: Policy, trace: Trace, room: number): number {
  return policy.replay(trace, room).reduce((sum, hit) => sum + hit, 0);
}

const keys = fc.array(fc.nat(19), { maxLength: 200 });
const room = fc.integer({ min: 2, max: 20 });

/** The most hits that are possible, found by trying everything. */
function mostHits(keys: readonly number[], room: number): number {
  const from = (i: number, held: readonly number[]): number => {
    if (i === keys.length) return 0;
    const key = keys[i]!;
    if (held.includes(key)) return 1 + from(i + 1, held);
    const choices = [held];
    if (held.length < room) choices.push([...held, key]);
    else {
      for (let out = 0; out < held.length; out++) {
        choices.push(held.with(out, key));
      }
    }
    return Math.max(...choices.map((choice) => from(i + 1, choice)));
  };
  return from(0, []);
}

Deno.test("The optimum has as many hits as are possible", () => {
  const few = fc.array(fc.nat(4), { maxLength: 9 });
  fc.assert(
    fc.property(few, fc.integer({ min: 1, max: 3 }), (keys, room) => {
      assertEquals(
        hitCount(OPTIMUM, traceOf(keys), room),
        mostHits(keys, room),
      );
    }),
    { seed: SEED },
  );
});

for (const policy of ONLINE) {
  Deno.test(`${policy.name} never has more hits than the optimum, and no hit at first sight`, () => {
    fc.assert(
      fc.property(keys, room, (keys, room) => {
        const trace = traceOf(keys);
        const hits = policy.replay(trace, room);
        hits.forEach((hit, i) => {
          assert(hit === 0 || keys.indexOf(keys[i]!) < i);
        });
        const count = hits.reduce((sum, hit) => sum + hit, 0);
        assert(count <= hitCount(OPTIMUM, trace, room));
      }),
      { seed: SEED },
    );
  });

  if (policy.countsOnly) continue;
  Deno.test(`${policy.name} keeps all keys for ever that fit by their sizes`, () => {
    const sizes = Float64Array.of(3, 4, 5, 3, 4, 5, 3, 4, 5);
    const trace: Trace = { ...traceOf([0, 1, 2, 0, 1, 2, 0, 1, 2]), sizes };
    assertEquals(hitCount(policy, trace, 640), 6);
    assertEquals(hitCount(policy, trace, 2), 0);
    // Two of them are the most that fit.
    assert(hitCount(policy, trace, 8) < 6);
  });
}

Deno.test("Our LRU and npm's lru-cache have the same hits, also by size", () => {
  const size = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(
      keys,
      fc.array(size, { minLength: 20, maxLength: 20 }),
      room,
      (keys, sizes, room) => {
        const trace: Trace = {
          ...traceOf(keys),
          sizes: Float64Array.from(keys, (key) => sizes[key]!),
        };
        for (const tried of [traceOf(keys), trace]) {
          assertEquals(
            OUR_LRU.replay(tried, room),
            LRU_CACHE.replay(tried, room),
          );
        }
      },
    ),
    { seed: SEED },
  );
});

Deno.test("S3-FIFO moves what was used twice to its main queue, and remembers what left", () => {
  const fill = Array.from({ length: 10 }, (_, i) => i);
  const later = Array.from({ length: 9 }, (_, i) => 10 + i);
  // 0 is used twice, so nine others cannot push it out; 1 is used once.
  const used = traceOf([...fill, 0, 0, 1, ...later, 0, 1]);
  assertEquals([...S3_FIFO.replay(used, 10)].slice(-2), [1, 0]);
  // 0 left and comes back soon: now it is in the main queue, which nothing pushes.
  const back = traceOf([...fill, 10, 0, ...later.slice(1), 19, 1, 0]);
  assertEquals([...S3_FIFO.replay(back, 10)].slice(-1), [1]);
});

Deno.test("S3-FIFO gives what was used in its main queue another round", () => {
  // 0, 1 and 3 are in the main queue. For 5, it gives up 1: 0 was used there.
  const trace = traceOf([0, 0, 0, 1, 1, 1, 2, 3, 0, 4, 3, 5, 0]);
  assertEquals([...S3_FIFO.replay(trace, 3)].slice(-1), [1]);
});

Deno.test("W-TinyLFU keeps what is asked for often when others come once", () => {
  const often = [0, 1, 2, 0, 1, 2, 0, 1, 2];
  const once = Array.from({ length: 16 }, (_, i) => 3 + i);
  const trace = traceOf([...often, ...once, 0, 1, 2]);
  assertEquals([...TINY_LFU.replay(trace, 5)].slice(-3), [1, 1, 1]);
  assertEquals([...OUR_LRU.replay(trace, 5)].slice(-3), [0, 0, 0]);
});
