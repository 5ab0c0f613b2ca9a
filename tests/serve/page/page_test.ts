/** The page of a node, without a browser. */

import { Page, type PageOptions } from "../../../serve/page/page.ts";
import { type NodeState, readState } from "../../../serve/page/state.ts";
import type { View } from "../../../serve/page/view.ts";
import type { Way } from "../../../serve/page/way.ts";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { Cluster, type Node } from "../../support/cluster.ts";
import { settle } from "../../support/time.ts";

/** Pages of a cluster of pools in memory, which reach each other. */
class Pages {
  readonly cluster: Cluster;
  readonly pages = new Map<string, Page>();
  /** What the pages asked of each other. */
  readonly asked: string[] = [];
  /** Nodes that are down. */
  readonly down = new Set<string>();

  constructor(size: number, options: Partial<PageOptions> = {}) {
    this.cluster = new Cluster(size, {
      getter: () => (key) => {
        if (key === "bad") throw new Error("the source is down");
        return key === "none" ? undefined : `<${key}>`;
      },
    });
    for (const node of this.cluster.nodes) this.open(node, options);
  }

  open({ origin, pool }: Node, options: Partial<PageOptions>): void {
    this.pages.set(
      origin,
      new Page({
        pool,
        admin: true,
        hosts: ["n0", "n1", "n2"],
        clock: this.cluster.clock,
        fetch: async (request) => {
          const { origin, pathname } = new URL(request.url);
          this.asked.push(`${request.method} ${origin}${pathname}`);
          if (this.down.has(origin)) throw new TypeError("refused");
          return await this.pages.get(origin)!.handle(request)!;
        },
        ...options,
      }),
    );
  }

  get first(): Page {
    return this.pages.get("http://n0")!;
  }

  /** Sends a command to the first page. */
  async send(command: string, body: unknown): Promise<[number, string]> {
    const answer = await this.first.handle(
      new Request(`http://n0/_page/${command}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      }),
    )!;
    return [answer.status, await answer.text()];
  }

  async read(path: string): Promise<Response> {
    return await this.first.handle(new Request(`http://n0${path}`))!;
  }

  async close(): Promise<void> {
    for (const page of this.pages.values()) page.close();
    await this.cluster.close();
    await settle();
    assertEquals(this.cluster.clock.pending, 0, "timers are left");
  }
}

async function withPages(
  size: number,
  run: (pages: Pages) => Promise<void>,
  options?: Partial<PageOptions>,
): Promise<void> {
  const pages = new Pages(size, options);
  try {
    await run(pages);
  } finally {
    await pages.close();
  }
}

/** Reads the events of a stream as they come. */
class Events {
  /** The data of all events, by name. */
  readonly #seen = new Map<string, string[]>();
  readonly #reader: ReadableStreamDefaultReader<string>;

  constructor(response: Response) {
    this.#reader = response.body!.pipeThrough(new TextDecoderStream())
      .getReader();
    void this.#read();
  }

  async #read(): Promise<void> {
    let text = "";
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return;
      const events = (text + value).split(/\r?\n\r?\n/);
      text = events.pop()!;
      for (const event of events) {
        const [, name] = /^event:\s*(.*)$/m.exec(event)!;
        const [, data] = /^data:\s*(.*)$/m.exec(event)!;
        const all = this.#seen.get(name!) ?? [];
        this.#seen.set(name!, [...all, data!]);
      }
    }
  }

  /** How many events of that name came. */
  count(name: string): number {
    return this.#seen.get(name)?.length ?? 0;
  }

  /** The data of the last event of that name. */
  async last<T>(name: string): Promise<T> {
    await settle();
    return JSON.parse(this.#seen.get(name)!.at(-1)!);
  }

  /** The view of the next look, a second later. */
  async view({ cluster }: Pages): Promise<View> {
    await cluster.clock.advance(1_000);
    return await this.last("view");
  }

  async close(): Promise<void> {
    await this.#reader.cancel();
    await settle();
  }
}

Deno.test("The page is one document and its files, and leaves other paths alone", () =>
  withPages(1, async (pages) => {
    const page = await pages.read("/");
    const html = await page.text();
    assertEquals(page.headers.get("Content-Type"), "text/html; charset=utf-8");
    const named = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)];
    assert(named.length >= 5);
    for (const [, path] of named) {
      const file = await pages.read(path!);
      assertEquals(file.status, 200, path);
      assert((await file.text()).length > 0);
    }
    const asked = await pages.read("/?a=b");
    assertEquals(await asked.text(), html);
    for (
      const path of [
        "/api?key=/_page/",
        "/_geecache/g/k",
        "/_page",
        "/x",
        "/x/_page/",
      ]
    ) {
      const request = new Request(`http://n0${path}`);
      assertEquals(pages.first.handle(request), undefined, path);
    }
    assertEquals((await pages.read("/_page/nothing")).status, 404);
    assertEquals((await pages.read("/_page/toString")).status, 404);
  }));

Deno.test("Every module of the page is served", () =>
  withPages(1, async (pages) => {
    const seen = new Set<string>();
    const follow = async (name: string): Promise<void> => {
      if (seen.has(name)) return;
      seen.add(name);
      const file = await pages.read(`/_page/${name}`);
      assertEquals(file.status, 200, name);
      const code = await file.text();
      for (const [, next] of code.matchAll(/from "\.\/([^"]+)"/g)) {
        await follow(next!);
      }
    };
    await follow("main.js");
    assert(seen.size >= 8, `${[...seen]}`);
  }));

Deno.test("Everything has a strict policy, and nothing in the page needs another one", () =>
  withPages(1, async (pages) => {
    for (const path of ["/", "/_page/main.js", "/_page/state", "/_page/x"]) {
      const { headers, body } = await pages.read(path);
      await body?.cancel();
      const policy = headers.get("Content-Security-Policy")!;
      assertMatch(policy, /^default-src 'none'; script-src 'self'; /);
      assert(!/unsafe|\*|http/.test(policy), policy);
      assertEquals(headers.get("X-Content-Type-Options"), "nosniff");
      assertEquals(headers.get("Referrer-Policy"), "no-referrer");
      assertEquals(headers.get("Cross-Origin-Opener-Policy"), "same-origin");
      assertEquals(headers.get("Cross-Origin-Resource-Policy"), "same-origin");
      assertEquals(headers.get("Access-Control-Allow-Origin"), null);
    }
    const html = await (await pages.read("/")).text();
    assert(!/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/.test(html));
  }));

Deno.test("A browser that has a file gets 304", () =>
  withPages(1, async (pages) => {
    const file = await pages.read("/_page/main.js");
    await file.body?.cancel();
    const tag = file.headers.get("ETag")!;
    for (const known of [tag, `W/${tag}`]) {
      const again = await pages.first.handle(
        new Request("http://n0/_page/main.js", {
          headers: { "If-None-Match": known },
        }),
      )!;
      assertEquals([again.status, again.body], [304, null]);
    }
  }));

Deno.test("The page refuses other names and other origins", () =>
  withPages(1, async ({ first }) => {
    const evil = await first.handle(new Request("http://evil.example/"))!;
    assertEquals(evil.status, 421);
    assertMatch(await evil.text(), /received the host evil\.example\n$/);
    const foreign = await first.handle(
      new Request("http://n0/_page/remove", {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "Origin": "http://evil.example",
        },
        body: JSON.stringify({ group: "g", key: "k" }),
      }),
    )!;
    assertEquals(foreign.status, 403);
    await foreign.body?.cancel();
    const get = await first.handle(new Request("http://n0/_page/remove"))!;
    assertEquals([get.status, get.headers.get("Allow")], [405, "POST"]);
    await get.body?.cancel();
  }));

Deno.test("Without admin, the page shows numbers, and neither keys nor values", () =>
  withPages(1, async (pages) => {
    const { group } = pages.cluster.nodes[0]!;
    await pages.read("/_page/state").then((answer) => answer.body?.cancel());
    await group.get("secret-key");
    pages.first.asked("g", "secret-key");
    const state = await (await pages.read("/_page/state")).text();
    assertEquals((JSON.parse(state) as NodeState).totals.gets, 1);
    assert(!state.includes("secret"), state);
    const events = new Events(await pages.read("/_page/events"));
    const view = await events.view(pages);
    assertEquals(view.admin, false);
    assert(!JSON.stringify(view).includes("secret"));
    assertEquals([view.groups, view.hottest], [undefined, undefined]);
    assertEquals(view.groupViews, undefined);
    await events.close();
    for (
      const command of [
        "ask",
        "remove",
        "clear",
        "burst",
        "gets",
        "node",
        "traffic",
      ]
    ) {
      const sent = { group: "g", key: "secret-key", count: 1 };
      const [status, text] = await pages.send(command, sent);
      assertEquals(status, 403, command);
      assertMatch(text, /--admin/);
    }
    assertEquals(group.peek("secret-key")?.text(), "<secret-key>");
  }, { admin: false }));

Deno.test("The stream tells of gets within a second, and of what was before", () =>
  withPages(1, async (pages) => {
    const events = new Events(await pages.read("/_page/events"));
    await events.view(pages);
    const { group } = pages.cluster.nodes[0]!;
    for (const key of ["a", "b", "a", "a"]) await group.get(key);
    const { point, nodes, ring } = await events.view(pages);
    assertEquals([point.gets, point.loads], [4, 2]);
    assertEquals(point.hitRatio, 0.5);
    assertEquals(point.maxBytes, 64 * 1024 * 1024);
    assert(point.loadP50 !== null && point.bytes > 0);
    assertEquals(nodes.map(({ health, items }) => [health, items]), [[
      "up",
      2,
    ]]);
    assertEquals(ring.share, [1]);
    // A second watcher sees at once what the first one saw.
    const late = new Events(await pages.read("/_page/events"));
    const history = await late.last<unknown[]>("history");
    assertEquals(history.length, 3);
    assertEquals((await late.last<View>("view")).point, point);
    await late.close();
    await events.close();
  }));

Deno.test("All who watch share one look at the other nodes, which ends after them", () =>
  withPages(3, async (pages) => {
    const { clock } = pages.cluster;
    await clock.advance(5_000);
    assertEquals(pages.asked, []);
    const all = [];
    for (let i = 0; i < 5; i++) {
      all.push(new Events(await pages.read("/_page/events")));
    }
    await all[0]!.view(pages);
    const once = ["GET http://n1/_page/state", "GET http://n2/_page/state"];
    assertEquals(pages.asked.slice(0, 2).sort(), once);
    const before = pages.asked.length;
    await clock.advance(3_000);
    assertEquals(pages.asked.length - before, 6);
    for (const events of all) await events.close();
    assert(pages.first.isSampling);
    await clock.advance(20_000);
    assert(!pages.first.isSampling);
    assertEquals(clock.pending, 0);
  }));

Deno.test("Only so many may watch at once", () =>
  withPages(1, async (pages) => {
    const all = [];
    for (let i = 0; i < 16; i++) {
      all.push(new Events(await pages.read("/_page/events")));
    }
    const late = await pages.read("/_page/events");
    assertEquals([late.status, late.headers.get("Retry-After")], [503, "10"]);
    await late.body?.cancel();
    await all[0]!.close();
    const next = await pages.read("/_page/events");
    assertEquals(next.status, 200);
    all[0] = new Events(next);
    for (const events of all) await events.close();
  }));

Deno.test("A watcher that does not read misses views and holds up nobody", () =>
  withPages(1, async (pages) => {
    const slow = await pages.read("/_page/events");
    const events = new Events(await pages.read("/_page/events"));
    for (let i = 0; i < 50; i++) await events.view(pages);
    assert(events.count("view") >= 50);
    // What waits for the slow one is bounded.
    const late = new Events(slow);
    await settle();
    assert(late.count("view") < 12, `${late.count("view")}`);
    await late.close();
    await events.close();
  }));

Deno.test("The page shows shares of all nodes, and which of them is down", () =>
  withPages(3, async (pages) => {
    const events = new Events(await pages.read("/_page/events"));
    const before = await events.view(pages);
    assertEquals(before.nodes.map(({ origin }) => origin), [
      "http://n0",
      "http://n1",
      "http://n2",
    ]);
    assert(before.nodes.every(({ health }) => health === "up"));
    assert(before.ring.share.every((share) => share > 0.25 && share < 0.42));
    assertEquals(before.ring.answering, before.ring.owners);
    pages.down.add("http://n1");
    pages.cluster.network.partition(["http://n0", "http://n2"], ["http://n1"]);
    const { group, pool } = pages.cluster.nodes[0]!;
    for (let i = 0; i < 40; i++) await group.get(`key-${i}`);
    const after = await events.view(pages);
    assertEquals(after.nodes.map(({ health }) => health), ["up", "down", "up"]);
    assertEquals(pool.stats().peers[0]!.state, "open");
    // Its keys moved to those who stand in for it, and no others did.
    for (const [i, owner] of after.ring.owners.entries()) {
      const now = after.ring.answering[i]!;
      assert(owner === 1 ? now === 0 || now === 2 : now === owner);
    }
    await events.close();
  }));

Deno.test("A get is counted once, though two processes counted it", () =>
  withPages(2, async (pages) => {
    const events = new Events(await pages.read("/_page/events"));
    await events.view(pages);
    const asker = pages.cluster.nodes[0]!.group;
    for (let i = 0; i < 20; i++) await asker.get(`key-${i}`);
    for (let i = 0; i < 20; i++) await asker.get(`key-${i}`);
    const { point } = await events.view(pages);
    assertEquals([point.gets, point.loads, point.hitRatio], [40, 20, 0.5]);
    assert(point.questions > 0);
    await events.close();
  }));

Deno.test("Rates are told of each node and of each group, whose gets count once, too", () =>
  withPages(2, async (pages) => {
    const events = new Events(await pages.read("/_page/events"));
    await events.view(pages);
    const [asker, owner] = pages.cluster.nodes;
    const key = keyOf(pages, 1);
    for (let i = 0; i < 4; i++) await asker!.group.get(key);
    await owner!.group.get(key);
    const { nodes, groupViews, point } = await events.view(pages);
    assertEquals(
      nodes.map(({ loadsPerSecond, hitRatio }) => [loadsPerSecond, hitRatio]),
      [[0, 1], [1, 1 - 1 / nodes[1]!.getsPerSecond!]],
    );
    const { items, bytes, ...rates } = groupViews![0]!;
    assertEquals(rates, {
      name: asker!.group.name,
      getsPerSecond: 5,
      loadsPerSecond: 1,
      hitRatio: 0.8,
      maxBytes: point.maxBytes,
    });
    assert(items > 0 && bytes > 0);
    pages.down.add("http://n1");
    const half = await events.view(pages);
    assertEquals(half.groupViews![0]!.maxBytes, point.maxBytes / 2);
    assertEquals(half.nodes[1]!.loadsPerSecond, null);
    await events.close();
  }));

Deno.test("Numbers of groups from another process are looked at, each by itself", async () => {
  const { totals } = await stateOfOne();
  const groupTotals = [
    { name: "g", totals },
    { name: 7, totals },
    { name: "h", totals: { ...totals, gets: "1" } },
    null,
  ];
  const state = readState({ totals, groupTotals });
  assertEquals(state?.groupTotals, [{ name: "g", totals }]);
});

/** What one node tells of itself. */
async function stateOfOne(): Promise<NodeState> {
  let state!: NodeState;
  await withPages(1, async (pages) => {
    state = await (await pages.read("/_page/state")).json();
  });
  return state;
}

/** A key that the node at that place owns. */
function keyOf({ cluster }: Pages, place: number, prefix = "k"): string {
  for (let i = 0;; i++) {
    const key = `${prefix}-${i}`;
    if (cluster.ownerOf(key) === cluster.nodes[place]) return key;
  }
}

Deno.test("Ask draws the way of a get: memory, owner, getter", () =>
  withPages(2, async (pages) => {
    // From here on, the owner knows of its own loads.
    const events = new Events(await pages.read("/_page/events"));
    await events.view(pages);
    await pages.cluster.clock.advance(1_000);
    const ask = async (key: string): Promise<Way> => {
      const [status, text] = await pages.send("ask", { group: "g", key });
      assertEquals(status, 200, text);
      return JSON.parse(text);
    };
    const stepsOf = ({ steps }: Way) =>
      steps.map(({ what, node, result }) =>
        `${what} ${node.slice(-2)} ${result}`
      );
    const own = keyOf(pages, 0);
    assertEquals(stepsOf(await ask(own)), ["memory n0 miss", "getter n0 ok"]);
    const again = await ask(own);
    assertEquals(stepsOf(again), ["memory n0 hit"]);
    assertEquals(again.value, {
      text: `<${own}>`,
      bytes: own.length + 2,
      isCut: false,
      ttlMs: null,
    });
    const other = keyOf(pages, 1);
    const way = await ask(other);
    assertEquals(way.owner, "http://n1");
    assertEquals(stepsOf(way), [
      "memory n0 miss",
      "peer n1 ok",
      "getter n1 ok",
    ]);
    await pages.cluster.clock.advance(1_000);
    assertEquals(stepsOf(await ask(other)), [
      "memory n0 miss",
      "peer n1 ok",
      "memory n1 hit",
    ]);
    const bad = await ask("bad");
    assertMatch(bad.error!, /the source is down/);
    assertEquals(bad.value, undefined);
    const none = await ask("none");
    assert(none.error !== undefined);
    await events.close();
  }));

Deno.test("Ask tells a stale value, and a copy, from one that is fresh", () =>
  withPages(2, async (pages) => {
    const { group, pool } = pages.cluster.nodes[0]!;
    const key = keyOf(pages, 0);
    await group.set(key, "old", {
      ttlMs: 1_000,
      staleWhileRevalidateMs: 9_000,
    });
    const ask = async (key: string): Promise<Way> =>
      JSON.parse((await pages.send("ask", { group: "g", key }))[1]);
    const fresh = await ask(key);
    assertEquals([fresh.steps[0]!.result, fresh.value!.ttlMs], ["hit", 1_000]);
    await pages.cluster.clock.advance(3_000);
    const stale = await ask(key);
    assertEquals(stale.steps.map(({ result }) => result), ["stale"]);
    assertEquals([stale.value!.text, stale.value!.ttlMs], ["old", -2_000]);
    // A key that many ask for is kept where it is asked.
    const other = keyOf(pages, 1);
    for (let i = 0; i < 40; i++) await group.get(other);
    const copy = await ask(other);
    assertEquals(copy.steps.map(({ what, result }) => `${what} ${result}`), [
      "memory copy",
    ]);
    assertEquals(copy.owner, pool.pickPeer(other)!.id);
  }));

Deno.test("A node stops to record what it does when nobody has looked for a while", () =>
  withPages(1, async (pages) => {
    const { group } = pages.cluster.nodes[0]!;
    const look = async (): Promise<NodeState> =>
      await (await pages.read("/_page/state")).json();
    assertEquals((await look()).recordedMs, 0);
    await group.get("a");
    await pages.cluster.clock.advance(29_000);
    const { loads, recordedMs } = await look();
    assertEquals([loads!.length, recordedMs], [1, 29_000]);
    assertEquals([loads![0]!.key, loads![0]!.agoMs], ["a", 29_000]);
    await pages.cluster.clock.advance(31_000);
    await group.get("b");
    const later = await look();
    assertEquals([later.loads, later.recordedMs], [[], 0]);
  }));

Deno.test("Ask can be sent to another node of the list, and to no other", () =>
  withPages(2, async (pages) => {
    const key = keyOf(pages, 1);
    const fields = { group: "g", key };
    const [, text] = await pages.send("ask", { ...fields, at: "http://n1" });
    assertEquals((JSON.parse(text) as Way).node, "http://n1");
    pages.asked.length = 0;
    for (const at of ["http://evil.example", "http://n1/", 1, null]) {
      const [status] = await pages.send("ask", { ...fields, at });
      assertEquals(status, 404);
    }
    assertEquals(pages.asked, []);
  }));

Deno.test("Remove and clear reach every node", () =>
  withPages(2, async (pages) => {
    const [here, there] = pages.cluster.nodes.map(({ group }) => group);
    const key = keyOf(pages, 1);
    await here!.get(key);
    assertEquals(there!.peek(key)?.text(), `<${key}>`);
    assertEquals((await pages.send("remove", { group: "g", key }))[0], 200);
    assertEquals(there!.peek(key), undefined);
    await here!.get(key);
    assertEquals((await pages.send("clear", { group: "g" }))[0], 200);
    assertEquals(there!.peek(key), undefined);
  }));

Deno.test("A removal that does not reach a node says which", () =>
  withPages(2, async (pages) => {
    pages.cluster.network.partition(["http://n0"], ["http://n1"]);
    const [status, text] = await pages.send("remove", { group: "g", key: "k" });
    assertEquals(status, 502);
    assertMatch(JSON.parse(text).error, /http:\/\/n1/);
  }));

Deno.test("A thousand gets at once are one load, in all nodes together", () =>
  withPages(3, async (pages) => {
    const [status, text] = await pages.send("burst", {
      group: "g",
      key: "hot",
    });
    assertEquals(status, 200, text);
    const { ok, failed, loads } = JSON.parse(text);
    assertEquals([ok, failed, loads], [1_000, 0, 1]);
    const gets = pages.cluster.nodes.map(({ group }) => group.stats().gets);
    assert(gets.every((count) => count >= 333), `${gets}`);
    assertEquals(pages.cluster.loads, ["hot"]);
    // What is there is removed first.
    const [, again] = await pages.send("burst", { group: "g", key: "hot" });
    assertEquals(JSON.parse(again).loads, 1);
    const [none] = await pages.send("burst", {});
    assertEquals(none, 404);
  }));

Deno.test("A command that is not as it should be is answered with what is wrong", () =>
  withPages(1, async (pages) => {
    for (
      const [command, body, status] of [
        ["ask", { group: "x", key: "k" }, 404],
        ["ask", { group: "g", key: "" }, 400],
        ["ask", { group: "g", key: 1 }, 400],
        ["ask", { group: "g", key: "\ud800" }, 200],
        ["ask", [], 400],
        ["ask", null, 400],
        ["remove", { group: "g" }, 400],
        ["gets", { group: "g", key: "k", count: 0 }, 400],
        ["node", { node: "http://n0", action: "kill" }, 404],
        ["traffic", { on: true }, 404],
        ["traffic", { on: 1 }, 400],
        ["ask", { group: "g", key: "k".repeat(20_000) }, 400],
      ] as [string, unknown, number][]
    ) {
      const [got, text] = await pages.send(command, body);
      const what = `${command} ${JSON.stringify(body)?.slice(0, 50)}`;
      assertEquals(got, status, `${what}: ${text}`);
      if (status !== 200) assert(JSON.parse(text).error.length > 5, what);
    }
  }));

Deno.test("What another process sends is looked at before it is shown", () =>
  withPages(2, async (pages) => {
    const odd = [
      "null",
      "[]",
      "{",
      (await (await pages.read("/_page/state")).text())
        .replace(`"gets":0`, `"gets":"0"`),
      // A state as it should be, but too long.
      await (await pages.read("/_page/state")).text() + " ".repeat(300_000),
    ];
    const answers = odd.map((text) => new Response(text));
    answers.push(new Response(null, { status: 302 }), Response.error());
    const page = new Page({
      pool: pages.cluster.nodes[0]!.pool,
      admin: true,
      hosts: ["n0"],
      clock: pages.cluster.clock,
      fetch: () => Promise.resolve(answers.shift() ?? new Response("{}")),
    });
    const response = await page.handle(new Request("http://n0/_page/events"))!;
    const events = new Events(response);
    for (let i = 0; i < odd.length + 2; i++) {
      const { nodes } = await events.view(pages);
      // The pool still asks it, whatever its page is.
      assertEquals([nodes[1]!.health, nodes[1]!.items], ["up", null]);
    }
    await events.close();
    page.close();
  }));

Deno.test("A node that answers questions of the page with anything is no way and no get", () =>
  withPages(2, async (pages) => {
    const step = { what: "memory", node: "n", result: "hit", ms: null };
    const way = {
      ...{ group: "g", key: "k", node: "n", owner: "n", ms: 1 },
      steps: [step],
      error: "none",
    };
    let sent: unknown;
    const page = new Page({
      pool: pages.cluster.nodes[0]!.pool,
      admin: true,
      hosts: ["n0"],
      clock: pages.cluster.clock,
      fetch: () => Promise.resolve(Response.json(sent)),
    });
    pages.pages.set("http://n0", page);
    const ask = async () => {
      const fields = { group: "g", key: "k", at: "http://n1" };
      const [status, text] = await pages.send("ask", fields);
      return [status, JSON.parse(text)];
    };
    sent = way;
    assertEquals(await ask(), [200, way]);
    for (
      const odd of [
        null,
        [],
        { ...way, key: 1 },
        { ...way, steps: [] },
        { ...way, steps: "x" },
        { ...way, steps: [{ ...step, ms: "1" }] },
        { ...way, error: undefined },
        { ...way, error: undefined, value: { text: 1 } },
      ]
    ) {
      sent = odd;
      const error = "http://n1 did not answer with the way of a get";
      assertEquals(await ask(), [502, { error }]);
    }
    for (const odd of [null, { ok: "<b>", failed: 0 }]) {
      sent = odd;
      const [, text] = await pages.send("burst", { group: "g", key: "hot" });
      const { ok, failed } = JSON.parse(text);
      assertEquals([ok, failed], [1_000, 0]);
    }
    page.close();
  }));
