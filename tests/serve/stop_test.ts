/** The order in which a node stops, and what signals mean. */

import { signalReader, stop, type Stoppable } from "../../serve/stop.ts";
import { assertEquals } from "../support/assert.ts";
import { FakeClock, gate, settle } from "../support/time.ts";

/** A node that says what is done to it. Each step takes as long as the test says. */
function nodeOf() {
  const steps: string[] = [];
  const finished = gate();
  const down = gate();
  const drained = gate();
  const node: Stoppable = {
    beUnready: () => steps.push("unready"),
    drain: (ms) => {
      steps.push(`drain ${ms}`);
      return drained.opened;
    },
    finish: () => {
      steps.push("finish");
      return finished.opened;
    },
    close: () => {
      steps.push("close");
      return Promise.resolve();
    },
    shutdown: () => {
      steps.push("shutdown");
      return down.opened;
    },
  };
  return { node, steps, finished, down, drained };
}

/** Stops a node; the result says whether that is over. */
function stopping(node: Stoppable, clock: FakeClock, stopMs = 4_000) {
  const state = { isOver: false };
  stop(node, { drainMs: 2_000, stopMs, clock }).then(() => state.isOver = true);
  return state;
}

Deno.test("A node hands over before it finishes its clients and closes", async () => {
  const clock = new FakeClock();
  const { node, steps, finished, down, drained } = nodeOf();
  const state = stopping(node, clock);
  await settle();
  assertEquals(steps, ["unready", "drain 2000"]);
  drained.open();
  await settle();
  assertEquals(steps.slice(2), ["finish"]);
  finished.open();
  await settle();
  assertEquals(steps.slice(3), ["close", "shutdown"]);
  down.open();
  await settle();
  assertEquals([state.isOver, clock.pending], [true, 0]);
});

Deno.test("Neither a request that does not end nor an open connection holds a node up", async () => {
  for (const stuck of ["finish", "shutdown"]) {
    const clock = new FakeClock();
    const { node, steps, finished, drained } = nodeOf();
    drained.open();
    if (stuck === "shutdown") finished.open();
    const state = stopping(node, clock);
    await clock.advance(3_999);
    assertEquals([state.isOver, steps.at(-1)], [false, stuck]);
    await clock.advance(1);
    assertEquals([state.isOver, clock.pending], [true, 0]);
    // What has not begun is done all the same.
    assertEquals(steps.slice(-2), ["close", "shutdown"]);
  }
});

Deno.test("Handing over ends with the limit", async () => {
  const clock = new FakeClock();
  const { node, steps } = nodeOf();
  const state = stopping(node, clock);
  await clock.advance(4_000);
  assertEquals(state.isOver, true);
  assertEquals(steps.slice(2), ["finish", "close", "shutdown"]);
});

Deno.test("A second signal ends the process, and one press of Ctrl-C is one signal", () => {
  let time = 1_000;
  const read = signalReader(() => time);
  assertEquals(read(), "stop");
  assertEquals(read(), "same");
  time += 499;
  assertEquals(read(), "same");
  time += 1;
  assertEquals(read(), "exit");
});
