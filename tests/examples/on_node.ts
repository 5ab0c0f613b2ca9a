/**
 * The examples for Node, and the programs of the README and of docs/install.md
 * for Node and Bun, on real ones, with the package as npm installs it:
 * `deno task test:examples`.
 *
 * It needs npm's registry, and nothing of what is installed on the machine.
 */

import config from "../../deno.json" with { type: "json" };
import {
  installRuntime,
  npmInstall,
  run,
  type Runtime,
  type RuntimeName,
  RUNTIMES,
} from "../../scripts/runtimes.ts";
import { HTTPPool } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  loadsOf,
  NODE_EXAMPLES,
  textOf,
  withPrograms,
} from "../support/examples.ts";
import { freePorts, Program } from "../support/process.ts";
import { doesAsTold, firstProgram, installOf } from "../support/readme.ts";

const root = new URL("../../", import.meta.url);
/** Examples that are asked for something else than those in the list. */
const FRAMEWORKS = ["express", "fastify", "hono"];
const CLUSTER = "node/cluster.ts";
const CERTIFICATES = "certificates.ts";
/** Those that mount a pool beside the routes of an application. */
const MOUNTED = [
  "node/http.ts",
  ...FRAMEWORKS.map((name) => `node/${name}.ts`),
];
/** Those that run TypeScript as it is. */
const NODES: RuntimeName[] = ["node22", "node24"];
/** What the examples import beside the package, in the versions of `deno.json`. */
const PACKAGES = [
  "express",
  "fastify",
  "hono",
  "@hono/node-server",
  "@opentelemetry/api",
  "selfsigned",
] as const;

let folder: string;
const runtimes = new Map<RuntimeName, Runtime>();

/** A Node project with the examples and what they tell their readers to install. */
Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ prefix: "geecache-" });
  const pack = ["pack", "--quiet", "--allow-dirty", "--no-source-maps"];
  const { code, output } = await run(
    Deno.execPath(),
    [...pack, "--output", `${folder}/geecache.tgz`],
    new URL(root).pathname,
  );
  assertEquals(code, 0, output);

  await Deno.writeTextFile(
    `${folder}/package.json`,
    JSON.stringify({ private: true, type: "module" }),
  );
  await npmInstall([
    `geecache@file:${folder}/geecache.tgz`,
    ...PACKAGES.map((name) => config.imports[name].replace("npm:", "")),
  ], folder);
  for (const file of [...Object.keys(NODE_EXAMPLES), CLUSTER, CERTIFICATES]) {
    const name = file.replace("node/", "");
    await Deno.copyFile(new URL(`examples/${file}`, root), `${folder}/${name}`);
  }
  for (const name of RUNTIMES) {
    runtimes.set(name, await installRuntime(name, folder));
  }
});

Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

function start(runtime: RuntimeName, args: string[]): Program {
  const { path } = runtimes.get(runtime)!;
  return new Program(args, { path, cwd: folder });
}

/** Asks a pool until there is a link, then over that link alone. */
async function asksOverLink(port: string): Promise<void> {
  const pool = new HTTPPool("http://client.invalid");
  pool.setPeers([`http://127.0.0.1:${port}`]);
  const squares = pool.group("squares", () => {
    throw new Error("it is loaded here");
  }, { shouldMirror: () => false });
  const ask = async (): Promise<void> => {
    const numbers = Array.from({ length: 300 }, (_, i) => i);
    const values = await squares.getMany(numbers.map(String));
    for (const i of numbers) {
      assertEquals(String(values.get(`${i}`)), String(i ** 2));
    }
  };
  const peer = () => pool.stats().peers[0]!;
  try {
    const end = Date.now() + 10_000;
    do await ask(); while (peer().link !== "open" && Date.now() < end);
    assertEquals([peer().link, peer().linkError], ["open", undefined]);
    const { requests } = peer();
    // What is asked in one turn leaves in one frame after the other: a body parser
    // that waited for an end would answer none of it.
    await ask();
    assertEquals(peer().requests, requests);
  } finally {
    await pool.close();
  }
}

for (const node of NODES) {
  for (const [file, answers] of Object.entries(NODE_EXAMPLES)) {
    Deno.test(`examples/${file} is one cache, on ${node}`, () =>
      answers((file, args) =>
        start(node, [file.replace("node/", ""), ...args])
      ));
  }

  for (const file of MOUNTED) {
    Deno.test(`examples/${file} takes a link, on ${node}`, async () => {
      const [port] = freePorts(1);
      const program = start(node, [file.replace("node/", ""), `${port}`]);
      await withPrograms([program], () => asksOverLink(`${port}`));
    });
  }

  Deno.test(`examples/certificates.ts writes what peers need, on ${node}`, async () => {
    const program = start(node, [CERTIFICATES, `certs-${node}`]);
    assertEquals(await program.ended, 0, program.lines.join("\n"));
    const names: string[] = [];
    for await (const { name } of Deno.readDir(`${folder}/certs-${node}`)) {
      names.push(name);
    }
    assertEquals(names.sort(), ["a.crt", "a.key", "b.crt", "b.key", "ca.crt"]);
  });

  Deno.test(`examples/node/cluster.ts is one cache in three workers, on ${node}`, async () => {
    const [port, ...ports] = freePorts(4);
    const program = start(node, ["cluster.ts", `${port}`, ports.join()]);
    const listening = (port: number) =>
      new RegExp(`^\\[${port}\\] Listening on .*, process (\\d+)$`);
    // Each request on a connection of its own: the primary hands those out in turn.
    const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    /** Asks for squares often enough to meet every worker; who answered? */
    const ask = async (count: number): Promise<string[]> => {
      const workers = new Set<string>();
      for (let i = 0; i < 6 * count; i++) {
        const number = i % count;
        const url = `http://127.0.0.1:${port}/squares/${number}`;
        const response = await fetch(url, { client });
        assertEquals(await response.text(), `${number ** 2}`);
        workers.add(response.headers.get("X-Worker")!);
      }
      return [...workers].sort();
    };
    try {
      await withPrograms([program], async () => {
        for (const port of ports) await program.said(listening(port));
        assertEquals(await ask(24), ports.map(String).sort());
        assertEquals(loadsOf([program]), 24);
        for (const port of ports) {
          assert(program.count(new RegExp(`^\\[${port}\\] loading`)) > 0);
        }
        const peer = `http://127.0.0.1:${ports[0]}/_geecache/squares/30`;
        assertEquals(await textOf(peer), "900");

        // A worker that dies is followed by one at its port.
        const [, pid] = await program.said(listening(ports[0]!));
        Deno.kill(Number(pid), "SIGKILL");
        await program.said(
          new RegExp(`^\\[${ports[0]}\\] Listening on .*, process (?!${pid}$)`),
        );
        assertEquals(await ask(24), ports.map(String).sort());
      });
    } finally {
      client.close();
    }
  });
}

for (const name of RUNTIMES) {
  const heading = name === "bun" ? "Bun" : "Node";
  const program = heading.toLowerCase();

  Deno.test(`README, ${heading}: the first program prints what it says, on ${name}`, async () => {
    const { code, commands, prints } = firstProgram();
    const command = commands.find((command) => command.startsWith(program))!;
    const args = command.split(" ").slice(1);
    await Deno.writeTextFile(`${folder}/${args.at(-1)}`, code);
    const running = start(name, args);
    assertEquals(await running.ended, 0, running.lines.join("\n"));
    assertEquals(running.lines, [prints]);
  });

  Deno.test(`docs/install.md, ${heading}: the program prints 630 and answers curl, on ${name}`, async () => {
    const [port] = freePorts(1);
    const { commands: [install, command], code } = installOf(heading);
    assertEquals(install!.split(" ").at(-1), "geecache");
    const [starter, ...args] = command!.split(" ");
    assertEquals(starter, program);
    const file = `${folder}/${args.at(-1)}`;
    await Deno.writeTextFile(file, code.replaceAll("9999", `${port}`));
    await doesAsTold(start(name, args), port!);
  });
}
