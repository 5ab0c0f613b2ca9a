/** What docs/operations.md says of instruments and spans is what there is. */

import { readFile } from "node:fs/promises";
import { instrument } from "../../otel.ts";
import { assertEquals } from "../support/assert.ts";
import { keysOwnedBy, ownerAndAsker, withCluster } from "../support/cluster.ts";
import { Measured, Traced } from "../support/otel.ts";

/** The rows of the table whose first column has that title, with the code in each cell. */
async function rowsOf(title: string): Promise<string[][][]> {
  const url = new URL("../../docs/operations.md", import.meta.url);
  const paper = await readFile(url, "utf8");
  const [, rows] = new RegExp(`^\\| ${title} .*\n\\| -.*\n((?:\\|.*\n)+)`, "m")
    .exec(paper)!;
  return rows!.trim().split("\n").map((row) =>
    row.split("|").slice(1, -1).map((cell) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
    )
  );
}

/** What a cluster of two measures and makes spans of when everything happens to it once. */
async function everything(): Promise<
  { instruments: Map<string, Set<string>>; spans: Map<string, Set<string>> }
> {
  const measured = new Measured();
  const traced = new Traced();
  const instruments = new Map<string, Set<string>>();
  const spans = new Map<string, Set<string>>();
  const add = (to: Map<string, Set<string>>, name: string, of: object) => {
    const names = to.get(name) ?? new Set();
    to.set(name, names);
    for (const key of Object.keys(of)) names.add(key);
  };
  await withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const { meter } = measured;
    const { tracer } = traced;
    instrument(owner.pool, { meter, tracer });
    instrument(asker.pool, { tracer });
    const bad = keysOwnedBy(cluster, owner, 1, "bad");
    await asker.group.get("k");
    await asker.group.set("k", "v");
    await owner.group.remove("k");
    await asker.group.getMany([...bad, "none"]);
    for (const key of bad) await asker.group.get(key).catch(() => {});
    for (const { descriptor, dataPoints } of await measured.metrics()) {
      for (const { attributes } of dataPoints) {
        add(instruments, descriptor.name, attributes);
      }
    }
    for (const { name, attributes } of traced.take()) {
      add(spans, name, attributes);
    }
  }, {
    getter: () => (key) => {
      if (key.startsWith("bad")) throw new Error("no");
      return key === "none" ? undefined : "v";
    },
  });
  return { instruments, spans };
}

Deno.test("docs/operations.md has each instrument and each span with its attributes", async () => {
  const { instruments, spans } = await everything();
  const rows = await rowsOf("instrument");
  assertEquals(
    new Map(rows.map(([name, , about]) => [name![0], about!.sort()])),
    new Map(
      [...instruments].map(([name, about]) => [name, [...about].sort()]),
    ),
  );
  const all = [
    ...["geecache.group", "geecache.keys", "geecache.result"],
    ...["error.type", "geecache.failed_keys"],
  ];
  const told = new Map<string, string[]>();
  for (const [name, , , , about] of await rowsOf("span")) {
    const own = name![0]!.replace("<group>", "g");
    told.set(own, [...told.get(own) ?? all, ...about!].sort());
  }
  assertEquals(
    told,
    new Map([...spans].map(([name, about]) => [name, [...about].sort()])),
  );
});
