/** The program as a sidecar: its sources, its health and how it stops, as a process. */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { freePorts, Program, sendHalf } from "../support/process.ts";
import {
  inFolder,
  RUNNING,
  SERVE,
  text,
  withProgram,
} from "../support/serve.ts";
import { gate } from "../support/time.ts";

/** Runs a test beside an HTTP source. */
async function withOrigin(
  answer: (request: Request) => Response | Promise<Response>,
  run: (origin: string) => Promise<void>,
): Promise<void> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    answer,
  );
  try {
    await run(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

Deno.test("serve --origin is a cache of any HTTP source, with its types and its lives", () => {
  const asked: string[] = [];
  return withOrigin((request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    if (pathname === "/items/none") return new Response(null, { status: 404 });
    if (pathname === "/items/down") return new Response(null, { status: 503 });
    return Response.json({ path: pathname }, {
      headers: { "Cache-Control": "max-age=600", "ETag": '"1"' },
    });
  }, (origin) =>
    withProgram(
      { flags: ["--origin", `${origin}/items/{key}`] },
      async ({ program, url }) => {
        for (const path of ["/api/items/a%2Fb", "/api?key=a/b"]) {
          const answer = await fetch(url + path);
          assertEquals(await answer.json(), { path: "/items/a%2Fb" });
          assertEquals(answer.headers.get("Content-Type"), "application/json");
          assertMatch(
            answer.headers.get("Cache-Control")!,
            /^max-age=(599|600), stale-if-error=300$/,
          );
        }
        assertEquals(asked, ["/items/a%2Fb"]);
        assertEquals((await text(`${url}/api/items/none`))[0], 404);
        const down = await text(`${url}/api/items/down`);
        assertEquals(down, [500, "Internal Server Error\n"]);
        await program.said(
          /WARN \[items\] Cannot load "down" from \S+\{key\}: it answered 503$/,
        );
      },
    ));
});

Deno.test("serve --load-timeout gives up a source that does not answer", async () => {
  const opened = gate();
  await withOrigin(async () => {
    await opened.opened;
    return new Response();
  }, (origin) =>
    withProgram(
      { flags: ["--origin", `${origin}/{key}`, "--load-timeout", "50ms"] },
      async ({ program, url }) => {
        assertEquals((await text(`${url}/api/items/x`))[0], 500);
        await program.said(/the getter took longer than 50 ms$/);
        opened.open();
      },
    ));
});

Deno.test("Several groups, of databases that are only read, have a path each", () =>
  inFolder(async (folder) => {
    const file = `${folder}/a.db`;
    const db = new DatabaseSync(file);
    db.exec(`
      CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT, n INTEGER);
      INSERT INTO t VALUES ('a', 'one', 1);
    `);
    db.close();
    const query = (column: string) => `select ${column} from t where k = ?`;
    // Without the permission to write.
    const command = SERVE.filter((part) => part !== "--allow-write");
    await withProgram({
      command,
      flags: [
        ...["--group", `words=${file}#${query("v")}`],
        ...["--group", `numbers=${file}#${query("n")}`],
        ...["--content-type", "text/plain"],
      ],
    }, async ({ url }) => {
      assertEquals(await text(`${url}/api/words/a`), [200, "one"]);
      assertEquals(await text(`${url}/api/numbers/a`), [200, "1"]);
      assertEquals(await text(`${url}/api?key=a`), [200, "one"]);
      assertEquals((await text(`${url}/api/words/b`))[0], 404);
      assertEquals(await text(`${url}/_geecache/numbers/a`), [200, "1"]);
      const { headers, body } = await fetch(`${url}/api/words/a`);
      assertEquals(headers.get("Content-Type"), "text/plain");
      await body?.cancel();
    });
  }));

Deno.test("Two nodes ask an HTTP source once for each key, and both know its type", () => {
  const asked: string[] = [];
  return withOrigin(({ url }) => {
    asked.push(new URL(url).pathname);
    const headers = {
      "Content-Type": "text/csv",
      "Cache-Control": "s-maxage=60",
    };
    return new Response(`a,${url.length}`, { headers });
  }, async (origin) => {
    const ports = freePorts(2);
    const urls = ports.map((port) => `http://localhost:${port}`);
    const programs = ports.map((port) =>
      new Program([
        ...[...SERVE, "--port", `${port}`, "--peers", urls.join()],
        ...["--origin", `${origin}/{key}`, "--drain-timeout", "0"],
      ])
    );
    try {
      await Promise.all(programs.map((program) => program.said(RUNNING)));
      for (let i = 0; i < 20; i++) {
        for (const url of urls) {
          const answer = await fetch(`${url}/api/items/${i}`);
          assertEquals(answer.headers.get("Content-Type"), "text/csv");
          assertMatch(await answer.text(), /^a,\d+$/);
        }
      }
      assertEquals(asked.length, 20);
    } finally {
      const codes = await Promise.all(
        programs.map((program) => program.stop()),
      );
      assertEquals(codes, [0, 0]);
    }
  });
});

Deno.test("A node is told by variables and by a file, in that order", () =>
  inFolder(async (folder) => {
    const file = `${folder}/geecache.json`;
    const settings = { log: "json", cluster: "shop", db: `${folder}/s.db` };
    await Deno.writeTextFile(file, JSON.stringify(settings));
    const env = { GEECACHE_CONFIG: file, GEECACHE_CLUSTER: "other" };
    // A line of JSON ends with more than the address.
    const program = new Program([...SERVE, "--port", "0"], { env });
    try {
      const [, url] = await program.said(/geecache is running at ([^\s"]+)"/);
      const { headers, body } = await fetch(`${url}/_geecache/scores/Tom`);
      assertEquals(headers.get("Geecache-Cluster"), "other");
      await body?.cancel();
      for (const line of program.lines) {
        const { time, level, message, ...rest } = JSON.parse(line);
        assertEquals(new Date(time).toISOString(), time);
        assertEquals([level, typeof message, rest], ["info", "string", {}]);
      }
    } finally {
      assertEquals(await program.stop(), 0);
    }
    const wrong = new Program(SERVE, {
      env: { GEECACHE_CONFIG: file, GEECACHE_PROT: "1" },
    });
    assertEquals(await wrong.ended, 2);
    assertEquals(wrong.lines, ["Unknown variable GEECACHE_PROT: see --help"]);
  }));

Deno.test("serve tells its health, on a port of its own if it is given one", () =>
  inFolder(async (folder) => {
    const db = ["--db", `${folder}/scores.db`];
    await withProgram({ flags: db }, async ({ url }) => {
      assertEquals(await text(`${url}/healthz`), [200, "ok\n"]);
      assertEquals(await text(`${url}/readyz`), [200, "ok\n"]);
    });
    await withProgram(
      { flags: [...db, "--health-port", "0"] },
      async ({ program, url }) => {
        const [, health] = await program.said(/health is served at (\S+)$/);
        assertEquals(await text(`${health}/readyz`), [200, "ok\n"]);
        assertEquals((await text(`${health}/api?key=Tom`))[0], 404);
        assertEquals((await text(`${url}/readyz`))[0], 404);
      },
    );
    const alone = ["--peers", "http://a:1,http://b:1", "--drain-timeout", "0"];
    await withProgram({ flags: [...db, ...alone] }, async ({ url }) => {
      assertEquals(await text(`${url}/readyz`), [
        503,
        `outside: ${url} is not in its own list of 2 nodes\n`,
      ]);
      assertEquals(await text(`${url}/healthz`), [200, "ok\n"]);
    });
  }));

Deno.test("serve --discover follows a list, and is ready while this node and another are in it", () =>
  inFolder(async (folder) => {
    const ports = freePorts(2);
    const urls = ports.map((port) => `http://localhost:${port}`);
    const list = `${folder}/nodes`;
    const write = async (...lines: string[]) => {
      await Deno.writeTextFile(`${list}.new`, lines.join("\n"));
      await Deno.rename(`${list}.new`, list);
    };
    await write("# nobody yet");
    const programs = ports.map((port) =>
      new Program([
        ...[...SERVE, "--port", `${port}`, "--db", `${folder}/scores.db`],
        ...["--discover", `file:${list}`, "--discover-every", "20ms"],
        ...["--drain-timeout", "0"],
      ])
    );
    /** Asks until the answer is that one. */
    const says = async (url: string, answer: [number, string]) => {
      let last = "";
      for (let i = 0; i < 3_000 && last !== `${answer}`; i++) {
        last = `${await text(`${url}/readyz`)}`;
      }
      assertEquals(last, `${answer}`);
    };
    const alone = "alone: 0 of at least 1 other nodes are in the list\n";
    try {
      await Promise.all(programs.map((program) => program.said(RUNNING)));
      await says(urls[0]!, [503, alone]);
      await write(...urls);
      for (const url of urls) await says(url, [200, "ok\n"]);
      for (const url of urls) {
        assertEquals(await text(`${url}/api?key=Tom`), [200, "630"]);
      }
      const loads = programs.map((program) => program.count(/\[SlowDB\]/));
      assertEquals(loads.reduce((a, b) => a + b), 1);
      await write(urls[1]!);
      const outside = `outside: ${urls[0]} is not in its own list of 1 nodes\n`;
      await says(urls[0]!, [503, outside]);
      await says(urls[1]!, [503, alone]);
    } finally {
      await Promise.all(programs.map((program) => program.stop()));
    }
  }));

/** Connects, and says something that is not a whole request. */
async function open(port: number, text: string): Promise<Deno.Conn> {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port });
  await socket.write(new TextEncoder().encode(text));
  return socket;
}

Deno.test("What is no URL is a bad request, on every port", () =>
  inFolder(async (folder) => {
    const flags = [
      "--db",
      `${folder}/s.db`,
      "--api",
      "0",
      "--health-port",
      "0",
    ];
    await withProgram({ flags }, async ({ program, url }) => {
      const [, api] = await program.said(/the front door is open at (\S+)$/);
      const [, health] = await program.said(/health is served at (\S+)$/);
      for (const origin of [url, api!, health!]) {
        const port = Number(new URL(origin).port);
        const asked = "GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        const socket = await open(port, asked);
        const answer = new Uint8Array(1024);
        const length = await socket.read(answer);
        const head = new TextDecoder().decode(answer.subarray(0, length!));
        assertMatch(head, /^HTTP\/1.1 400 /);
        socket.close();
      }
      // None of them printed a stack.
      assertEquals(program.count(/TypeError/), 0);
    });
  }));

Deno.test("A node that is told to stop is unready, finishes what runs, and exits with 0", async () => {
  const began = gate();
  const opened = gate();
  await withOrigin(async () => {
    began.open();
    await opened.opened;
    return new Response("late");
  }, (origin) =>
    withProgram(
      { flags: ["--origin", `${origin}/{key}`, "--stop-timeout", "forever"] },
      async ({ program, url }) => {
        const running = text(`${url}/api/items/x`);
        await began.opened;
        program.kill("SIGTERM");
        await program.said(/geecache is stopping$/);
        assertEquals(await text(`${url}/readyz`), [503, "stopping\n"]);
        assertEquals((await text(`${url}/api/items/y`))[0], 503);
        opened.open();
        assertEquals(await running, [200, "late"]);
        assertEquals(await program.ended, 0);
      },
    ));
});

Deno.test("A node stops within its limit whatever its clients do", async () => {
  const opened = gate();
  await withOrigin(async ({ url }) => {
    if (url.endsWith("large")) return new Response(new Uint8Array(16 << 20));
    await opened.opened;
    return new Response();
  }, (origin) =>
    withProgram(
      { flags: ["--origin", `${origin}/{key}`, "--stop-timeout", "200ms"] },
      async ({ program, url }) => {
        const port = Number(new URL(url).port);
        const head = "GET /api/items/x HTTP/1.1\r\nHost: localhost\r\n";
        const sockets = [
          await open(port, ""),
          await open(port, "GET /api/it"),
          await open(port, head),
          // Its source never answers.
          await open(port, `${head}\r\n`),
          await sendHalf(port),
          // It reads nothing of what it asked for.
          await open(port, `${head.replace("x", "large")}\r\n`),
        ];
        // A connection that is kept, and idle.
        await text(`${url}/healthz`);
        const started = performance.now();
        program.kill("SIGTERM");
        assertEquals(await program.ended, 0);
        assert(performance.now() - started < 2_000);
        for (const socket of sockets) socket.close();
        opened.open();
      },
    ));
});

Deno.test("A second signal ends the node at once", async () => {
  const opened = gate();
  const began = gate();
  await withOrigin(async () => {
    began.open();
    await opened.opened;
    return new Response();
  }, (origin) =>
    withProgram(
      { flags: ["--origin", `${origin}/{key}`, "--stop-timeout", "forever"] },
      async ({ program, url }) => {
        const waits = text(`${url}/api/items/x`).catch(() => "cut");
        await began.opened;
        program.kill("SIGTERM");
        await program.said(/geecache is stopping$/);
        // Signals that come together are one. This goes on until they are not.
        const again = setInterval(() => {
          try {
            program.kill("SIGINT");
          } catch {
            // It has ended.
          }
        }, 100);
        assertEquals(await program.ended, 130);
        clearInterval(again);
        assertEquals(await waits, "cut");
        opened.open();
      },
    ));
});
