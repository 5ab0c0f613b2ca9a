import {
  type PoolObserver,
  resultOf,
  Watchers,
  type WorkEnd,
} from "../../base/watchers.ts";
import {
  BusyError,
  LoadError,
  NotFoundError,
  PeerError,
} from "../../base/errors.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { FakeClock, nextTask } from "../support/time.ts";

const start = { group: "g", keys: ["a", "b"] };

/** Notes what it hears, each with its name before it. */
function noting(name: string, heard: unknown[]): PoolObserver {
  return {
    get: ({ keys }) => {
      heard.push(`${name} ${keys}`);
      return { end: ({ ms, result }) => heard.push(`${name} ${result} ${ms}`) };
    },
    evict: ({ store }) => void heard.push(`${name} ${store}`),
  };
}

Deno.test("Watchers tell all observers of work, its end and its time, until they stop", async () => {
  const clock = new FakeClock();
  const watchers = new Watchers();
  const heard: string[] = [];
  const stop = watchers.add(noting("one", heard));
  watchers.add(noting("two", heard));
  const work = watchers.begin("get", start, clock);
  await clock.advance(5);
  work.done();
  watchers.evict({ group: "g", store: "hot" });
  stop();
  stop();
  watchers.begin("get", start, clock).fail(new Error("no"));
  assertEquals(heard, [
    ..."one a,b/two a,b/one ok 5/two ok 5/one hot/two hot".split("/"),
    ...["two a,b", "two failed 0"],
  ]);
});

Deno.test("Watchers are heard only while somebody observes just that", () => {
  const watchers = new Watchers();
  const names = ["get", "load", "peer", "serve", "evict"] as const;
  const heard = () => names.filter((name) => watchers.hear(name));
  assertEquals(heard(), []);
  const stop = watchers.add(noting("one", []));
  assertEquals(heard(), ["get", "evict"]);
  stop();
  assertEquals(heard(), []);
});

Deno.test("Watchers that share others have their observers, before and after", () => {
  const pool = new Watchers();
  const group = new Watchers();
  const heard: string[] = [];
  pool.add(noting("before", heard));
  group.share(pool);
  pool.add(noting("after", heard));
  group.evict({ group: "g", store: "main" });
  assertEquals(heard, ["before main", "after main"]);
});

Deno.test("An observer that throws, or returns garbage, disturbs neither the others nor the work", () => {
  const watchers = new Watchers();
  const heard: string[] = [];
  const wrong = (): never => {
    throw new Error("no");
  };
  watchers.add({ get: wrong, evict: wrong });
  watchers.add({ get: () => 7 as never });
  watchers.add({ get: () => null as never });
  watchers.add({ get: () => ({ end: wrong }) });
  watchers.add(noting("last", heard));
  watchers.begin("get", start, new FakeClock()).done();
  watchers.evict({ group: "g", store: "hot" });
  assertEquals(heard, ["last a,b", "last ok 0", "last hot"]);
});

Deno.test("An observer is called as the method of its object", () => {
  class Counter implements PoolObserver {
    count = 0;
    evict(): void {
      this.count++;
    }
  }
  const counter = new Counter();
  const watchers = new Watchers();
  watchers.add(counter);
  watchers.evict({ group: "g", store: "hot" });
  assertEquals(counter.count, 1);
});

Deno.test("Work ends once, with what its keys came to", async () => {
  const watchers = new Watchers();
  const ends: WorkEnd[] = [];
  watchers.add({ get: () => ({ end: (end) => void ends.push(end) }) });
  const begin = () => watchers.begin("get", start, new FakeClock());
  const late = new Error("late");
  const one = begin();
  one.doneWith(["ok", "failed"]);
  one.fail(late);
  begin().fail(late, "canceled");
  const error = new NotFoundError("g", "b");
  const values = new Map<string, unknown>([["a", 1], ["b", error]]);
  const leaver = new AbortController();
  begin().followMany(Promise.resolve(values), undefined);
  begin().follow(Promise.reject(late), leaver.signal);
  await Promise.resolve();
  leaver.abort();
  begin().follow(Promise.reject(late), leaver.signal);
  await Promise.resolve();
  assertEquals(ends.map(({ result, keys, error }) => [result, keys, error]), [
    ["ok", { ok: 1, failed: 1 }, undefined],
    ["canceled", { canceled: 2 }, late],
    ["ok", { ok: 1, not_found: 1 }, undefined],
    ["failed", { failed: 2 }, late],
    ["canceled", { canceled: 2 }, late],
  ]);
});

Deno.test("Work runs as all of its observers want it to", () => {
  const watchers = new Watchers();
  const order: string[] = [];
  for (const name of ["outer", "inner"]) {
    watchers.add({
      get: () => {
        order.push(`begin ${name}`);
        return {
          run: (run) => {
            order.push(name);
            return run();
          },
        };
      },
    });
  }
  const work = watchers.begin("get", start, new FakeClock());
  // The inner one begins in the context of the outer one, too.
  assertEquals(order, ["begin outer", "outer", "begin inner"]);
  assertEquals(work.run(() => order.push("work")), 6);
  assertEquals(order.slice(3), ["outer", "inner", "work"]);
});

Deno.test("Work runs once and comes to what it comes to, whatever an observer does with it", () => {
  const broken = new Error("no");
  const wrong: unknown[] = [
    () => {
      throw broken;
    },
    (run: () => unknown) => {
      run();
      throw broken;
    },
    (run: () => unknown) => [run(), run()],
    () => 7,
    7,
  ];
  for (const run of wrong) {
    const watchers = new Watchers();
    watchers.add({ get: () => ({ run: run as never }) });
    const work = watchers.begin("get", start, new FakeClock());
    let runs = 0;
    assertEquals(work.run(() => ++runs), 1);
    const failure = new Error("the getter's own");
    const fail = () => {
      throw failure;
    };
    assertThrows(() => work.run(fail), Error, "the getter's own");
    assertEquals(runs, 1);
  }
});

Deno.test("What an asynchronous observer rejects with is dropped", async () => {
  const wrong = () => Promise.reject(new Error("no"));
  const watchers = new Watchers();
  watchers.add({ get: () => wrong() as never });
  watchers.add({ get: () => ({ end: wrong }), evict: wrong });
  const work = watchers.begin("get", start, new FakeClock());
  work.done();
  watchers.evict({ group: "g", store: "hot" });
  // A rejection that nobody handles would fail this test.
  await nextTask();
});

Deno.test("resultOf() says what an error means", () => {
  const busy = new BusyError("busy");
  const results = [
    undefined,
    new NotFoundError("g", "a"),
    new LoadError("g", "a", "no such table"),
    busy,
    new PeerError("http://b", "busy", { cause: busy }),
    new PeerError("http://b", "closing", { status: 503 }),
    new PeerError("http://b", "silent"),
    "out of order",
  ].map(resultOf);
  assertEquals(
    results,
    [
      ...["ok", "not_found", "failed", "busy", "busy", "draining"],
      ...["unreachable", "failed"],
    ] as typeof results,
  );
});
