/**
 * What the program is told: by flags, which come first, then by variables, by the
 * configuration file, and by defaults.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { type FileFields, readConfigFile } from "./config_file.ts";
import { Exit, messageOf } from "./exit.ts";
import { type GroupSettings, groupSettings } from "./groups.ts";
import {
  fieldOf,
  type Name,
  NAMES,
  settingOf,
  type Values,
  variableOf,
} from "./settings.ts";

/** Everything that the program is told. */
export type Settings = Omit<Values, "group"> & {
  readonly groups: readonly GroupSettings[];
};

/** A value as it was written, and where. */
interface Written {
  readonly text: string;
  /** What an error calls it, such as `--port` or `GEECACHE_PORT`. */
  readonly where: string;
}

type Source = { [N in Name]?: Written[] };

/**
 * Reads the flags, the variables and the configuration file.
 *
 * @param readFile Reads the file that `--config` names.
 * @throws {Exit} with code 2, if a setting is unknown or its value is not valid
 */
export async function readSettings(
  args: string[],
  env: Readonly<Record<string, string>>,
  readFile: (name: string) => string,
): Promise<Settings> {
  const flags = readFlags(args);
  const variables = readVariables(env);
  const config = (flags.config ?? variables.config)?.[0];
  const file = config && await openFile(config, readFile);
  const sources = [flags, variables, file?.source ?? {}];
  const values: Partial<Record<Name, unknown>> = {};
  for (const name of NAMES) {
    const written = sources.map((source) => source[name]).find(Boolean);
    values[name] = written === undefined
      ? defaultOf(name)
      : valueOf(name, written);
  }
  const given = values as Values;
  return { ...given, groups: groupSettings(given, file?.groups) };
}

function defaultOf(name: Name): unknown {
  const { kind, default: text } = settingOf(name);
  return text === undefined ? undefined : kind.parse(text);
}

function valueOf(name: Name, written: readonly Written[]): unknown {
  const { kind, many } = settingOf(name);
  const values = written.map(({ text, where }) => {
    if (text === "") throw new Exit(`${where} needs a value`, 2);
    const value = kind.parse(text);
    if (value !== undefined) return value;
    throw new Exit(
      `${where} must be ${kind.rule}: received ${text}${hintOf(text)}`,
      2,
    );
  });
  return many ? values : values.at(-1);
}

/** Kubernetes sets variables for each Service, which begin with its name. */
const OF_A_SERVICE =
  "Kubernetes sets it for a Service named geecache: give the Service another name, or the pod enableServiceLinks: false";

function hintOf(text: string): string {
  return /^tcp:\/\//.test(text) ? ` (${OF_A_SERVICE})` : "";
}

function readFlags(args: string[]): Source {
  const switches = NAMES.filter((name) =>
    settingOf(name).default === "false"
  ) as string[];
  const parsed = parseArgs(args, {
    string: NAMES.filter((name) => !switches.includes(name)),
    boolean: switches,
    collect: NAMES.filter((name) => settingOf(name).many),
    unknown: (flag: string) => {
      throw new Exit(`Unknown argument ${flag}: see --help`, 2);
    },
  });
  // The parser takes what stands behind `--` as it is.
  if (args.includes("--")) throw new Exit("Unknown argument --: see --help", 2);
  const flags: Source = {};
  for (const name of NAMES) {
    const where = `--${name}`;
    const value: unknown = switches.includes(name)
      ? switchOf(where, args, parsed[name])
      : parsed[name];
    const texts = Array.isArray(value)
      ? value
      : value === undefined
      ? []
      : [value];
    if (texts.length > 0) {
      flags[name] = texts.map((text) => ({ text: `${text}`, where }));
    }
  }
  return flags;
}

/** What a switch says. The parser reads any text behind `=` as true. */
function switchOf(
  where: string,
  args: readonly string[],
  parsed: unknown,
): unknown {
  const given = args.findLast((arg) =>
    arg === where || arg.startsWith(`${where}=`)
  );
  // A switch that is not there is false, too: a variable may still say true.
  if (given === undefined) return undefined;
  return given === where ? parsed : given.slice(where.length + 1);
}

const PREFIX = "GEECACHE_";

function readVariables(env: Readonly<Record<string, string>>): Source {
  const names = new Map(NAMES.map((name) => [variableOf(name), name]));
  const source: Source = {};
  for (const [where, text] of Object.entries(env)) {
    if (!where.startsWith(PREFIX)) continue;
    const name = names.get(where);
    if (name === undefined) {
      const hint = /^GEECACHE_(SERVICE_|PORT_\d)/.test(where)
        ? `: ${OF_A_SERVICE}`
        : ": see --help";
      throw new Exit(`Unknown variable ${where}${hint}`, 2);
    }
    // A variable can be there only once, so it has a line for each value.
    const texts = settingOf(name).many ? text.trim().split(/\s*\n\s*/) : [text];
    source[name] = texts.map((text) => ({ text, where }));
  }
  return source;
}

async function openFile(
  { text: file, where }: Written,
  readFile: (name: string) => string,
): Promise<{ source: Source; groups: FileFields["groups"] }> {
  if (file === "") throw new Exit(`${where} needs a value`, 2);
  let text: string;
  try {
    text = readFile(file);
  } catch (error) {
    throw new Exit(`Cannot read ${file}: ${messageOf(error)}`, 2);
  }
  const { fields, groups } = await readConfigFile(file, text);
  const source: Source = {};
  for (const name of NAMES) {
    const value = fields[fieldOf(name)!];
    if (value === undefined || name === "config") continue;
    source[name] = [{ text: `${value}`, where: `${fieldOf(name)} in ${file}` }];
  }
  return { source, groups };
}
