/**
 * The configuration file: JSON that its schema is held against. An error names the
 * path of the field, the rule and the value received.
 *
 * @module
 */

import type { ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import { Exit, messageOf } from "./exit.ts";
import { SCHEMA } from "./schema.ts";
import { fieldOf, NAMES, settingOf } from "./settings.ts";

/** A longer value is cut where an error shows it. */
const MAX_SHOWN = 200;

let check: ValidateFunction | undefined;

/** What the file has for one group. */
export type GroupFields = Readonly<Record<string, string | number>>;

/** What the file has, by the names of its fields. */
export interface FileFields {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly groups: Readonly<Record<string, GroupFields>> | undefined;
}

/**
 * Reads the text of a configuration file.
 *
 * @param file Its name, for errors.
 * @throws {Exit} with code 2, if it is no JSON or not what the schema says
 */
export async function readConfigFile(
  file: string,
  text: string,
): Promise<FileFields> {
  let json: unknown;
  try {
    // Some editors begin a file with a mark of its encoding.
    json = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    throw new Exit(
      `Cannot read ${file}: it is no JSON: ${messageOf(error)}`,
      2,
    );
  }
  check ??= await compile();
  if (!check(json)) {
    throw new Exit(`Cannot read ${file}: ${faultOf(check.errors!.at(-1)!)}`, 2);
  }
  const { $schema: _, groups, ...fields } = json as Record<string, unknown>;
  return { fields, groups: groups as FileFields["groups"] };
}

/** A program without such a file does not load the validator. */
async function compile(): Promise<ValidateFunction> {
  const { Ajv2020 } = await import("ajv/dist/2020.js");
  return new Ajv2020({ verbose: true, allowUnionTypes: true }).compile(SCHEMA);
}

/** What is wrong, in one line. */
function faultOf(error: ErrorObject): string {
  const path = error.instancePath || "/";
  const data = JSON.stringify(error.data);
  const received = `received ${
    data.length > MAX_SHOWN ? `${data.slice(0, MAX_SHOWN)}…` : data
  }`;
  if (error.keyword === "additionalProperties") {
    const field = JSON.stringify(error.params["additionalProperty"]);
    return `${path} has no field ${field}: see docs/program.md`;
  }
  if (error.keyword === "oneOf") {
    return `${path} must have an origin, or a db and a query: ${received}`;
  }
  const field = path.slice(path.lastIndexOf("/") + 1);
  const name = NAMES.find((name) => fieldOf(name) === field);
  if (name === undefined || name === "group") {
    return `${path} ${error.message}: ${received}`;
  }
  return `${path} must be ${settingOf(name).kind.rule}: ${received}`;
}
