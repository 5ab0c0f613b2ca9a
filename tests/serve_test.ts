/** `serve.ts` as a process, through its public doors. */

import { assert, assertEquals, assertMatch } from "./_assert.ts";
import { Program } from "./_process.ts";

const SERVE = [
  "run",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "serve.ts",
];
const RUNNING = /geecache is running at (\S+)$/;

interface Node {
  readonly program: Program;
  readonly url: string;
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs one node on a free port and a new database. */
function withNode(
  flags: string[],
  run: (node: Node) => Promise<void>,
  command: string[] = SERVE,
): Promise<void> {
  return inFolder(async (folder) => {
    const db = `${folder}/scores.db`;
    const args = [...command, "--port", "0", "--db", db, ...flags];
    const program = new Program(args);
    try {
      await run({ program, url: (await program.said(RUNNING))[1]! });
    } finally {
      await program.stop();
    }
  });
}

async function text(
  url: string,
  init?: RequestInit,
): Promise<[number, string]> {
  const response = await fetch(url, init);
  return [response.status, await response.text()];
}

Deno.test("serve answers over a database that it made, loading each key once", () =>
  withNode([], async ({ program, url }) => {
    assertMatch(url, /^http:\/\/localhost:\d+$/);
    for (
      const [key, score] of [["Tom", "630"], ["Jack", "589"], ["Sam", "567"]]
    ) {
      for (let i = 0; i < 2; i++) {
        const answer = await text(`${url}/_geecache/scores/${key}`);
        assertEquals(answer, [200, score!]);
      }
      assertEquals(
        program.count(new RegExp(`\\[SlowDB\\] search key ${key}$`)),
        1,
      );
    }
    const unknown = await text(`${url}/_geecache/scores/kkk`);
    assertEquals(unknown, [500, "kkk not exist\n"]);
    assertEquals(program.count(/\[Server/), 0);
  }));

Deno.test("serve's front door answers with an ETag, and 304 to who has it", () =>
  withNode(["--verbose"], async ({ program, url }) => {
    const first = await fetch(`${url}/api?key=Tom`);
    assertEquals(await first.text(), "630");
    const tag = first.headers.get("ETag")!;
    const again = await fetch(`${url}/api?key=Tom`, {
      headers: { "If-None-Match": tag },
    });
    assertEquals([again.status, await again.text()], [304, ""]);
    const other = await fetch(`${url}/api?key=Sam`, {
      headers: { "If-None-Match": tag },
    });
    assertEquals([other.status, await other.text()], [200, "567"]);
    assertEquals(await text(`${url}/api?key=kkk`), [500, "kkk not exist\n"]);
    assertEquals(await text(`${url}/api`), [400, "key is required\n"]);
    assertEquals(await text(`${url}/apis`), [
      404,
      "/apis is outside of /_geecache/\n",
    ]);
    const post = await fetch(`${url}/api?key=Tom`, { method: "POST" });
    assertEquals([post.status, post.headers.get("Allow")], [405, "GET, HEAD"]);
    await post.body?.cancel();
    await program.said(/DEBUG \[Server http:\/\/localhost:\d+\] GET \/apis$/);
  }));

Deno.test("A key in the log stays on its line", () =>
  withNode([], async ({ program, url }) => {
    await text(`${url}/_geecache/scores/a%0Ab`);
    await program.said(/search key a\\nb$/);
  }));

Deno.test("serve stops with exit 0 on SIGINT and SIGTERM, also through deno task", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    for (const command of [SERVE, ["task", "serve"]]) {
      await withNode([], async ({ program, url }) => {
        // A connection that is kept open must not hold it up.
        await text(`${url}/_geecache/scores/Tom`);
        program.kill(signal);
        assertEquals(await program.ended, 0, `${signal} ${command}`);
        const refused = await fetch(url).then(() => false, () => true);
        assert(refused, "the port is still served");
      }, command);
    }
  }
});

Deno.test("Several nodes may start at once on one new file", () =>
  inFolder(async (folder) => {
    const args = [...SERVE, "--port", "0", "--db", `${folder}/new.db`];
    const programs = Array.from({ length: 4 }, () => new Program(args));
    try {
      for (const program of programs) {
        const url = (await program.said(RUNNING))[1]!;
        const answer = await text(`${url}/_geecache/scores/Tom`);
        assertEquals(answer, [200, "630"]);
      }
    } finally {
      await Promise.all(programs.map((program) => program.stop()));
    }
  }));

Deno.test("A bad start ends with one clear line and a non-zero exit", () =>
  inFolder(async (folder) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const db = ["--db", `${folder}/scores.db`];
    const junk = `${folder}/junk.db`;
    await Deno.writeTextFile(junk, "this is no database".repeat(100));
    try {
      for (
        const [flags, line] of [
          [["--prot", "1"], /^Unknown argument --prot: see --help$/],
          [["extra"], /^Unknown argument extra: see --help$/],
          [["--port", "x"], /^--port must be a number .*: received x$/],
          [["--port", "65536"], /^--port must be .*: received 65536$/],
          [["--db"], /^--db needs a value$/],
          [["--max-bytes", "2 apples"], /^--max-bytes must be .* 2 apples$/],
          [["--db", folder], /^Cannot open database \S+: .+$/],
          [["--db", junk], /^Cannot open database \S+: .+$/],
          [
            [...db, "--port", `${port}`],
            /^Cannot listen on 127.0.0.1:\d+: the port is in use$/,
          ],
        ] as [string[], RegExp][]
      ) {
        const program = new Program([...SERVE, ...flags]);
        const code = await program.ended;
        assert(code > 0, `${flags}`);
        const lines = program.lines.filter((line) => !/^Download /.test(line));
        assertEquals(lines.length, 1, lines.join("\n"));
        assertMatch(lines[0]!, line);
      }
    } finally {
      listener.close();
    }
  }));

Deno.test("serve --help says how to use it", async () => {
  const program = new Program([...SERVE, "--help"]);
  assertEquals(await program.ended, 0);
  for (const flag of ["port", "host", "db", "max-bytes", "verbose"]) {
    assertEquals(program.count(new RegExp(`^  --${flag} `)), 1);
  }
});

/** Runs a node whose `@std/log` is the module of that text. */
function withLog(code: string, run: (node: Node) => Promise<void>) {
  return inFolder(async (folder) => {
    const config = JSON.parse(
      await Deno.readTextFile(new URL("../deno.json", import.meta.url)),
    );
    config.imports["@std/log"] = "./log.ts";
    await Deno.writeTextFile(`${folder}/log.ts`, code);
    await Deno.writeTextFile(
      `${folder}/import_map.json`,
      JSON.stringify({ imports: config.imports }),
    );
    const map = ["--import-map", `${folder}/import_map.json`];
    await withNode([], run, ["run", ...map, ...SERVE.slice(1)]);
  });
}

Deno.test("The log goes through @std/log where that can be had", () =>
  withLog(
    `let handler;
     export class ConsoleHandler {
       constructor(level, options) { this.level = level; this.options = options; }
     }
     export const setup = (config) => handler = config.handlers.default;
     const log = (levelName) => (msg) =>
       console.log("std", handler.level, handler.options.formatter({ levelName, msg }));
     export const getLogger = () => ({
       debug: log("DEBUG"), info: log("INFO"), warn: log("WARN"), error: log("ERROR"),
     });`,
    async ({ program }) => {
      await program.said(/^std INFO \S+ INFO geecache is running/);
    },
  ));

Deno.test("A log that does not come, or breaks, is given up", async () => {
  for (const code of ["await new Promise(() => {});", "throw 1;", "}", ""]) {
    await withLog(code, async ({ program }) => {
      await program.said(/^\S+Z INFO geecache is running/);
    });
  }
});
