/** What the papers say in bytes and names is what the code does. */

import { readFile } from "node:fs/promises";
import { ByteView } from "../../base/byte_view.ts";
import {
  ConsistentHash,
  RendezvousHash,
} from "../../protocol/consistent_hash.ts";
import {
  encodeKeys,
  encodeResults,
  KIND,
  type Kind,
} from "../../protocol/frames.ts";
import { HTTPPool } from "../../http.ts";
import { assert, assertEquals } from "../support/assert.ts";

const read = (name: string) =>
  readFile(new URL(`../../${name}`, import.meta.url), "utf8");

Deno.test("The vectors of docs/PROTOCOL.md are what is sent", async () => {
  const paper = await read("docs/PROTOCOL.md");
  const hex = [...paper.matchAll(/`([0-9a-f][0-9a-f ]+)`/g)]
    .map(([, digits]) => digits!.replaceAll(" ", ""));
  const value = ByteView.from("630");
  const result = (kind: Kind, index: number, value: ByteView, ttlMs?: number) =>
    encodeResults([{
      kind,
      index,
      value: ttlMs === undefined ? { value } : { value, ttlMs },
    }]);
  const none = ByteView.from("");
  for (
    const bytes of [
      encodeKeys(["Tom"]),
      encodeKeys(["Tom", "日"]),
      encodeKeys(["Tom"], value),
      result(KIND.value, 0, value),
      result(KIND.expiringValue, 1, value, 1500),
      result(KIND.notFound, 2, none),
      result(KIND.pending, 3, none),
    ]
  ) {
    const digits = Array.from(
      bytes,
      (byte) => byte.toString(16).padStart(2, "0"),
    ).join("");
    assert(hex.includes(digits), digits);
  }
});

Deno.test("The owners of docs/PROTOCOL.md are those of the rings", async () => {
  const paper = await read("docs/PROTOCOL.md");
  const nodes = [8001, 8002, 8003].map((port) => `http://localhost:${port}`);
  const native = new RendezvousHash(nodes);
  const go = new ConsistentHash(nodes);
  const owners = paper.matchAll(/^\| `(\S+)` +\| (8\d+) +\| (8\d+) +\|/gm);
  let count = 0;
  for (const [, key, owner, next] of owners) {
    const order = [...native.successors(key!)].map((node) => node.slice(-4));
    assertEquals(order.slice(0, 2), [owner!, next!], key);
    count++;
  }
  for (
    const [, key, owner] of paper.matchAll(
      /^\| `(\S+)` +\| \d{9,} +\| (8\d+) +\|/gm,
    )
  ) {
    assertEquals(go.get(key!)?.slice(-4), owner, key);
    count++;
  }
  assertEquals(count, 14);
});

Deno.test("The fingerprint of docs/PROTOCOL.md is what a pool sends", async () => {
  const paper = await read("docs/PROTOCOL.md");
  const pool = new HTTPPool("http://localhost:8001");
  pool.setPeers([8001, 8002, 8003].map((port) => `http://localhost:${port}`));
  const { ring } = pool.stats();
  await pool.close();
  assert(paper.includes(`it is \`${ring}\``), ring);
});

Deno.test("ARCHITECTURE.md has every room, in the order of the imports", async () => {
  const rooms = [
    ...(await read("ARCHITECTURE.md")).matchAll(/^\| `([\w/]+\.ts)`/gm),
  ]
    .map(([, room]) => room!);
  const table = await read("tests/project/layers_test.ts");
  const held = [...table.matchAll(/^const \w*ROOMS = \[([\s\S]*?)\]/gm)]
    .flatMap(([, names]) => [...names!.matchAll(/"(\S+)"/g)]);
  assertEquals(rooms, held.map(([, room]) => room!));
});

Deno.test("The README has every option of a pool and of a group", async () => {
  const readme = await read("README.md");
  for (
    const [file, name] of [["pool/pool_options.ts", "HTTPPoolOptions"], [
      "group/group_options.ts",
      "GroupOptions",
    ]]
  ) {
    const code = await read(file!);
    const body = new RegExp(`interface ${name} \\{([\\s\\S]*?)\\n\\}`).exec(
      code,
    )![1]!;
    for (const [, option] of body.matchAll(/^ {2}(\w+)\?:/gm)) {
      assert(readme.includes(`| \`${option}\``), `${name}: ${option}`);
    }
  }
});
