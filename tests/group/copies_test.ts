import { Copies } from "../../group/copies.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("Copies says once how often a copy was used since it came", () => {
  const copies = new Copies();
  copies.used("a");
  copies.add("a");
  copies.add("b");
  copies.used("a");
  copies.used("a");
  copies.used("never added");
  assertEquals([copies.take("a"), copies.take("b")], [2, 0]);
  assertEquals(copies.take("a"), 0);
  copies.used("a");
  assertEquals(copies.take("a"), 0);
});

Deno.test("Copies counts anew if a copy comes again", () => {
  const copies = new Copies();
  copies.add("a");
  copies.used("a");
  copies.add("a");
  assertEquals(copies.take("a"), 0);
  copies.add("a");
  copies.used("a");
  assertEquals(copies.take("a"), 1);
});

Deno.test("Copies remembers so many keys, and forgets the one that came first", () => {
  const copies = new Copies(2);
  for (const key of ["a", "b", "a", "c"]) {
    copies.add(key);
    copies.used(key);
  }
  assertEquals(["a", "b", "c"].map((key) => copies.take(key)), [1, 0, 1]);
});

Deno.test("Copies remembers keys of a million characters in all", () => {
  const copies = new Copies();
  const keys = ["a", "b", "c"].map((key) => key.repeat(500_000));
  for (let round = 0; round < 3; round++) {
    for (const key of keys) {
      copies.add(key);
      copies.used(key);
    }
    assertEquals(keys.map((key) => copies.take(key)), [0, 1, 1]);
  }
});
