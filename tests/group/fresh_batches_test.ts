/** Values that go stale, of a group whose getter loads many keys in one call. */

import {
  type BatchGetter,
  type ByteView,
  Group,
  type GroupOptions,
  type Loaded,
  LoadError,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { FakeClock, type Gate, gate, settle } from "../support/time.ts";

type Found = Awaited<ReturnType<BatchGetter["loadMany"]>>;

/** A call of `loadMany`, as the getter saw it. */
interface Call {
  readonly keys: readonly string[];
  readonly stale: Record<string, string>;
  readonly signal: AbortSignal;
}

/** A group whose source a test controls, and the calls that it got. */
class Source {
  readonly clock = new FakeClock();
  readonly group: Group;
  readonly calls: Call[] = [];
  /** What the next calls answer; default: each key with the number of the call. */
  next: (keys: readonly string[]) => Found | Promise<Found> = (keys) =>
    new Map(keys.map((key) => [key, `${key}${this.calls.length}`]));

  constructor(options: GroupOptions, maxKeys?: number) {
    this.group = new Group("g", {
      loadMany: (keys, { stale, signal }) => {
        const texts = [...stale].map(([key, view]) => [key, view.text()]);
        const call = { keys: [...keys], stale: Object.fromEntries(texts) };
        this.calls.push({ ...call, signal });
        return this.next(keys);
      },
      ...(maxKeys === undefined ? {} : { maxKeys }),
    }, { clock: this.clock, random: () => 0, ...options });
  }

  /** What comes of keys that are asked for together: texts, or messages of errors. */
  async get(...keys: string[]): Promise<string[]> {
    const values = await this.group.getMany(keys);
    return keys.map((key) => textOf(values.get(key)!));
  }

  /** The keys of each call. */
  get keys(): (readonly string[])[] {
    return this.calls.map(({ keys }) => keys);
  }

  /** The next calls end when the test says so. */
  hold(): Gate<Found>[] {
    const gates: Gate<Found>[] = [];
    this.next = () => {
      const one = gate<Found>();
      gates.push(one);
      return one.opened;
    };
    return gates;
  }
}

const textOf = (value: ByteView | Error): string =>
  value instanceof Error ? value.message : value.text();

const LIFE = {
  ttlMs: 1_000,
  staleWhileRevalidateMs: 10_000,
  staleIfErrorMs: 60_000,
};

Deno.test("Stale values are refreshed in one call of loadMany, which gets them, with the keys that are missing", async () => {
  const source = new Source(LIFE);
  assertEquals(await source.get("a", "b", "c"), ["a1", "b1", "c1"]);
  assertEquals(source.calls[0]!.stale, {});
  await source.clock.advance(1_500);
  assertEquals(await source.get("c", "a"), ["c1", "a1"]);
  assertEquals(await source.get("a", "b"), ["a1", "b1"]);
  assertEquals(source.calls.length, 1);
  await source.clock.advance(0);
  assertEquals(source.keys.slice(1), [["c", "a", "b"]]);
  assertEquals(source.calls[1]!.stale, { c: "c1", a: "a1", b: "b1" });
  assertEquals(await source.get("a", "b", "c"), ["a2", "b2", "c2"]);
  const { refreshes, staleAnswers, localLoads } = source.group.stats();
  assertEquals([refreshes, staleAnswers, localLoads], [3, 4, 6]);
});

Deno.test("A call for keys that went stale and keys that are missing has the stale values that there are", async () => {
  const source = new Source({ ttlMs: 1_000, staleIfErrorMs: 60_000 });
  await source.get("a", "b");
  await source.clock.advance(1_500);
  // Nothing may be answered stale but for an error, so all wait for the call.
  assertEquals(await source.get("a", "new", "b"), ["a2", "new2", "b2"]);
  assertEquals(source.keys.slice(1), [["a", "new", "b"]]);
  assertEquals(source.calls[1]!.stale, { a: "a1", b: "b1" });
});

Deno.test("A getter that finds a stale value unchanged returns it, and it is fresh again", async () => {
  const clock = new FakeClock();
  const group = new Group("g", {
    loadMany: (keys, { stale }) =>
      new Map(keys.map((key) => [key, stale.get(key) ?? "new"])),
  }, { clock, ...LIFE });
  await group.get("k");
  await clock.advance(1_500);
  await group.get("k");
  await clock.advance(0);
  const { value, from, ttlMs } = await group.getEntry("k");
  assertEquals([value.text(), from, ttlMs], ["new", "main", 1_000]);
});

Deno.test("One key whose refresh fails keeps its stale value, and fails no other", async () => {
  const source = new Source(LIFE);
  await source.get("a", "b", "c");
  await source.clock.advance(1_500);
  source.next = (keys) =>
    new Map<string, Loaded | Error>(
      keys.map((
        key,
      ) => [key, key === "b" ? new Error("row b") : `${key} again`]),
    );
  await source.get("a", "b", "c");
  await source.clock.advance(0);
  assertEquals(await source.get("a", "b", "c"), ["a again", "b1", "c again"]);
  // It alone is left alone for a second.
  await source.clock.advance(999);
  await source.get("b");
  await source.clock.advance(0);
  assertEquals(source.keys.length, 2);
  await source.clock.advance(1);
  await source.get("b");
  await source.clock.advance(0);
  assertEquals(source.keys.slice(2), [["b"]]);
});

Deno.test("A key that is removed while it is refreshed is loaded in a call of its own, and takes nothing stale with it", async () => {
  const source = new Source(LIFE);
  await source.get("a", "b");
  await source.clock.advance(1_500);
  const gates = source.hold();
  await source.get("a", "b");
  await source.clock.advance(0);
  await source.group.remove("a");
  const get = source.get("a");
  await settle();
  assertEquals(source.keys.slice(1), [["a", "b"], ["a"]]);
  assertEquals(source.calls[2]!.stale, {});
  gates[0]!.open(new Map([["a", "old"], ["b", "new"]]));
  gates[1]!.open(new Map([["a", "newest"]]));
  assertEquals(await get, ["newest"]);
  assertEquals(await source.get("a", "b"), ["newest", "new"]);
});

Deno.test("A key that waits twice for its call, since it was removed meanwhile, has nothing stale there", async () => {
  const source = new Source({ ...LIFE, maxConcurrentLoads: 1 });
  await source.get("k");
  await source.clock.advance(30_000);
  const gates = source.hold();
  const first = source.get("first");
  await settle();
  // Within staleIfErrorMs alone: this is no refresh, and waits.
  const before = source.get("k");
  await source.group.remove("k");
  const after = source.get("k");
  gates[0]!.open(new Map([["first", "1"]]));
  await settle();
  assertEquals(source.keys.slice(1), [["first"], ["k"]]);
  assertEquals(source.calls[2]!.stale, {});
  gates[1]!.open(new Map([["k", "new"]]));
  assertEquals(await Promise.all([first, before, after]), [
    ["1"],
    ["new"],
    ["new"],
  ]);
});

Deno.test("Refreshes do not queue: as many keys are refreshed as the free calls take", async () => {
  const source = new Source({ ...LIFE, maxConcurrentLoads: 2 }, 2);
  const keys = ["a", "b", "c", "d"];
  await source.get(...keys);
  await source.clock.advance(1_500);
  const gates = source.hold();
  const first = source.get("missing");
  await settle();
  const { length } = source.calls;
  await source.get(...keys);
  await source.clock.advance(0);
  assertEquals(source.keys.slice(length), [["a", "b"]]);
  for (const one of gates) one.open(new Map([["missing", "found"]]));
  assertEquals(await first, ["found"]);
  assertEquals(source.group.stats().refreshes, 2);
  await source.clock.advance(0);
  // What was left is left to the next caller.
  assertEquals(source.calls.length, length + 1);
});

Deno.test("When a call takes longer than loadTimeoutMs, its signal fires, its keys fail or are answered stale, and its place is free", async () => {
  const source = new Source({
    ttlMs: 1_000,
    staleIfErrorMs: 60_000,
    loadTimeoutMs: 500,
    maxConcurrentLoads: 1,
  });
  await source.get("a");
  await source.clock.advance(1_500);
  const gates = source.hold();
  const stale = source.get("a");
  const failing = source.group.get("new");
  const refused = assertRejects(
    () => failing,
    LoadError,
    'Cannot load "new" of group "g": the getter took longer than 500 ms',
  );
  await settle();
  const next = source.get("next");
  await source.clock.advance(499);
  const { signal } = source.calls[1]!;
  assertEquals([signal.aborted, source.calls.length], [false, 2]);
  await source.clock.advance(1);
  assertEquals(await stale, ["a1"]);
  await refused;
  assert(signal.aborted && signal.reason instanceof LoadError);
  assertEquals(source.keys.slice(1), [["a", "new"], ["next"]]);
  // What the call finds later is dropped.
  gates[0]!.open(new Map([["a", "late"], ["new", "late"]]));
  gates[1]!.open(new Map([["next", "in time"]]));
  assertEquals(await next, ["in time"]);
  assertEquals(source.group.peek("new"), undefined);
  assertEquals(source.clock.pending, 0);
});

Deno.test("A call that nobody waits for any more has no time limit left", async () => {
  const source = new Source({ loadTimeoutMs: 500 });
  source.hold();
  const leaver = new AbortController();
  const left = source.group.get("k", { signal: leaver.signal });
  await settle();
  assertEquals(source.clock.pending, 1);
  leaver.abort(new Error("left"));
  await assertRejects(() => left, Error, "left");
  assertEquals(source.clock.pending, 0);
  const { signal } = source.calls[0]!;
  assertEquals([signal.aborted, signal.reason.message], [true, "left"]);
});
