import { Queue } from "../../../bench/traces/queue.ts";
import { assertEquals } from "../../support/assert.ts";

Deno.test("A queue gives its numbers back in their order, also when it grows in the middle", () => {
  const queue = new Queue();
  const taken: number[] = [];
  let next = 0;
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 7; i++) queue.push(next++);
    for (let i = 0; i < 4; i++) taken.push(queue.shift());
  }
  assertEquals(queue.length, 150);
  while (queue.length > 0) taken.push(queue.shift());
  assertEquals(taken, Array.from({ length: next }, (_, i) => i));
});
