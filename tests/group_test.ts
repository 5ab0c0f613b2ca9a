import {
  ByteView,
  Group,
  type Loaded,
  LoadError,
  NotFoundError,
  type Peer,
  PeerError,
} from "../mod.ts";
import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "./support/assert.ts";
import { FakeClock, gate, settle } from "./support/time.ts";

const SCORES = new Map([["Tom", "630"], ["Jack", "589"], ["Sam", "567"]]);

/** A group over the three scores that records which keys were loaded. */
function scoresGroup(
  options?: ConstructorParameters<typeof Group>[2],
): { group: Group; loads: string[] } {
  const loads: string[] = [];
  const group = new Group("scores", (key) => {
    loads.push(key);
    return SCORES.get(key);
  }, options);
  return { group, loads };
}

Deno.test("Group.get() calls the getter once and then answers from memory", async () => {
  const { group, loads } = scoresGroup();
  for (const [key, score] of [...SCORES, ...SCORES]) {
    assertEquals((await group.get(key)).text(), score);
  }
  assertEquals(loads, ["Tom", "Jack", "Sam"]);
});

Deno.test("Group.get() calls the getter once for concurrent callers", async () => {
  const opened = gate<string>();
  let loads = 0;
  const group = new Group("g", () => {
    loads++;
    return opened.opened;
  });
  const gets = Array.from({ length: 10 }, () => group.get("k"));
  opened.open("v");
  for (const view of await Promise.all(gets)) assertEquals(view.text(), "v");
  assertEquals(loads, 1);
  const { loads: misses, loadsDeduped, localLoads } = group.stats();
  assertEquals([misses, loadsDeduped, localLoads], [10, 1, 1]);
});

Deno.test("A hit hands out the promise that the entry keeps", async () => {
  const { group } = scoresGroup();
  // Once it is used often.
  for (let i = 0; i < 50; i++) await group.get("Tom");
  assertStrictEquals(group.get("Tom"), group.get("Tom"));
});

Deno.test("Group.get() copies what the getter returned", async () => {
  const buffer = new TextEncoder().encode("630");
  const group = new Group("g", () => buffer);
  const view = await group.get("k");
  buffer.fill(0);
  view.bytes().fill(0);
  assertEquals((await group.get("k")).text(), "630");
});

Deno.test("A small slice of a large value is kept as a copy", async () => {
  const large = ByteView.from(new Uint8Array(100_000).fill(1));
  const slice = large.slice(10, 1000);
  const group = new Group("g", () => slice);
  await group.get("k");
  assertNotStrictEquals(group.peek("k"), slice);
  assert(group.peek("k")!.equals(slice));
});

Deno.test("Group.get() refuses empty and ill-formed keys with a TypeError that names the group and the rule", async () => {
  const { group, loads } = scoresGroup();
  for (
    const [key, rule] of [
      ["", "key is required"],
      ["\ud800", "well-formed"],
      [1, "must be a string"],
      [undefined, "must be a string"],
    ] as [string, string][]
  ) {
    const error = await assertRejects(() => group.get(key), TypeError, rule);
    assertStringIncludes(error.message, '"scores"');
    await assertRejects(() => group.set(key, "v"), TypeError, rule);
    await assertRejects(() => group.remove(key), TypeError, rule);
    assertEquals(group.peek(key), undefined);
  }
  assertEquals(loads, []);
});

Deno.test("A getter that returns undefined causes a NotFoundError, and is called again by the next get", async () => {
  const { group, loads } = scoresGroup();
  const error = await assertRejects(() => group.get("kkk"), NotFoundError);
  assertEquals([error.group, error.key], ["scores", "kkk"]);
  await assertRejects(() => group.get("kkk"), NotFoundError);
  assertEquals(loads, ["kkk", "kkk"]);
});

Deno.test("A getter's Error reaches all callers as it is", async () => {
  const failure = new RangeError("down");
  for (
    const fail of [
      (): Loaded => {
        throw failure;
      },
      () => Promise.reject(failure),
    ]
  ) {
    const group = new Group("g", fail);
    const gets = [group.get("k"), group.get("k")];
    for (const outcome of await Promise.allSettled(gets)) {
      assert(outcome.status === "rejected");
      assertStrictEquals(outcome.reason, failure);
    }
    assertEquals(group.stats().localLoadErrs, 1);
  }
});

Deno.test("A LoadError has as its cause anything but an Error that a getter throws", async () => {
  for (const thrown of [undefined, null, 0, "", "text", { code: 1 }]) {
    const group = new Group("g", () => Promise.reject(thrown));
    const error = await assertRejects(() => group.get("k"), LoadError);
    assertStrictEquals(error.cause, thrown);
    assertEquals([error.group, error.key], ["g", "k"]);
  }
});

Deno.test("A getter that returns a value of a wrong type fails only that key", async () => {
  const garbage = [null, 1, true, [1], {}, new Date(0), new ArrayBuffer(1)];
  const group = new Group(
    "g",
    (key) =>
      key === "good"
        ? "v"
        : (key === "in" ? { value: 1 } : garbage[Number(key)]) as Loaded,
  );
  for (const key of ["in", ...garbage.keys()].map(String)) {
    const error = await assertRejects(
      () => group.get(key),
      TypeError,
      "the value must be",
    );
    assert(error.cause instanceof TypeError);
  }
  assertEquals((await group.get("good")).text(), "v");
});

Deno.test("A ttlMs in an envelope that is no number is a TypeError that shows it", async () => {
  for (const ttlMs of ["5", null, {}]) {
    const loaded = { value: "v", ttlMs } as Loaded;
    const group = new Group("g", () => loaded);
    await assertRejects(
      () => group.get("k"),
      TypeError,
      "ttlMs must be a number: received",
    );
  }
});

Deno.test("A misspelled field of an envelope fails that key, and the error names the one that was meant", async () => {
  // @ts-expect-error: the field is called ttlMs.
  const group = new Group("g", () => ({ value: "v", ttl: 60_000 }));
  await assertRejects(
    () => group.get("k"),
    TypeError,
    'Cannot load "k" of group "g": there is no field "ttl": did you mean "ttlMs"?',
  );
  const row = new Group("g", () => ({ value: "v", id: 5 }));
  await assertRejects(
    () => row.get("k"),
    TypeError,
    'there is no field "id": the fields are value, ttlMs',
  );
  assertEquals([...group.keys(), ...row.keys()], []);
});

Deno.test("Only a plain object counts as an envelope", async () => {
  class Odd extends Uint8Array {
    value = "not this";
  }
  const answers: Record<string, Loaded> = {
    bytes: new Odd([52, 50]),
    view: ByteView.from("42"),
    plain: { value: "42" },
    bare: Object.assign(Object.create(null), { value: "42" }),
  };
  const group = new Group("g", (key) => answers[key]);
  for (const key of Object.keys(answers)) {
    assertEquals((await group.get(key)).text(), "42");
  }
});

Deno.test("A getter that never settles holds up only its own key", async () => {
  const group = new Group(
    "g",
    (key) => key === "stuck" ? new Promise<string>(() => {}) : key,
  );
  const controller = new AbortController();
  const stuck = group.get("stuck", { signal: controller.signal });
  assertEquals((await group.get("other")).text(), "other");
  controller.abort(new Error("enough"));
  await assertRejects(() => stuck, Error, "enough");
});

Deno.test("An aborted caller leaves the others waiting, and the getter's signal fires when the last one has left", async () => {
  let signal!: AbortSignal;
  const opened = gate<string>();
  const group = new Group("g", (_key, context) => {
    signal = context.signal;
    return opened.opened;
  });
  const [a, b] = [new AbortController(), new AbortController()];
  const first = group.get("k", { signal: a.signal });
  const second = group.get("k", { signal: b.signal });
  await settle();
  a.abort(new Error("a left"));
  await assertRejects(() => first, Error, "a left");
  assertEquals(signal.aborted, false);
  b.abort(new Error("b left"));
  await assertRejects(() => second, Error, "b left");
  assertEquals(signal.aborted, true);
  // The late result of the abandoned load is not kept.
  opened.open("late");
  await settle();
  assertEquals(group.peek("k"), undefined);
});

Deno.test("A get rejects when its signal is aborted already, also on a hit", async () => {
  const { group } = scoresGroup();
  await group.get("Tom");
  const signal = AbortSignal.abort(new Error("gone"));
  await assertRejects(() => group.get("Tom", { signal }), Error, "gone");
});

Deno.test("A load that began before a write does not store its value afterwards", async () => {
  for (
    const [write, after] of [
      [(g) => g.remove("k"), undefined],
      [(g) => g.removeMany(["x", "k"]), undefined],
      [(g) => g.clear(), undefined],
      [(g) => g.set("k", "new"), "new"],
    ] as [(group: Group) => Promise<void>, string | undefined][]
  ) {
    const opened = gate<string>();
    const group = new Group("g", () => opened.opened);
    const waiting = group.get("k");
    await settle();
    await write(group);
    opened.open("old");
    assertEquals((await waiting).text(), "old");
    assertEquals(group.peek("k")?.text(), after);
  }
});

Deno.test("A get after a remove does not join a load from before the remove", async () => {
  const gates = [gate<string>(), gate<string>()];
  let loads = 0;
  const group = new Group("g", () => gates[loads++]!.opened);
  const before = group.get("k");
  await settle();
  await group.remove("k");
  const after = group.get("k");
  gates[1]!.open("new");
  assertEquals((await after).text(), "new");
  gates[0]!.open("old");
  assertEquals((await before).text(), "old");
  assertEquals(group.peek("k")?.text(), "new");
});

Deno.test("Group.find() answers undefined where get() rejects with NotFoundError, and is get() otherwise", async () => {
  const group = new Group("g", (key): string | undefined => {
    if (key === "other") throw new NotFoundError("h", key);
    return key === "absent" ? undefined : "v";
  });
  assertEquals((await group.find("k"))?.text(), "v");
  assertEquals(await group.find("absent"), undefined);
  const { signal } = new AbortController();
  assertEquals(await group.find("absent", { signal }), undefined);
  const reasons = await Promise.all([
    group.find("other").catch((error) => error.group),
    group.find("").catch((error) => error.name),
    group.find("k", { signal: AbortSignal.abort("gone") }).catch((e) => e),
  ]);
  assertEquals(reasons, ["h", "TypeError", "gone"]);
});

Deno.test("Group.getMany() answers every key once, in the order of its keys, bad keys included", async () => {
  const { group, loads } = scoresGroup();
  await group.get("Sam");
  const answers = await group.getMany(["Tom", "", "kkk", "Sam", "Tom", "Jack"]);
  assertEquals([...answers.keys()], ["Tom", "", "kkk", "Sam", "Jack"]);
  const shown = [...answers.values()].map((answer) =>
    answer instanceof ByteView ? answer.text() : answer.name
  );
  assertEquals(shown, ["630", "TypeError", "NotFoundError", "567", "589"]);
  assertEquals(loads, ["Sam", "Tom", "kkk", "Jack"]);
});

Deno.test("Group.getMany() rejects when its own signal fires", async () => {
  const group = new Group("g", () => new Promise<string>(() => {}));
  const controller = new AbortController();
  const answers = group.getMany(["a", "b"], { signal: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => answers, Error, "enough");
});

Deno.test("Group.getMany() listens once to its signal, however many keys it waits for, and lets go at the end", async () => {
  const signals: AbortSignal[] = [];
  const group = new Group("g", (key, { signal }) => {
    if (key === "now") return "v";
    signals.push(signal);
    return new Promise((resolve) => setTimeout(resolve, 1, "v"));
  });
  const { signal } = new AbortController();
  let listening = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: unknown[]) => {
    listening++;
    addEventListener.apply(signal, args as never);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    listening--;
    removeEventListener.apply(signal, args as never);
  };
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
  const getting = group.getMany(["now", ...keys], { signal });
  assertEquals(listening, 1);
  assertEquals((await getting).size, 101);
  assertEquals(listening, 0);

  const leaving = new AbortController();
  const left = group.getMany(keys.map((key) => `${key}!`), {
    signal: leaving.signal,
  });
  leaving.abort(new Error("enough"));
  await assertRejects(() => left, Error, "enough");
  assert(signals.slice(100).every((signal) => signal.aborted));
  assertEquals(signals.slice(0, 100).filter(({ aborted }) => aborted), []);
});

Deno.test("Group.getMany() loads a key once that is listed twice", async () => {
  const { group } = scoresGroup();
  await group.getMany(["Tom", "Tom", "Sam", "Tom"]);
  assertEquals(group.stats().gets, 2);
});

Deno.test("An entry expires after its ttlMs, given by the getter or by set()", async () => {
  const clock = new FakeClock();
  let loads = 0;
  const group = new Group("g", () => ({ value: `${++loads}`, ttlMs: 100 }), {
    clock,
  });
  assertEquals((await group.get("k")).text(), "1");
  await clock.advance(99);
  assertEquals((await group.get("k")).text(), "1");
  await clock.advance(1);
  assertEquals(group.peek("k"), undefined);
  assertEquals((await group.get("k")).text(), "2");
  await group.set("k", "mine", { ttlMs: 10 });
  assertEquals((await group.get("k")).text(), "mine");
  await clock.advance(10);
  assertEquals([...group.keys()], []);
  assertEquals(clock.pending, 0, "no timer per entry");
});

Deno.test("A ttlMs of 0 stores nothing, and a negative one or NaN is a RangeError", async () => {
  const group = new Group("g", (key) => ({ value: "v", ttlMs: Number(key) }));
  assertEquals((await group.get("0")).text(), "v");
  assertEquals(group.peek("0"), undefined);
  await group.set("k", "v");
  await group.set("k", "w", { ttlMs: 0 });
  assertEquals(group.peek("k"), undefined);
  for (const ttlMs of [-1, NaN, -Infinity]) {
    const message = `ttlMs must be at least 0: received ${ttlMs}`;
    await assertRejects(() => group.get(`${ttlMs}`), RangeError, message);
    await assertRejects(
      () => group.set("k", "v", { ttlMs }),
      RangeError,
      message,
    );
  }
  await group.get("Infinity");
  assertEquals(group.peek("Infinity")?.text(), "v");
});

Deno.test("A value larger than maxBytes is returned, not stored, and evicts nothing", async () => {
  const group = new Group(
    "g",
    (key) => key === "large" ? new Uint8Array(5000) : "v",
    { maxBytes: 4000 },
  );
  await group.get("small");
  assertEquals((await group.get("large")).byteLength, 5000);
  assertEquals([...group.keys()], ["small"]);
});

Deno.test("A group with maxBytes 0 caches nothing", async () => {
  const { group, loads } = scoresGroup({ maxBytes: 0 });
  await group.get("Tom");
  await group.get("Tom");
  assertEquals(loads, ["Tom", "Tom"]);
});

Deno.test("The three scores of the demo fit in its 2 KiB", async () => {
  const { group } = scoresGroup({ maxBytes: 2 << 10 });
  await group.getMany(SCORES.keys());
  assertEquals([...group.keys()].sort(), ["Jack", "Sam", "Tom"]);
});

Deno.test("Group.stats() counts what happened", async () => {
  const { group } = scoresGroup();
  await group.get("Tom");
  await group.get("Tom");
  await assertRejects(() => group.get("kkk"), NotFoundError);
  const { main, hot, ...counts } = group.stats();
  assertEquals(counts, {
    gets: 3,
    cacheHits: 1,
    staleHits: 0,
    loads: 2,
    loadsDeduped: 2,
    peerLoads: 0,
    peerErrors: 0,
    localLoads: 1,
    localLoadErrs: 1,
    inherited: 0,
    refreshes: 0,
    staleAnswers: 0,
    negativeHits: 0,
    serverRequests: 0,
  });
  assertEquals([main.items, main.gets, main.hits], [1, 3, 1]);
  assertEquals([hot.items, hot.gets, hot.hits], [0, 2, 0]);
  assert(main.bytes > 6);
});

Deno.test("Group.close() ends every wait with an error and keeps answering from memory", async () => {
  const group = new Group(
    "g",
    (key) => key === "k" ? "v" : new Promise<string>(() => {}),
  );
  await group.get("k");
  const waiting = group.get("stuck");
  group.close();
  await assertRejects(() => waiting, Error, 'group "g": the group is closed');
  await assertRejects(() => group.get("x"), Error, "the group is closed");
  assertEquals((await group.get("k")).text(), "v");
});

/** A peer from some other picker that fails whatever it is asked. */
function brokenPeer(failure: unknown): { peer: Peer; asked: string[] } {
  const asked: string[] = [];
  const fail = (what: string) => () => {
    asked.push(what);
    // Otherwise the test would ask for ever, without a pause.
    return asked.length > 9
      ? new Promise<never>(() => {})
      : Promise.reject(failure);
  };
  const peer: Peer = {
    id: "elsewhere",
    get: fail("get"),
    set: fail("set"),
    remove: fail("remove"),
    clear: fail("clear"),
  };
  return { peer, asked };
}

Deno.test("A picker that picks a failed peer again does not hold up a get", async () => {
  const { peer, asked } = brokenPeer(new Error("down"));
  const peers = { pickPeer: () => peer, peers: () => [peer] };
  const group = new Group("g", () => "mine", { peers });
  assertEquals((await group.get("k")).text(), "mine");
  assertEquals([asked, group.stats().peerErrors], [["get"], 1]);
});

Deno.test("A PeerError names the peer that failed a write, and has any other error as its cause", async () => {
  for (const failure of [new TypeError("down"), "down", undefined]) {
    const { peer, asked } = brokenPeer(failure);
    const peers = { pickPeer: () => peer, peers: () => [peer] };
    const group = new Group("g", () => "mine", { peers });
    await group.removeMany([]);
    assertEquals(asked, []);
    for (
      const write of [
        () => group.set("k", "v"),
        () => group.remove("k"),
        () => group.clear(),
      ]
    ) {
      const error = await assertRejects(write, AggregateError, "elsewhere");
      const [told] = error.errors as [PeerError];
      assert(told instanceof PeerError && error.errors.length === 1);
      assertEquals([told.peer, told.cause], ["elsewhere", failure]);
    }
  }
});

Deno.test("A peer that owns all removed keys is told of each key once", async () => {
  const told: (readonly string[])[] = [];
  const { peer } = brokenPeer(new Error("down"));
  peer.remove = (_group, keys) => Promise.resolve(void told.push(keys));
  const peers = { pickPeer: () => peer, peers: () => [peer] };
  const group = new Group("g", () => "mine", { peers });
  await group.removeMany(["a", "b", "a"]);
  assertEquals(told, [["a", "b"]]);
});

Deno.test("A group with a bad name or option says at once what is wrong", () => {
  for (const name of ["", "a/b", ".", "..", "\udfff", 7]) {
    assertThrows(() => new Group(name as string, () => "v"), TypeError, "name");
  }
  assertThrows(
    () => new Group("g", "no function" as never),
    TypeError,
    'Cannot create Group "g": getter must be a function, or an object with loadMany: received "no function"',
  );
  for (const option of ["maxBytes", "mirrorTtlMs"]) {
    for (const value of [-1, NaN]) {
      assertThrows(
        () => new Group("g", () => "v", { [option]: value }),
        RangeError,
        `${option} must be a non-negative number: received ${value}`,
      );
    }
  }
});
