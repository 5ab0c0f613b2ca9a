import fc from "fast-check";
import { type Flight, SingleFlight } from "../../group/singleflight.ts";
import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { type Gate, gate, settle } from "../support/time.ts";

type Outcome = ["waits"] | ["got", unknown] | ["failed", unknown];

/** What has become of a promise so far. */
function watch(promise: Promise<unknown>): { is: Outcome } {
  const watched: { is: Outcome } = { is: ["waits"] };
  promise.then(
    (value) => void (watched.is = ["got", value]),
    (reason) => void (watched.is = ["failed", reason]),
  );
  return watched;
}

/** Runs that the test ends, each with its flight, in the order of their start. */
class Runs {
  readonly flights: Flight[] = [];
  readonly gates: Gate<number>[] = [];
  readonly run = (flight: Flight): Promise<number> => {
    const opened = gate<number>();
    this.flights.push(flight);
    this.gates.push(opened);
    return opened.opened;
  };

  get count(): number {
    return this.flights.length;
  }
}

const reason = new Error("left");

const op = fc.record({
  // Repeated, so that fast-check picks it as often as it is named.
  do: fc.constantFrom(
    ...["join", "join", "join", "leave", "leave", "end", "forget"] as const,
  ),
  key: fc.constantFrom("a", "b"),
  n: fc.nat(9),
  flag: fc.boolean(),
});

Deno.test("SingleFlight gives every caller the result of the flight that it joined, unless the caller leaves first", async () => {
  const ops = fc.array(op, { maxLength: 25, size: "max" });
  await fc.assert(fc.asyncProperty(ops, async (ops) => {
    const flights = new SingleFlight<string, number>();
    const runs = new Runs();
    const model: Record<"joinable" | "current" | "ended" | "left", boolean>[] =
      [];
    const keys: string[] = [];
    const callers: {
      flight: number;
      leave: AbortController | undefined;
      watched: { is: Outcome };
      expected: Outcome;
    }[] = [];
    const joinable = (key: string): number =>
      model.findIndex((flight, i) => flight.joinable && keys[i] === key);
    const waitingFor = (flight: number): typeof callers =>
      callers.filter((caller) =>
        caller.flight === flight && caller.expected[0] === "waits"
      );

    for (const { do: name, key, n, flag } of ops) {
      if (name === "join") {
        if (joinable(key) < 0) {
          keys.push(key);
          model.push({
            joinable: true,
            current: true,
            ended: false,
            left: false,
          });
        }
        const leave = flag ? new AbortController() : undefined;
        const options = leave && { signal: leave.signal };
        callers.push({
          flight: joinable(key),
          leave,
          watched: watch(flights.do(key, runs.run, options)),
          expected: ["waits"],
        });
      } else if (name === "leave") {
        const caller = callers[n];
        if (caller?.leave === undefined) continue;
        const reason = new Error(`caller ${n} left`);
        caller.leave.abort(reason);
        if (caller.expected[0] !== "waits") continue;
        caller.expected = ["failed", reason];
        if (waitingFor(caller.flight).length === 0) {
          const flight = model[caller.flight]!;
          flight.joinable = flight.current = false;
          flight.left = true;
        }
      } else if (name === "end") {
        const flight = model[n];
        if (flight === undefined || flight.ended) continue;
        for (const caller of waitingFor(n)) {
          caller.expected = flag ? ["got", n] : ["failed", reason];
        }
        if (flag) runs.gates[n]!.open(n);
        else runs.gates[n]!.fail(reason);
        flight.ended = true;
        flight.joinable = false;
      } else {
        const flight = model[joinable(key)];
        assertEquals(flights.forget(key), flight !== undefined);
        if (flight) flight.joinable = flight.current = false;
      }
      await settle();

      assertEquals(runs.count, model.length);
      assertEquals(flights.size, model.filter((one) => one.joinable).length);
      for (const { watched, expected } of callers) {
        assertEquals(watched.is[0], expected[0]);
        assertStrictEquals(watched.is[1], expected[1]);
      }
      model.forEach(({ current, left }, i) => {
        const flight = runs.flights[i]!;
        assertEquals(flight.current, current);
        // The signals of the others are made after the last step, if at all.
        if (i % 2 === 0) assertEquals(flight.signal.aborted, left);
      });
    }
    model.forEach(({ left }, i) => {
      assertEquals(runs.flights[i]!.signal.aborted, left);
    });
  }));
});

Deno.test("SingleFlight.do() runs once for all callers that ask while it runs, and anew for the next", async () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const callers = [1, 2, 3].map(() => flights.do("k", runs.run));
  const other = flights.do("other", runs.run);
  assertEquals([runs.count, flights.size], [2, 2]);
  runs.gates[0]!.open(1);
  assertEquals(await Promise.all(callers), [1, 1, 1]);
  assertEquals(flights.size, 1);
  const next = flights.do("k", runs.run);
  assertEquals(runs.count, 3);
  runs.gates[1]!.open(2);
  runs.gates[2]!.open(3);
  assertEquals([await other, await next], [2, 3]);
  assertEquals(flights.size, 0);
});

Deno.test("SingleFlight.do() ends only the wait of the caller whose signal fires, even the first one's", async () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const [first, second] = [new AbortController(), new AbortController()];
  const a = watch(flights.do("k", runs.run, { signal: first.signal }));
  const b = watch(flights.do("k", runs.run, { signal: second.signal }));
  first.abort(reason);
  await settle();
  assertEquals(b.is, ["waits"]);
  assertStrictEquals(a.is[1], reason);
  assertEquals(runs.flights[0]!.signal.aborted, false);
  runs.gates[0]!.open(1);
  await settle();
  assertEquals(b.is, ["got", 1]);
  assertEquals(runs.count, 1);
});

Deno.test("SingleFlight abandons a flight at once when the last caller leaves", async () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const [first, second] = [new AbortController(), new AbortController()];
  watch(flights.do("k", runs.run, { signal: first.signal }));
  watch(flights.do("k", runs.run, { signal: second.signal }));
  const flight = runs.flights[0]!;
  const fired: unknown[] = [];
  flight.signal.onabort = () => fired.push(flight.signal.reason);
  first.abort();
  assertEquals([flight.current, fired, flights.size], [true, [], 1]);
  second.abort(reason);
  assertEquals([flight.current, flights.size], [false, 0]);
  assertStrictEquals(fired[0], reason);
  const next = watch(flights.do("k", runs.run));
  assertEquals(runs.count, 2);
  runs.gates[0]!.open(1);
  await settle();
  assertEquals(next.is, ["waits"]);
  assertEquals([runs.flights[1]!.current, flights.size], [true, 1]);
});

Deno.test("SingleFlight never abandons a flight that a caller without a signal waits for", async () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const leave = new AbortController();
  const stays = watch(flights.do("k", runs.run));
  watch(flights.do("k", runs.run, { signal: leave.signal }));
  leave.abort();
  assertEquals(runs.flights[0]!.signal.aborted, false);
  assertEquals([runs.flights[0]!.current, flights.size], [true, 1]);
  runs.gates[0]!.open(1);
  await settle();
  assertEquals(stays.is, ["got", 1]);
});

Deno.test("SingleFlight.do() starts and joins nothing for a signal that fired already", async () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  for (const reason of [new Error("left"), null, 0]) {
    const late = watch(
      flights.do("k", runs.run, { signal: AbortSignal.abort(reason) }),
    );
    await settle();
    assertEquals(late.is[0], "failed");
    assertStrictEquals(late.is[1], reason);
  }
  assertEquals([runs.count, flights.size], [0, 0]);
  const leave = new AbortController();
  watch(flights.do("k", runs.run, { signal: leave.signal }));
  watch(flights.do("k", runs.run, { signal: AbortSignal.abort() }));
  leave.abort();
  // A caller that never waited does not keep the flight alive.
  assertEquals(runs.flights[0]!.signal.aborted, true);
});

Deno.test("SingleFlight.do() rejects for all callers with what the run threw, whatever it is and whenever it is thrown", async () => {
  for (const thrown of [new Error("x"), undefined, null, 0, "", false]) {
    const flights = new SingleFlight<string, number>();
    const { signal } = new AbortController();
    const fail = gate();
    const late = async (): Promise<number> => {
      await fail.opened;
      throw thrown;
    };
    const atOnce = (): Promise<number> => {
      throw thrown;
    };
    const callers = [
      watch(flights.do("late", late)),
      watch(flights.do("late", late)),
      watch(flights.do("late", late, { signal })),
      watch(flights.do("at once", atOnce)),
      watch(flights.do("at once", atOnce, { signal })),
    ];
    assertEquals(flights.size, 1);
    fail.open();
    await settle();
    for (const { is } of callers) {
      assertEquals(is[0], "failed");
      assertStrictEquals(is[1], thrown);
    }
    assertEquals(flights.size, 0);
    for (const key of ["late", "at once"]) {
      assertEquals(await flights.do(key, () => Promise.resolve(1)), 1);
    }
  }
});

Deno.test("SingleFlight.forget() gives the next caller a new flight and lets the old one end for its own callers", async () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const leave = new AbortController();
  assertEquals(flights.forget("k"), false);
  const old = watch(flights.do("k", runs.run, { signal: leave.signal }));
  const oldToo = watch(flights.do("k", runs.run));
  assertEquals(flights.forget("k"), true);
  assertEquals(flights.forget("k"), false);
  const next = watch(flights.do("k", runs.run));
  assertEquals(runs.flights.map(({ current }) => current), [false, true]);
  leave.abort(reason);
  runs.gates[0]!.open(1);
  await settle();
  assertEquals([old.is[0], oldToo.is, next.is], [
    "failed",
    ["got", 1],
    ["waits"],
  ]);
  // The end of the old flight does not start a third.
  const joined = watch(flights.do("k", runs.run));
  assertEquals([runs.count, flights.size], [2, 1]);
  runs.gates[1]!.open(2);
  await settle();
  assertEquals([next.is, joined.is], [["got", 2], ["got", 2]]);
});

Deno.test("SingleFlight fires the signal of a forgotten flight when its last caller leaves, and not that of the next flight", () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const leave = new AbortController();
  watch(flights.do("k", runs.run, { signal: leave.signal }));
  flights.forget("k");
  assertEquals(runs.flights[0]!.signal.aborted, false);
  watch(flights.do("k", runs.run));
  leave.abort();
  assertEquals(
    runs.flights.map(({ current, signal }) => [current, signal.aborted]),
    [[false, true], [true, false]],
  );
  assertEquals(flights.size, 1);
});

Deno.test("SingleFlight.forgetAll() forgets the flights of all keys", async () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const old = ["a", "b"].map((key) => watch(flights.do(key, runs.run)));
  flights.forgetAll();
  assertEquals(flights.size, 0);
  assertEquals(runs.flights.map(({ current }) => current), [false, false]);
  watch(flights.do("a", runs.run));
  assertEquals(runs.count, 3);
  runs.gates.forEach((gate, i) => gate.open(i));
  await settle();
  assertEquals(old.map(({ is }) => is), [["got", 0], ["got", 1]]);
});

Deno.test("SingleFlight.close() ends every wait, also those for forgotten flights, and refuses later callers", async () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const { signal } = new AbortController();
  const closed = new Error("closed");
  const callers = [watch(flights.do("k", runs.run, { signal }))];
  flights.forget("k");
  callers.push(watch(flights.do("k", runs.run)));
  callers.push(watch(flights.do("k", runs.run, { signal })));
  const first = runs.flights[0]!.signal;
  flights.close(closed);
  flights.close(new Error("closed again"));
  callers.push(watch(flights.do("k", runs.run)));
  callers.push(watch(flights.do("new", runs.run, { signal })));
  await settle();
  for (const { is } of callers) {
    assertEquals(is[0], "failed");
    assertStrictEquals(is[1], closed);
  }
  assertEquals([runs.count, flights.size], [2, 0]);
  for (const { current, signal } of runs.flights) {
    assertEquals([current, signal.aborted], [false, true]);
    assertStrictEquals(signal.reason, closed);
  }
  assertStrictEquals(first, runs.flights[0]!.signal);
  // Later results and errors of the runs reach nobody.
  runs.gates[0]!.open(1);
  runs.gates[1]!.fail(new Error("nobody hears this"));
  await settle();
});

Deno.test("SingleFlight.close() changes nothing for the callers of a flight that has ended", async () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const caller = flights.do("k", runs.run);
  runs.gates[0]!.open(1);
  await settle();
  flights.close(reason);
  assertEquals(await caller, 1);
  assertEquals(runs.flights[0]!.signal.aborted, false);
});

Deno.test("Flight.signal has already fired when it is first read after the last caller left", () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const leave = new AbortController();
  watch(flights.do("k", runs.run, { signal: leave.signal }));
  leave.abort(reason);
  const { signal } = runs.flights[0]!;
  assertEquals(signal.aborted, true);
  assertStrictEquals(signal.reason, reason);
  assertStrictEquals(runs.flights[0]!.signal, signal);
});

Deno.test("Flight.signal does not fire for a caller who leaves when the run has ended", async () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const leave = new AbortController();
  const caller = watch(flights.do("k", runs.run, { signal: leave.signal }));
  // After the run has ended and before the caller hears of it.
  runs.gates[0]!.opened.then(() => leave.abort());
  runs.gates[0]!.open(1);
  await settle();
  const { current, signal } = runs.flights[0]!;
  assertEquals([current, signal.aborted], [true, false]);
  assert(caller.is[0] !== "waits");
});

Deno.test("SingleFlight.do() leaves no listener on the signal of a caller", async () => {
  const listeners = new Set<unknown>();
  let added = 0;
  const controller = new AbortController();
  const { signal } = controller;
  const { addEventListener, removeEventListener } = signal;
  // A signal may outlive thousands of calls: a server's, a process's.
  Object.assign(signal, {
    addEventListener(...args: Parameters<typeof addEventListener>) {
      added++;
      listeners.add(args[1]);
      addEventListener.apply(signal, args);
    },
    removeEventListener(...args: Parameters<typeof removeEventListener>) {
      listeners.delete(args[1]);
      removeEventListener.apply(signal, args);
    },
  });
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  const callers = ["a", "a", "b", "c"].map((key) =>
    watch(flights.do(key, runs.run, { signal }))
  );
  assertEquals([added, listeners.size], [4, 4]);
  runs.gates[0]!.open(1);
  runs.gates[1]!.fail(reason);
  await settle();
  assertEquals([added, listeners.size], [4, 1]);
  flights.close(reason);
  await settle();
  assertEquals(listeners.size, 0);
  const before = callers.map(({ is }) => is);
  controller.abort();
  await settle();
  assertEquals(callers.map(({ is }) => is), before);
});

Deno.test("SingleFlight leaves no unhandled rejection when a run fails after all callers left", async () => {
  const flights = new SingleFlight<string, number>();
  const runs = new Runs();
  for (const key of ["k", "forgotten"]) {
    const leave = new AbortController();
    watch(flights.do(key, runs.run, { signal: leave.signal }));
    if (key === "forgotten") flights.forget(key);
    leave.abort();
  }
  for (const gate of runs.gates) gate.fail(new Error("nobody hears this"));
  // An unhandled rejection would fail the test here, on every runtime.
  await settle();
  assertEquals(flights.size, 0);
});

Deno.test("SingleFlight.do() lets a caller leave when the run itself fires the caller's signal", async () => {
  const flights = new SingleFlight<string, number>();
  const leave = new AbortController();
  let flight: Flight | undefined;
  const caller = watch(flights.do("k", (started) => {
    flight = started;
    leave.abort(reason);
    return new Promise(() => {});
  }, { signal: leave.signal }));
  await settle();
  assertEquals(caller.is[0], "failed");
  assertStrictEquals(caller.is[1], reason);
  assertEquals([flight?.current, flight?.signal.aborted, flights.size], [
    false,
    true,
    0,
  ]);
});
