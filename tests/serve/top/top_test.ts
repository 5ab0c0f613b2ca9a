/** `deno task top` as a process: in a pseudo terminal, and without one. */

import { clearViewport } from "ansi-escapes";
import config from "../../../deno.json" with { type: "json" };
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { freePorts, Program } from "../../support/process.ts";
import { HAS_PTY, Pty } from "../../support/pty.ts";
import { withNode } from "../../support/serve.ts";

/** What starts it, as the task does. */
const TOP = config.tasks.top.command.split(" ").slice(1);

const DOWN = "\x1b[B";

/** Its output and its exit code, without a terminal. */
async function run(
  args: string[],
): Promise<{ lines: string[]; code: number }> {
  const program = new Program([...TOP, ...args]);
  const code = await program.ended;
  return { lines: program.lines, code };
}

Deno.test({
  name:
    "top draws a node, obeys keys, follows the size, and leaves the terminal as it was",
  ignore: !HAS_PTY,
  fn: () =>
    withNode(["--demo"], async ({ url }) => {
      const place = url.replace("http://", "");
      const pty = new Pty([...TOP, place]);
      try {
        await pty.until(/● live \d\d:\d\d:\d\d$/m);
        assert(pty.isAlternate);
        assertMatch(
          pty.lines[0]!,
          new RegExp(`^ GeeCache  ${place} · one node `),
        );
        assertMatch(pty.lines.join("\n"), /^ {2}localhost:\d+ +● up +100 %/m);
        assertMatch(pty.lines.at(-1)!, /^ q quit /);
        assert(pty.output.includes("\x1b[32m● live\x1b[39m"));

        await pty.press("s");
        await pty.until(/sort: health/);
        await pty.press(DOWN);
        await pty.until(/^▸ localhost:\d+ +● up/m);
        await pty.press("?");
        await pty.until(/^ OWED +removals/m);
        await pty.press("\x1b");
        await pty.until(/^▸ localhost/m);
        await pty.press("p");
        await pty.until(/‖ paused for \d+ s/);
        await pty.press("p");
        await pty.until(/● live/);

        const before = pty.output.length;
        await pty.resize(100, 30);
        await pty.until(/● live \S+$(.*\n){29} q quit/m);
        assertMatch(pty.lines[0]!, /^ GeeCache .{65,}● live/);
        assert(pty.output.slice(before).includes(clearViewport));
        await pty.press("q");
        assertEquals(await pty.ended(), "0 icanon");
        assert(!pty.isAlternate);
        assert(
          pty.output.lastIndexOf("\x1b[?25h") >
            pty.output.lastIndexOf("\x1b[?25l"),
        );
        assertEquals(pty.lines.filter((line) => /GeeCache/.test(line)), []);
      } finally {
        await pty.close();
      }
    }),
});

Deno.test({
  name:
    "top says that its node is gone and why, and Ctrl-C ends it; NO_COLOR leaves no color",
  ignore: !HAS_PTY,
  fn: () =>
    withNode([], async ({ url, program }) => {
      const pty = new Pty([...TOP, url], { env: { NO_COLOR: "1" } });
      try {
        await pty.until(/● live/);
        await program.stop();
        await pty.until(/× no news for \d+ s$/m);
        await pty.until(/^ http:\S+: .+; asking again$/m);
        await pty.press("\x03");
        assertEquals(await pty.ended(), "0 icanon");
        // deno-lint-ignore no-control-regex
        assert(!/\x1b\[3\d/.test(pty.output));
      } finally {
        await pty.close();
      }
    }),
});

Deno.test({
  name:
    "A signal ends top with the code of the signal, and the terminal is as it was",
  ignore: !HAS_PTY,
  fn: () =>
    withNode([], async ({ url }) => {
      const pty = new Pty([...TOP, "--no-color", url]);
      try {
        await pty.until(/● live/);
        pty.kill("SIGTERM");
        assertEquals(await pty.ended(), "143 icanon");
        assert(!pty.isAlternate);
      } finally {
        await pty.close();
      }
    }),
});

for (
  const [how, code] of [["error", 1], ["rejection", 1], ["exit", 3]] as const
) {
  Deno.test({
    name: `The terminal is as it was after a crash: ${how}`,
    ignore: !HAS_PTY,
    fn: async () => {
      const pty = new Pty([...TOP.slice(0, -1), "tests/support/crash.ts", how]);
      try {
        assertEquals(await pty.ended(), `${code} icanon`);
        assert(!pty.isAlternate);
        assert(pty.output.includes("it is drawn"));
        const said = pty.lines.join("\n");
        assertEquals(said.includes("it went wrong"), how !== "exit", said);
      } finally {
        await pty.close();
      }
    },
  });
}

Deno.test("Without a terminal, top prints one plain snapshot, with rates", () =>
  withNode(["--demo"], async ({ url }) => {
    for (const flags of [[], ["--once"]]) {
      const { lines, code } = await run([...flags, url]);
      assertEquals(code, 0);
      assertMatch(
        lines[0]!,
        /^ GeeCache {2}localhost:\d+ · one node .* ● live /,
      );
      const text = lines.join("\n");
      assertMatch(text, /^ {2}localhost:\d+ +● up +100 % +0 /m);
      assertMatch(text, /^ {2}demo +0 /m);
      // deno-lint-ignore no-control-regex
      assert(!/\x1b/.test(text), text);
    }
  }));

Deno.test("top --json prints a view a line, until nobody reads it", () =>
  withNode([], async ({ url }) => {
    const once = await run(["--json", "--once", url]);
    assertEquals([once.lines.length, once.code], [1, 0]);
    const view = JSON.parse(once.lines[0]!);
    assertEquals([view.url, view.nodes[0].origin], [url, url]);
    assertEquals(view.nodes[0].getsPerSecond, 0);

    const child = new Deno.Command(Deno.execPath(), {
      args: [...TOP, "--json", url],
      cwd: new URL("../../../", import.meta.url),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let text = "";
    for await (
      const part of child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      text += part;
      if (text.split("\n").length > 2) break;
    }
    const times = text.split("\n").slice(0, 2)
      .map((line) => JSON.parse(line).point.at);
    assert(times[0] < times[1]);
    const errors = new Response(child.stderr).text();
    assertEquals((await child.status).code, 0);
    assertEquals(await errors, "");
  }));

Deno.test("An address without a node, and a wrong flag, are one clear line", async () => {
  const [port] = freePorts(1);
  const gone = await run([`localhost:${port}`]);
  assertEquals(gone.code, 1);
  assertEquals(gone.lines.length, 1, gone.lines.join("\n"));
  assertMatch(
    gone.lines[0]!,
    /^Cannot show http:\/\/localhost:\d+: .*refused/i,
  );
  const wrong = await run(["--twice"]);
  assertEquals(wrong, {
    code: 2,
    lines: ["Unknown argument --twice: see --help"],
  });
  const { lines, code } = await run(["--help"]);
  assertEquals([lines[0], code], ["Usage: deno task top [flags] [URL ...]", 0]);
});
