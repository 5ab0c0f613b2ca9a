/** The stream of a page whose looks fail. */

import { Sampler } from "../../../serve/page/sampler.ts";
import type { View } from "../../../serve/page/view.ts";
import { assertEquals } from "../../support/assert.ts";
import { FakeClock, settle } from "../../support/time.ts";

Deno.test("A look that fails is no news, and the next one is made all the same", async () => {
  const clock = new FakeClock();
  let looks = 0;
  const sampler = new Sampler(clock, () => {
    looks++;
    if (looks < 3) return Promise.reject(new Error("broken"));
    return Promise.resolve({ point: { at: looks } } as View);
  });
  const reader = sampler.watch()!.pipeThrough(new TextDecoderStream())
    .getReader();
  let text = "";
  const read = async (): Promise<void> => {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    await read();
  };
  const over = read();
  await clock.advance(1_500);
  assertEquals([looks, text.includes("view")], [2, false]);
  await clock.advance(1_000);
  assertEquals(text.includes(`{"point":{"at":3}}`), true);
  // Whoever watches when it closes is told that this is the end.
  sampler.close();
  await over;
  await settle();
  assertEquals([sampler.watch(), clock.pending], [undefined, 0]);
});
