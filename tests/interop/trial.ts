/**
 * The checks of one ring.
 *
 * @module
 */

import { ConsistentHash } from "../../mod.ts";
import {
  expect,
  expectSame,
  type Facts,
  isClean,
  Model,
  type Setup,
  valueOf,
} from "./model.ts";
import { type Node, said } from "./nodes.ts";

/** The head and the body of an answer, asked for over a socket, since `fetch` would change the path. */
async function exchange(
  node: Node,
  target: string,
  method = "GET",
): Promise<string> {
  const port = Number(new URL(node.origin).port);
  const socket = await Deno.connect({ hostname: "127.0.0.1", port });
  const request = `${method} ${target} HTTP/1.1\r\n` +
    `Host: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`;
  await socket.write(new TextEncoder().encode(request));
  const answer = await new Response(socket.readable).text();
  const [head = "", ...body] = answer.split("\r\n\r\n");
  const [status = "", ...headers] = head.split("\r\n");
  const counted = ["content-type", "x-content-type-options"];
  const lines = headers
    .map((line) => line.split(": ", 2) as [string, string])
    .map(([name, value]) => `${name.toLowerCase()}: ${value}`)
    .filter((line) => counted.includes(line.split(":", 1)[0]!))
    .sort();
  return [status.split(" ")[1], ...lines, body.join("\r\n\r\n")].join("\n")
    .replaceAll(node.origin, "SELF");
}

/** Runs `run` for each, at most 16 at a time. */
export async function forEach<T>(
  items: Iterable<T>,
  run: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (let i = iterator.next(); !i.done; i = iterator.next()) {
      await run(i.value);
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

/** How many checks passed and failed so far, in all rings. */
export const tally = { passed: 0, failed: 0 };

/** Runs one check, prints its result and counts it. */
export async function check(
  what: string,
  run: () => Promise<string | void>,
): Promise<void> {
  try {
    const note = await run();
    tally.passed++;
    console.log(`  ok      ${what}${note === undefined ? "" : ` (${note})`}`);
  } catch (error) {
    tally.failed++;
    const message = error instanceof Error ? error.message : String(error);
    console.log(`  FAILED  ${what}\n${message.replace(/^/gm, "          ")}`);
  }
}

/** Shapes of keys that something on the way might mangle; a number makes each unique. */
export const ODD: readonly ((i: number) => string)[] = [
  (i) => `a b ${i}`,
  (i) => `a+b${i}`,
  (i) => `a b+c${i}`,
  (i) => `a/b${i}`,
  (i) => `a//b${i}`,
  (i) => `/a${i}`,
  (i) => `a${i}/`,
  (i) => `a${i}//`,
  (i) => `a/./b${i}`,
  (i) => `../a${i}`,
  (i) => `a${i}/..`,
  (i) => `...${i}`,
  (i) => `.${i}/...`,
  (i) => `%2e${i}`,
  (i) => `%2e%2e/${i}`,
  (i) => `${i}%2F..`,
  (i) => `${i}%`,
  (i) => `${i}%zz%FF`,
  (i) => `?key=${i}&a=b;c#d`,
  (i) => `http://x.test:80/${i}?y`,
  (i) => `!'()*;:@&=+$,/?#[]~-_"\\<>^\`{|}${i}`,
  (i) => `${i}\n\r\t\0\x7f`,
  (i) => `🙂${i}`,
  (i) => `日本${i}`,
  (i) => `e\u0301é${i}`,
  (i) => `\ufeff${i}`,
  (i) => `\u2028\u00a0${i}`,
  // Short enough for a path, then too long for our client, then too long for Deno's server.
  (i) => `${i}${"l".repeat(2_000)}`,
  (i) => `${i}${"日".repeat(2_000)}`,
  (i) => `${i}${"x".repeat(70_000)}`,
];

/** The checks of one ring. */
export class Trial {
  readonly #setup: Setup;
  readonly #nodes: readonly Node[];
  readonly #go: readonly Node[];
  readonly #ours: Node;
  readonly #ring: ConsistentHash;
  readonly #model: Model;
  #count = 0;

  constructor(setup: Setup, nodes: readonly Node[]) {
    this.#setup = setup;
    this.#nodes = nodes;
    this.#go = nodes.filter(({ ours }) => !ours);
    this.#ours = nodes.find(({ ours }) => ours)!;
    this.#ring = new ConsistentHash(nodes.map(({ origin }) => origin));
    this.#model = new Model(nodes, this.#ring, setup);
  }

  async run(): Promise<void> {
    const { dots, odd, slow, empty, bytes, fail } = this.#keys();
    const ordinary = Array.from({ length: 300 }, (_, i) => `user:${i}`);
    const later = Array.from({ length: 300 }, (_, i) => `later:${i}`);
    const keys = [...ordinary, ...later, ...dots, ...odd, ...slow, ...fail];
    const sent = keys.map((key) => key.replaceAll(" ", "+"));

    await check(
      "Go's ring gives each key the owner that ours does",
      () => this.#sameRing([...new Set([...keys, ...sent])]),
    );
    await check(
      "300 keys, asked of all three nodes at once",
      () => this.#askAll(ordinary, "at once"),
    );
    await check(
      "keys that load for 300 ms, asked of all at once",
      () => this.#askAll(slow, "at once"),
    );
    await check(
      `${odd.length} odd keys, asked of each node`,
      () => this.#askAll(odd, "in turn"),
    );
    await check(
      "the keys . and .., asked of each node",
      () => this.#askAll(dots, "in turn"),
    );
    await check("empty values", () => this.#askAll(empty, "in turn"));
    await check("values of a mebibyte of all bytes", () => this.#binary(bytes));
    await check(
      "failing getters, asked of each node",
      () => this.#askAll(fail, "in turn"),
    );
    await check("the empty key", () => this.#emptyKey());
    await check(
      "keys that are no UTF-8, asked of the Go nodes",
      () => this.#notUtf8(),
    );
    await check(
      "removing at our node rejects, names the Go nodes and asks " +
        "nobody",
      () => this.#remove(),
    );
    await check(
      "our node answers raw requests as Go does",
      () => this.#sameAnswers(),
    );
    await check(
      "300 more keys, a Go node killed amid its loads: no get fails",
      () => this.#kill(later),
    );
  }

  /** A key of that shape for each node, which owns it. */
  #owned(shape: (i: number) => string): string[] {
    return this.#nodes.map((node) => {
      for (;;) {
        const key = shape(this.#count++);
        if (this.#model.ownerOf(key) === node) return key;
      }
    });
  }

  #keys() {
    return {
      dots: [".", ".."],
      odd: ODD.flatMap((shape) => this.#owned(shape)),
      slow: this.#owned((i) => `slow:${i}`),
      empty: this.#owned((i) => `empty:${i}`),
      bytes: this.#owned((i) => `bytes:${i}`),
      fail: [
        ...this.#owned((i) => `fail:${i}`),
        ...this.#owned((i) => `fail:${i}\n日本`),
      ],
    };
  }

  async #sameRing(keys: string[]): Promise<string> {
    const expected: Facts = new Map();
    const actual: Facts = new Map();
    await forEach(keys, async (key) => {
      for (const node of this.#go) {
        const label = `the owner of ${key}, says ${node.name}`;
        expected.set(label, this.#ring.get(key)!);
        actual.set(label, await node.ownerOf(key));
      }
    });
    expectSame(actual, expected);
    return `${keys.length} keys`;
  }

  /** Asks each node for each key, and compares the answers and loads with the model. */
  async #askAll(keys: string[], how: "at once" | "in turn"): Promise<string> {
    const before = await this.#loads();
    const said: Facts = new Map();
    const ask = async (node: Node, key: string): Promise<void> => {
      said.set(`${node.name} asked for ${key}`, await node.get(key));
    };
    if (how === "at once") {
      await Promise.all(
        this.#nodes.map((node) => forEach(keys, (key) => ask(node, key))),
      );
    } else {
      for (const key of keys) {
        for (const node of this.#nodes) await ask(node, key);
      }
    }
    const loaded = await this.#loadedSince(before);
    const expected: Facts = new Map();
    this.#model.loads.clear();
    for (const key of keys) {
      for (const node of this.#nodes) {
        const answer = this.#model.get(node, key);
        expected.set(`${node.name} asked for ${key}`, answer);
      }
    }
    expectSame(said, expected);
    expectSame(loaded, this.#model.loads);
    return `${said.size} gets, ${sum(loaded)} loads`;
  }

  async #binary(keys: string[]): Promise<string> {
    const before = await this.#loads();
    for (const key of keys) {
      for (const node of this.#nodes) {
        const body = await (await node.door("/get", key)).bytes();
        expect(
          body.length === 2 ** 20 && body.every((byte, i) => byte === i % 256),
          `${node.name} asked for ${key}: got ${body.length} bytes, or others`,
        );
      }
    }
    const loads = sum(await this.#loadedSince(before));
    expect(loads === keys.length, `${loads} loads of ${keys.length} keys`);
    return `${keys.length * 3} gets, ${loads} loads`;
  }

  /** GeeCache refuses the empty key and groupcache loads it; ours refuses it, so that Go has to load it. */
  async #emptyKey(): Promise<void> {
    const said: Facts = new Map();
    const expected: Facts = new Map();
    const loadsIt = this.#setup.program === "groupcache";
    for (const node of this.#nodes) {
      said.set(node.name, await node.get(""));
      const refusal = node.ours
        ? '500 Cannot get a key of group "interop": key is required'
        : "500 key is required";
      expected.set(
        node.name,
        loadsIt && !node.ours ? `200 ${valueOf("")}` : refusal,
      );
    }
    expectSame(said, expected);
  }

  /** A Go string may hold any bytes. Ours refuses such a key, and Go loads it where it is asked. */
  async #notUtf8(): Promise<string> {
    const expected: Facts = new Map();
    const actual: Facts = new Map();
    const owners = new Set<string>();
    for (let i = 0; owners.size < 3; i++) {
      const key = Uint8Array.of(0xff, ...new TextEncoder().encode(`/a${i}`));
      const owner = await this.#go[0]!.ownerOf(key);
      if (owners.has(owner)) continue;
      owners.add(owner);
      const before = await this.#loads();
      for (const node of this.#go) {
        const body = await (await node.door("/get", key)).bytes();
        const label = `${node.name} asked for FF /a${i} of ${owner}`;
        expected.set(label, [...key].join() + valueOf(""));
        const after = new TextDecoder().decode(body.subarray(key.length));
        actual.set(label, [...body.subarray(0, key.length)].join() + after);
      }
      const loads = sum(await this.#loadedSince(before));
      const label = `loads of FF /a${i} of ${owner}`;
      expected.set(label, owner === this.#ours.origin ? "2" : "1");
      actual.set(label, String(loads));
    }
    expectSame(actual, expected);
    return `${owners.size} keys`;
  }

  async #remove(): Promise<void> {
    const before = await this.#loads();
    for (const key of this.#owned((i) => `remove:${i}`)) {
      const answer = await said(await this.#ours.door("/remove", key));
      expect(answer.startsWith("500 "), `it said ${answer}`);
      for (const { origin } of this.#go) {
        expect(answer.includes(origin), `${origin} is not in: ${answer}`);
      }
    }
    expectSame(await this.#loadedSince(before), new Map());
  }

  async #sameAnswers(): Promise<string> {
    const { basePath, mux, protocol } = this.#setup;
    // A Go node that is asked for another node's key mangles it in its own way.
    const space = this.#owned((i) => `a b ${i}`)[
      this.#nodes.indexOf(this.#go[0]!)
    ]!;
    const targets = [
      "",
      "interop",
      "interop?key=a",
      "nowhere/key",
      "nowhere",
      "%E6%97%A5/key",
      "interop/raw",
      "interop%2Fraw",
      "interop/raw?key=b&clear",
      "interop/a+b",
      `interop/${encodeURIComponent(space)}`,
      "interop/a%2Bb",
      "interop/a/b",
      "interop/a%2Fb",
      "interop/a/",
      "interop/%2e%2e",
      "interop/%252e",
      "interop/!'()*;:@&=$,~",
      "interop/%E6%97%A5%e6%9c%ac",
      "interop/a%00%0Ab",
      // proto3 leaves an empty value out, ours writes it: readers understand both.
      ...(protocol === "geecache-protobuf" ? [] : ["interop/empty:raw"]),
      "interop/fail:raw",
      "interop/fail:%E6%97%A5%0A",
      ...["interop/.", "interop/..", "interop%2F..", "interop/%2e"],
      ...["interop/a//b", "interop//a", "interop/a/../b", "interop/a%2F..%2Fb"],
    ].filter((target) => {
      const path = decodeURIComponent(target.split("?")[0]!);
      return !mux || isClean(path);
    });
    const expected: Facts = new Map();
    const actual: Facts = new Map();
    for (const method of ["GET", "HEAD"]) {
      for (const target of targets) {
        const label = `${method} ${basePath}${target}`;
        const args = [basePath + target, method] as const;
        expected.set(label, await exchange(this.#go[0]!, ...args));
        actual.set(label, await exchange(this.#ours, ...args));
      }
    }
    expectSame(actual, expected);
    return `${expected.size} requests`;
  }

  async #kill(keys: string[]): Promise<string> {
    const [survivor, victim] = this.#go as [Node, Node];
    const survivors = [survivor, this.#ours];
    const before = await this.#loads();
    let killed: Promise<void> | undefined;
    const said: Facts = new Map();
    const expected: Facts = new Map();
    const start = Date.now();
    const ask = async (key: string): Promise<void> => {
      await Promise.all(survivors.map(async (node) => {
        const label = `${node.name} asked for ${key}`;
        expected.set(label, `200 ${valueOf(key)}`);
        said.set(label, await node.get(key).catch(String));
      }));
    };
    await forEach(keys.entries(), async ([i, key]) => {
      if (i === 100) killed = this.#killAmidLoads(victim, ask);
      await ask(key);
    });
    await killed;
    expectSame(said, expected);
    const loaded = await this.#loadedSince(before, survivors);
    for (const [label, count] of loaded) {
      expect(count === "1", `${label} was loaded ${count} times`);
    }
    for (const key of keys) {
      const owner = this.#model.ownerOf(key);
      const by = survivors
        .filter(({ name }) => loaded.has(`${name} ${key}`));
      expect(
        owner === victim || (by.length === 1 && by[0] === owner),
        `${key} of ${owner.name} was loaded by ${by.map(({ name }) => name)}`,
      );
    }
    const ms = Date.now() - start;
    return `${said.size} gets, ${sum(loaded)} loads by the survivors, ${ms} ms`;
  }

  /** Kills a node while it loads keys for the others. */
  async #killAmidLoads(
    victim: Node,
    ask: (key: string) => Promise<void>,
  ): Promise<void> {
    const keys = Array.from(
      { length: 8 },
      () => this.#owned((i) => `slow:${i}`)[this.#nodes.indexOf(victim)]!,
    );
    const asked = Promise.all(keys.map(ask));
    for (;;) {
      const loads = await victim.loads();
      if (keys.every((key) => key in loads)) break;
    }
    await victim.kill();
    await asked;
  }

  async #loads(nodes: readonly Node[] = this.#nodes): Promise<Facts> {
    const facts: Facts = new Map();
    for (const node of nodes) {
      for (const [key, count] of Object.entries(await node.loads())) {
        facts.set(`${node.name} ${key}`, String(count));
      }
    }
    return facts;
  }

  async #loadedSince(before: Facts, nodes?: readonly Node[]): Promise<Facts> {
    const facts: Facts = new Map();
    for (const [label, count] of await this.#loads(nodes)) {
      const more = Number(count) - Number(before.get(label) ?? 0);
      if (more > 0) facts.set(label, String(more));
    }
    return facts;
  }
}

function sum(facts: Facts): number {
  return [...facts.values()].reduce((total, count) => total + Number(count), 0);
}
