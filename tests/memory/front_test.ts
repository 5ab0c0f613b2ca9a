import { ByteView } from "../../base/byte_view.ts";
import { Arena } from "../../memory/arena.ts";
import { FrontObjects } from "../../memory/front.ts";
import { assert, assertEquals } from "../support/assert.ts";

const encoder = new TextEncoder();

function make(
  maxBytes: number,
): { arena: Arena; front: FrontObjects; put: (key: string) => number } {
  const front = new FrontObjects(maxBytes);
  const arena = new Arena({ maxBytes, now: () => 0, front });
  const put = (key: string): number => {
    const bytes = encoder.encode(key);
    arena.set(bytes, 0, bytes.length, ByteView.from(key), {
      flags: 0,
      expiresAt: Infinity,
      ownExpiresAt: Infinity,
    });
    return arena.findText(key);
  };
  return { arena, front, put };
}

Deno.test("An object stays with its entry wherever that goes, and leaves with it", () => {
  const { arena, front, put } = make(1 << 18);
  const keys = Array.from({ length: 20 }, (_, i) => `used-${i}`);
  for (const key of keys) {
    front.add(arena, key, ByteView.from(key), put(key));
  }
  for (let i = 0; i < 40_000; i++) {
    const location = put(`k${i}`);
    // So that what is kept is walked, too.
    if (i % 4 === 0) arena.entries.touch(location);
    for (const key of keys) {
      const object = front.get(key);
      assertEquals(object?.location ?? -1, arena.findText(key));
      // The first ten are used all the time, the others never.
      if (object !== undefined && Number(key.slice(5)) < 10) {
        object.isUsed = true;
      }
    }
  }
  assertEquals(keys.map((key) => front.get(key) !== undefined), [
    ...new Array(10).fill(true),
    ...new Array(10).fill(false),
  ]);
  arena.delete(arena.findText("used-3"));
  assertEquals(front.get("used-3"), undefined);
  // A new value needs a new object.
  put("used-4");
  assertEquals(front.get("used-4"), undefined);
});

Deno.test("Objects hold what they reserved, and give all of it back", () => {
  const { arena, front, put } = make(1 << 20);
  for (let i = 0; i < 1000; i++) put(`k${i}`);
  const before = arena.bytes;
  for (let i = 0; i < 1000; i++) {
    front.add(arena, `k${i}`, ByteView.from(`k${i}`), arena.findText(`k${i}`));
    assert(arena.bytes <= 1 << 20);
  }
  assert(arena.bytes - before > (1 << 20) / 20);
  assert(arena.bytes - before <= (1 << 20) / 16);
  front.clear();
  assertEquals(arena.bytes, before);
});
