import fc from "fast-check";
import { homeOf, Index } from "../../memory/index.ts";
import { assert, assertEquals } from "../support/assert.ts";

/** The locations of a hash, sorted. */
function find(index: Index, hash: number): number[] {
  const { table, slots } = index.partOf(hash);
  const found: number[] = [];
  for (let slot = homeOf(hash, slots);; slot = (slot + 1) % slots) {
    const location = table[2 * slot + 1]!;
    if (location === 0) return found.sort((a, b) => a - b);
    if (table[2 * slot] === hash) found.push(location);
  }
}

function add(index: Index, hash: number, location: number): void {
  const before = index.bytes;
  const growth = index.growthFor(hash);
  index.growFor(hash);
  assert(index.bytes <= before + growth, `${index.bytes - before} > ${growth}`);
  assertEquals(index.growthFor(hash), 0);
  index.add(hash, location);
}

/** Every location, by a walk. */
function walk(index: Index): number[] {
  const locations: number[] = [];
  for (let hash = 0; hash < 2 ** 32;) {
    hash = index.locationsFrom(hash, locations);
  }
  return locations.sort((a, b) => a - b);
}

Deno.test("An index finds what a list would, whatever is added, moved and removed", () => {
  // Alike in the first bits, in the last, or in all.
  const hash = fc.oneof(
    fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    fc.nat(3),
    fc.nat(9).map((n) => n * 2 ** 28),
    fc.constantFrom(2 ** 32 - 1, 0xffff, 0xfffe),
  );
  const op = fc.record({
    do: fc.constantFrom("add", "add", "add", "move", "remove"),
    hash,
    which: fc.nat(1000),
  });
  fc.assert(
    fc.property(fc.array(op, { maxLength: 200, size: "max" }), (ops) => {
      const index = new Index();
      const list: { hash: number; location: number }[] = [];
      let location = 1;
      for (const op of ops) {
        const entry = list[op.which % list.length];
        if (op.do === "add" || entry === undefined) {
          add(index, op.hash, location);
          list.push({ hash: op.hash, location: location++ });
        } else if (op.do === "move") {
          index.move(entry.hash, entry.location, location);
          entry.location = location++;
        } else {
          index.remove(entry.hash, entry.location);
          list.splice(list.indexOf(entry), 1);
        }
        assertEquals(index.size, list.length);
      }
      for (const { hash } of list) {
        const expected = list.filter((entry) => entry.hash === hash);
        assertEquals(
          find(index, hash),
          expected.map((entry) => entry.location).sort((a, b) => a - b),
        );
      }
      assertEquals(
        walk(index),
        list.map((entry) => entry.location).sort((a, b) => a - b),
      );
    }),
  );
});

Deno.test("An index of 300,000 entries takes at most 18 bytes for each, and no step more than a part", () => {
  const index = new Index();
  const hashOf = (i: number): number => Math.imul(i, 0x9e3779b1) >>> 0;
  let largest = 0;
  for (let i = 1; i <= 300_000; i++) {
    largest = Math.max(largest, index.growthFor(hashOf(i)));
    add(index, hashOf(i), i);
  }
  assert(index.bytes < 18 * index.size, `${index.bytes}`);
  assert(largest < 64 * 1024, `${largest}`);
  for (let i = 1; i <= 300_000; i += 1000) {
    assertEquals(find(index, hashOf(i)), [i]);
  }
  assertEquals(walk(index).length, 300_000);
  index.clear();
  assertEquals([index.size, index.bytes], [0, new Index().bytes]);
});

Deno.test("Equal hashes cost time and no more memory than others", () => {
  const index = new Index();
  for (let i = 1; i <= 10_000; i++) add(index, 7, i);
  assert(index.bytes < 24 * index.size, `${index.bytes}`);
  assertEquals(find(index, 7).length, 10_000);
});
