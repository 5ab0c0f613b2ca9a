import { Ghost } from "../../memory/ghost.ts";
import { assert, assertEquals } from "../support/assert.ts";

const hashOf = (i: number): number => Math.imul(i, 0x9e3779b1) >>> 0;

Deno.test("A ghost remembers a hash once, and no other one", () => {
  const ghost = new Ghost();
  assertEquals([ghost.bytes, ghost.take(5)], [0, false]);
  // Without places it remembers nothing.
  ghost.add(5);
  ghost.resize(ghost.bytesFor(100));
  assertEquals(ghost.take(5), false);
  ghost.add(5);
  assertEquals([ghost.take(6), ghost.take(5), ghost.take(5)], [
    false,
    true,
    false,
  ]);
});

Deno.test("A ghost has places for a fifth to a third of the entries, and forgets the rest", () => {
  const ghost = new Ghost();
  ghost.resize(ghost.bytesFor(10_000));
  assertEquals(ghost.bytes, 4 * 3500);
  assertEquals(ghost.bytesFor(19_444), 4 * 3500);
  assertEquals(ghost.bytesFor(19_445), 4 * 6806);
  for (let i = 1; i <= 10_000; i++) ghost.add(hashOf(i));
  let left = 0;
  for (let i = 1; i <= 10_000; i++) if (ghost.take(hashOf(i))) left++;
  assert(left > 2000 && left <= 3500, `${left}`);
});
