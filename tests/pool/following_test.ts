/** A pool that follows lists of peers: who joins, who leaves, and how it ends. */

import fc from "fast-check";
import { type FollowOptions, HTTPPool, type Logger } from "../../mod.ts";
import { Roster } from "../../pool/following.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { SILENT } from "../support/logger.ts";
import { FakeClock, gate, nextTask, settle } from "../support/time.ts";

const [A, B, C] = ["http://a:1", "http://b:1", "http://c:1"] as const;

type Answer = Iterable<string> | Error;

/** Answers that the test gives, one after the other. */
class ListsByHand implements AsyncIterable<Answer> {
  /** How often an iterator was told to end. */
  released = 0;
  #next = gate<IteratorResult<Answer>>();

  async answer(value: unknown): Promise<void> {
    this.#next.open({ done: false, value: value as Answer });
    await settle();
  }

  end(): void {
    this.#next.open({ done: true, value: undefined });
  }

  fail(reason: unknown): void {
    this.#next.fail(reason);
  }

  [Symbol.asyncIterator](): AsyncIterator<Answer> {
    return {
      next: () => {
        this.#next = gate();
        return this.#next.opened;
      },
      return: () => {
        this.released++;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}

interface Followed {
  readonly pool: HTTPPool;
  readonly lists: ListsByHand;
  /** Lines of the log with their level, without the name of the pool. */
  readonly lines: string[];
  /** Settles when the pool follows no more. */
  readonly followed: Promise<void>;
  nodes(): readonly string[];
}

/** Runs a pool that follows lists of the test, and closes it. */
async function follows(
  run: (followed: Followed) => Promise<void>,
  options?: FollowOptions,
  self: string = A,
): Promise<void> {
  const lines: string[] = [];
  const note = (level: string) => (line: string) =>
    void lines.push(`${level}: ${line.replace(`[Pool ${self}] `, "")}`);
  const logger: Logger = {
    debug: () => {},
    info: note("info"),
    warn: note("warn"),
    error: note("error"),
  };
  const pool = new HTTPPool(self, { logger, clock: new FakeClock() });
  const lists = new ListsByHand();
  const followed = pool.follow(lists, options);
  const nodes = () => pool.stats().nodes;
  try {
    await run({ pool, lists, lines, followed, nodes });
  } finally {
    await pool.close();
    await followed;
  }
}

Deno.test("A process that is new in an answer joins at once, and one that is missing leaves after two answers in a row", () =>
  follows(async ({ lists, nodes }) => {
    await lists.answer([A, B]);
    assertEquals(nodes(), [A, B]);
    await lists.answer(new Set([A, C]));
    assertEquals(nodes(), [A, B, C]);
    await lists.answer([A, B]);
    assertEquals(nodes(), [A, B, C]);
    // B was missing once, but not twice in a row; C was not either.
    await lists.answer([A, C]);
    assertEquals(nodes(), [A, B, C]);
    await lists.answer([A, C]);
    assertEquals(nodes(), [A, C]);
  }));

Deno.test("An answer that is empty or failed changes nothing, does not count, and is warned of once until there is a list again", () =>
  follows(async ({ lists, nodes, lines }) => {
    await lists.answer([A, B]);
    await lists.answer([A]);
    await lists.answer([]);
    await lists.answer(new Error("getaddrinfo EAI_AGAIN\npeers"));
    await lists.answer([]);
    assertEquals(nodes(), [A, B]);
    await lists.answer([A]);
    assertEquals(nodes(), [A]);
    await lists.answer(new Error("getaddrinfo EAI_AGAIN\npeers"));
    assertEquals(nodes(), [A]);
    const keeps = "warn: keeps its list of peers until there is a new one: ";
    assertEquals(lines, [
      `${keeps}the answer has no peers`,
      "info: has a list of peers again",
      `${keeps}getaddrinfo EAI_AGAIN peers`,
    ]);
  }));

for (
  const [answer, received] of [
    [undefined, "undefined"],
    [A, `"${A}"`],
    [5, "5"],
    [{ peers: [A] }, "[object Object]"],
  ]
) {
  Deno.test(`An answer that is no list, such as ${received}, counts as failed`, () =>
    follows(async ({ lists, nodes, lines }) => {
      await lists.answer([A, B]);
      await lists.answer(answer);
      assertEquals(nodes(), [A, B]);
      assertEquals(lines, [
        "warn: keeps its list of peers until there is a new one: Cannot use an answer: it must be an array or another iterable of strings: " +
        `received ${received}`,
      ]);
      await lists.answer([A, B, C]);
      assertEquals(nodes(), [A, B, C]);
    }));
}

Deno.test("An entry that is no origin is passed over and named, once until that changes", () =>
  follows(async ({ lists, nodes, lines }) => {
    const wrong = (received: string) =>
      "warn: passes over a part of an answer: each must be an http or https origin such as " +
      `"http://10.0.0.1:8080": received ${received}`;
    await lists.answer([A, "http://b:1/path", B]);
    assertEquals(nodes(), [A, B]);
    await lists.answer([A, "http://b:1/path", B, C]);
    assertEquals(nodes(), [A, B, C]);
    assertEquals(lines, [wrong('"http://b:1/path"')]);
    await lists.answer([A, B, C, null]);
    await lists.answer([A, B, C]);
    await lists.answer([A, B, C, "http://b:1/path"]);
    assertEquals(lines.slice(1), [wrong("null"), wrong('"http://b:1/path"')]);
    // With nothing else in it, an answer is an empty one.
    await lists.answer(["b:1"]);
    assertEquals(nodes(), [A, B, C]);
    assertEquals(lines.slice(3), [
      wrong('"b:1"'),
      "warn: keeps its list of peers until there is a new one: the answer has no peers",
    ]);
  }));

Deno.test("A long list of entries that are no origins is one line", () =>
  follows(async ({ lists, nodes, lines }) => {
    await lists.answer([A, ...Array.from({ length: 1_000 }, (_, i) => `${i}`)]);
    assertEquals(nodes(), [A]);
    assertEquals(lines.length, 1);
    assert(lines[0]!.length < 500);
    assert(lines[0]!.endsWith("; and 995 more"));
  }));

Deno.test("A process that is not in the answers is warned once, with the kind of name that is compared, and again if it was in them", () =>
  follows(async ({ lists, lines }) => {
    const [one, two] = ["http://10.0.0.1:1", "http://10.0.0.2:1"];
    const absent = (level: string, listed: string) =>
      `${level}: is not in its own list of peers: it owns no key: ` +
      `self has a name as its host, and the list has addresses: is it one of ${listed}?`;
    for (let i = 0; i < 3; i++) await lists.answer([one]);
    assertEquals(lines, [absent("warn", one)]);
    await lists.answer([one, two]);
    assertEquals(lines.slice(1), [absent("info", `${one}, ${two}`)]);
    await lists.answer([A, one, two]);
    for (let i = 0; i < 3; i++) await lists.answer([one, two]);
    assertEquals(lines.slice(2), [absent("warn", `${one}, ${two}`)]);
  }));

Deno.test("A process with an address as its host is told that the list has names", () =>
  follows(
    async ({ lists, lines }) => {
      await lists.answer([B]);
      assertStringIncludes(
        lines[0]!,
        `self has an address as its host, and the list has names: is it one of ${B}?`,
      );
    },
    {},
    "http://[fd00::1]:1",
  ));

Deno.test("A pool that follows goes on from the list that it was given", () =>
  follows(async ({ pool, lists, nodes }) => {
    pool.setPeers([A, B]);
    await lists.answer([]);
    assertEquals(nodes(), [A, B]);
    await lists.answer([A, C]);
    assertEquals(nodes(), [A, B, C]);
    pool.setPeers([A, B]);
    await lists.answer([A, C]);
    assertEquals(nodes(), [A, C]);
  }));

Deno.test("An answer that changes nothing sets no list", () =>
  follows(async ({ pool, lists }) => {
    const set: string[][] = [];
    const setPeers = pool.setPeers.bind(pool);
    pool.setPeers = (urls) => {
      set.push([...urls]);
      setPeers(urls);
    };
    for (const list of [[A, B], [B, A], [A], [A, C], [C, A]]) {
      await lists.answer(list);
    }
    assertEquals(set, [[A, B], [A, C]]);
  }));

Deno.test("A list that setPeers() refuses counts as failed", () =>
  follows(async ({ pool, lists, nodes, lines }) => {
    const { setPeers } = pool;
    pool.setPeers = () => {
      throw new TypeError("HTTP_PROXY would get the secret");
    };
    await lists.answer([A, B]);
    assertEquals(nodes(), []);
    assertEquals(lines, [
      "warn: keeps its list of peers until there is a new one: HTTP_PROXY would get the secret",
    ]);
    pool.setPeers = setPeers;
    await lists.answer([A, B]);
    assertEquals(nodes(), [A, B]);
  }));

Deno.test("Names in a ring with Go are taken as they are listed", async () => {
  const pool = new HTTPPool("http://a:80", {
    protocol: "groupcache",
    logger: SILENT,
  });
  const lists = new ListsByHand();
  const followed = pool.follow(lists);
  await lists.answer(["http://a:80", "http://b:80"]);
  await lists.answer(["http://a:80"]);
  assertEquals(pool.stats().nodes, ["http://a:80", "http://b:80"]);
  await lists.answer(["http://a:80"]);
  assertEquals(pool.stats().nodes, ["http://a:80"]);
  await pool.close();
  await followed;
});

Deno.test("HTTPPool.follow() ends when its signal fires, and lets the lists go", async () => {
  const controller = new AbortController();
  await follows(async ({ pool, lists, nodes, followed }) => {
    await lists.answer([A, B]);
    controller.abort();
    await followed;
    assertEquals(lists.released, 1);
    // What was on its way comes too late.
    await lists.answer([A, C]);
    assertEquals(nodes(), [A, B]);
    // Others can be followed at once.
    const later = new ListsByHand();
    const next = pool.follow(later);
    await later.answer([A, C]);
    assertEquals(nodes(), [A, B, C]);
    await pool.close();
    await next;
    assertEquals(later.released, 1);
  }, { signal: controller.signal });
});

Deno.test("HTTPPool.follow() can be called again in the task in which its signal fires", async () => {
  const controller = new AbortController();
  await follows(async ({ pool, followed }) => {
    controller.abort();
    const next = pool.follow(new ListsByHand());
    await followed;
    await pool.close();
    await next;
  }, { signal: controller.signal });
});

Deno.test("HTTPPool.follow() with a signal that has fired follows nothing", async () => {
  await follows(async ({ lists, nodes, followed }) => {
    await followed;
    await lists.answer([A, B]);
    assertEquals([nodes(), lists.released], [[], 0]);
  }, { signal: AbortSignal.abort() });
});

Deno.test("HTTPPool.follow() ends when the pool closes, and lets the lists go", () =>
  follows(async ({ pool, lists, followed }) => {
    await lists.answer([A, B]);
    await pool.close();
    await followed;
    assertEquals(lists.released, 1);
    await lists.answer([A, C]);
    assertEquals(pool.stats().nodes, []);
  }));

Deno.test("HTTPPool.follow() ends with its lists, which are not told to end then", () =>
  follows(async ({ pool, lists, nodes, followed, lines }) => {
    await lists.answer([A, B]);
    lists.end();
    await followed;
    assertEquals([nodes(), lists.released, lines], [[A, B], 0, []]);
    const later = new ListsByHand();
    const next = pool.follow(later);
    later.end();
    await next;
  }));

Deno.test("Lists that throw are an error in the log, and the pool keeps what it has", () =>
  follows(async ({ lists, nodes, followed, lines }) => {
    await lists.answer([A, B]);
    lists.fail(new Error("no such zone"));
    await followed;
    assertEquals([nodes(), lists.released], [[A, B], 0]);
    assertEquals(lines, [
      "error: follows no lists of peers any more: no such zone",
    ]);
  }));

Deno.test("A list that throws while it is read counts as failed", () =>
  follows(async ({ lists, nodes, lines }) => {
    await lists.answer((function* () {
      yield A;
      throw new Error("half a list");
    })());
    assertEquals(nodes(), []);
    assertEquals(lines, [
      "warn: keeps its list of peers until there is a new one: half a list",
    ]);
  }));

for (
  const [what, lists] of Object.entries({
    "a generator that waits for ever": async function* () {
      yield [A];
      await new Promise(() => {});
    },
    "an iterator without return()": () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => {}),
      }),
    }),
    "an iterator whose return() throws": () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => {}),
        return: () => {
          throw new Error("never mind");
        },
      }),
    }),
    "an answer that rejects later": () => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          await settle();
          throw new Error("never mind");
        },
      }),
    }),
  })
) {
  Deno.test(`HTTPPool.follow() ends although there is ${what}`, async () => {
    const lines: string[] = [];
    const note = (line: string): void => void lines.push(line);
    const pool = new HTTPPool(A, { logger: { ...SILENT, error: note } });
    const followed = pool.follow(lists());
    await pool.close();
    await followed;
    await settle();
    await settle();
    assertEquals(lines, []);
  });
}

Deno.test("HTTPPool.follow() ends when a line in the log, or the lists themselves, fire its signal", async () => {
  for (const when of ["warn", "begin"]) {
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    const pool = new HTTPPool(A, { logger: { ...SILENT, warn: abort } });
    const lists = new ListsByHand();
    const iterator = lists[Symbol.asyncIterator]();
    const followed = pool.follow({
      [Symbol.asyncIterator]: () => {
        if (when === "begin") abort();
        return iterator;
      },
    }, { signal: controller.signal });
    await lists.answer([]);
    await settle();
    assertEquals([when, lists.released], [when, 1]);
    await followed;
    await pool.close();
  }
});

Deno.test("Lists that are all there at once leave time for everything else", async () => {
  let count = 0;
  async function* lists(): AsyncGenerator<string[]> {
    while (count < 10_000) {
      count++;
      yield [A, B];
    }
  }
  const pool = new HTTPPool(A, { logger: SILENT });
  const followed = pool.follow(lists());
  await nextTask();
  await pool.close();
  await followed;
  assert(count < 10, `${count} answers were taken`);
});

Deno.test("HTTPPool.follow() lets go of its signal when it ends", async () => {
  const counts = { added: 0, removed: 0 };
  const { signal } = new AbortController();
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener(...args: Parameters<typeof addEventListener>) {
      counts.added++;
      addEventListener.apply(signal, args);
    },
    removeEventListener(...args: Parameters<typeof removeEventListener>) {
      counts.removed++;
      removeEventListener.apply(signal, args);
    },
  });
  await follows(async ({ lists, followed }) => {
    lists.end();
    await followed;
    assertEquals(counts, { added: 1, removed: 1 });
  }, { signal });
});

Deno.test("HTTPPool.follow() refuses bad arguments, a second source, and a closed pool", async () => {
  const pool = new HTTPPool(A, { logger: SILENT });
  const refused = async (
    args: unknown[],
    kind: typeof TypeError | typeof RangeError,
    message: string,
  ) => {
    const follow = pool.follow.bind(pool) as (
      ...args: unknown[]
    ) => Promise<void>;
    const error = await assertRejects(() => follow(...args), kind);
    assertEquals(error.message, `Cannot follow lists of peers: ${message}`);
  };
  const iterable = "lists must be an async iterable: received";
  await refused([undefined], TypeError, `${iterable} undefined`);
  await refused([[A, B]], TypeError, `${iterable} [object Array]`);
  await refused([A], TypeError, `${iterable} "${A}"`);
  const lists = new ListsByHand();
  await refused(
    [lists, AbortSignal.abort()],
    TypeError,
    "options must be an object such as { signal }: received [object AbortSignal]",
  );
  await refused(
    [lists, { signal: 5 }],
    TypeError,
    "signal must be an AbortSignal: received 5",
  );
  await refused(
    [lists, null],
    TypeError,
    "options must be an object: received null",
  );
  await refused(
    [lists, { leavesAfter: 3 }],
    TypeError,
    'there is no option "leavesAfter": did you mean "leaveAfter"?',
  );
  await refused(
    [lists, { leaveAfter: 0 }],
    RangeError,
    "leaveAfter must be a number of at least 1: received 0",
  );
  const followed = pool.follow(lists);
  await refused([lists], TypeError, "the pool follows others already");
  await pool.close();
  await followed;
  await refused([lists], TypeError, "the pool is closed");
});

const NAMES = ["a", "b", "c", "d", "e"];

Deno.test("A list is what its last answers had together, as many of them as a process may miss", () => {
  const list = fc.subarray(NAMES);
  fc.assert(fc.property(
    list,
    fc.array(fc.subarray(NAMES, { minLength: 1 }), { maxLength: 20 }),
    fc.integer({ min: 1, max: 5 }),
    (first, answers, leaveAfter) => {
      const roster = new Roster(leaveAfter);
      const all = [first, ...answers];
      let current: Iterable<string> = first;
      for (const [i, answer] of answers.entries()) {
        current = roster.after(current, answer);
        const last = all.slice(0, i + 2).slice(-leaveAfter);
        assertEquals([...current].sort(), [...new Set(last.flat())].sort());
      }
    },
  ));
});

Deno.test("Answers that are empty or failed change no list, wherever they come", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.subarray([A, B, C], { minLength: 1 }),
          fc.constantFrom([], new Error("no answer"), undefined),
        ),
        { maxLength: 12 },
      ),
      async (answers) => {
        await follows(async ({ lists, nodes }) => {
          const roster = new Roster(2);
          let current: Iterable<string> = [];
          for (const answer of answers) {
            await lists.answer(answer);
            if (Array.isArray(answer) && answer.length > 0) {
              current = roster.after(current, answer);
            }
            assertEquals(nodes(), [...current].sort());
          }
        });
      },
    ),
    { numRuns: 30 },
  ));
