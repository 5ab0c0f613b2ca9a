/**
 * One ring of a Deno process, one of each Node and a Bun, each with its own server
 * and its own way to reach the others.
 *
 * @module
 */

import { HTTPPool } from "../../mod.ts";
import {
  installRuntime,
  npmInstall,
  run,
  type RuntimeName,
  RUNTIMES,
} from "../../scripts/runtimes.ts";
import { freePorts } from "../support/process.ts";
import { expect, expectSame, type Facts } from "./model.ts";
import { Node } from "./nodes.ts";
import { check, forEach, ODD } from "./trial.ts";

const ROOT = new URL("../../", import.meta.url);
const PROGRAM = "tests/interop/mixed_node.ts";
const COMPILER = "typescript@5.8.3";

/** Much longer than anything takes: a wait for so long fails. */
const PATIENCE_MS = 15_000;

/** How `mixed_node.ts` is started on each runtime. */
export type Commands = ReadonlyMap<RuntimeName | "deno", readonly string[]>;

/** Installs the runtimes, and tells how each runs the program. */
export async function commandsOf(
  folder: string,
  names: readonly (RuntimeName | "deno")[] = ["deno", ...RUNTIMES],
): Promise<Commands> {
  const program = decodeURIComponent(new URL(PROGRAM, ROOT).pathname);
  const deno = [Deno.execPath(), "run", "--quiet", "--allow-all", program];
  const commands = new Map<RuntimeName | "deno", string[]>();
  for (const name of names) {
    if (name === "deno") {
      commands.set(name, deno);
      continue;
    }
    const { path } = await installRuntime(name, folder);
    const file = name === "node20" ? await compile(path, folder) : program;
    const flags = name === "bun" ? [] : ["--no-warnings"];
    commands.set(name, [path, ...flags, file]);
  }
  return commands;
}

/** The program as JavaScript, since Node 20 runs no TypeScript. */
async function compile(node: string, folder: string): Promise<string> {
  const [compiler, out] = [`${folder}/compiler`, `${folder}/compiled`];
  for (const name of [compiler, out]) {
    await Deno.mkdir(name);
    await Deno.writeTextFile(`${name}/package.json`, '{"type":"module"}');
  }
  await npmInstall([COMPILER], compiler);
  const { code, output } = await run(node, [
    `${compiler}/node_modules/typescript/bin/tsc`,
    ...["--noCheck", "--skipLibCheck", "--rewriteRelativeImportExtensions"],
    ...["--module", "esnext", "--moduleResolution", "bundler"],
    ...["--target", "es2023", "--rootDir", ".", "--outDir", out, PROGRAM],
  ], ROOT);
  if (code !== 0) throw new Error(`Cannot compile ${PROGRAM}: ${output}`);
  return `${out}/${PROGRAM.replace(/ts$/, "js")}`;
}

/** Tests the ring. */
export async function tryMixedRing(commands: Commands): Promise<void> {
  console.log("Deno, three Nodes and Bun in one ring");
  const origins = freePorts(commands.size)
    .map((port) => `http://127.0.0.1:${port}`);
  const starts = [...commands].map(([name, command], i) => {
    const self = origins[i]!;
    return () => new Node(name, self, [...command, self, origins.join()]);
  });
  const nodes = starts.map((start) => start());
  try {
    await Promise.all(nodes.map(({ running }) => running));
    await tryOut(nodes);
    for (const [i, start] of starts.entries()) {
      await check(
        `${
          nodes[i]!.name
        } is killed and started again under load: no get fails`,
        () => restart(nodes, i, start),
      );
    }
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
  }
}

/** Kills a node while all others are asked, and starts it again. */
async function restart(
  nodes: Node[],
  at: number,
  start: () => Node,
): Promise<string> {
  const victim = nodes[at]!;
  const others = nodes.filter((node) => node !== victim);
  let over = false;
  let gets = 0;
  const failed: string[] = [];
  const load = others.map(async (node, i) => {
    for (let round = 0; !over; round++) {
      await forEach(Array.from({ length: 32 }, (_, j) => j), async (j) => {
        const key = `restart:${at}:${i}:${round % 8}:${j}`;
        const answer = await node.get(key).catch(String);
        gets++;
        if (!answer.startsWith("200 ")) failed.push(`${node.name}: ${answer}`);
      });
    }
  });
  try {
    const served = async (): Promise<number> => (await victim.stats()).links;
    await until("links to it", async () => await served() === others.length);
    await victim.kill();
    const before = gets;
    await until("gets without it", () => gets >= before + 1_000);
    nodes[at] = start();
    await nodes[at]!.running;
    await until("links to the new one", async () => {
      const links = await Promise.all(
        others.map(async (node) => (await node.peer(victim.origin)).link),
      );
      return links.every((link) => link === "open");
    });
  } finally {
    over = true;
    await Promise.all(load);
  }
  const some = failed.slice(0, 5).join("\n");
  expect(failed.length === 0, `${failed.length} of ${gets} failed:\n${some}`);
  return `${gets} gets`;
}

/** Waits for a condition that nobody tells of. */
export async function until(
  what: string,
  isSo: () => Promise<boolean> | boolean,
): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!await isSo()) {
    if (Date.now() >= end) throw new Error(`no ${what} in ${PATIENCE_MS} ms`);
    await new Promise((next) => setTimeout(next, 10));
  }
}

async function tryOut(nodes: readonly Node[]): Promise<void> {
  const keys = Array.from({ length: 300 }, (_, i) => `user:${i}`);
  const odd = ODD.map((shape, i) => shape(i)).concat(".", "..");
  const slow = Array.from({ length: 12 }, (_, i) => `slow:${i}`);
  const bytes = Array.from({ length: 6 }, (_, i) => `bytes:${i}`);
  const wrong = Array.from(
    { length: 12 },
    (_, i) => `${i % 2 === 0 ? "fail" : "none"}:${i}`,
  );
  await check(
    "300 keys, asked of each: all agree, each is loaded once, by its owner",
    () => agree(nodes, keys),
  );
  await check("each asks each over a link", () => linked(nodes, keys));
  await check(`${odd.length} odd keys, asked of each`, () => agree(nodes, odd));
  await check("keys that load for 300 ms", () => agree(nodes, slow));
  await check("values of a mebibyte of all bytes", () => agree(nodes, bytes));
  await check(
    "failing getters and absent keys, loaded by their owners alone",
    async () => {
      const said: string[] = [];
      await forEach(wrong, async (key) => {
        for (const node of nodes) said.push(await node.get(key));
      });
      expect(
        said.every((answer) => /^500 .*(cannot load|no such key)/.test(answer)),
        said.join("\n"),
      );
      for (const node of nodes) {
        const loads = Object.keys(await node.loads());
        const others = loads.filter((key) =>
          wrong.includes(key) && ownerOf(nodes, key) !== node
        );
        expect(others.length === 0, `${node.name} loaded ${others}`);
      }
    },
  );
  await check("keys that one removes are loaded anew by all", async () => {
    const some = keys.slice(0, 30);
    await forEach(some.entries(), async ([i, key]) => {
      const { status } = await nodes[i % 3]!.door("/remove", key);
      expect(status === 204, `${key} was not removed: ${status}`);
    });
    return await agree(nodes, some, 2);
  });
}

export function ownerOf(nodes: readonly Node[], key: string): Node {
  // The list is the same for all: a client of the ring knows who owns what.
  const client = new HTTPPool("http://client.invalid");
  client.setPeers(nodes.map(({ origin }) => origin));
  const { id } = client.pickPeer(key)!;
  return nodes.find(({ origin }) => origin === id)!;
}

/** Asks until each has a link to each, over which everything goes. */
export async function linked(
  nodes: readonly Node[],
  keys: readonly string[],
): Promise<string> {
  let asked = 0;
  const ask = async (node: Node, some: readonly string[]): Promise<void> => {
    await forEach(some, async (key) => {
      expect((await node.get(key)).startsWith("200 "), key);
      asked++;
    });
  };
  for (const node of nodes) {
    for (const other of nodes) {
      if (other === node) continue;
      const some = keys.filter((key) => ownerOf(nodes, key) === other);
      await until(`link from ${node.name} to ${other.name}`, async () => {
        await ask(node, some);
        return (await node.peer(other.origin)).link === "open";
      });
      const before = await node.peer(other.origin);
      await ask(node, some);
      const after = await node.peer(other.origin);
      const more = after.questions - before.questions;
      expect(
        more === some.length && after.requests === before.requests,
        `${node.name} asked ${other.name} ${more} of ${some.length} keys by ${
          after.requests - before.requests
        } requests, link ${after.link}`,
      );
    }
  }
  return `${asked} gets`;
}

/** Asks each key of all nodes at once: one answer, and `times` loads, by its owner. */
export async function agree(
  nodes: readonly Node[],
  keys: readonly string[],
  times = 1,
): Promise<string> {
  await forEach(keys, async (key) => {
    const [first, ...others] = await Promise.all(
      nodes.map((node) => node.get(key)),
    ) as [string, ...string[]];
    expect(first.startsWith("200 "), `${key}: ${first.slice(0, 200)}`);
    expect(
      others.every((other) => other === first),
      `the answers to ${key.slice(0, 100)} differ`,
    );
  });
  const expected: Facts = new Map();
  for (const key of keys) {
    expected.set(`${ownerOf(nodes, key).name} ${key}`, String(times));
  }
  const loaded: Facts = new Map();
  const counts: string[] = [];
  for (const node of nodes) {
    const loads = Object.entries(await node.loads())
      .filter(([key]) => keys.includes(key));
    for (const [key, count] of loads) {
      loaded.set(`${node.name} ${key}`, String(count));
    }
    counts.push(`${node.name} ${loads.length}`);
  }
  expectSame(loaded, expected);
  return `${keys.length * nodes.length} gets, loads: ${counts.join(", ")}`;
}
