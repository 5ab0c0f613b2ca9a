/** `serve.ts` as a process, through its public doors. */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { freePorts, Program, sendHalf } from "../support/process.ts";
import {
  inFolder,
  type Node,
  RUNNING,
  SERVE,
  text,
  withNode,
} from "../support/serve.ts";

Deno.test("serve answers from a database that it made, and loads each key once", () =>
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

Deno.test("serve's front door answers with an ETag, with 304 to a client that has it, and with ranges", () =>
  withNode(["--verbose"], async ({ program, url }) => {
    const first = await fetch(`${url}/api?key=Tom`);
    assertEquals(await first.text(), "630");
    assertEquals(first.headers.get("Cache-Control"), "no-cache");
    assertEquals(
      first.headers.get("Cache-Status"),
      "geecache; fwd=miss; stored",
    );
    const tag = first.headers.get("ETag")!;
    const again = await fetch(`${url}/api?key=Tom`, {
      headers: { "If-None-Match": tag },
    });
    assertEquals([again.status, await again.text()], [304, ""]);
    assertEquals(again.headers.get("Cache-Status"), "geecache; hit");
    const part = await text(`${url}/api?key=Tom`, {
      headers: { "If-Range": tag, "Range": "bytes=1-" },
    });
    assertEquals(part, [206, "30"]);
    const head = await fetch(`${url}/api?key=Tom`, { method: "HEAD" });
    assertEquals([head.status, await head.text()], [200, ""]);
    assertEquals(head.headers.get("Content-Length"), "3");
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

Deno.test("A key with a line break stays on one line of the log", () =>
  withNode([], async ({ program, url }) => {
    await text(`${url}/_geecache/scores/a%0Ab`);
    await program.said(/search key a\\nb$/);
  }));

Deno.test("serve stops with exit 0 on SIGINT and SIGTERM, also through deno task", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    for (const command of [SERVE, ["task", "serve"]]) {
      await withNode([], async ({ program, url }) => {
        // An open connection must not hold up the end.
        await text(`${url}/_geecache/scores/Tom`);
        program.kill(signal);
        assertEquals(await program.ended, 0, `${signal} ${command}`);
        const refused = await fetch(url).then(() => false, () => true);
        assert(refused, "the port is still served");
      }, command);
    }
  }
});

Deno.test("serve stops although a client has sent half a request", () =>
  withNode([], async ({ program, url }) => {
    const half = await sendHalf(Number(new URL(url).port));
    try {
      program.kill("SIGTERM");
      assertEquals(await program.ended, 0);
    } finally {
      half.close();
    }
  }));

Deno.test("Several nodes may start at once on one new database file", () =>
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
          [
            [...db, "--self", "x"],
            /^Cannot create HTTPPool: self must .* "x"$/,
          ],
          [[...db, "--peers", "x,y"], /^Cannot set peers of HTTPPool: .* "x"$/],
          [["--api", "x"], /^--api must be a number .*: received x$/],
          [["--port", "x"], /^--port must be a number .*: received x$/],
          [["--port", "65536"], /^--port must be .*: received 65536$/],
          [["--db"], /^--db needs a value$/],
          [["--max-bytes", "2 apples"], /^--max-bytes must be .* 2 apples$/],
          [["--db", folder], /^Cannot open database \S+: .+$/],
          [["--db", junk], /^Cannot open database \S+: .+$/],
          [
            [...db, "--port", `${port}`],
            /^Cannot listen on 127.0.0.1:\d+: the port is in use, and --help says how to choose another$/,
          ],
        ] as [string[], RegExp][]
      ) {
        const given = flags.includes("--port") ? [] : ["--port", "0"];
        const program = new Program([...SERVE, ...given, ...flags]);
        const code = await program.ended;
        assert(code > 0, `${flags}`);
        assertEquals(program.lines.length, 1, program.lines.join("\n"));
        assertMatch(program.lines[0]!, line);
      }
    } finally {
      listener.close();
    }
  }));

Deno.test("serve --help says how to use it", async () => {
  // An error that says to look there must not come again.
  const program = new Program([...SERVE, "--help", "--prot", "1"]);
  assertEquals(await program.ended, 0);
  const flags = ["port", "host", "self", "peers", "api", "db", "max-bytes"];
  for (const flag of [...flags, "verbose", "help"]) {
    assertEquals(program.count(new RegExp(`^  --${flag} `)), 1);
  }
});

/** Runs a node with a module of that code as its `@std/log`. */
function withLog(code: string, run: (node: Node) => Promise<void>) {
  return inFolder(async (folder) => {
    const config = JSON.parse(
      await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
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

Deno.test("The log goes through @std/log if that can be imported", () =>
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

Deno.test("serve goes on without @std/log if that does not load or is broken", async () => {
  for (const code of ["await new Promise(() => {});", "throw 1;", "}", ""]) {
    await withLog(code, async ({ program }) => {
      await program.said(/^\S+Z INFO geecache is running/);
    });
  }
});

Deno.test("serve warns when other machines may reach it", () =>
  withNode(["--host", "0.0.0.0"], async ({ program, url }) => {
    const port = new URL(url).port;
    await program.said(
      new RegExp(
        `WARN .* anybody who reaches port ${port} may read every key$`,
      ),
    );
  }));

Deno.test("serve --api opens the front door, and nothing else, on a second port", () =>
  withNode(["--api", "0"], async ({ program, url }) => {
    const api = (await program.said(/the front door is open at (\S+)$/))[1]!;
    assert(api !== url);
    assertEquals(await text(`${api}/api?key=Tom`), [200, "630"]);
    assertEquals((await text(`${api}/_geecache/scores/Tom`))[0], 404);
    assertEquals(await text(`${url}/api?key=Tom`), [200, "630"]);
  }));

Deno.test("Three processes load each of 300 keys once, and no get fails when one is killed", () =>
  inFolder(async (folder) => {
    const file = `${folder}/scores.db`;
    const database = new DatabaseSync(file);
    database.exec("CREATE TABLE scores (name TEXT PRIMARY KEY, score TEXT)");
    const insert = database.prepare("INSERT INTO scores VALUES (?, ?)");
    database.exec("BEGIN");
    for (let i = 0; i < 600; i++) insert.run(`user:${i}`, `score ${i}`);
    database.exec("COMMIT");
    database.close();
    const ports = freePorts(3);
    const urls = ports.map((port) => `http://localhost:${port}`);
    const programs = ports.map((port) =>
      new Program([
        ...[...SERVE, "--port", `${port}`, "--peers", urls.join()],
        ...["--db", file, "--max-bytes", "64MiB"],
      ])
    );
    const ask = async (url: string, i: number): Promise<void> => {
      const answer = await text(`${url}/api?key=user:${i}`);
      assertEquals(answer, [200, `score ${i}`]);
    };
    try {
      await Promise.all(programs.map((program) => program.said(RUNNING)));
      const first = Array.from({ length: 300 }, (_, i) => i);
      for (const url of urls) {
        await Promise.all(first.map((i) => ask(url, i)));
      }
      const loads = programs.map((program) => program.count(/\[SlowDB\]/));
      assertEquals(loads.reduce((a, b) => a + b), 300);
      assert(loads.every((count) => count > 50), `${loads}`);
      const asked: Promise<void>[] = [];
      for (let i = 300; i < 600; i++) {
        if (i === 400) programs[2]!.kill("SIGKILL");
        for (const url of urls.slice(0, 2)) asked.push(ask(url, i));
        if (i % 20 === 0) await asked.at(-1);
      }
      await Promise.all(asked);
    } finally {
      const codes = await Promise.all(
        programs.map((program) => program.stop()),
      );
      // The third one was killed. Links that are open hold up nobody.
      assertEquals(codes.slice(0, 2), [0, 0]);
    }
  }));

Deno.test("deno task cluster runs three nodes as one cache, and stops them all", () =>
  inFolder(async (folder) => {
    const [a, b, c, api] = freePorts(4);
    const ports = `${a},${b},${c}`;
    const program = new Program([
      ...["task", "cluster", "--ports", ports, "--api", `${api}`],
      ...["--db", `${folder}/scores.db`],
    ]);
    try {
      await program.said(/^All nodes are running/);
      for (const port of [api, api, a, b, c]) {
        const answer = await text(`http://localhost:${port}/api?key=Tom`);
        assertEquals(answer, [200, "630"]);
      }
      await program.said(/^\[\d+\] \S+ INFO \[SlowDB\] search key Tom$/);
      assertEquals(program.count(/\[SlowDB\]/), 1);
    } finally {
      program.kill("SIGINT");
    }
    assertEquals(await program.ended, 0);
    for (const port of [a, b, c, api]) {
      const refused = await fetch(`http://localhost:${port}`)
        .then(() => false, () => true);
      assert(refused, `${port} is still served`);
    }
  }));

Deno.test("deno task cluster says how to kill a node, and goes on without it", () =>
  inFolder(async (folder) => {
    const [a, b, c, api] = freePorts(4);
    const program = new Program([
      ...["task", "cluster", "--ports", `${a},${b},${c}`],
      ...["--api", `${api}`, "--db", `${folder}/scores.db`],
    ]);
    try {
      await program.said(/^All nodes are running/);
      const [, pid] = await program.said(
        new RegExp(`^ +kill -9 (\\d+) +# ${b}$`),
      );
      Deno.kill(Number(pid), "SIGKILL");
      await program.said(
        new RegExp(`^\\[${b}\\] ended with exit code 137: the others go on`),
      );
      const [, again] = await program.said(/^ +deno task (serve .*)$/);
      for (const name of ["Tom", "Jack", "Sam"]) {
        for (const port of [a, c, api]) {
          const url = `http://localhost:${port}/api?key=${name}`;
          assertEquals((await text(url))[0], 200);
        }
      }
      // What it says starts the node again.
      const back = new Program(["task", ...again!.split(" ")]);
      try {
        await back.said(RUNNING);
        const url = `http://localhost:${b}/api?key=Tom`;
        assertEquals(await text(url), [200, "630"]);
      } finally {
        await back.stop();
      }
    } finally {
      // As from a terminal that is closed.
      program.kill("SIGHUP");
    }
    assertEquals(await program.ended, 0);
  }));

Deno.test("deno task cluster ends when the last node is killed", () =>
  inFolder(async (folder) => {
    const [a, api] = freePorts(2);
    const program = new Program([
      ...["task", "cluster", "--ports", `${a}`],
      ...["--api", `${api}`, "--db", `${folder}/scores.db`],
    ]);
    const [, pid] = await program.said(/^ +kill -9 (\d+)/);
    Deno.kill(Number(pid), "SIGKILL");
    assertEquals(await program.ended, 1);
  }));

Deno.test("deno task cluster stops all nodes when one of them cannot start", () =>
  inFolder(async (folder) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const [a, b, api] = freePorts(3);
    try {
      const program = new Program([
        ...["task", "cluster", "--ports", `${a},${port},${b}`],
        ...["--api", `${api}`, "--db", `${folder}/scores.db`],
      ]);
      assertEquals(await program.ended, 1);
      assertEquals(program.count(/ended with exit code 1: stopping all$/), 1);
    } finally {
      listener.close();
    }
  }));
