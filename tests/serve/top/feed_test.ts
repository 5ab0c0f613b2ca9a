/** How the terminal view follows nodes, and what it makes of what is none. */

import { Exit } from "../../../serve/exit.ts";
import type { View } from "../../../serve/page/view.ts";
import { follow } from "../../../serve/top/feed.ts";
import { assertEquals, assertRejects } from "../../support/assert.ts";
import { FakeClock, settle } from "../../support/time.ts";
import { nodeAt, NOON, pointAt, viewAt } from "../../support/views.ts";

/** The stream of a node that the test writes to. */
class Stream {
  readonly response: Response;
  readonly #controller: ReadableStreamDefaultController<Uint8Array>;
  isCancelled = false;

  constructor() {
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start: (own) => {
        controller = own;
      },
      cancel: () => {
        this.isCancelled = true;
      },
    });
    this.#controller = controller;
    const headers = { "Content-Type": "text/event-stream" };
    this.response = new Response(body, { headers });
  }

  send(event: string, data: unknown): void {
    this.write(`event:${event}\r\ndata:${JSON.stringify(data)}\r\n\r\n`);
  }

  write(text: string): void {
    this.#controller.enqueue(new TextEncoder().encode(text));
  }

  end(): void {
    this.#controller.close();
  }
}

type Answer = (signal: AbortSignal) => Response | Promise<Response>;

/** Follows addresses whose answers the test gives. */
class Follower {
  readonly clock = new FakeClock();
  readonly over = new AbortController();
  /** What it heard. */
  readonly heard: string[] = [];
  readonly asked: string[] = [];
  views: View[] = [];
  readonly ended: Promise<void>;
  readonly #answers: Answer[];

  constructor(
    urls: readonly string[],
    ...answers: Answer[]
  ) {
    this.#answers = answers;
    this.ended = follow({
      urls,
      clock: this.clock,
      signal: this.over.signal,
      fetch: async ({ url, signal }) => {
        this.asked.push(url);
        const answer = this.#answers.shift();
        if (answer !== undefined) return await answer(signal);
        const why =
          `error sending request for url (${url}): client error (Connect): tcp connect error: Connection refused (os error 111)`;
        throw new TypeError("fetch failed", { cause: new Error(why) });
      },
    }, {
      history: (points) => this.heard.push(`${points.length} points`),
      view: (view, url) => {
        this.views.push(view);
        this.heard.push(`view of ${url}`);
      },
      lost: (reason) => this.heard.push(`lost ${reason}`),
    });
  }

  /** What it says that ends it. */
  async message(): Promise<string> {
    return (await assertRejects(() => this.ended, Exit)).message;
  }

  async close(): Promise<void> {
    this.over.abort();
    await this.ended;
    assertEquals(this.clock.pending, 0, "timers are left");
  }
}

const VIEW = viewAt(NOON, [nodeAt(0)]);

Deno.test("follow() hears the history and each view of a node", async () => {
  const stream = new Stream();
  const follower = new Follower(["http://n1"], () => stream.response);
  stream.send("history", [pointAt(1), pointAt(2), { at: "no" }]);
  stream.send("view", VIEW);
  stream.send("something", {});
  stream.send("view", VIEW);
  await settle();
  assertEquals(follower.asked, ["http://n1/_page/events"]);
  assertEquals(follower.heard, [
    "2 points",
    "view of http://n1",
    "view of http://n1",
  ]);
  assertEquals(follower.views[0], VIEW);
  await follower.close();
  assertEquals(stream.isCancelled, true);
});

Deno.test("A stream that ends is opened again, at the next address first", async () => {
  const streams = [new Stream(), new Stream(), new Stream()];
  const follower = new Follower(
    ["http://n1", "http://n2"],
    ...streams.map(({ response }) => () => response),
  );
  streams[0]!.send("view", VIEW);
  await settle();
  streams[0]!.end();
  streams[1]!.send("view", VIEW);
  await settle();
  streams[1]!.end();
  await settle();
  assertEquals(follower.asked.length, 2);
  await follower.clock.advance(1_000);
  streams[2]!.send("view", VIEW);
  await settle();
  assertEquals(follower.heard, [
    "view of http://n1",
    "lost http://n1: the node has closed the stream",
    "view of http://n2",
    "lost http://n2: the node has closed the stream",
    "view of http://n1",
  ]);
  await follower.close();
});

Deno.test("A stream without news for 6 s is given up", async () => {
  const stream = new Stream();
  const follower = new Follower(["http://n1"], () => stream.response);
  stream.send("view", VIEW);
  await settle();
  await follower.clock.advance(5_999);
  stream.send("view", VIEW);
  await settle();
  await follower.clock.advance(5_999);
  await settle();
  assertEquals(follower.heard.length, 2);
  await follower.clock.advance(1);
  await settle();
  assertEquals(follower.heard.at(-1), "lost http://n1: no news for 6 s");
  assertEquals(stream.isCancelled, true);
  // Then nothing answers there, again and again.
  for (let i = 0; i < 3; i++) {
    await follower.clock.advance(1_000);
    await settle();
  }
  assertEquals(
    follower.heard.slice(-3),
    Array(3).fill("lost http://n1: Connection refused"),
  );
  await follower.close();
});

Deno.test("An address where nothing answers is one line", async () => {
  assertEquals(
    await new Follower(["http://n1", "http://n2"]).message(),
    "Cannot show http://n1: Connection refused; http://n2: Connection refused",
  );
});

Deno.test("What is no node is one line, whatever it answers", async () => {
  const text = (body: string, status = 200, type = "text/plain"): Response =>
    new Response(body, { status, headers: { "Content-Type": type } });
  const stream = (data: string) => (): Response =>
    text(`event: view\ndata: ${data}\n\n`, 200, "text/event-stream");
  const noNode = "what answers there is no node with a page";
  const cases: [() => Response, string][] = [
    [() => text("not found", 404, "text/html"), "it answered 404"],
    [
      () => text("This page is served as localhost\n", 421),
      "it answered 421: This page is served as localhost",
    ],
    [() => text("a\x1b[2Jb\nc", 403), "it answered 403: a\\u{1b}[2Jb\\u{a}c"],
    [() => text("hello"), noNode],
    [() => new Response(null, { status: 204 }), noNode],
    [stream("{"), noNode],
    [stream("7"), noNode],
    [stream('{"point":{},"ring":{},"nodes":[]}'), noNode],
  ];
  for (const [answer, reason] of cases) {
    const follower = new Follower(["http://n1"], answer);
    assertEquals(await follower.message(), `Cannot show http://n1: ${reason}`);
    assertEquals(follower.clock.pending, 0);
  }
});

Deno.test("A node that never answers is one line after 6 s", async () => {
  const follower = new Follower(
    ["http://n1"],
    (signal) =>
      new Promise<Response>((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      ),
  );
  const message = follower.message();
  await settle();
  await follower.clock.advance(6_000);
  assertEquals(await message, "Cannot show http://n1: no news for 6 s");
});

Deno.test("A view of another version is shown as far as it is known", async () => {
  const stream = new Stream();
  const follower = new Follower(["http://n1"], () => stream.response);
  const { loadsPerSecond: _, hitRatio: __, owed: ___, ...node } = nodeAt(0);
  const { groupViews: ____, ...view } = VIEW;
  stream.send("view", {
    ...view,
    nodes: [node, { ...node, health: "ill" }, 7],
    hottest: [{ key: 7 }],
    later: true,
  });
  await settle();
  assertEquals(follower.views[0], {
    ...view,
    nodes: [{ ...nodeAt(0), loadsPerSecond: null, hitRatio: null }],
    hottest: [],
  });
  await follower.close();
});
