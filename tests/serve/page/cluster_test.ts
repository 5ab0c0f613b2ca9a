/** What the page of `deno task cluster` can do to nodes, without a browser. */

import type { View } from "../../../serve/page/view.ts";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { freePorts, Program } from "../../support/process.ts";

/** A running cluster, as its page sees it. */
class PageOfCluster {
  readonly #url: string;
  readonly #views: AsyncIterator<View>;

  constructor(url: string, events: Response) {
    this.#url = url;
    this.#views = viewsOf(events);
  }

  /** The next view that is as it should be. */
  async until(isIt: (view: View) => boolean): Promise<View> {
    for (;;) {
      const { value, done } = await this.#views.next();
      assert(!done, "the stream has ended");
      if (isIt(value)) return value;
    }
  }

  async send(command: string, body: unknown): Promise<Record<string, unknown>> {
    const answer = await fetch(`${this.#url}/_page/${command}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return await answer.json();
  }

  async close(): Promise<void> {
    await this.#views.return?.();
  }
}

async function* viewsOf(events: Response): AsyncGenerator<View> {
  let text = "";
  for await (
    const chunk of events.body!.pipeThrough(new TextDecoderStream())
  ) {
    const all = (text + chunk).split(/\r?\n\r?\n/);
    text = all.pop()!;
    for (const event of all) {
      if (!event.includes("event:view")) continue;
      yield JSON.parse(/^data:(.*)$/m.exec(event)![1]!);
    }
  }
}

Deno.test("The page of deno task cluster kills, freezes and restarts nodes, and nothing fails", async () => {
  const folder = await Deno.makeTempDir();
  const [api, ...ports] = freePorts(4);
  ports.sort();
  const origins = ports.map((port) => `http://localhost:${port}`);
  const program = new Program([
    ...["task", "cluster", "--ports", ports.join(), "--api", `${api}`],
    ...["--db", `${folder}/scores.db`],
  ]);
  try {
    await program.said(/^All nodes are running/);
    const url = `http://localhost:${api}`;
    const page = new PageOfCluster(url, await fetch(`${url}/_page/events`));
    const healthIs = (...all: string[]) => ({ nodes }: View) =>
      nodes.every(({ health }, i) => health === all[i]);
    const { nodes } = await page.until(healthIs("up", "up", "up"));
    assertEquals(nodes.map(({ origin }) => origin), origins);
    const gets = await page.send("burst", {});
    assertEquals([gets.ok, gets.failed, gets.loads], [1_000, 0, 1]);

    const act = (node: number, action: string) =>
      page.send("node", { node: origins[node], action });
    assertEquals(await act(0, "kill"), {});
    const isDown = healthIs("down", "up", "up");
    await page.until((view) =>
      isDown(view) && !view.ring.answering.includes(0)
    );
    assertEquals(await act(1, "freeze"), {});
    const frozen = await page.until(({ nodes, ring }) =>
      nodes[1]!.health === "silent" && !ring.answering.includes(1)
    );
    assertEquals(frozen.nodes[2]!.can, []);
    assertMatch(
      (await act(2, "kill")).error as string,
      /^Cannot kill \S+: no other node is running$/,
    );
    // Not even if the other one that runs is being killed.
    assertEquals(await act(1, "resume"), {});
    const both = await Promise.all([act(1, "kill"), act(2, "kill")]);
    assertEquals(both.filter(({ error }) => error === undefined).length, 1);
    const last = both[1]!.error === undefined ? 1 : 2;
    assertEquals(await act(3 - last, "restart"), {});
    assertMatch((await act(0, "freeze")).error as string, /: it is ended$/);
    assertMatch((await act(0, "explode")).error as string, /^action must be/);

    assertEquals(await act(0, "restart"), {});
    const { ring, traffic } = await page.until(healthIs("up", "up", "up"));
    assertEquals(ring.answering, ring.owners);
    assert(traffic!.gets > 0);
    assertEquals(traffic!.failed, 0, traffic!.lastError);
    for (const name of ["Tom", "Jack", "Sam"]) {
      const answer = await fetch(`${url}/api?key=${name}`);
      assertEquals(answer.status, 200);
      await answer.body?.cancel();
    }
    await page.close();
  } finally {
    program.kill("SIGINT");
  }
  assertEquals(await program.ended, 0);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("deno task cluster ends with one clear line if the port of its page is in use", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  try {
    const program = new Program(["task", "-q", "cluster", "--api", `${port}`]);
    assertEquals(await program.ended, 1);
    assertEquals(program.lines.length, 1, program.lines.join("\n"));
    assertMatch(program.lines[0]!, /^Cannot listen on 127\.0\.0\.1:\d+: /);
  } finally {
    listener.close();
  }
});

Deno.test("deno task cluster refuses ports that are none, with one clear line", async () => {
  const ports = "--ports must be different ports with commas between them";
  for (
    const [flag, value, line] of [
      ["--ports", "8001,x", `${ports}: received 8001,x`],
      ["--ports", "8001,8001", `${ports}: received 8001,8001`],
      ["--ports", "0", `${ports}: received 0`],
      ["--api", "x", "--api must be a number from 0 to 65535: received x"],
    ] as const
  ) {
    const program = new Program(["task", "-q", "cluster", flag, value]);
    assertEquals(await program.ended, 2);
    assertEquals(program.lines, [line]);
  }
});
