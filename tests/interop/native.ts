/**
 * Rings of one of our processes and a peer in Go that speaks protocol `native`,
 * written from docs/PROTOCOL.md alone. Both serve links, and both ask over them.
 *
 * @module
 */

import { freePorts } from "../support/process.ts";
import { type Commands, ownerOf, until } from "./mixed.ts";
import { expect } from "./model.ts";
import { Node } from "./nodes.ts";
import { check, forEach } from "./trial.ts";

/** How long our process lets a peer be silent: some keys load for longer. */
const TIMEOUT_MS = 2_000;

/** What the Go peer says of the links that were opened to it. */
interface Links {
  open: number;
  opened: number;
  over: Record<string, number>;
  cancels: number;
  peeks: number;
}

/** Tests such a ring for each runtime. */
export async function tryNativeRings(
  commands: Commands,
  program: string,
): Promise<void> {
  for (const name of ["deno", "node24", "bun"] as const) {
    const command = commands.get(name)!;
    console.log(`links between ${name} and Go`);
    const [self, go] = freePorts(2).map((port) => `http://127.0.0.1:${port}`);
    const peers = `${self},${go}`;
    const nodes = [
      new Node(name, self!, [
        ...[...command, self!, peers, "--timeout", `${TIMEOUT_MS}`],
      ]),
      new Node("Go", go!, [program, "-self", go!, "-peers", peers]),
    ] as const;
    try {
      await Promise.all(nodes.map(({ running }) => running));
      await tryServing(...nodes);
      await new Asking(...nodes).run();
    } finally {
      await Promise.all(nodes.map((node) => node.kill()));
    }
  }
}

/** Our process answers over links. */
async function tryServing(ours: Node, go: Node): Promise<void> {
  const lines = (await (await go.door("/trial", ours.origin)).text())
    .split("\n").slice(0, -1);
  for (const line of lines) {
    const [what, fault] = line.split("\t");
    await check(`it answers as the paper says: ${what}`, () => {
      expect(fault === "", fault ?? "Go gave up");
      return Promise.resolve();
    });
  }
  await check("300 keys, asked of Go, over one link", async () => {
    await forEach(numbered("user", 300), async (key) => {
      expect(await go.get(key) === `200 ${valueOf(key)}`, key);
    });
    expect((await ours.stats()).links === 1, "there is more than one link");
  });
}

/** Our process asks over links. */
class Asking {
  readonly #ours: Node;
  readonly #go: Node;

  constructor(ours: Node, go: Node) {
    this.#ours = ours;
    this.#go = go;
  }

  async run(): Promise<void> {
    const keys = this.#owned("mine", 300);
    await check(
      "300 keys of Go's, asked of ours, each loaded once",
      async () => {
        await this.#get(keys);
        await until("link", async () => {
          await this.#get(keys);
          return await this.#link() === "open";
        });
        await this.#loadedOnce(keys);
      },
    );
    await check("the same again, all over the link", async () => {
      const before = await this.#peer();
      await this.#get(keys);
      const after = await this.#peer();
      const asked = after.questions - before.questions;
      expect(
        asked === keys.length && after.requests === before.requests,
        `${asked} questions, ${after.requests - before.requests} requests`,
      );
      return `${asked} questions`;
    });
    await check("a missing key, a failing one, a large value", async () => {
      const [none, fail] = [this.#owned("none", 1), this.#owned("fail", 1)];
      const answers = [await this.#ask(none[0]!), await this.#ask(fail[0]!)];
      expect(/^500 .*no such key/.test(answers[0]!), answers[0]!);
      expect(/^500 .*cannot load fail:/.test(answers[1]!), answers[1]!);
      const [large] = this.#owned("bytes", 1);
      const body = await (await this.#ours.door("/get", large)).bytes();
      expect(
        body.length === 2 ** 20 && body.every((byte, i) => byte === i % 256),
        `${body.length} bytes came, or others`,
      );
    });
    await check("values that expire", () => this.#get(this.#owned("brief", 8)));
    await check("odd keys", async () => {
      const odd = [
        "a b",
        "a+b",
        "a//b",
        "..",
        "日本",
        "🙂",
        "x".repeat(20_000),
      ];
      await this.#get(odd);
    });
    await check(
      "values that load longer than a peer may be silent, each loaded once",
      async () => {
        const long = this.#owned("long", 8);
        await this.#get(long);
        await this.#loadedOnce(long);
      },
    );
    await check(
      "a get that nobody waits for any more is cancelled",
      async () => {
        const { cancels } = await linksOf(this.#go);
        const [key] = this.#owned("long", 9).slice(8);
        const url = `${this.#ours.origin}/get?key=${encodeURIComponent(key!)}`;
        const controller = new AbortController();
        const left = fetch(url, { signal: controller.signal }).catch(() => {});
        await until("load", async () => key! in await this.#go.loads());
        controller.abort();
        await left;
        await until(
          "cancel",
          async () => (await linksOf(this.#go)).cancels === cancels + 1,
        );
        await this.#get(keys);
      },
    );
    await check("an idle link ends in order", async () => {
      await until("end", async () => (await linksOf(this.#go)).open === 0);
      const { over } = await linksOf(this.#go);
      expect(
        Object.keys(over).join() === "in order",
        `links ended so: ${JSON.stringify(over)}`,
      );
    });
    await check("links that are cut under load: no get fails", async () => {
      const slow = this.#owned("slow", 40);
      let cuts = 0;
      await Promise.all([
        this.#get(slow),
        (async () => {
          for (; cuts < 2; cuts++) {
            await until("link", async () => {
              await this.#get(keys);
              return (await linksOf(this.#go)).open > 0;
            });
            await (await this.#go.door("/cut")).body?.cancel();
          }
        })(),
      ]);
      await this.#loadedOnce([...slow, ...keys]);
      return `${cuts} cuts`;
    });
    await check("a key that ours removes is loaded anew", async () => {
      const some = keys.slice(0, 20);
      await forEach(some, async (key) => {
        const { status } = await this.#ours.door("/remove", key);
        expect(status === 204, `${key} was not removed: ${status}`);
      });
      await this.#get(some);
      await this.#loadedOnce(some, 2);
    });
    await check(
      "Go drains: ours takes over what it has, by peeks",
      async () => {
        await until("link", async () => {
          await this.#get(keys);
          return await this.#link() === "open";
        });
        await (await this.#go.door("/drain")).body?.cancel();
        await until(
          "draining",
          async () => (await this.#peer()).state === "draining",
        );
        // What was removed a moment ago is loaded anew.
        const kept = keys.slice(20);
        const before = await this.#ours.loads();
        await this.#get(kept);
        const after = await this.#ours.loads();
        const more = Object.keys(after).filter((key) => !(key in before));
        expect(more.length === 0, `it loaded ${more}`);
        await this.#get(this.#owned("late", 20));
        const { peeks } = await linksOf(this.#go);
        expect(peeks >= kept.length, `there were ${peeks} peeks over links`);
      },
    );
  }

  /** Keys that Go owns. */
  #owned(kind: string, count: number): string[] {
    const nodes = [this.#ours, this.#go];
    const keys: string[] = [];
    for (let i = 0; keys.length < count; i++) {
      const key = `${kind}:our:${i}`;
      if (ownerOf(nodes, key) === this.#go) keys.push(key);
    }
    return keys;
  }

  async #ask(key: string): Promise<string> {
    return await this.#ours.get(key);
  }

  async #get(keys: readonly string[]): Promise<void> {
    await forEach(keys, async (key) => {
      const answer = await this.#ask(key);
      expect(
        answer === `200 ${valueOf(key)}`,
        `${key.slice(0, 40)}: ${answer.slice(0, 200)}`,
      );
    });
  }

  async #loadedOnce(keys: readonly string[], times = 1): Promise<void> {
    const loads = await this.#go.loads();
    const others = await this.#ours.loads();
    for (const key of keys) {
      const [count, elsewhere] = [loads[key] ?? 0, others[key] ?? 0];
      expect(
        count === times && elsewhere === 0,
        `${key} was loaded ${count} times, and ${elsewhere} times elsewhere`,
      );
    }
  }

  #peer(): ReturnType<Node["peer"]> {
    return this.#ours.peer(this.#go.origin);
  }

  async #link(): Promise<string> {
    return (await this.#peer()).link;
  }
}

async function linksOf(go: Node): Promise<Links> {
  return await (await go.door("/links")).json();
}

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}:${i}`);
}

function valueOf(key: string): string {
  return `${key}|${"x".repeat(key.length)}`;
}
