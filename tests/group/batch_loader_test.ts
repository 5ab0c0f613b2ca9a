/** Batches: which keys are loaded in one call, and what one key's fate does to the others. */

import { AsyncLocalStorage } from "node:async_hooks";
import {
  type BatchGetter,
  BusyError,
  type ByteView,
  Group,
  LoadError,
  NotFoundError,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../support/assert.ts";
import { textOf } from "../support/cluster.ts";
import {
  FakeClock,
  type Gate,
  gate,
  nextTask,
  settle,
} from "../support/time.ts";

type Found = Awaited<ReturnType<BatchGetter["loadMany"]>>;

/** Each key in angle brackets. */
const brackets = (keys: readonly string[]): Found =>
  new Map(keys.map((key) => [key, `<${key}>`]));

/** A batch getter, and the calls that it got. */
function recorded(
  load: BatchGetter["loadMany"] = brackets,
  maxKeys?: number,
) {
  const calls: string[][] = [];
  const getter: BatchGetter = {
    loadMany(keys, context) {
      calls.push([...keys]);
      return load(keys, context);
    },
    ...(maxKeys === undefined ? {} : { maxKeys }),
  };
  return { calls, getter };
}

/** A batch getter whose calls end when the test says so. */
function held(maxKeys?: number) {
  const gates: Gate<Found>[] = [];
  const signals: AbortSignal[] = [];
  const { calls, getter } = recorded((_keys, { signal }) => {
    signals.push(signal);
    const one = gate<Found>();
    gates.push(one);
    return one.opened;
  }, maxKeys);
  /** Ends a call with all its keys, in angle brackets or as they are in `found`. */
  const end = async (call: number, found = brackets(calls[call]!)) => {
    gates[call]!.open(found);
    await settle();
  };
  return { calls, getter, gates, signals, end };
}

/** What has come of each key: its text, or its error's message. */
const shown = (values: Map<string, ByteView | Error>) =>
  [...values].map(([key, value]) => [
    key,
    value instanceof Error ? value.message : value.text(),
  ]);

const numbers = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => `${from + i}`);

Deno.test("Keys that are missing in one turn are loaded in one call, in the order in which they were asked for", async () => {
  const { calls, getter } = recorded();
  const group = new Group("g", getter, { clock: new FakeClock() });
  await group.set("here", "already");
  const gets = [
    group.get("z"),
    group.getMany(["a", "here", "m", "a"]),
    Promise.resolve().then(() => group.get("later in this turn")),
    group.find("z"),
  ];
  await Promise.all(gets);
  assertEquals(calls, [["z", "a", "m", "later in this turn"]]);
  await nextTask();
  await group.get("in another turn");
  assertEquals(calls.slice(1), [["in another turn"]]);
  const { gets: asked, loads, localLoads } = group.stats();
  assertEquals([asked, loads, localLoads], [7, 6, 5]);
});

Deno.test("Callers of one key share its load, also while its call runs", async () => {
  const { calls, getter, end } = held();
  const group = new Group("g", getter);
  const gets = [group.get("k"), group.get("k")];
  await settle();
  gets.push(group.get("k"));
  await settle();
  await end(0);
  for (const get of gets) assertEquals(await textOf(get), "<k>");
  assertEquals(calls, [["k"]]);
});

Deno.test("A key that the map has not, or has as undefined, does not exist; one that was not asked for is ignored", async () => {
  const { getter } = recorded(() =>
    new Map([["a", "A"], ["none", undefined], ["stranger", "S"]])
  );
  const group = new Group("g", getter);
  const values = await group.getMany(["a", "none", "absent"]);
  assertEquals(values.get("a")!.toString(), "A");
  for (const key of ["none", "absent"]) {
    const error = values.get(key);
    assert(error instanceof NotFoundError);
    assertEquals([error.group, error.key], ["g", key]);
  }
  assertEquals(await group.find("absent"), undefined);
  assertEquals(group.peek("stranger"), undefined);
  const { localLoads, localLoadErrs } = group.stats();
  assertEquals([localLoads, localLoadErrs], [1, 3]);
});

Deno.test("One key's error fails that key and no other, and each value has a life of its own", async () => {
  const clock = new FakeClock();
  const own = new Error("row 2 is broken");
  const found = new Map<string, unknown>([
    ["a", "A"],
    ["b", own],
    ["c", { value: "C", ttlMs: 1_000 }],
    ["d", new NotFoundError("g", "d")],
    ["e", new NotFoundError("g", "a")],
  ]);
  const { getter } = recorded(() => found as Found);
  const group = new Group("g", getter, { clock });
  const values = await group.getMany(found.keys());
  assertEquals(values.get("a")!.toString(), "A");
  assert(values.get("b") === own);
  assertEquals(values.get("c")!.toString(), "C");
  assert(values.get("d") instanceof NotFoundError);
  assertEquals(await group.find("d"), undefined);
  // It is about another key, so the load of this one failed.
  await assertRejects(() => group.find("e"), NotFoundError);
  await clock.advance(1_000);
  assertEquals([group.peek("a")?.text(), group.peek("c")], ["A", undefined]);
});

Deno.test("Values that are falsy are values", async () => {
  const { getter } = recorded(() =>
    new Map<string, string | Uint8Array>([
      ["text", ""],
      ["bytes", new Uint8Array()],
    ])
  );
  const group = new Group("g", getter);
  for (const key of ["text", "bytes"]) {
    assertEquals((await group.get(key)).byteLength, 0);
    assertEquals(group.peek(key)?.byteLength, 0);
  }
});

Deno.test("A value that is none is a TypeError for its key, which names the key and the value", async () => {
  const garbage: [unknown, string][] = [
    [null, "null"],
    [0, "0"],
    [false, "false"],
    [["A"], "[object Array]"],
    [Promise.resolve("A"), "[object Promise]"],
  ];
  for (const [value, described] of garbage) {
    const { getter } = recorded(() =>
      new Map([["bad", value], ["good", "G"]]) as Found
    );
    const values = await new Group("g", getter).getMany(["bad", "good"]);
    const error = values.get("bad");
    assert(error instanceof TypeError);
    assertEquals(
      error.message,
      'Cannot load "bad" of group "g": the value must be a string, a Uint8Array ' +
        `or a ByteView: received ${described}`,
    );
    assertEquals(values.get("good")!.toString(), "G");
  }
  const { getter } = recorded(() =>
    new Map([["bad", { value: "A", ttl: 1 }]]) as unknown as Found
  );
  await assertRejects(
    () => new Group("g", getter).get("bad"),
    TypeError,
    'Cannot load "bad" of group "g": there is no field "ttl": did you mean "ttlMs"?',
  );
});

Deno.test("An answer that is no map is a TypeError for each key", async () => {
  const answers: [unknown, string][] = [
    [["<a>", "<b>"], "[object Array]"],
    [undefined, "undefined"],
    [null, "null"],
    [{ a: "<a>", b: "<b>" }, "[object Object]"],
    ["<a>", '"<a>"'],
  ];
  for (const [answer, described] of answers) {
    const { getter } = recorded(() => answer as Found);
    const values = await new Group("g", getter).getMany(["a", "b"]);
    for (const [key, error] of values) {
      assert(error instanceof TypeError);
      assertEquals(
        error.message,
        `Cannot load "${key}" of group "g": loadMany must answer a Map: ` +
          `received ${described}`,
      );
    }
  }
});

Deno.test("What loadMany throws fails all keys of the call and no later one; what the map throws fails its key", async () => {
  const thrown = new Error("no connection");
  let broken = true;
  const { getter } = recorded((keys) => {
    if (broken) throw thrown;
    return brackets(keys);
  });
  const group = new Group("g", getter);
  for (const error of (await group.getMany(["a", "b"])).values()) {
    assert(error === thrown);
  }
  broken = false;
  assertEquals(await textOf(group.get("a")), "<a>");

  const texts = new Group("g", recorded(() => Promise.reject("closed")).getter);
  const { cause, key } = await assertRejects(() => texts.get("a"), LoadError);
  assertEquals([cause, key], ["closed", "a"]);

  const lazy = recorded(() => ({
    get(key: string) {
      if (key === "bad") throw new Error("bad row");
      return `<${key}>`;
    },
  } as Found));
  const values = await new Group("g", lazy.getter).getMany(["bad", "good"]);
  assertEquals(shown(values), [["bad", "bad row"], ["good", "<good>"]]);
});

Deno.test("A getter's BusyError or NotFoundError of another group is a failed load of each key", async () => {
  for (const error of [new BusyError("no"), new NotFoundError("other", "a")]) {
    const { getter } = recorded(() => Promise.reject(error));
    const values = await new Group("g", getter).getMany(["a", "b"]);
    for (const found of values.values()) assert(found === error);
  }
});

Deno.test("While four calls run, keys gather for the next one", async () => {
  const { calls, getter, end } = held();
  const group = new Group("g", getter);
  const gets: Promise<ByteView>[] = [];
  for (const key of numbers(7)) {
    gets.push(group.get(key));
    await settle();
  }
  assertEquals(calls, [["0"], ["1"], ["2"], ["3"]]);
  await end(2);
  assertEquals(calls.slice(4), [["4", "5", "6"]]);
  for (const call of [0, 1, 3, 4]) await end(call);
  await Promise.all(gets);
});

Deno.test("maxConcurrentLoads says how many calls run, and maxKeys how many keys a call has; fractions are cut off", async () => {
  for (const [maxConcurrentLoads, maxKeys] of [[2, 3], [2.9, 3.9]] as const) {
    const { calls, getter, end } = held(maxKeys);
    const group = new Group("g", getter, { maxConcurrentLoads });
    const keys = numbers(10);
    const values = group.getMany(keys);
    await settle();
    assertEquals(calls, [keys.slice(0, 3), keys.slice(3, 6)]);
    await end(0);
    assertEquals(calls.slice(2), [keys.slice(6, 9)]);
    await end(2);
    assertEquals(calls.slice(3), [["9"]]);
    for (const call of [1, 3]) await end(call);
    assertEquals(shown(await values), keys.map((key) => [key, `<${key}>`]));
  }
});

Deno.test("A call has at most 1,000 keys unless maxKeys says otherwise", async () => {
  const cases: [number | undefined, number[]][] = [
    [undefined, [1000, 500]],
    [Infinity, [1500]],
  ];
  for (const [maxKeys, sizes] of cases) {
    const { calls, getter } = recorded(brackets, maxKeys);
    const values = await new Group("g", getter).getMany(numbers(1500));
    assertEquals(values.size, 1500);
    assertEquals(calls.map(({ length }) => length), sizes);
  }
});

Deno.test("10,000 calls' keys may wait; past that a key is refused with a BusyError, and nothing else is lost", async () => {
  const { calls, getter, gates } = held(2);
  const group = new Group("g", getter, { maxConcurrentLoads: 1 });
  const keys = numbers(20_002);
  const values = group.getMany(keys);
  await settle();
  assertEquals(calls, [["0", "1"]]);
  const reason = await assertRejects(() => group.get("more"), BusyError);
  assertEquals(
    reason.message,
    'Cannot load "more" of group "g": 1 calls of loadMany run and 20000 keys wait',
  );
  gates[0]!.open(brackets(calls[0]!));
  await settle();
  const more = group.get("more");
  group.close();
  await assertRejects(() => more, Error, "the group is closed");
  const found = shown(await values);
  assertEquals(found.slice(0, 2), [["0", "<0>"], ["1", "<1>"]]);
  assert(found.slice(2).every(([, text]) => text!.includes("is closed")));
  await settle();
  assertEquals(calls.length, 2);
});

Deno.test("A caller who leaves ends nothing for the others; the signal fires when nobody waits for any key", async () => {
  const { getter, signals, end } = held();
  const group = new Group("g", getter);
  const leavers = [0, 1, 2].map(() => new AbortController());
  const [first, second, third] = leavers.map(({ signal }) => ({ signal }));
  const gets = [
    group.get("a", first),
    group.get("a", second),
    group.getMany(["b", "c"], third),
  ];
  const ends = gets.map((get) => assertRejects(() => get, Error, "left"));
  await settle();
  for (const leaver of leavers) {
    assertEquals(signals[0]!.aborted, false);
    leaver.abort(new Error("left"));
  }
  assertEquals(signals[0]!.aborted, true);
  assertEquals(signals[0]!.reason.message, "left");
  await Promise.all(ends);
  await end(0);
  // What came too late is not kept.
  for (const key of ["a", "b", "c"]) assertEquals(group.peek(key), undefined);
});

Deno.test("One caller's key comes although another caller of the call has left", async () => {
  const { calls, getter, signals, end } = held();
  const group = new Group("g", getter);
  const leaver = new AbortController();
  const left = group.get("a", { signal: leaver.signal });
  const stays = group.get("b");
  await settle();
  leaver.abort(new Error("left"));
  await assertRejects(() => left, Error, "left");
  // Who asks now does not take what nobody waited for.
  const again = group.get("a");
  await settle();
  assertEquals(calls, [["a", "b"], ["a"]]);
  await end(0, new Map([["a", "old"], ["b", "B"]]));
  assertEquals([await textOf(stays), signals[0]!.aborted], ["B", false]);
  assertEquals(group.peek("a"), undefined);
  await end(1, new Map([["a", "new"]]));
  assertEquals([await textOf(again), group.peek("a")?.text()], ["new", "new"]);
});

Deno.test("A key that nobody waits for any more before its call is not in it, and without keys there is no call", async () => {
  const { calls, getter, end } = held();
  const group = new Group("g", getter, { maxConcurrentLoads: 1 });
  const leaver = new AbortController();
  const { signal } = leaver;
  const running = group.get("running");
  await settle();
  const left = ["a", "b"].map((key) => group.get(key, { signal }));
  const stays = group.get("c");
  await settle();
  leaver.abort(new Error("left"));
  for (const get of left) await assertRejects(() => get, Error, "left");
  await end(0);
  assertEquals(calls, [["running"], ["c"]]);
  await end(1);
  await Promise.all([running, stays]);

  const own = new AbortController();
  const alone = group.get("d", { signal: own.signal });
  own.abort(new Error("left"));
  await assertRejects(() => alone, Error, "left");
  await settle();
  assertEquals(calls.length, 2);
});

Deno.test("A call that nobody waits for any more gives its place to the next, though loadMany goes on", async () => {
  const { calls, getter, end } = held();
  const group = new Group("g", getter, { maxConcurrentLoads: 1 });
  const leaver = new AbortController();
  const left = group.getMany(["a", "b"], { signal: leaver.signal });
  await settle();
  const next = group.get("c");
  await settle();
  assertEquals(calls, [["a", "b"]]);
  leaver.abort(new Error("left"));
  await assertRejects(() => left, Error, "left");
  await settle();
  assertEquals(calls.slice(1), [["c"]]);
  // The end of a call that gave up its place frees no second one.
  await end(0);
  const [last, more] = [group.get("d"), group.get("e")];
  await settle();
  assertEquals(calls.length, 2);
  await end(1);
  assertEquals(calls.slice(2), [["d", "e"]]);
  await end(2);
  await Promise.all([next, last, more]);
});

Deno.test("A removal, a set or a clear while a call runs holds for its keys and for no other", async () => {
  const { calls, getter, end } = held();
  const group = new Group("g", getter);
  const values = group.getMany(["a", "b", "c"]);
  await settle();
  await group.remove("a");
  await group.set("b", "written");
  const again = group.get("a");
  await settle();
  await end(0, new Map([["a", "old"], ["b", "old"], ["c", "C"]]));
  // Who waited then gets what was found then, which is not kept.
  assertEquals(shown(await values), [["a", "old"], ["b", "old"], ["c", "C"]]);
  const inMemory = () => ["a", "b", "c"].map((key) => group.peek(key)?.text());
  assertEquals(inMemory(), [undefined, "written", "C"]);
  assertEquals(calls, [["a", "b", "c"], ["a"]]);
  await end(1, new Map([["a", "new"]]));
  assertEquals(await textOf(again), "new");
  assertEquals(inMemory(), ["new", "written", "C"]);

  const late = group.get("d");
  await settle();
  await group.clear();
  await end(2);
  assertEquals([await textOf(late), group.peek("d")], ["<d>", undefined]);
});

Deno.test("A key that is removed while it waits for its call is in it once, for those before and those after", async () => {
  const { calls, getter, end } = held();
  const group = new Group("g", getter, { maxConcurrentLoads: 1 });
  const running = group.get("running");
  await settle();
  const before = group.get("k");
  await group.remove("k");
  const after = group.get("k");
  await end(0);
  assertEquals(calls, [["running"], ["k"]]);
  await end(1);
  assertEquals(await Promise.all([before, after].map(textOf)), ["<k>", "<k>"]);
  assertEquals(group.peek("k")?.text(), "<k>");
  await running;
});

Deno.test("A call that answers after its group was closed harms nobody", async () => {
  const { getter, signals, end } = held();
  const group = new Group("g", getter);
  const values = group.getMany(["a", "b"]);
  await settle();
  group.close();
  for (const error of (await values).values()) {
    assert(error instanceof Error && error.message.includes("is closed"));
  }
  assertEquals(signals[0]!.aborted, true);
  await end(0);
  assertEquals(group.peek("a"), undefined);
});

Deno.test("loadMany runs in the context in which its group was made, with its own this", async () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  class Source {
    readonly table = "scores";
    async loadMany(keys: readonly string[]) {
      seen.push(this.table, storage.getStore());
      await settle();
      seen.push(storage.getStore());
      return brackets(keys);
    }
  }
  const group = storage.run("the program", () => new Group("g", new Source()));
  await storage.run("a request", () => group.getMany(["a", "b"]));
  assertEquals(seen, ["scores", "the program", "the program"]);
});

Deno.test("A call that waits for another load holds no place that this may be waiting for", async () => {
  const calls: string[][] = [];
  const group: Group = new Group("g", {
    async loadMany(keys) {
      calls.push([...keys]);
      const found = new Map<string, string>();
      for (const key of keys) {
        const text = key.length < 4
          ? (await group.get(`${key}x`)).text()
          : `<${key}>`;
        found.set(key, text);
      }
      return found;
    },
  }, { maxConcurrentLoads: 1 });
  assertEquals(await textOf(group.get("x")), "<xxxx>");
  assertEquals(calls, [["x"], ["xx"], ["xxx"], ["xxxx"]]);
});

Deno.test("The context of a call has its group's name, and a signal that can be asked for late", async () => {
  const contexts: { group: string; signal: AbortSignal }[] = [];
  const opened = gate<Found>();
  const group = new Group("g", {
    loadMany(_keys, context) {
      contexts.push(context);
      return opened.opened;
    },
  });
  const leaver = new AbortController();
  const left = group.get("k", { signal: leaver.signal });
  await settle();
  leaver.abort(new Error("left"));
  await assertRejects(() => left, Error, "left");
  const [{ group: name, signal }] = contexts as [typeof contexts[0]];
  assertEquals([name, signal.aborted, signal.reason.message], [
    "g",
    true,
    "left",
  ]);
  opened.open(new Map());
  await settle();
});

Deno.test("A getter that is neither a function nor has loadMany is refused, and so are names and numbers that are wrong", () => {
  const make = (getter: unknown) => () => new Group("g", getter as never);
  const said = 'Cannot create Group "g": ';
  const neither =
    "getter must be a function, or an object with loadMany: received ";
  const wrong: [unknown, ErrorConstructor, string][] = [
    [undefined, TypeError, `${neither}undefined`],
    [null, TypeError, `${neither}null`],
    [{}, TypeError, `${neither}[object Object]`],
    [new Map(), TypeError, `${neither}[object Map]`],
    [{ loadMany: 7 }, TypeError, `${neither}[object Object]`],
    [
      { loadMany: brackets, maxKey: 5 },
      TypeError,
      'there is no field of a getter "maxKey": did you mean "maxKeys"?',
    ],
    [
      { loadMany: brackets, maxKeys: "5" },
      TypeError,
      'maxKeys must be a number of at least 1: received "5"',
    ],
    ...[0, -1, NaN, 0.5].map((maxKeys): [unknown, ErrorConstructor, string] => [
      { loadMany: brackets, maxKeys },
      RangeError,
      `maxKeys must be a number of at least 1: received ${maxKeys}`,
    ]),
  ];
  for (const [getter, kind, message] of wrong) {
    assertThrows(make(getter), kind, said + message);
  }
  for (const maxConcurrentLoads of [0, -1, NaN]) {
    assertThrows(
      () => new Group("g", () => "v", { maxConcurrentLoads }),
      RangeError,
      `${said}maxConcurrentLoads must be a number of at least 1: received`,
    );
  }
});

/** Whole numbers below `n`, the same for each seed. */
function randomOf(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * n);
  };
}

/** What a random run counted, so that a run of nothing is noticed. */
interface Tally {
  calls: number;
  answers: number;
  abandoned: number;
}

/** Asks, leaves, removes and ends calls at random, and checks each call and each answer. */
async function runAtRandom(seed: number, tally: Tally): Promise<void> {
  const random = randomOf(seed);
  const maxKeys = 1 + random(4);
  const maxConcurrentLoads = 1 + random(3);
  const waiting = new Map<string, number>();
  const versions = new Map<string, number>();
  const versionOf = (key: string) => versions.get(key) ?? 0;
  const running: { signal: AbortSignal; end: () => void }[] = [];
  const group = new Group("g", {
    loadMany(keys, { signal }) {
      const what = `seed ${seed}: ${keys}`;
      tally.calls++;
      signal.addEventListener("abort", () => tally.abandoned++);
      assertEquals(new Set(keys).size, keys.length, what);
      assert(keys.length > 0 && keys.length <= maxKeys, what);
      for (const key of keys) assert(waiting.get(key)! > 0, what);
      const others = running.filter(({ signal }) => !signal.aborted);
      assert(others.length < maxConcurrentLoads, what);
      const found = new Map(keys.map((key) => [key, `${versionOf(key)}`]));
      return new Promise((resolve) => {
        running.push({ signal, end: () => resolve(found) });
      });
    },
    maxKeys,
  }, { maxConcurrentLoads });

  const callers: { key: string; controller: AbortController }[] = [];
  const ends: Promise<void>[] = [];
  const take = <T>(list: T[]): T | undefined =>
    list.splice(random(list.length), 1)[0];
  const ask = async (key: string): Promise<void> => {
    const caller = { key, controller: new AbortController() };
    const { signal } = caller.controller;
    callers.push(caller);
    waiting.set(key, (waiting.get(key) ?? 0) + 1);
    const asked = versionOf(key);
    try {
      const view = await group.get(key, { signal });
      assert(Number(view.text()) >= asked, `seed ${seed}: ${key} is old`);
      tally.answers++;
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    if (signal.aborted) return;
    callers.splice(callers.indexOf(caller), 1);
    waiting.set(key, waiting.get(key)! - 1);
  };
  for (let step = 0; step < 60; step++) {
    const key = `${random(8)}`;
    const what = random(12);
    if (what < 5) ends.push(ask(key));
    else if (what < 6) {
      versions.set(key, versionOf(key) + 1);
      await group.remove(key);
    } else if (what < 8) take(running)?.end();
    else if (what < 10) {
      const caller = take(callers);
      if (caller === undefined) continue;
      waiting.set(caller.key, waiting.get(caller.key)! - 1);
      caller.controller.abort(new Error("left"));
    } else await nextTask();
  }
  await settle();
  for (let one = running.pop(); one !== undefined; one = running.pop()) {
    one.end();
    await settle();
  }
  await Promise.all(ends);
  assertEquals(callers, [], `seed ${seed}`);
  for (const key of group.keys()) {
    assertEquals(group.peek(key)!.text(), `${versionOf(key)}`, `seed ${seed}`);
  }
}

Deno.test("In whatever order keys are asked for, left, removed and loaded, the limits hold and no old value is answered or kept", async () => {
  const tally: Tally = { calls: 0, answers: 0, abandoned: 0 };
  for (let seed = 0; seed < 200; seed++) await runAtRandom(seed, tally);
  assert(tally.calls > 1_000 && tally.answers > 3_000, JSON.stringify(tally));
  assert(tally.abandoned > 100, JSON.stringify(tally));
});
