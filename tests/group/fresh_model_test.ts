/** Random times, writes and failures of one key, held to a naive model of docs/freshness.md. */

import fc from "fast-check";
import { Group, type Loaded, NotFoundError } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { FakeClock, type Gate, gate, settle } from "../support/time.ts";

const TTL_MS = 100;
const REVALIDATE_MS = 300;
const ERROR_MS = 3_000;
const ABSENT_MS = 50;

type Op =
  | { do: "get" | "remove" | "clear" | "set" | "fail" | "give" | "lack" }
  | { do: "wait"; ms: number };

const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Op>({ do: "get" }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 49, 50, 99, 100, 150, 250, 400, 1_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Op>(
      { do: "fail" },
      { do: "fail" },
      { do: "give" },
      { do: "give" },
      { do: "lack" },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Op>(
      { do: "remove" },
      { do: "clear" },
      { do: "set" },
    ),
  },
);

/** What may be known of the key, and the load of it that runs. */
class Model {
  value: { text: string; at: number } | undefined;
  absentUntil = -Infinity;
  failures = 0;
  pausedUntil = -Infinity;
  /** The load that callers join: whether no write came since it began. */
  load: { current: boolean } | undefined;

  /** How long the value has been stale; below 0: it is fresh. */
  staleMs(now: number): number {
    return this.value === undefined ? Infinity : now - this.value.at - TTL_MS;
  }

  write(): void {
    this.value = undefined;
    this.absentUntil = this.pausedUntil = -Infinity;
    this.failures = 0;
    this.load = undefined;
  }
}

Deno.test("Whatever happens to a key in whatever order, its callers get what a naive model says, and no load too many runs", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(op, { minLength: 60, maxLength: 120 }),
      async (ops) => {
        const clock = new FakeClock();
        const gates: Gate<Loaded>[] = [];
        const group = new Group("g", () => {
          const one = gate<Loaded>();
          gates.push(one);
          return one.opened;
        }, {
          clock,
          random: () => 0,
          ttlMs: TTL_MS,
          staleWhileRevalidateMs: REVALIDATE_MS,
          staleIfErrorMs: ERROR_MS,
          negativeTtlMs: ABSENT_MS,
        });
        const model = new Model();
        /** Loads that run, the oldest first, also those that a write forgot. */
        const running: { number: number; load: { current: boolean } }[] = [];
        let begun = 0;
        let written = 0;
        /** Callers that wait, with the load that they wait for. */
        const waiting: { load: { current: boolean }; got: () => string }[] = [];
        const begin = () => {
          model.load = { current: true };
          running.push({ number: begun++, load: model.load });
        };
        const end = async (how: "fail" | "give" | "lack") => {
          const one = running.shift();
          if (one === undefined) return;
          const { number, load } = one;
          const now = clock.now();
          let expected: string;
          if (how === "give") {
            gates[number]!.open(`load ${number}`);
            expected = `load ${number}`;
            if (load.current) {
              model.write();
              model.value = { text: expected, at: now };
            }
          } else if (how === "lack") {
            gates[number]!.open(undefined);
            expected = "none";
            if (load.current) {
              model.write();
              model.absentUntil = now + ABSENT_MS;
            }
          } else {
            gates[number]!.fail(new Error("no db"));
            expected = "error";
            if (load.current) {
              model.load = undefined;
              const hadValue = begunStale.has(number);
              if (hadValue) {
                const ms = Math.min(1_000 * 2 ** model.failures++, 30_000);
                model.pausedUntil = now + ms;
              }
              if (model.value !== undefined && model.staleMs(now) < ERROR_MS) {
                expected = model.value.text;
              }
            }
          }
          load.current = false;
          await settle();
          for (const one of waiting) {
            if (one.load === load) assertEquals(one.got(), expected);
          }
        };
        /** The loads that began with a stale value at hand. */
        const begunStale = new Set<number>();
        for (const op of ops) {
          const now = clock.now();
          switch (op.do) {
            case "wait":
              await clock.advance(op.ms);
              break;
            case "fail":
            case "give":
            case "lack":
              await end(op.do);
              break;
            case "remove":
            case "clear":
            case "set": {
              const { load } = model;
              if (load !== undefined) load.current = false;
              model.write();
              if (op.do === "remove") await group.remove("k");
              else if (op.do === "clear") await group.clear();
              else {
                const text = `set ${written++}`;
                await group.set("k", text);
                model.value = { text, at: now };
              }
              break;
            }
            case "get": {
              let got = "nothing yet";
              group.get("k").then(
                (view) => got = view.text(),
                (error) =>
                  got = error instanceof NotFoundError ? "none" : "error",
              );
              await clock.advance(0);
              const staleMs = model.staleMs(now);
              const isPaused = now < model.pausedUntil;
              if (staleMs < 0) assertEquals(got, model.value!.text);
              else if (staleMs < REVALIDATE_MS) {
                assertEquals(got, model.value!.text);
                if (model.load === undefined && !isPaused) {
                  begunStale.add(begun);
                  begin();
                }
              } else if (now < model.absentUntil) assertEquals(got, "none");
              else if (staleMs < ERROR_MS && isPaused) {
                assertEquals(got, model.value!.text);
              } else {
                if (model.load === undefined) {
                  if (staleMs < ERROR_MS) begunStale.add(begun);
                  begin();
                }
                assertEquals(got, "nothing yet");
                waiting.push({ load: model.load!, got: () => got });
              }
              break;
            }
          }
          assertEquals(gates.length, begun);
        }
        while (running.length > 0) await end("give");
        group.close();
      },
    ),
    { numRuns: 300 },
  );
});
