/** What the log is told of loads. */

import { type Clock, HTTPPool } from "../../mod.ts";
import { loadLog } from "../../serve/load_log.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("The log has each load, and a line a second for a group whose loads fail", async () => {
  let time = 0;
  const lines: string[] = [];
  const clock: Clock = { now: () => time, after: () => () => {} };
  const pool = new HTTPPool("http://localhost:9999", { clock });
  pool.observe(loadLog({
    debug: (line) => lines.push(`debug ${line}`),
    warn: (line) => lines.push(`warn ${line}`),
  }, () => time));
  const failing = (key: string): undefined => {
    if (key !== "none") throw new Error(`${key} is down`);
  };
  for (const name of ["items", "people"]) {
    pool.group(name, failing, { ttlMs: 1_000 });
  }
  const get = (group: string, key: string) =>
    pool.getGroup(group)!.get(key).catch(() => {});
  for (const key of ["a", "b", "c", "none"]) await get("items", key);
  await get("people", "d");
  time = 1_000;
  await get("items", "e");
  time = 2_000;
  await get("items", "f");
  await pool.close();
  assertEquals(lines, [
    "debug [items] load a (miss)",
    "warn [items] a is down",
    "debug [items] load b (miss)",
    "debug [items] load c (miss)",
    "debug [items] load none (miss)",
    "debug [people] load d (miss)",
    "warn [people] d is down",
    "debug [items] load e (miss)",
    "warn [items] e is down (2 more since the last line)",
    "debug [items] load f (miss)",
    "warn [items] f is down",
  ]);
});

Deno.test("A refresh that fails is told, although its caller gets the stale value", async () => {
  let time = 0;
  const lines: string[] = [];
  const clock: Clock = { now: () => time, after: () => () => {} };
  const pool = new HTTPPool("http://localhost:9999", { clock });
  const log = { debug: () => {}, warn: (line: string) => lines.push(line) };
  pool.observe(loadLog(log, () => time));
  let isDown = false;
  const items = pool.group("items", () => {
    if (isDown) throw new Error("it is down");
    return "1";
  }, { ttlMs: 1_000, staleIfErrorMs: 60_000 });
  await items.get("a");
  isDown = true;
  time = 2_000;
  assertEquals((await items.get("a")).text(), "1");
  assertEquals(lines, ["[items] it is down"]);
  await pool.close();
});
