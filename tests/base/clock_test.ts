import { monotonic, systemClock } from "../../base/clock.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { gate } from "../support/time.ts";

const LONGEST = 2 ** 31 - 1;

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => void systemClock.after(ms, resolve));
}

Deno.test("systemClock.after() keeps the process alive, unless it runs in the background", () => {
  const real = globalThis.setTimeout;
  let released = 0;
  try {
    for (const timer of [{ unref: () => released++ }, 5]) {
      Object.assign(globalThis, { setTimeout: () => timer });
      systemClock.after(1, () => {});
      assertEquals(released, 0);
      systemClock.after(1, () => {}, true);
      // A timer that is a number cannot be let go.
      assertEquals(released, typeof timer === "number" ? 0 : 1);
      released = 0;
      systemClock.after(Infinity, () => {}, true);
      assertEquals(released, typeof timer === "number" ? 0 : 1);
      released = 0;
    }
  } finally {
    Object.assign(globalThis, { setTimeout: real });
  }
});

/** Runs `test` with a `setTimeout` that only records its calls. */
function withTimers(
  test: (timers: Map<number, { ms: number; run: () => void }>) => void,
): void {
  const real = [globalThis.setTimeout, globalThis.clearTimeout] as const;
  const timers = new Map<number, { ms: number; run: () => void }>();
  let id = 0;
  const set = (run: () => void, ms: number): number => {
    timers.set(++id, { ms, run });
    return id;
  };
  Object.assign(globalThis, {
    setTimeout: set,
    clearTimeout: (id: number) => timers.delete(id),
  });
  try {
    test(timers);
  } finally {
    const [setTimeout, clearTimeout] = real;
    Object.assign(globalThis, { setTimeout, clearTimeout });
  }
}

Deno.test("systemClock.now() never goes back, even when the wall clock does", () => {
  const dateNow = Date.now;
  let wall = dateNow();
  Date.now = () => wall -= 1000;
  try {
    let last = systemClock.now();
    for (let i = 0; i < 1000; i++) {
      const now = systemClock.now();
      assert(now >= last);
      last = now;
    }
  } finally {
    Date.now = dateNow;
  }
});

Deno.test("systemClock.now() goes on as time passes", async () => {
  const start = systemClock.now();
  await elapsed(2);
  assert(systemClock.now() > start);
});

Deno.test("systemClock.after() fires once, and later for a longer wait", async () => {
  const fired: string[] = [];
  const done = gate();
  // So long that a pause before the next line makes no difference.
  systemClock.after(100, () => {
    fired.push("long");
    done.open();
  });
  systemClock.after(0, () => fired.push("none"));
  assertEquals(fired, []);
  await done.opened;
  await elapsed(1);
  assertEquals(fired, ["none", "long"]);
});

Deno.test("systemClock.after() can be cancelled, before and after its time", async () => {
  let fired = 0;
  const cancel = systemClock.after(1, () => fired++);
  cancel();
  cancel();
  const cancelLate = systemClock.after(0, () => fired++);
  await elapsed(2);
  assertEquals(fired, 1);
  cancelLate();
});

Deno.test("systemClock.after() does not fire at once for a wait that is too long for setTimeout", async () => {
  let fired = 0;
  const cancels = [LONGEST + 1, 2 ** 32, 1e15, Infinity]
    .map((ms) => systemClock.after(ms, () => fired++));
  try {
    await elapsed(2);
    assertEquals(fired, 0);
  } finally {
    for (const cancel of cancels) cancel();
  }
});

Deno.test("systemClock.after() makes up a long wait from shorter ones, and can be cancelled in each", () => {
  withTimers((timers) => {
    let fired = 0;
    const asked: number[] = [];
    const elapse = (): void => {
      const [[id, timer]] = [...timers] as [
        [number, { ms: number; run: () => void }],
      ];
      timers.delete(id);
      asked.push(timer.ms);
      timer.run();
    };
    systemClock.after(2 * LONGEST + 5, () => fired++);
    elapse();
    elapse();
    assertEquals(fired, 0);
    elapse();
    assertEquals([fired, asked], [1, [LONGEST, LONGEST, 5]]);
    assertEquals(timers.size, 0);

    const cancel = systemClock.after(LONGEST + 5, () => fired++);
    elapse();
    cancel();
    assertEquals(timers.size, 0);
  });
});

Deno.test("A machine that was suspended has grown older, and a wall clock that is set back or drifts changes nothing", () => {
  let steady = 100;
  let wall = 1_000_000;
  const now = monotonic(() => steady, () => wall);
  const pass = (steadyMs: number, wallMs: number): number => {
    steady += steadyMs;
    wall += wallMs;
    return now();
  };
  assertEquals(now(), 100);
  assertEquals(pass(50, 50), 150);
  // Suspended: the steady clock stood still for an hour.
  assertEquals(pass(10, 3_600_010), 3_600_160);
  assertEquals(pass(10, 10), 3_600_170);
  // Set back by a day, and it goes on from there.
  assertEquals(pass(10, -86_400_000), 3_600_180);
  assertEquals(pass(5, 5), 3_600_185);
  // Set forward: values are older than they might be, never younger.
  assertEquals(pass(0.5, 5_000.5), 3_600_185.5);
  assertEquals(pass(0.5, 0.5), 3_605_186);
  // A drift of 1 ms with each look never adds up to a jump.
  for (let i = 0; i < 5_000; i++) pass(10, 11);
  assertEquals(now(), 3_655_186);
});
