/**
 * The schema of the configuration file, made from the table of settings. It stands in
 * `config.schema.json`, for editors and other tools. To write that file again:
 *
 *     deno run --allow-write=serve/config.schema.json serve/schema.ts
 *
 * @module
 */

import { writeFile } from "node:fs/promises";
import { defaultOf, fieldOf, type Name, NAMES, settingOf } from "./settings.ts";

type Schema = Readonly<Record<string, unknown>>;

/** What JSON may have for a setting. */
function schemaOf(name: Name): Schema {
  const { kind, help } = settingOf(name);
  const value = defaultOf(name);
  const description = [
    help.join(" "),
    ...(kind.rule === "a text" ? [] : [kind.rule]),
    ...(value === undefined ? [] : [`default ${value}`]),
  ].join("; ");
  return { description, ...kind.schema };
}

function propertiesOf(names: readonly Name[]): Record<string, Schema> {
  const properties: Record<string, Schema> = {};
  for (const name of names) {
    const field = fieldOf(name);
    if (field !== undefined) properties[field] = schemaOf(name);
  }
  return properties;
}

const GROUPS: Schema = {
  description:
    "the groups by their names, each with a source; none: as flags say",
  type: "object",
  minProperties: 1,
  propertyNames: { minLength: 1 },
  additionalProperties: {
    type: "object",
    properties: propertiesOf([
      ...["origin", "db", "query"] as const,
      ...NAMES.filter((name) => settingOf(name).ofGroup),
    ]),
    additionalProperties: false,
    oneOf: [
      { required: ["origin"], properties: { db: false, query: false } },
      { required: ["db", "query"], properties: { origin: false } },
    ],
  },
};

/** Where the file of the newest version is, once that is published. */
const ADDRESS = "https://unpkg.com/geecache/serve/config.schema.json";

/** The schema, in draft 2020-12. */
export const SCHEMA: Schema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: ADDRESS,
  title: "The configuration file of GeeCache's program",
  type: "object",
  properties: {
    $schema: { description: "the address of this schema", type: "string" },
    ...propertiesOf(NAMES),
    groups: GROUPS,
  },
  additionalProperties: false,
};

/** The text of `config.schema.json`. */
export const SCHEMA_TEXT: string = `${JSON.stringify(SCHEMA, null, 2)}\n`;

if (import.meta.main) {
  const file = new URL("./config.schema.json", import.meta.url);
  await writeFile(file, SCHEMA_TEXT);
}
