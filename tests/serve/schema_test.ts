/** The schema of the configuration file, the flags and the help text agree. */

import { readFile } from "node:fs/promises";
import { Ajv2020 } from "ajv/dist/2020.js";
import { USAGE } from "../../serve/help.ts";
import { SCHEMA, SCHEMA_TEXT } from "../../serve/schema.ts";
import { readSettings } from "../../serve/config.ts";
import { defaultOf, fieldOf, NAMES, variableOf } from "../../serve/settings.ts";
import { assert, assertEquals } from "../support/assert.ts";

Deno.test("serve/config.schema.json is what the table of settings gives", async () => {
  const file = new URL("../../serve/config.schema.json", import.meta.url);
  // `deno fmt` breaks its lines elsewhere.
  const written = JSON.parse(await readFile(file, "utf8"));
  assertEquals(written, JSON.parse(SCHEMA_TEXT));
});

Deno.test("The schema is one of draft 2020-12, and has a field for each flag but --config", () => {
  const ajv = new Ajv2020({ allowUnionTypes: true });
  assert(ajv.validateSchema(SCHEMA) === true);
  const fields = Object.keys(SCHEMA["properties"] as object);
  const flags = NAMES.flatMap((name) => fieldOf(name) ?? []);
  assertEquals(fields.sort(), ["$schema", ...flags].sort());
  assertEquals(flags.length, NAMES.length - 1);
});

Deno.test("The help text has a line for each flag", () => {
  for (const name of [...NAMES, "help"]) {
    const lines = USAGE.split("\n").filter((line) =>
      line.startsWith(`  --${name} `)
    );
    assertEquals(lines.length, 1, name);
  }
  for (const line of USAGE.split("\n")) assert(line.length <= 88, line);
});

Deno.test("docs/program.md has each setting with its variable, its field and its default", async () => {
  const file = new URL("../../docs/program.md", import.meta.url);
  const paper = await readFile(file, "utf8");
  const rows = [...paper.matchAll(
    /^\| `--([\w-]+)` +\| `(\w+)` +\|(?: `(\w+)`)? +\| *(.*?) *\|$/gm,
  )].map(([, ...cells]) => cells);
  assertEquals(
    rows,
    NAMES.map((name) => [
      name,
      variableOf(name),
      fieldOf(name),
      defaultOf(name) ?? "",
    ]),
  );
});

Deno.test("The configuration file of docs/program.md is one", async () => {
  const file = new URL("../../docs/program.md", import.meta.url);
  const paper = await readFile(file, "utf8");
  const [, example] = /^```json\n([\s\S]*?)^```$/m.exec(paper)!;
  const { groups } = await readSettings(["--config", "c"], {}, () => example!);
  assertEquals(
    groups.map(({ name, ttlMs, staleIfErrorMs }) => [
      name,
      ttlMs,
      staleIfErrorMs,
    ]),
    [["items", 60_000, 3_600_000], ["people", 300_000, 3_600_000]],
  );
});
