/**
 * One ring of a Deno, a Node and a Bun process, each with its own server and its
 * own way to reach the others.
 *
 * @module
 */

import { HTTPPool } from "../../mod.ts";
import { installRuntime } from "../../scripts/runtimes.ts";
import { freePorts } from "../support/process.ts";
import { expect, expectSame, type Facts } from "./model.ts";
import { Node } from "./nodes.ts";
import { check, forEach, ODD } from "./trial.ts";

const PROGRAM = new URL("mixed_node.ts", import.meta.url);

/** Tests the ring. */
export async function tryMixedRing(folder: string): Promise<void> {
  console.log("Deno, Node and Bun in one ring");
  const origins = freePorts(3).map((port) => `http://127.0.0.1:${port}`);
  const path = decodeURIComponent(PROGRAM.pathname);
  const [node, bun] = await Promise.all([
    installRuntime("node24", folder),
    installRuntime("bun", folder),
  ]);
  const commands: [name: string, ...command: string[]][] = [
    ["Deno", Deno.execPath(), "run", "--quiet", "--allow-all", path],
    ["Node", node.path, "--no-warnings", path],
    ["Bun", bun.path, path],
  ];
  const nodes = commands.map(([name, ...command], i) => {
    const self = origins[i]!;
    return new Node(name, self, [...command, self, origins.join()]);
  });
  try {
    await Promise.all(nodes.map(({ running }) => running));
    await tryOut(nodes);
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
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

function ownerOf(nodes: readonly Node[], key: string): Node {
  // The list is the same for all: a client of the ring knows who owns what.
  const client = new HTTPPool("http://client.invalid");
  client.setPeers(nodes.map(({ origin }) => origin));
  const { id } = client.pickPeer(key)!;
  return nodes.find(({ origin }) => origin === id)!;
}

/** Asks each key of all nodes at once: one answer, and `times` loads, by its owner. */
async function agree(
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
