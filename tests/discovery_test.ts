/** Lists of peers from DNS and from files, with lookups and files of the test. */

import { dnsPeers, filePeers } from "../discovery.ts";
import { HTTPPool } from "../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "./support/assert.ts";
import { SILENT } from "./support/logger.ts";
import { FakeClock, gate, settle } from "./support/time.ts";

const NAME = { hostname: "peers.test", port: 8080 };
const PATH = "peers.txt";

/** Gathers what is answered until the answers end. */
function gather(lists: AsyncIterable<string[] | Error>): {
  readonly got: (string[] | string)[];
  readonly ended: Promise<void>;
} {
  const got: (string[] | string)[] = [];
  const run = async (): Promise<void> => {
    for await (const list of lists) {
      got.push(list instanceof Error ? list.message : list);
    }
  };
  return { got, ended: run() };
}

/** A lookup that gives the next of `answers` each time, and the last one for ever. */
function lookupOf(
  ...answers: (string[] | Error)[]
): { lookup: () => Promise<{ address: string }[]>; asked: unknown[][] } {
  const asked: unknown[][] = [];
  const lookup = (...args: unknown[]) => {
    asked.push(args);
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
    return answer instanceof Error
      ? Promise.reject(answer)
      : Promise.resolve(answer.map((address) => ({ address })));
  };
  return { lookup, asked };
}

/** The first answer. */
async function firstOf<T>(lists: AsyncIterable<T>): Promise<T> {
  for await (const list of lists) return list;
  throw new Error("there is no answer");
}

Deno.test("dnsPeers() gives origins at the addresses of a name, IPv6 in brackets, each once and sorted", async () => {
  const { lookup, asked } = lookupOf(["fd00::2", "10.0.0.2", "10.0.0.1"]);
  assertEquals(await firstOf(dnsPeers(NAME, { lookup })), [
    "http://10.0.0.1:8080",
    "http://10.0.0.2:8080",
    "http://[fd00::2]:8080",
  ]);
  assertEquals(asked, [["peers.test", { all: true, family: 0 }]]);
  const twice = lookupOf(["10.0.0.1", "10.0.0.1"]);
  const name = { ...NAME, protocol: "https", family: 4 } as const;
  const peers = dnsPeers(name, { lookup: twice.lookup });
  assertEquals(await firstOf(peers), ["https://10.0.0.1:8080"]);
  assertEquals(twice.asked, [["peers.test", { all: true, family: 4 }]]);
});

Deno.test("dnsPeers() gives the targets of a service with their ports, and none for a dot", async () => {
  const asked: unknown[] = [];
  const resolveSrv = (name: string) => {
    asked.push(name);
    return Promise.resolve([
      { name: "b.peers.test.", port: 8002, priority: 1, weight: 5 },
      { name: "a.peers.test", port: 8001, priority: 2, weight: 0 },
    ]);
  };
  const srv = "_http._tcp.peers.test";
  assertEquals(await firstOf(dnsPeers({ srv }, { resolveSrv })), [
    "http://a.peers.test:8001",
    "http://b.peers.test:8002",
  ]);
  assertEquals(asked, [srv]);
  for (const name of ["", "."]) {
    const peers = dnsPeers({ srv, protocol: "https" }, {
      resolveSrv: () => Promise.resolve([{ name, port: 0 }]),
    });
    assertEquals(await firstOf(peers), []);
  }
});

Deno.test("dnsPeers() asks again after everyMs, a tenth more or less, and answers a failure with its error", async () => {
  const clock = new FakeClock();
  const { lookup, asked } = lookupOf(
    ["10.0.0.1"],
    new Error("getaddrinfo EAI_AGAIN"),
    ["10.0.0.2"],
  );
  let chance = 0;
  const controller = new AbortController();
  const { got, ended } = gather(dnsPeers(NAME, {
    ...{ lookup, clock, everyMs: 1_000, signal: controller.signal },
    random: () => chance,
  }));
  await settle();
  assertEquals(got, [["http://10.0.0.1:8080"]]);
  await clock.advance(899);
  assertEquals(asked.length, 1);
  chance = 0.999_999;
  await clock.advance(1);
  assertEquals(got.slice(1), ["getaddrinfo EAI_AGAIN"]);
  await clock.advance(1_099);
  assertEquals(asked.length, 2);
  await clock.advance(1);
  assertEquals(got.slice(2), [["http://10.0.0.2:8080"]]);
  controller.abort();
  await ended;
  assertEquals(clock.pending, 0);
});

Deno.test("dnsPeers() asks every five seconds if nothing else is said", async () => {
  const clock = new FakeClock();
  const { lookup, asked } = lookupOf(["10.0.0.1"]);
  const pool = new HTTPPool("http://10.0.0.1:8080", { clock, logger: SILENT });
  const followed = pool.follow(
    dnsPeers(NAME, { lookup, clock, random: () => 0.5 }),
  );
  await clock.advance(4_999);
  assertEquals(asked.length, 1);
  await clock.advance(1);
  assertEquals(asked.length, 2);
  await pool.close();
  await followed;
  assertEquals(clock.pending, 0);
});

Deno.test("A lookup that gives no addresses is an answer without any, and one that throws or gives nonsense is an error", async () => {
  const { lookup: findsNone } = lookupOf([]);
  assertEquals(await firstOf(dnsPeers(NAME, { lookup: findsNone })), []);
  const wrong = async (lookup: unknown) => {
    const options = { lookup } as { lookup: () => Promise<never> };
    const answer = await firstOf(dnsPeers(NAME, options));
    assert(answer instanceof Error);
    return answer.message;
  };
  const must =
    "Cannot find peers by DNS: lookup must give an array of { address }: received";
  assertEquals(
    [
      await wrong(() => {
        throw new Error("no DNS today");
      }),
      await wrong(() => Promise.reject("no error")),
      await wrong(() => "10.0.0.1"),
      await wrong(() => Promise.resolve({ address: "10.0.0.1" })),
      await wrong(() => Promise.resolve(["10.0.0.1"])),
      await wrong(() => Promise.resolve([undefined])),
      await wrong(() => Promise.resolve([{ address: 10 }])),
    ],
    [
      "no DNS today",
      "no error",
      `${must} "10.0.0.1"`,
      `${must} [object Object]`,
      `${must} "10.0.0.1"`,
      `${must} undefined`,
      `${must} [object Object]`,
    ],
  );
});

Deno.test("A lookup that is silent for half a minute is an error, and is asked again", async () => {
  const clock = new FakeClock();
  let asked = 0;
  const lookup = () => {
    asked++;
    return new Promise<never>(() => {});
  };
  const controller = new AbortController();
  const { got, ended } = gather(dnsPeers(NAME, {
    ...{ lookup, clock, random: () => 0.5, signal: controller.signal },
  }));
  await clock.advance(29_999);
  assertEquals([got.length, asked], [0, 1]);
  await clock.advance(1);
  assertEquals(got, ["there was no answer in 30000 ms"]);
  await clock.advance(5_000);
  assertEquals(asked, 2);
  // The answers end although the lookup goes on.
  controller.abort();
  await ended;
  assertEquals([got.length, clock.pending], [1, 0]);
});

for (const when of ["while it waits", "while it asks", "before it begins"]) {
  Deno.test(`Answers end ${when} when whoever goes through them has enough, and leave no timer and no listener`, async () => {
    const clock = new FakeClock();
    const asks = gate<{ address: string }[]>();
    const lookup = when === "while it asks"
      ? () => asks.opened
      : lookupOf(["10.0.0.1"]).lookup;
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    Object.assign(signal, {
      addEventListener(...args: Parameters<typeof addEventListener>) {
        listeners++;
        addEventListener.apply(signal, args);
      },
      removeEventListener(...args: Parameters<typeof removeEventListener>) {
        listeners--;
        removeEventListener.apply(signal, args);
      },
    });
    const lists = dnsPeers(NAME, { lookup, clock, signal });
    const iterator = lists[Symbol.asyncIterator]();
    let next: Promise<IteratorResult<string[] | Error>> | undefined;
    if (when !== "before it begins") {
      next = iterator.next();
      await settle();
    }
    if (when === "while it waits") {
      await next;
      next = iterator.next();
      await settle();
      assertEquals(clock.pending, 1);
    }
    await iterator.return!();
    assert((await next)?.done ?? true);
    assertEquals([clock.pending, listeners], [0, 0]);
    // Whoever begins anew is answered.
    asks.open([{ address: "10.0.0.1" }]);
    assertEquals(await firstOf(lists), ["http://10.0.0.1:8080"]);
    assertEquals([clock.pending, listeners], [0, 0]);
  });
}

Deno.test("A thousand answers leave no listeners", async () => {
  const clock = new FakeClock();
  const { prototype } = AbortSignal;
  const { addEventListener, removeEventListener } = prototype;
  let listeners = 0;
  Object.assign(prototype, {
    addEventListener(
      this: AbortSignal,
      ...args: Parameters<typeof addEventListener>
    ) {
      listeners++;
      addEventListener.apply(this, args);
    },
    removeEventListener(
      this: AbortSignal,
      ...args: Parameters<typeof removeEventListener>
    ) {
      listeners--;
      removeEventListener.apply(this, args);
    },
  });
  try {
    const { lookup, asked } = lookupOf(["10.0.0.1"]);
    const controller = new AbortController();
    const { signal } = controller;
    const lists = dnsPeers(NAME, { lookup, clock, signal, everyMs: 1 });
    const { ended } = gather(lists);
    while (asked.length < 1_000) await clock.advance(10);
    // One of the signal that was given, and one of the wait.
    assertEquals(listeners, 2);
    controller.abort();
    await ended;
    assertEquals(listeners, 0);
  } finally {
    Object.assign(prototype, { addEventListener, removeEventListener });
  }
});

Deno.test("Answers whose signal has fired end at once, and nothing is asked", async () => {
  const { lookup, asked } = lookupOf(["10.0.0.1"]);
  const signal = AbortSignal.abort();
  const { got, ended } = gather(dnsPeers(NAME, { lookup, signal }));
  await ended;
  assertEquals([got, asked], [[], []]);
});

Deno.test("Answers end at once if their signal fires while nobody asks for one", async () => {
  const clock = new FakeClock();
  const { lookup, asked } = lookupOf(["10.0.0.1"]);
  const controller = new AbortController();
  const { signal } = controller;
  const lists = dnsPeers(NAME, { lookup, clock, signal });
  const iterator = lists[Symbol.asyncIterator]();
  await iterator.next();
  controller.abort();
  assertEquals((await iterator.next()).done, true);
  assertEquals([asked.length, clock.pending], [1, 0]);
});

Deno.test("dnsPeers() refuses bad arguments, and names what is wrong", () => {
  const refused = (
    message: string,
    name: unknown,
    options?: unknown,
    kind: typeof TypeError | typeof RangeError = TypeError,
  ) => {
    const error = assertThrows(
      () => dnsPeers(name as typeof NAME, options as Record<string, never>),
      kind,
    );
    assertEquals(error.message, `Cannot find peers by DNS: ${message}`);
  };
  const form = "the name must be { hostname, port } or { srv }: received";
  refused(`${form} "peers"`, "peers");
  refused(`${form} {  }`, {});
  refused(`${form} { hostname, srv }`, { hostname: "a", srv: "b" });
  refused('hostname must be a name in DNS: received ""', { hostname: "" });
  refused("srv must be a name in DNS: received 5", { srv: 5 });
  const port = "port must be a whole number from 1 to 65535: received";
  refused(`${port} undefined`, { hostname: "a" });
  refused(`${port} "80"`, { hostname: "a", port: "80" });
  for (const wrong of [0, 65_536, 1.5]) {
    refused(
      `${port} ${wrong}`,
      { hostname: "a", port: wrong },
      {},
      RangeError,
    );
  }
  refused('protocol must be "http" or "https": received "h2"', {
    ...NAME,
    protocol: "h2",
  });
  refused("family must be 0, 4 or 6: received 5", { ...NAME, family: 5 });
  refused(
    'there is no option "port": the options are srv, protocol',
    { srv: "a", port: 80 },
  );
  refused('there is no option "hostName": did you mean "hostname"?', {
    ...NAME,
    hostName: "b",
  });
  refused("lookup must be a function: received 5", NAME, { lookup: 5 });
  const find = () => Promise.resolve([]);
  refused("lookup is for a hostname, not for srv", { srv: "a" }, {
    lookup: find,
  });
  refused("resolveSrv is for srv, not for a hostname", NAME, {
    resolveSrv: find,
  });
  refused(
    "everyMs must be a number greater than 0: received 0",
    NAME,
    { lookup: find, everyMs: 0 },
    RangeError,
  );
  refused("signal must be an AbortSignal: received true", NAME, {
    lookup: find,
    signal: true,
  });
  refused("clock must have the methods now, after: received 5", NAME, {
    lookup: find,
    clock: 5,
  });
  refused('there is no option "every": did you mean "everyMs"?', NAME, {
    every: 5,
  });
});

Deno.test("filePeers() gives a line each, without comments, and reads again", async () => {
  const clock = new FakeClock();
  const texts = [
    "\ufeff# Oslo\r\nhttp://10.0.0.1:8080\r\n\r\n  http://10.0.0.2:8080 # new\r\n",
    "http://10.0.0.2:8080",
    "# nobody\n",
  ];
  const asked: unknown[] = [];
  const readFile = (path: string | URL) => {
    asked.push(path);
    const text = texts.shift();
    return text === undefined
      ? Promise.reject(new Error("ENOENT: no such file"))
      : Promise.resolve(text);
  };
  const controller = new AbortController();
  const { got, ended } = gather(filePeers(PATH, {
    ...{ readFile, clock, everyMs: 100, random: () => 0.5 },
    signal: controller.signal,
  }));
  await clock.advance(300);
  controller.abort();
  await ended;
  assertEquals(got, [
    ["http://10.0.0.1:8080", "http://10.0.0.2:8080"],
    ["http://10.0.0.2:8080"],
    [],
    "ENOENT: no such file",
  ]);
  assertEquals(asked, [PATH, PATH, PATH, PATH]);
  assertEquals(clock.pending, 0);
});

Deno.test("filePeers() reads a real file, by its path or its URL", async () => {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: string): unknown };
  };
  const { mkdtemp, rm, writeFile } = process.getBuiltinModule(
    "fs/promises",
  ) as typeof import("node:fs/promises");
  const { tmpdir } = process.getBuiltinModule(
    "os",
  ) as typeof import("node:os");
  const { pathToFileURL } = process.getBuiltinModule(
    "url",
  ) as typeof import("node:url");
  const folder = await mkdtemp(`${tmpdir()}/geecache-`);
  try {
    const path = `${folder}/peers`;
    const error = await firstOf(filePeers(path));
    assert(error instanceof Error && error.message.includes("ENOENT"));
    await writeFile(path, "http://10.0.0.1:8080\n");
    for (const place of [path, pathToFileURL(path)]) {
      assertEquals(await firstOf(filePeers(place)), ["http://10.0.0.1:8080"]);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

Deno.test("filePeers() refuses bad arguments, and names what is wrong", () => {
  const refused = (path: unknown, options: unknown, message: string) => {
    const error = assertThrows(
      () => filePeers(path as string, options as Record<string, never>),
      TypeError,
    );
    assertEquals(error.message, `Cannot read peers from a file: ${message}`);
  };
  const form = "path must be a path or a file URL: received";
  for (
    const [path, received] of [
      ["", '""'],
      [null, "null"],
      [5, "5"],
      [{}, "[object Object]"],
    ]
  ) refused(path, {}, `${form} ${received}`);
  refused(PATH, { readFile: 5 }, "readFile must be a function: received 5");
  refused(
    PATH,
    { lookup: 5 },
    'there is no option "lookup": the options are everyMs, signal, clock, random, readFile',
  );
});

Deno.test("The runtime's lookup is asked if there is none, and finds this machine", async () => {
  const list = await firstOf(dnsPeers({ hostname: "localhost", port: 1 }));
  assert(Array.isArray(list), `${list}`);
  assert(
    list.includes("http://127.0.0.1:1") || list.includes("http://[::1]:1"),
    list.join(),
  );
});

Deno.test("The runtime's resolver is asked for a service if there is none, a new one each time, and takes its question back", async () => {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule: unknown };
  };
  const { getBuiltinModule } = process;
  const resolvers: { asked: string[]; canceled: boolean }[] = [];
  class Resolver {
    readonly asked: string[] = [];
    canceled = false;
    constructor() {
      resolvers.push(this);
    }
    resolveSrv(name: string) {
      this.asked.push(name);
      return resolvers.length === 1
        ? Promise.resolve([{ name: "a.test", port: 1 }])
        : new Promise(() => {});
    }
    cancel() {
      this.canceled = true;
    }
  }
  process.getBuiltinModule = (name: string) =>
    name === "dns/promises" ? { Resolver } : undefined;
  try {
    const clock = new FakeClock();
    const controller = new AbortController();
    const { signal } = controller;
    const lists = dnsPeers({ srv: "_a.test" }, { clock, signal });
    const { got, ended } = gather(lists);
    await clock.advance(6_000);
    assertEquals(got, [["http://a.test:1"]]);
    assertEquals(resolvers.map(({ asked }) => asked), [
      ["_a.test"],
      ["_a.test"],
    ]);
    assertEquals(resolvers[1]!.canceled, false);
    controller.abort();
    await ended;
    assertEquals(resolvers[1]!.canceled, true);
  } finally {
    process.getBuiltinModule = getBuiltinModule;
  }
});

Deno.test("Where the runtime has no modules, dnsPeers() and filePeers() say what to give", () => {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule: unknown };
  };
  const { getBuiltinModule } = process;
  process.getBuiltinModule = () => undefined;
  const has = (module: string) => `this runtime has no module ${module}: give `;
  try {
    for (
      const [make, message] of [
        [() => dnsPeers(NAME), `${has("dns/promises")}the option lookup`],
        [
          () => dnsPeers({ srv: "a" }),
          `${has("dns/promises")}the option resolveSrv`,
        ],
        [() => filePeers(PATH), `${has("fs/promises")}the option readFile`],
      ] as const
    ) assertThrows(make, TypeError, message);
    dnsPeers(NAME, { lookup: lookupOf([]).lookup });
  } finally {
    process.getBuiltinModule = getBuiltinModule;
  }
});

Deno.test("A pool that follows a name joins, keeps its list while DNS fails, and lets a process go after two answers", async () => {
  const clock = new FakeClock();
  const { lookup, asked } = lookupOf(
    ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
    new Error("getaddrinfo EAI_AGAIN"),
    ["10.0.0.1", "10.0.0.2"],
    [],
    ["10.0.0.1", "10.0.0.2"],
  );
  const pool = new HTTPPool("http://10.0.0.1:8080", { clock, logger: SILENT });
  const followed = pool.follow(dnsPeers(NAME, { lookup, clock }));
  const counts: number[] = [];
  for (let i = 0; i < 5; i++) {
    while (asked.length === i) await clock.advance(100);
    await settle();
    counts.push(pool.stats().nodes.length);
  }
  assertEquals(counts, [3, 3, 3, 3, 2]);
  await pool.close();
  await followed;
  assertEquals(clock.pending, 0);
  await assertRejects(
    () => pool.follow(dnsPeers(NAME, { lookup })),
    TypeError,
    "the pool is closed",
  );
});
