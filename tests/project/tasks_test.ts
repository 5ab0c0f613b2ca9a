/** The tasks of `deno.json`: each is explained, and none forgets a public module. */

import { readFile } from "node:fs/promises";
import config from "../../deno.json" with { type: "json" };
import { assert, assertEquals } from "../support/assert.ts";

const tasks = Object.entries(config.tasks);

Deno.test("Every task says what it does, in one line", () => {
  for (const [name, { description }] of tasks) {
    assert(description.length > 10 && description.length <= 90, name);
    assert(/^[A-Z].*[^.\n]$/.test(description), name);
  }
});

Deno.test("CONTRIBUTING.md has a place for every task, and names no other", async () => {
  const paper = await readFile(
    new URL("../../CONTRIBUTING.md", import.meta.url),
    "utf8",
  );
  const named = [...paper.matchAll(/^\|.*\| `deno task ([\w:]+)/gm)]
    .map(([, name]) => name!);
  assertEquals(named.sort(), tasks.map(([name]) => name).sort());
});

Deno.test("The doc lint and the API's pages cover every public module", () => {
  const modules = Object.values(config.exports).map((path) => path.slice(2))
    .join(" ");
  const { check, "docs:api": pages } = config.tasks;
  assert(check.command.includes(`deno doc --lint ${modules} &&`));
  assert(pages.command.endsWith(` ${modules}`));
});
