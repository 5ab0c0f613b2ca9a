/** A bad option or argument is refused at once, and the error shows what was received. */

import { Group } from "../../group.ts";
import { HTTPPool, type HTTPPoolOptions } from "../../http.ts";
import { ConsistentHash, LRU } from "../../mod.ts";
import { toNodeHandler } from "../../node.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../support/assert.ts";

const SELF = "http://10.0.0.1:8080";
const POOL = "Cannot create HTTPPool: ";
const GROUP = 'Cannot create Group "g": ';

/** Values that are no numbers, and how a message shows each. */
const NO_NUMBERS: [unknown, string][] = [
  [null, "null"],
  ["5", '"5"'],
  [5n, "5n"],
  [{}, "[object Object]"],
  [[], "[object Array]"],
  [() => 5, "a function"],
];
/** Values that are neither functions nor objects with methods. */
const NOTHING_OF_USE: [unknown, string][] = [
  [null, "null"],
  ["x", '"x"'],
  [5, "5"],
  [true, "true"],
  [{}, "[object Object]"],
];

function assertRefused(make: () => unknown, message: string): void {
  const error = assertThrows(make, TypeError);
  assertEquals(error.message, message);
}

const poolWith = (options: unknown) => () =>
  new HTTPPool(SELF, options as HTTPPoolOptions);
const groupWith = (options: unknown) => () =>
  new Group("g", () => "v", options as Record<string, never>);

Deno.test("A value that is no number is refused for a number, even if it looks like one", () => {
  const ofPool = {
    timeoutMs: "a number greater than 0",
    maxBodyBytes: "a non-negative number",
    handoverMs: "a non-negative number",
    maxPeerRequests: "a number of at least 1",
  };
  const ofGroup = {
    maxBytes: "a non-negative number",
    mirrorTtlMs: "a non-negative number",
    maxStandInLoads: "a number of at least 1",
  };
  for (const [value, received] of NO_NUMBERS) {
    for (const [name, rule] of Object.entries(ofPool)) {
      const fault = `${name} must be ${rule}: received ${received}`;
      assertRefused(poolWith({ [name]: value }), POOL + fault);
    }
    for (const [name, rule] of Object.entries(ofGroup)) {
      const fault = `${name} must be ${rule}: received ${received}`;
      assertRefused(groupWith({ [name]: value }), GROUP + fault);
    }
  }
});

Deno.test("A number that breaks its rule causes a RangeError", () => {
  for (const value of [0, -1, NaN]) {
    const error = assertThrows(
      poolWith({ maxPeerRequests: value }),
      RangeError,
    );
    const rule = "maxPeerRequests must be a number of at least 1";
    assertEquals(error.message, `${POOL}${rule}: received ${value}`);
  }
  assertThrows(poolWith({ handoverMs: -1 }), RangeError, "received -1");
});

Deno.test("A value that cannot be called is refused for a function or an object with methods", () => {
  for (const [value, received] of NOTHING_OF_USE) {
    for (const name of ["fetch", "random"]) {
      const fault = `${name} must be a function: received ${received}`;
      assertRefused(poolWith({ [name]: value }), POOL + fault);
    }
    const clock =
      `clock must have the methods now, after: received ${received}`;
    assertRefused(poolWith({ clock: value }), POOL + clock);
    assertRefused(groupWith({ clock: value }), GROUP + clock);
    assertRefused(
      poolWith({ logger: value }),
      `${POOL}logger must have the methods debug, info, warn, error: received ${received}`,
    );
    assertRefused(
      groupWith({ shouldMirror: value }),
      `${GROUP}shouldMirror must be a function: received ${received}`,
    );
    assertRefused(
      groupWith({ peers: value }),
      `${GROUP}peers must have the methods pickPeer, peers: received ${received}`,
    );
    for (const name of ["weigh", "onEvict"]) {
      assertThrows(
        () => new LRU({ [name]: value }),
        TypeError,
        `Cannot create LRU: ${name} must be a function: received ${received}`,
      );
    }
  }
});

Deno.test("A value that is no text is refused for a text, and a secret is not shown", () => {
  for (const [value, received] of NO_NUMBERS) {
    if (value === "5") continue;
    assertRefused(
      poolWith({ basePath: value }),
      `${POOL}basePath must be a URL path that begins and ends with "/": received ${received}`,
    );
  }
  for (const secret of [null, 1234567890123456, {}, true]) {
    assertRefused(
      poolWith({ secret }),
      `${POOL}secret must be a string or an array of strings: received ${typeof secret}`,
    );
  }
});

Deno.test("Options that are not an object are refused", async () => {
  assertRefused(
    poolWith(null),
    `${POOL}options must be an object: received null`,
  );
  assertRefused(
    groupWith("x"),
    `${GROUP}options must be an object: received "x"`,
  );
  const pool = new HTTPPool(SELF);
  const drain = (options: unknown) => () => pool.drain(options as never);
  for (
    const [options, message] of [
      [10_000, "options must be an object: received 10000"],
      [null, "options must be an object: received null"],
      [
        { timeoutMs: "5" },
        'timeoutMs must be a non-negative number: received "5"',
      ],
    ]
  ) {
    await assertRejects(
      drain(options),
      TypeError,
      `Cannot drain HTTPPool: ${message}`,
    );
  }
  assertEquals(pool.stats().draining, false);
  const group = pool.group("g", () => "v");
  await assertRejects(
    () => group.set("k", "v", 5_000 as never),
    TypeError,
    'Cannot set "k" of group "g": options must be an object: received 5000',
  );
  await pool.close();
});

Deno.test("A single string is refused for a list of strings, and nothing is done", async () => {
  const rule = "must be an array or another iterable of strings: received";
  const pool = new HTTPPool(SELF);
  const group = pool.group("g", (key) => key);
  await group.get("a");
  for (
    const [value, received] of [["abc", '"abc"'], [undefined, "undefined"]]
  ) {
    const several = value as unknown as string[];
    assertRefused(
      () => pool.setPeers(several),
      `Cannot set peers of HTTPPool: urls ${rule} ${received}`,
    );
    await assertRejects(
      () => group.getMany(several),
      TypeError,
      `Cannot get keys of group "g": keys ${rule} ${received}`,
    );
    await assertRejects(
      () => group.removeMany(several),
      TypeError,
      `Cannot remove keys of group "g": keys ${rule} ${received}`,
    );
  }
  assertEquals([...group.keys()], ["a"]);
  await pool.close();
});

Deno.test("get() refuses a value that is no signal before it loads", async () => {
  let loads = 0;
  const group = new Group("g", () => `${++loads}`);
  for (
    const [signal, received] of [
      [new AbortController(), "[object AbortController]"],
      [5, "5"],
      [null, "null"],
    ]
  ) {
    await assertRejects(
      () => group.get("k", { signal: signal as unknown as AbortSignal }),
      TypeError,
      `Cannot get a key of group "g": signal must be an AbortSignal: received ${received}`,
    );
  }
  assertEquals(loads, 0);
});

Deno.test("A misspelled option is refused, and the error names the one that was meant", async () => {
  const pool = new HTTPPool(SELF);
  const group = pool.group("g", () => "v");
  const { signal } = new AbortController();
  const named: [() => unknown, string][] = [
    [poolWith({ timeout: 5 }), "timeoutMs"],
    [poolWith({ secrets: "0123456789abcdef" }), "secret"],
    [poolWith({ basepath: "/x/" }), "basePath"],
    [groupWith({ maxByte: 5 }), "maxBytes"],
    [
      () => pool.group("h", () => "v", { mirrorTtl: 5 } as never),
      "mirrorTtlMs",
    ],
    [() => new LRU({ maxWeights: 5 } as never), "maxWeight"],
    [() => new ConsistentHash([], { replica: 5 } as never), "replicas"],
    [
      () => toNodeHandler(() => new Response(), { onerror() {} } as never),
      "onError",
    ],
    [() => group.set("k", "v", { ttl: 5 } as never), "ttlMs"],
    [() => group.get("k", { signals: signal } as never), "signal"],
    [() => group.getMany(["k"], { Signal: signal } as never), "signal"],
    [() => pool.drain({ timeout: 5 } as never), "timeoutMs"],
  ];
  for (const [call, meant] of named) {
    const error = await assertRejects(async () => await call(), TypeError);
    assert(
      /^Cannot .*: there is no option "\w+": did you mean "/.test(
        error.message,
      ),
      error.message,
    );
    assert(error.message.endsWith(`: did you mean "${meant}"?`), error.message);
  }
  assertEquals([pool.stats().draining, pool.getGroup("h")], [false, undefined]);
  await pool.close();
});

Deno.test("An option that is like none of them is refused with a list of all", async () => {
  const group = new Group("g", () => "v");
  await assertRejects(
    () => group.get("k", { forever: true } as never),
    TypeError,
    'Cannot get a key of group "g": there is no option "forever": the options are signal',
  );
  // A signal in the place of the options is meant, and would never fire.
  await assertRejects(
    () => group.get("k", new AbortController().signal as never),
    TypeError,
    'Cannot get a key of group "g": options must be an object such as { signal }: received [object AbortSignal]',
  );
  const pool = new HTTPPool(SELF);
  const peers = { pickPeer: () => undefined, peers: () => [] };
  assertThrows(
    () => pool.group("g", () => "v", { peers } as never),
    TypeError,
    'Cannot create Group "g": there is no option "peers"',
  );
  await pool.close();
});

Deno.test("An AbortController may stand for the options of a get", async () => {
  const controller = new AbortController();
  const group = new Group("g", () => new Promise<string>(() => {}));
  const get = group.get("k", controller);
  const all = group.getMany(["k"], controller);
  controller.abort(new Error("enough"));
  for (const wait of [get, all]) {
    await assertRejects(() => wait, Error, "enough");
  }
});
