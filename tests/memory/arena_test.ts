import fc from "fast-check";
import { ByteView } from "../../base/byte_view.ts";
import { Arena, type Hash } from "../../memory/arena.ts";
import { HOT_FLAG } from "../../memory/entries.ts";
import { geometryFor, SEGMENT_BYTES } from "../../memory/segments.ts";
import { assert, assertEquals } from "../support/assert.ts";

const encoder = new TextEncoder();
const FOREVER = { flags: 0, expiresAt: Infinity, ownExpiresAt: Infinity };

/** A value of so many bytes that shows which it is. */
function valueOf(mark: number, length: number): ByteView {
  return ByteView.from(new Uint8Array(length).fill(mark));
}

function put(
  arena: Arena,
  key: string,
  view: ByteView,
  meta: Parameters<Arena["set"]>[4] = FOREVER,
): boolean {
  const bytes = encoder.encode(`..${key}.`);
  return arena.set(bytes, 2, bytes.length - 1, view, meta);
}

function get(arena: Arena, key: string): ByteView | undefined {
  const location = arena.findText(key);
  const bytes = encoder.encode(key);
  const hash = arena.hashOf(bytes, 0, bytes.length);
  assertEquals(arena.find(bytes, 0, bytes.length, hash), location);
  return location < 0 ? undefined : arena.entries.view(location);
}

/** Hashes that make many keys alike. */
function badHash(kinds: number): Hash {
  const of = (n: number): number => (n % kinds) * 0x01000193 >>> 0;
  const ofBytes = (bytes: Uint8Array, from: number, end: number): number => {
    let sum = 0;
    for (let i = from; i < end; i++) sum += bytes[i]!;
    return of(sum);
  };
  return {
    ofBytes,
    ofAscii: (text) => {
      const bytes = encoder.encode(text);
      return bytes.length === text.length
        ? ofBytes(bytes, 0, bytes.length)
        : -1;
    },
  };
}

const key = fc.oneof(
  fc.nat(40).map((n) => `key-${n}`),
  fc.constantFrom("é", "Ã©", "😀", "k", "d".repeat(300), "é".repeat(900)),
);
const size = fc.oneof(
  fc.nat(40),
  fc.constantFrom(0, 64, 100, 200, 256, 257, 500, 1000, 1024, 5000),
);
const time = fc.constantFrom(0, 0.5, 1, 2.25, 7, Infinity, Infinity, Infinity);
const op = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("set" as const),
      key,
      size,
      isHot: fc.boolean(),
      time,
      canStale: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("use" as const), key }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("delete" as const), key }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("move" as const), key }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("reserve" as const),
      bytes: fc.nat(3000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const) }) },
);

Deno.test("An arena holds what a map would, or less, within its budget, whatever is done to it", () => {
  const budget = fc.oneof(
    fc.integer({ min: 0, max: 12_000 }),
    fc.integer({ min: 24_000, max: 60_000 }),
    fc.constant(Infinity),
  );
  const kinds = fc.constantFrom(1, 7, 2 ** 32);
  const ops = fc.array(op, { maxLength: 120, size: "max" });
  fc.assert(
    fc.property(budget, kinds, ops, (maxBytes, kinds, ops) => {
      let now = 0;
      const arena: Arena = new Arena({
        maxBytes,
        now: () => now,
        ...(kinds < 2 ** 32 && { hash: badHash(kinds) }),
      });
      const model = new Map<string, {
        view: ByteView;
        isHot: boolean;
        time: number;
        canStale: boolean;
      }>();
      let reserved = 0;
      for (const [mark, op] of ops.entries()) {
        now += 0.25;
        const items = arena.items[0] + arena.items[1];
        const evictions = arena.evictions[0] + arena.evictions[1];
        if (op.do === "set") {
          const { key, isHot, canStale } = op;
          const view = valueOf(mark, op.size);
          const wasThere = arena.findText(key) >= 0 ? 1 : 0;
          const isKept = put(arena, key, view, {
            flags: isHot ? HOT_FLAG : 0,
            expiresAt: now + op.time,
            ownExpiresAt: now + 2 * op.time,
            ...(canStale && { staleAt: now + 0.5, staleUntil: now + 0.75 }),
          });
          const { length } = encoder.encode(key);
          if (reserved === 0) {
            assertEquals(
              isKept,
              arena.fits(
                length,
                op.size,
                canStale ? 48 : op.time === Infinity ? 16 : 32,
              ),
            );
          }
          assertEquals(arena.findText(key) >= 0, isKept);
          model.delete(key);
          if (isKept) {
            model.set(key, { view, isHot, time: now, canStale });
            const location = arena.findText(key);
            const { entries } = arena;
            assertEquals(entries.expiresAt(location), now + op.time);
            assertEquals(entries.ownExpiresAt(location), now + 2 * op.time);
          }
          const left = arena.items[0] + arena.items[1];
          assertEquals(
            arena.evictions[0] + arena.evictions[1] - evictions,
            items - wasThere + (isKept ? 1 : 0) - left,
          );
        } else if (op.do === "use") {
          const location = arena.findText(op.key);
          if (location >= 0) arena.entries.touch(location);
        } else if (op.do === "delete") {
          const location = arena.findText(op.key);
          if (location >= 0) arena.delete(location);
          assertEquals(arena.findText(op.key), -1);
          model.delete(op.key);
        } else if (op.do === "move") {
          const location = arena.findText(op.key);
          if (location >= 0) {
            const flags = arena.entries.flags(location);
            arena.setFlags(location, flags ^ HOT_FLAG);
            const entry = model.get(op.key)!;
            entry.isHot = !entry.isHot;
          }
        } else if (op.do === "reserve") {
          arena.reserve(-reserved);
          reserved = arena.makeRoom(op.bytes) ? op.bytes : 0;
          arena.reserve(reserved);
        } else {
          arena.clear();
          model.clear();
        }
        const keys = [...arena.keys()];
        assertEquals(new Set(keys).size, keys.length);
        const items2 = [0, 0];
        const stored = [0, 0];
        for (const key of keys) {
          const { view, isHot, time, canStale } = model.get(key)!;
          assertEquals(get(arena, key)!.equals(view), true);
          const location = arena.findText(key);
          const { entries } = arena;
          assertEquals((entries.flags(location) & HOT_FLAG) !== 0, isHot);
          assertEquals(
            entries.staleAt(location),
            canStale ? time + 0.5 : Infinity,
          );
          const copy = new Uint8Array(view.byteLength + 2);
          assertEquals(entries.copyValue(location, copy, 1), view.byteLength);
          assertEquals(view.equals(copy.subarray(1, -1)), true);
          items2[isHot ? 1 : 0]!++;
          stored[isHot ? 1 : 0]! += arena.sizeAt(location);
        }
        for (const key of model.keys()) {
          if (arena.findText(key) < 0) model.delete(key);
        }
        assertEquals(model.size, keys.length);
        assertEquals([...arena.items], items2);
        assertEquals([...arena.stored], stored);
        const floor = new Arena({ maxBytes, now: () => 0 }).bytes;
        assert(
          arena.bytes <= Math.max(maxBytes, floor),
          `${arena.bytes} of ${maxBytes}`,
        );
        assert(stored[0]! + stored[1]! <= arena.bytes);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("An arena keeps an entry that takes the whole budget, and drops all others for it", () => {
  for (const maxBytes of [1500, 2048, 5000, 30_000, 200_000]) {
    const arena = new Arena({ maxBytes, now: () => 0 });
    for (let i = 0; i < 500; i++) put(arena, `k${i}`, valueOf(i, 20));
    let size = maxBytes;
    while (!arena.fits(1, size)) size--;
    assertEquals(put(arena, "a", valueOf(1, size)), true);
    assertEquals([...arena.keys()], ["a"]);
    assert(arena.bytes <= maxBytes);
    // One byte more is not kept, and evicts nothing.
    assertEquals(put(arena, "b", valueOf(1, size + 1)), false);
    assertEquals([...arena.keys()], ["a"]);
    // There is room for others again.
    assertEquals(put(arena, "c", valueOf(2, 20)), true);
    assertEquals(get(arena, "c")!.equals(valueOf(2, 20)), true);
  }
});

Deno.test("An arena keeps nothing in a budget of 0", () => {
  const arena = new Arena({ maxBytes: 0, now: () => 0 });
  assertEquals(put(arena, "a", valueOf(1, 0)), false);
  assertEquals([...arena.items, ...arena.stored], [0, 0, 0, 0]);
});

Deno.test("An arena fills a segment to its last byte", () => {
  const { capacity } = geometryFor(16 * 2 ** 20);
  const arena = new Arena({ maxBytes: 16 * 2 ** 20, now: () => 0 });
  // Heads have 16 bytes: so many entries of 128 fill the segments that there are.
  const before: number[] = [];
  for (let i = 0; i < 8 * capacity / 128; i++) {
    before.push(arena.bytes);
    put(arena, `${i}`.padStart(8, "0"), valueOf(i, 104));
  }
  assertEquals(arena.stored[0], 8 * capacity);
  for (let i = 0; i < 8 * capacity / 128; i++) {
    const key = `${i}`.padStart(8, "0");
    assertEquals(get(arena, key)!.equals(valueOf(i, 104)), true);
  }
});

Deno.test("An arena writes a value of the same size in place, and a larger one elsewhere", () => {
  const arena = new Arena({ maxBytes: 1 << 20, now: () => 0 });
  put(arena, "a", valueOf(1, 50));
  put(arena, "b", valueOf(2, 50));
  const place = arena.findText("a");
  const { bytes } = arena;
  for (const length of [50, 49, 30]) {
    put(arena, "a", valueOf(3, length));
    assertEquals(arena.findText("a"), place);
    assertEquals(get(arena, "a")!.equals(valueOf(3, length)), true);
  }
  put(arena, "a", valueOf(4, 90));
  assert(arena.findText("a") !== place);
  assertEquals(get(arena, "a")!.equals(valueOf(4, 90)), true);
  assertEquals(get(arena, "b")!.equals(valueOf(2, 50)), true);
  assertEquals(arena.bytes, bytes);
});

Deno.test("A view from an arena shows the same bytes after its segment was used again", () => {
  const arena = new Arena({ maxBytes: 1 << 16, now: () => 0 });
  const views: ByteView[] = [];
  for (let i = 0; i < 5000; i++) {
    put(arena, `k${i}`, valueOf(i, 60 + i % 400));
    views.push(get(arena, `k${i}`)!);
  }
  for (const [i, view] of views.entries()) {
    assertEquals(view.equals(valueOf(i, 60 + i % 400)), true);
  }
});

Deno.test("An arena keeps what is used, whatever passes through", () => {
  for (const maxBytes of [1 << 16, 1 << 20, 1 << 24]) {
    const arena = new Arena({ maxBytes, now: () => 0 });
    const used = Array.from({ length: maxBytes / 1024 }, (_, i) => `used-${i}`);
    for (const key of used) put(arena, key, valueOf(1, 64));
    for (let i = 0; i < maxBytes / 16; i++) {
      put(arena, `scan-${i}`, valueOf(2, 64));
      for (const k of [2 * i, 2 * i + 1]) {
        const location = arena.findText(used[k % used.length]!);
        if (location >= 0) arena.entries.touch(location);
      }
    }
    const left = used.filter((key) => arena.findText(key) >= 0).length;
    assertEquals([maxBytes, left], [maxBytes, used.length]);
  }
});

Deno.test("A set is no use: keys that are only set over and over do not stay", () => {
  const arena = new Arena({ maxBytes: 1 << 20, now: () => 0 });
  put(arena, "used", valueOf(1, 64));
  arena.entries.touch(arena.findText("used"));
  for (let i = 0; i < 3; i++) put(arena, "set", valueOf(1, 64));
  for (let i = 0; i < 20_000; i++) put(arena, `k${i}`, valueOf(2, 64));
  assert(arena.findText("used") >= 0);
  assertEquals(arena.findText("set"), -1);
});

Deno.test("Copies make room first while they have more than an eighth of what is owned", () => {
  const arena = new Arena({ maxBytes: 1 << 21, now: () => 0 });
  const hot = { ...FOREVER, flags: HOT_FLAG };
  for (let i = 0; i < 40_000; i++) put(arena, `hot-${i}`, valueOf(1, 64), hot);
  // With nothing owned, they have all of it.
  assert(arena.stored[1] > 1.2 * 2 ** 20);
  for (let i = 0; i < 40_000; i++) put(arena, `own-${i}`, valueOf(1, 64));
  assert(arena.stored[1] > 0 && arena.stored[1] < arena.stored[0] / 6);
  for (let i = 0; i < 40_000; i++) put(arena, `more-${i}`, valueOf(1, 64), hot);
  assert(arena.stored[1] > arena.stored[0] / 12);
  assert(arena.stored[1] < arena.stored[0] / 6);
});

Deno.test("An arena without a budget never evicts", () => {
  const arena = new Arena({ maxBytes: Infinity, now: () => 0 });
  for (let i = 0; i < 50_000; i++) put(arena, `k${i}`, valueOf(i, i % 300));
  put(arena, "large", valueOf(1, 3_000_000));
  assertEquals(arena.items[0], 50_001);
  for (let i = 0; i < 50_000; i++) {
    assertEquals(get(arena, `k${i}`)!.equals(valueOf(i, i % 300)), true);
  }
  assertEquals([...arena.keys()].length, 50_001);
});

Deno.test("A thousand arenas of ten values take little", () => {
  let bytes = 0;
  for (let i = 0; i < 1000; i++) {
    const arena = new Arena({ maxBytes: 64 << 20, now: () => 0 });
    for (let k = 0; k < 10; k++) put(arena, `key-${k}`, valueOf(k, 64));
    bytes += arena.bytes;
  }
  assert(bytes < 1000 * 8192, `${bytes}`);
});

Deno.test("Keys that are there all the time are given once, whatever else changes", () => {
  const arena = new Arena({ maxBytes: Infinity, now: () => 0 });
  for (let i = 0; i < 20_000; i++) put(arena, `stay-${i}`, valueOf(i, 10));
  const seen: string[] = [];
  let turn = 0;
  for (const key of arena.keys()) {
    seen.push(key);
    if (turn++ % 2 === 0) put(arena, `new-${turn}`, valueOf(turn, 10));
    // It goes to another place.
    if (key.startsWith("stay")) put(arena, key, valueOf(1, 200));
    else arena.delete(arena.findText(key));
  }
  const stayed = seen.filter((key) => key.startsWith("stay"));
  assertEquals(stayed.length, 20_000);
  assertEquals(new Set(seen).size, seen.length);
});

Deno.test("Deleting everything gives segments back for what comes", () => {
  const arena = new Arena({ maxBytes: 1 << 20, now: () => 0 });
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 1000; i++) put(arena, `k${i}`, valueOf(i, 600));
    for (let i = 0; i < 1000; i++) arena.delete(arena.findText(`k${i}`));
    put(arena, "large", valueOf(round, 100_000));
    arena.delete(arena.findText("large"));
  }
  assertEquals([...arena.evictions], [0, 0]);
  assert(SEGMENT_BYTES < arena.bytes && arena.bytes <= 1 << 20);
});
