/** The examples, run as they are. */

import { assert, assertEquals } from "../support/assert.ts";
import {
  answersAsOne,
  answersOverTls,
  loadsOf,
  NODE_EXAMPLES,
  onDeno,
  textOf,
  withPrograms,
} from "../support/examples.ts";
import { freePorts, Program, sendHalf } from "../support/process.ts";

async function withProgram(
  args: string[],
  run: (program: Program) => Promise<void>,
): Promise<void> {
  const program = new Program(["run", ...args]);
  try {
    await run(program);
  } finally {
    await program.stop();
  }
}

Deno.test("examples/one_process.ts loads once for three callers", () =>
  withProgram(["examples/one_process.ts"], async (program) => {
    assertEquals(await program.ended, 0);
    assertEquals(program.count(/^loading Oslo$/), 1);
    assertEquals(program.count(/no such key$/), 1);
  }));

Deno.test("examples/batch.ts loads what four callers miss with one query", () =>
  withProgram(["examples/batch.ts"], async (program) => {
    assertEquals(await program.ended, 0);
    assertEquals(program.lines, [
      "query 1: SELECT * FROM users WHERE id IN (?,?,?,?,?) with 1,2,99,3,4",
      "Hello, Ada! Hello, Grace! Hello, stranger! 3 more",
      "1 query for 6 misses",
      "1 query in all",
    ]);
  }));

Deno.test("examples/router.ts answers on its own routes and on the pool's", () =>
  withProgram(["--allow-net", "examples/router.ts", "0"], async (program) => {
    const [, url] = await program.said(/Listening on (\S+)\//);
    assertEquals(await textOf(`${url}/squares/12`), "144");
    assertEquals(await textOf(`${url}/_geecache/squares/12`), "144");
    assertEquals(JSON.parse(await textOf(`${url}/stats`)).localLoads, 1);
    assertEquals(await textOf(`${url}/elsewhere`), "not found\n");
  }));

/** Starts an example once for each of `count` ports, all told of each other. */
async function withPeers(
  file: string,
  count: number,
  run: (urls: string[], programs: Program[]) => Promise<void>,
): Promise<void> {
  const ports = freePorts(count);
  const programs = ports.map((port) => onDeno(file, [`${port}`, ports.join()]));
  const urls = ports.map((port) => `http://localhost:${port}`);
  await withPrograms(programs, () => run(urls, programs));
}

Deno.test("examples/three_processes.ts loads a key once in three processes", () =>
  withPeers("three_processes.ts", 3, async (urls, programs) => {
    for (const url of [...urls, ...urls]) {
      assertEquals(await textOf(`${url}/squares/12`), "144");
    }
    assertEquals(loadsOf(programs), 1);
  }));

Deno.test("examples/own_routes.ts lets its own peers in and no other client", () =>
  withPeers("own_routes.ts", 2, async (urls, programs) => {
    for (const name of ["Ada", "Grace", "Mary", "Joan"]) {
      for (const url of urls) {
        assertEquals(
          await textOf(`${url}/greetings/${name}`),
          `Hello, ${name}!\n`,
        );
      }
    }
    assertEquals(loadsOf(programs), 4);
    const inside = `${urls[0]}/internal/cache/greetings/Ada`;
    assertEquals(await textOf(inside), "unauthorized\n");
  }));

Deno.test("examples/trusted.ts lets no stranger in, and hands over its values when it is stopped", async () => {
  const ports = freePorts(3);
  const urls = ports.map((port) => `http://localhost:${port}`);
  const programs = ports.map((port) =>
    new Program([
      ...["run", "--allow-net", "--allow-env=SECRET", "examples/trusted.ts"],
      ...[`${port}`, ports.join(), "2000"],
    ], { env: { SECRET: "a-secret-of-this-test" } })
  );
  const numbers = Array.from({ length: 24 }, (_, i) => i);
  const askAll = async (urls: string[]) => {
    for (const number of numbers) {
      for (const url of urls) {
        assertEquals(
          await textOf(`${url}/squares/${number}`),
          `${number ** 2}`,
        );
      }
    }
  };
  await withPrograms(programs, async () => {
    await askAll(urls);
    assertEquals(loadsOf(programs), 24);
    const stranger = await fetch(`${urls[0]}/_geecache/squares/12`);
    assertEquals(stranger.status, 401);
    await stranger.body?.cancel();
    const [leaver] = programs as [Program];
    assert(leaver.count(/ loading /) > 0);
    leaver.kill("SIGTERM");
    while (!/"draining":true/.test(await textOf(`${urls[0]}/stats`)));
    const others = urls.slice(1);
    await askAll(others);
    assertEquals(await leaver.ended, 0);
    assertEquals(leaver.count(/ handed over$/), 1);
    await askAll(others);
    // Links say that the process drains. Without one, the answer to a first key says so.
    assert([24, 25].includes(loadsOf(programs)), `${loadsOf(programs)}`);
  });
});

Deno.test("examples/trusted.ts stops on SIGINT and SIGTERM, although a client has sent half a request", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const [port] = freePorts(1);
    const program = new Program([
      ...["run", "--allow-net", "--allow-env=SECRET", "examples/trusted.ts"],
      `${port}`,
    ], { env: { SECRET: "a-secret-of-this-test" } });
    await program.said(/Listening on/);
    const half = await sendHalf(port!);
    try {
      program.kill(signal);
      assertEquals(await program.ended, 0);
      assertEquals(program.count(/ handed over$/), 1);
    } finally {
      half.close();
    }
  }
});

/** Asks a process for its peers until it has these. */
async function hasPeers(url: string, peers: string[]): Promise<void> {
  const list = JSON.stringify(peers.toSorted());
  while (await textOf(`${url}/peers`) !== list);
}

Deno.test("examples/discovery.ts follows a file, and is one cache with who is in it", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/peers.txt`;
  const write = (urls: string[]) =>
    Deno.writeTextFile(file, `# the cluster\n${urls.join("\n")}\n`);
  const urls = freePorts(2).map((port) => `http://localhost:${port}`);
  const [one, two] = urls as [string, string];
  await write([one]);
  const programs = urls.map((url) => onDeno("discovery.ts", [url, file]));
  try {
    await withPrograms(programs, async () => {
      for (const url of urls) await hasPeers(url, [one]);
      await write(urls);
      for (const url of urls) await hasPeers(url, urls);
      for (let number = 0; number < 24; number++) {
        for (const url of urls) {
          const text = await textOf(`${url}/squares/${number}`);
          assertEquals(text, `${number ** 2}`);
        }
      }
      for (const program of programs) assert(loadsOf([program]) > 0);
      assertEquals(loadsOf(programs), 24);
      await write([two]);
      for (const url of urls) await hasPeers(url, [two]);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("examples/discovery.ts follows a name in DNS", async () => {
  const [port] = freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const program = onDeno("discovery.ts", [url, "dns:localhost"]);
  await withPrograms([program], async () => {
    while (!(await textOf(`${url}/peers`)).includes(`"${url}"`));
  });
});

Deno.test("examples/client.ts asks a cluster without being part of it", async () => {
  const folder = await Deno.makeTempDir();
  const [port] = freePorts(1);
  const serve = new Program([
    ...[
      "run",
      "--allow-net",
      "--allow-read",
      "--allow-write",
      "serve/serve.ts",
    ],
    ...["--port", `${port}`, "--db", `${folder}/scores.db`],
  ]);
  try {
    await serve.said(/geecache is running/);
    const args = [`http://localhost:${port}`, "Tom", "kkk", "Sam"];
    await withProgram(
      ["--allow-net", "examples/client.ts", ...args],
      async (program) => {
        assertEquals(await program.ended, 0);
        assertEquals(program.lines, [
          "Tom 630",
          "kkk kkk not exist",
          "Sam 567",
        ]);
      },
    );
  } finally {
    await serve.stop();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("examples/front_door.ts says how long a note may be kept, and takes new ones", async () => {
  const program = onDeno("front_door.ts", ["0", "5"]);
  try {
    const [, url] = await program.said(/Listening on (\S+)\//);
    const ask = async (method: string, name: string, body?: string) => {
      const response = await fetch(`${url}/notes/${name}`, {
        method,
        ...(body === undefined ? {} : { body }),
      });
      const control = response.headers.get("Cache-Control");
      return [response.status, await response.text(), control];
    };
    const kept = "max-age=5, stale-while-revalidate=60, stale-if-error=600";
    assertEquals(await ask("GET", "milk"), [200, "one bottle", kept]);
    assertEquals(await ask("PUT", "milk", "two"), [204, "", null]);
    assertEquals(await ask("GET", "milk"), [200, "two", kept]);
    assertEquals(await ask("GET", "tea"), [404, "Not Found\n", "max-age=2"]);
    assertEquals((await ask("DELETE", "milk"))[0], 405);
    assertEquals(loadsOf([program]), 2);
  } finally {
    await program.stop();
  }
});

Deno.test("examples/otel.ts is one cache where OpenTelemetry does nothing", () =>
  withPeers("otel.ts", 2, async (urls, programs) => {
    for (const url of [...urls, ...urls]) {
      assertEquals(await textOf(`${url}/squares/12`), "144");
    }
    assertEquals(loadsOf(programs), 1);
    assertEquals(
      programs.flatMap(({ lines }) => lines)
        .filter((line) => /in trace undefined loading 12$/.test(line)).length,
      1,
    );
  }));

Deno.test("examples/hono.ts is one cache behind two Hono applications", () =>
  answersAsOne(onDeno, "hono.ts"));

Deno.test("examples/tls.ts is one cache for clients that trust the authority, and for no other client", () =>
  answersOverTls(onDeno, "tls.ts", {
    asker: (read) => ({ caCerts: [read("ca.crt")] }),
    stranger: () => ({}),
  }));

for (const [file, answers] of Object.entries(NODE_EXAMPLES)) {
  Deno.test(`examples/${file} is one cache, with Deno as its Node`, () =>
    answers((file, args) =>
      new Program(["run", "--allow-all", `examples/${file}`, ...args])
    ));
}

Deno.test("examples/README.md lists every example", async () => {
  const folder = new URL("../../examples/", import.meta.url);
  const paper = await Deno.readTextFile(new URL("README.md", folder));
  for (const place of ["./", "./node/"]) {
    for await (const { name } of Deno.readDir(new URL(place, folder))) {
      if (!name.endsWith(".ts")) continue;
      assert(paper.includes(`| [${name}](${place}${name}) `), place + name);
    }
  }
});
