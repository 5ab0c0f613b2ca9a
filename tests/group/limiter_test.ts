import { BusyError } from "../../mod.ts";
import { Limiter } from "../../group/limiter.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { type Gate, gate, settle } from "../support/time.ts";

const never = new AbortController().signal;

/** A limiter, and runs that end when the test says so. */
function start(max: number, maxWaiting: number) {
  const limiter = new Limiter({ max, maxWaiting });
  const begun: string[] = [];
  const gates = new Map<string, Gate<string>>();
  const run = (name: string, signal: AbortSignal = never) => {
    const end = gate<string>();
    gates.set(name, end);
    return limiter.run("Cannot do", () => {
      begun.push(name);
      return end.opened;
    }, signal);
  };
  return { limiter, begun, gates, run };
}

Deno.test("A limiter runs a few at a time, and the others in the order in which they came", async () => {
  const { limiter, begun, gates, run } = start(2, 10);
  const all = ["a", "b", "c", "d"].map((name) => run(name));
  await settle();
  assertEquals([begun, limiter.running, limiter.waiting], [["a", "b"], 2, 2]);
  gates.get("b")!.open("B");
  await settle();
  assertEquals(begun, ["a", "b", "c"]);
  for (const name of ["c", "a", "d"]) gates.get(name)!.open(name);
  assertEquals(await Promise.all(all), ["a", "B", "c", "d"]);
  assertEquals([limiter.running, limiter.waiting], [0, 0]);
});

Deno.test("A run that fails, at once or later, frees its place", async () => {
  const { limiter, gates, run } = start(1, 1);
  const failing = run("a");
  const next = run("b");
  gates.get("a")!.fail(new Error("no"));
  await assertRejects(() => failing, Error, "no");
  gates.get("b")!.open("b");
  assertEquals(await next, "b");
  const thrown = limiter.run("Cannot do", () => {
    throw new Error("at once");
  }, never);
  await assertRejects(() => thrown, Error, "at once");
  assertEquals(limiter.running, 0);
});

Deno.test("A limiter whose queue is full refuses one more at once, and says how many there are", async () => {
  const { begun, gates, run } = start(1, 2);
  const all = ["a", "b", "c"].map((name) => run(name));
  await assertRejects(
    () => run("d"),
    BusyError,
    "Cannot do: 1 such loads run and 2 wait",
  );
  for (const name of ["a", "b", "c"]) gates.get(name)!.open(name);
  await Promise.all(all);
  assertEquals(begun, ["a", "b", "c"]);
});

Deno.test("A caller that leaves gives up its own turn and no other", async () => {
  const { limiter, begun, gates, run } = start(1, 3);
  const controller = new AbortController();
  const first = run("a");
  const leaving = run("b", controller.signal);
  const last = run("c");
  controller.abort(new Error("enough"));
  await assertRejects(() => leaving, Error, "enough");
  await assertRejects(
    () => run("d", AbortSignal.abort(new Error("gone"))),
    Error,
    "gone",
  );
  assertEquals(limiter.waiting, 1);
  gates.get("a")!.open("a");
  gates.get("c")!.open("c");
  assertEquals(await Promise.all([first, last]), ["a", "c"]);
  assertEquals([begun, limiter.running], [["a", "c"], 0]);
});
