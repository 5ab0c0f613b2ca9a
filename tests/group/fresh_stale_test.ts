/** Values that go stale, in one process: the owner's rows of docs/freshness.md. */

import { Group, type GroupOptions, type Loaded, LoadError } from "../../mod.ts";
import { localOf } from "../../group/local_group.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { FakeClock, type Gate, gate, settle } from "../support/time.ts";

/** A group whose source a test controls. */
class Source {
  readonly clock = new FakeClock();
  readonly group: Group;
  loads = 0;
  /** What the getter was given as stale, for each call. */
  readonly stale: (string | undefined)[] = [];
  /** What the next loads do; default: they give the number of the load. */
  next: (load: number) => Loaded | Promise<Loaded> = String;

  constructor(options: GroupOptions) {
    this.group = new Group("g", (_key, { stale }) => {
      this.loads++;
      this.stale.push(stale?.text());
      return this.next(this.loads);
    }, { clock: this.clock, random: () => 0, ...options });
  }

  /** The value, and where it came from, and how long it has. */
  async get(key = "k"): Promise<[string, string, number]> {
    const { value, from, ttlMs } = await this.group.getEntry(key);
    return [value.text(), from, ttlMs];
  }

  fail(): void {
    this.next = () => Promise.reject(new Error("no db"));
  }

  /** The next loads end when the test says so. */
  hold(): Gate<Loaded>[] {
    const gates: Gate<Loaded>[] = [];
    this.next = () => {
      const one = gate<Loaded>();
      gates.push(one);
      return one.opened;
    };
    return gates;
  }
}

const LIFE = {
  ttlMs: 1_000,
  staleWhileRevalidateMs: 10_000,
  staleIfErrorMs: 60_000,
};

Deno.test("A value that went stale is answered at once, to everybody, while one load runs", async () => {
  const source = new Source(LIFE);
  assertEquals(await source.get(), ["1", "load", 1_000]);
  // What is used often has an object in front, which goes stale, too.
  for (let i = 0; i < 5; i++) {
    assertEquals(await source.get(), ["1", "main", 1_000]);
  }
  const gates = source.hold();
  await source.clock.advance(1_000.5);
  // The second caller in the window does not wait either.
  for (let i = 0; i < 100; i++) {
    assertEquals(await source.get(), ["1", "main", -0.5]);
  }
  assertEquals(source.loads, 1);
  await source.clock.advance(0);
  assertEquals(source.loads, 2);
  assertEquals(source.stale, [undefined, "1"]);
  assertEquals(await source.get(), ["1", "main", -0.5]);
  gates[0]!.open("two");
  await settle();
  assertEquals(await source.get(), ["two", "main", 1_000]);
  const { refreshes, staleAnswers, localLoads } = source.group.stats();
  assertEquals([refreshes, staleAnswers, localLoads], [1, 101, 2]);
  source.group.close();
});

Deno.test("A refresh begins in a turn of its own, so a getter that blocks holds up no caller", async () => {
  const source = new Source(LIFE);
  await source.get();
  await source.clock.advance(1_500);
  await source.get();
  await settle();
  assertEquals(source.loads, 1);
  await source.clock.advance(0);
  assertEquals(source.loads, 2);
});

Deno.test("The window ends while a refresh runs: callers join it, and get nothing stale", async () => {
  const source = new Source({ ttlMs: 1_000, staleWhileRevalidateMs: 500 });
  await source.get();
  const gates = source.hold();
  await source.clock.advance(1_200);
  assertEquals(await source.get(), ["1", "main", -200]);
  await source.clock.advance(300);
  const waiting = source.get();
  await source.clock.advance(60_000);
  // A refresh that takes longer than a life is stored all the same.
  gates[0]!.open("two");
  assertEquals(await waiting, ["two", "load", 1_000]);
  assertEquals(source.loads, 2);
  assertEquals(await source.get(), ["two", "main", 1_000]);
});

Deno.test("A refresh that fails is begun again after 1 s, then twice as long up to 30 s, and extends no window", async () => {
  const source = new Source({ ...LIFE, staleWhileRevalidateMs: 300_000 });
  await source.get();
  await source.clock.advance(1_001);
  source.fail();
  const at: number[] = [];
  while (source.clock.now() < 301_000) {
    const before = source.loads;
    assertEquals((await source.get())[0], "1");
    await source.clock.advance(0);
    if (source.loads > before) at.push(source.clock.now() - 1_001);
    await source.clock.advance(100);
  }
  const pauses = at.slice(1).map((time, i) => time - at[i]!);
  assertEquals(pauses.slice(0, 7), [
    1_000,
    2_000,
    4_000,
    8_000,
    16_000,
    30_000,
    30_000,
  ]);
  // The window is over, however often the value was answered.
  await assertRejects(() => source.get(), Error, "no db");
});

Deno.test("The pauses after failures are shortened by up to a quarter, by chance", async () => {
  const source = new Source({ ...LIFE, random: () => 0.999 });
  await source.get();
  await source.clock.advance(1_001);
  source.fail();
  await source.get();
  await source.clock.advance(0);
  await source.clock.advance(740);
  await source.get();
  await source.clock.advance(0);
  assertEquals(source.loads, 2);
  await source.clock.advance(11);
  await source.get();
  await source.clock.advance(0);
  assertEquals(source.loads, 3);
});

Deno.test("Between the windows a load is waited for, and a stale value answered only if it fails", async () => {
  const source = new Source({ ttlMs: 1_000, staleIfErrorMs: 60_000 });
  await source.get();
  await source.clock.advance(2_000);
  assertEquals(source.group.peek("k"), undefined);
  assertEquals(await source.get(), ["2", "load", 1_000]);
  assertEquals(source.stale, [undefined, "1"]);
  await source.clock.advance(2_000);
  source.fail();
  assertEquals(await source.get(), ["2", "main", -1_000]);
  assertEquals(source.loads, 3);
  // It is not asked again at once, and answers go on.
  await source.clock.advance(999);
  assertEquals(await source.get(), ["2", "main", -1_999]);
  assertEquals(source.loads, 3);
  await source.clock.advance(1);
  assertEquals(await source.get(), ["2", "main", -2_000]);
  assertEquals(source.loads, 4);
  await source.clock.advance(58_000);
  await assertRejects(() => source.get(), Error, "no db");
  // Without a value there is nothing to spare: each get asks.
  await assertRejects(() => source.get(), Error, "no db");
  assertEquals(source.loads, 6);
});

Deno.test("A load that says that there is no such key is no failure: the stale value goes", async () => {
  const source = new Source(LIFE);
  await source.get();
  await source.clock.advance(1_500);
  source.next = () => undefined;
  assertEquals((await source.get())[0], "1");
  await source.clock.advance(0);
  assertEquals(source.group.peek("k"), undefined);
  await assertRejects(() => source.get(), Error, "no such key");
  assertEquals(source.loads, 3);
});

for (const write of ["remove", "set", "clear"] as const) {
  Deno.test(`A refresh under way undoes no ${write}, and what failed before does not count after it`, async () => {
    const source = new Source(LIFE);
    await source.get();
    const gates = source.hold();
    await source.clock.advance(1_500);
    await source.get();
    await source.clock.advance(0);
    assertEquals(gates.length, 1);
    if (write === "remove") await source.group.remove("k");
    else if (write === "clear") await source.group.clear();
    else await source.group.set("k", "new");
    gates[0]!.open("old");
    await settle();
    assertEquals(
      source.group.peek("k")?.text(),
      write === "set" ? "new" : undefined,
    );
    if (write === "set") {
      // Its life is the group's, too.
      assertEquals(await source.get(), ["new", "main", 1_000]);
      return;
    }
    const again = source.get();
    await settle();
    gates[1]!.open("newer");
    assertEquals(await again, ["newer", "load", 1_000]);
  });

  Deno.test(`A stale value is gone with a ${write}, also for a load that fails later`, async () => {
    const source = new Source({ ttlMs: 1_000, staleIfErrorMs: 60_000 });
    await source.get();
    await source.clock.advance(1_500);
    const gates = source.hold();
    const waiting = source.get();
    await settle();
    if (write === "remove") await source.group.remove("k");
    else if (write === "clear") await source.group.clear();
    else await source.group.set("k", "new");
    gates[0]!.fail(new Error("no db"));
    await assertRejects(() => waiting, Error, "no db");
  });

  Deno.test(`A refresh that a ${write} comes before is not begun`, async () => {
    const source = new Source(LIFE);
    await source.get();
    await source.clock.advance(1_500);
    await source.get();
    if (write === "remove") await source.group.remove("k");
    else if (write === "clear") await source.group.clear();
    else await source.group.set("k", "new");
    await source.clock.advance(0);
    assertEquals(source.loads, 1);
  });

  Deno.test(`After a ${write}, nobody waits for the end of a pause`, async () => {
    const source = new Source({ ttlMs: 1_000, staleIfErrorMs: 60_000 });
    await source.get();
    await source.clock.advance(1_500);
    source.fail();
    await source.get();
    assertEquals(source.loads, 2);
    if (write === "set") await source.group.set("k", "new", { ttlMs: 100 });
    else if (write === "clear") await source.group.clear();
    else await source.group.remove("k");
    await source.clock.advance(200);
    source.next = String;
    assertEquals((await source.get())[0], "3");
  });
}

Deno.test("A value has its own life, from the getter and from set, and ttlMs 0 keeps nothing", async () => {
  const source = new Source(LIFE);
  source.next = () => ({ value: "v", ttlMs: 5, staleWhileRevalidateMs: 7 });
  assertEquals(await source.get(), ["v", "load", 5]);
  await source.clock.advance(11);
  assertEquals(await source.get(), ["v", "main", -6]);
  source.next = () => ({ value: "v", ttlMs: Infinity });
  assertEquals(await source.get("for ever"), ["v", "load", Infinity]);
  assertEquals(await source.get("for ever"), ["v", "main", Infinity]);
  source.next = () => ({ value: "v", ttlMs: 0 });
  assertEquals(await source.get("not kept"), ["v", "load", 0]);
  assertEquals(source.group.peek("not kept"), undefined);
  await source.group.set("set", "s", { ttlMs: 10, staleIfErrorMs: 90 });
  await source.clock.advance(50);
  assertEquals(await source.get("set"), ["s", "main", -40]);
  await source.group.set("gone", "s", { ttlMs: 0 });
  assertEquals(source.group.peek("gone"), undefined);
  source.group.close();
});

Deno.test("Times of 0, of fractions, beyond 2^31 ms and without an end are taken as they are", async () => {
  const days = 40 * 24 * 3_600_000;
  assert(days > 2 ** 31);
  const source = new Source({ ttlMs: days, staleWhileRevalidateMs: days });
  await source.get();
  await source.clock.advance(days - 0.5);
  assertEquals(await source.get(), ["1", "main", 0.5]);
  await source.clock.advance(days);
  assertEquals(await source.get(), ["1", "main", 0.5 - days]);
  const endless = new Source({ ttlMs: 0.25, staleIfErrorMs: Infinity });
  await endless.get();
  endless.fail();
  await endless.clock.advance(10 * days);
  assertEquals(await endless.get(), ["1", "main", 0.25 - 10 * days]);
  source.group.close();
});

Deno.test("A time that is no number, negative or NaN is refused where it is given", async () => {
  const names = [
    "ttlMs",
    "staleWhileRevalidateMs",
    "staleIfErrorMs",
    "negativeTtlMs",
    "softTimeoutMs",
    "loadTimeoutMs",
    "ttlJitter",
  ];
  const make = (options: unknown) =>
    new Group("g", () => "v", options as GroupOptions);
  for (const name of names) {
    for (const bad of [-1, NaN, -Infinity, "5", null, 5n]) {
      await assertRejects(
        async () => await make({ [name]: bad }),
        typeof bad === "number" ? RangeError : TypeError,
        `Cannot create Group "g": ${name} must be`,
      );
    }
  }
  await assertRejects(
    async () => await make({ ttlJitter: 1.5 }),
    RangeError,
    "ttlJitter must be a number from 0 to 1: received 1.5",
  );
  await assertRejects(
    async () => await make({ loadTimeoutMs: 0 }),
    RangeError,
    "loadTimeoutMs must be a number greater than 0: received 0",
  );
  make({ ttlMs: 0, softTimeoutMs: 0, negativeTtlMs: Infinity, ttlJitter: 1 });
  for (const name of names.slice(0, 3)) {
    const group = new Group("g", () => ({ value: "v", [name]: -1 } as Loaded));
    await assertRejects(
      () => group.get("k"),
      RangeError,
      `Cannot load "k" of group "g": ${name} must be at least 0: received -1`,
    );
    await assertRejects(
      () => group.set("k", "v", { [name]: "5" }),
      TypeError,
      `Cannot set "k" of group "g": ${name} must be a number: received "5"`,
    );
  }
});

Deno.test("A load that takes longer than softTimeoutMs is replaced by a stale value, and goes on", async () => {
  const source = new Source({
    ttlMs: 1_000,
    staleIfErrorMs: 60_000,
    softTimeoutMs: 200,
  });
  await source.get();
  await source.clock.advance(1_500);
  const gates = source.hold();
  const waiting = source.get();
  await source.clock.advance(150);
  // Who comes later does not wait as long again.
  const late = source.get();
  await source.clock.advance(50);
  assertEquals(await waiting, ["1", "main", -700]);
  assertEquals(await late, ["1", "main", -700]);
  const third = source.get();
  await source.clock.advance(0);
  assertEquals((await third)[0], "1");
  assertEquals(source.loads, 2);
  gates[0]!.open("two");
  await settle();
  assertEquals(await source.get(), ["two", "main", 1_000]);
  // A load that is quicker is waited for, and with nothing at hand each is.
  await source.clock.advance(1_500);
  source.next = () => "three";
  assertEquals((await source.get())[0], "three");
  const other = source.hold();
  const first = source.get("other");
  await source.clock.advance(5_000);
  other[0]!.open("v");
  assertEquals((await first)[0], "v");
  assertEquals(source.clock.pending, 0);
});

Deno.test("A caller that leaves ends no load that goes on for a stale value", async () => {
  const source = new Source({
    ttlMs: 1_000,
    staleIfErrorMs: 60_000,
    softTimeoutMs: 0,
  });
  await source.get();
  await source.clock.advance(1_500);
  const gates = source.hold();
  const controller = new AbortController();
  const { signal } = controller;
  // As a client asks that is no peer.
  const answered = localOf(source.group).load("k", { signal });
  await source.clock.advance(0);
  assertEquals((await answered).value.text(), "1");
  controller.abort();
  gates[0]!.open("two");
  await settle();
  assertEquals(source.group.peek("k")?.text(), "two");
});

Deno.test("A getter that takes longer than loadTimeoutMs has failed: its signal fires, and what it gives later is dropped", async () => {
  const clock = new FakeClock();
  const signals: AbortSignal[] = [];
  const gates: Gate<Loaded>[] = [];
  const group = new Group("g", (_key, { signal }) => {
    signals.push(signal);
    const one = gate<Loaded>();
    gates.push(one);
    return one.opened;
  }, { clock, loadTimeoutMs: 500, ttlMs: 1_000, staleIfErrorMs: 60_000 });
  const first = assertRejects(
    () => group.get("k"),
    LoadError,
    'Cannot load "k" of group "g": the getter took longer than 500 ms',
  );
  await clock.advance(499);
  assertEquals(signals[0]!.aborted, false);
  await clock.advance(1);
  await first;
  assertEquals(signals[0]!.reason instanceof LoadError, true);
  gates[0]!.open("late");
  await settle();
  assertEquals(group.peek("k"), undefined);
  // With a stale value at hand, that is answered.
  const second = group.get("k");
  await settle();
  gates[1]!.open("two");
  assertEquals((await second).text(), "two");
  await clock.advance(1_500);
  const third = group.getEntry("k");
  await clock.advance(500);
  assertEquals((await third).ttlMs, -1_000);
  gates[2]!.fail(new Error("late, too"));
  await settle();
  assertEquals(group.stats().localLoadErrs, 2);
  assertEquals(clock.pending, 0);
});

Deno.test("A call that nobody waits for any more leaves no timer of its limit", async () => {
  const clock = new FakeClock();
  const signals: AbortSignal[] = [];
  const group = new Group("g", (_key, { signal }) => {
    signals.push(signal);
    return new Promise<never>(() => {});
  }, { clock, loadTimeoutMs: 500 });
  const controller = new AbortController();
  const get = group.get("k", { signal: controller.signal });
  await settle();
  assertEquals(clock.pending, 1);
  controller.abort(new Error("left"));
  await assertRejects(() => get, Error, "left");
  assertEquals(clock.pending, 0);
  assertEquals(signals[0]!.aborted, true);
});

Deno.test("ttlJitter shortens the life of what is loaded, and neither windows nor what is set", async () => {
  const source = new Source({
    ttlMs: 1_000,
    staleWhileRevalidateMs: 100,
    ttlJitter: 0.2,
    random: () => 0.5,
  });
  assertEquals(await source.get(), ["1", "load", 900]);
  await source.clock.advance(999);
  assertEquals(source.group.peek("k")?.text(), "1");
  await source.clock.advance(1);
  assertEquals(source.group.peek("k"), undefined);
  await source.group.set("k", "s");
  assertEquals(await source.get(), ["s", "main", 1_000]);
  source.next = () => ({ value: "own", ttlMs: 50 });
  assertEquals(await source.get("own"), ["own", "load", 45]);
  source.next = () => ({ value: "v", ttlMs: Infinity });
  assertEquals(await source.get("for ever"), ["v", "load", Infinity]);
  source.group.close();
});

Deno.test("getEntry() rejects as get() does, and a signal ends its wait", async () => {
  const source = new Source(LIFE);
  const gates = source.hold();
  const controller = new AbortController();
  const { signal } = controller;
  const one = source.group.getEntry("k", { signal });
  const other = source.group.getEntry("k");
  await settle();
  controller.abort(new Error("left"));
  await assertRejects(() => one, Error, "left");
  gates[0]!.open("v");
  assertEquals((await other).value.text(), "v");
  await assertRejects(
    () => source.group.getEntry("k", { signal }),
    Error,
    "left",
  );
  await assertRejects(() => source.group.getEntry(""), TypeError, "a key");
  source.next = () => undefined;
  await assertRejects(() => source.group.getEntry("none"), Error, "no such");
});

Deno.test("Closing a group begins no refresh that was due", async () => {
  const source = new Source(LIFE);
  await source.get();
  await source.clock.advance(1_500);
  await source.get();
  source.group.close();
  assertEquals(source.clock.pending, 0);
});

Deno.test("Empty values are values: they go stale, and are kept", async () => {
  const source = new Source(LIFE);
  source.next = () => "";
  assertEquals(await source.get(), ["", "load", 1_000]);
  await source.clock.advance(1_500);
  assertEquals(await source.get(), ["", "main", -500]);
  await source.clock.advance(0);
  assertEquals(source.stale, [undefined, ""]);
  assertEquals(await source.get(), ["", "main", 1_000]);
});
