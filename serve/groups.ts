/**
 * Which groups the program has, and where the values of each come from.
 *
 * @module
 */

import { Exit } from "./exit.ts";
import type { GroupFields } from "./config_file.ts";
import { fieldOf, type Name, settingOf, type Values } from "./settings.ts";

/** Where values come from. */
export type Source =
  /** The scores of a few people, in a database that is made if it is missing. */
  | { readonly kind: "scores"; readonly db: string }
  | { readonly kind: "sqlite"; readonly db: string; readonly query: string }
  | { readonly kind: "http"; readonly url: string }
  /** A value for any key, after a moment. */
  | { readonly kind: "demo" };

/** One group. Times are milliseconds. */
export interface GroupSettings {
  readonly name: string;
  readonly source: Source;
  readonly maxBytes: number;
  readonly ttlMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  readonly negativeTtlMs: number;
  readonly loadTimeoutMs: number;
  readonly contentType: string;
}

/** The group of `--demo`. */
export const DEMO_GROUP = "demo";

/** How long a value is fresh if neither its source nor a setting says it. */
const HTTP_TTL_MS = 60_000;
/** How long it is at hand then, for an outage and to ask whether it has changed. */
const HTTP_STALE_MS = 300_000;
const SCORES_BYTES = 2 << 10;
const MAX_BYTES = 64 << 20;

/** The budgets of groups without one, by where their values come from. */
const DEFAULT_BYTES: Readonly<Record<Source["kind"], number>> = {
  scores: SCORES_BYTES,
  sqlite: MAX_BYTES,
  http: MAX_BYTES,
  demo: 256 << 10,
};

/**
 * The groups that settings ask for.
 *
 * @param inFile The groups of the configuration file.
 * @throws {Exit} with code 2, if they are said in two ways, or a source is not valid
 */
export function groupSettings(
  values: Values,
  inFile?: Readonly<Record<string, GroupFields>>,
): GroupSettings[] {
  const groups = sourcedGroups(values, inFile);
  if (!values.demo) return groups;
  return [...groups, ofGroup(DEMO_GROUP, { kind: "demo" }, values)];
}

function sourcedGroups(
  values: Values,
  inFile?: Readonly<Record<string, GroupFields>>,
): GroupSettings[] {
  const { group, origin, db, query } = values;
  const isNamed = group !== undefined || inFile !== undefined;
  const ways = Object.entries({
    "--group": isNamed,
    "--origin": origin !== undefined,
    [query === undefined ? "--db" : "--query"]: db !== undefined ||
      query !== undefined,
  }).filter(([, isThere]) => isThere).map(([way]) => way);
  if (ways.length > 1) {
    throw new Exit(
      `Give the groups in one way: received ${ways.join(" and ")}`,
      2,
    );
  }
  if (group !== undefined) {
    const groups = new Map(group.map(namedGroup));
    if (groups.size < group.length) {
      throw new Exit(`--group must name each group once: received ${group}`, 2);
    }
    return [...groups].map(([name, source]) => ofGroup(name, source, values));
  }
  if (inFile !== undefined) {
    return Object.entries(inFile).map(([name, fields]) => {
      const { origin, db, query } = fields as Record<string, string>;
      const source = origin !== undefined
        ? httpSource(origin)
        : { kind: "sqlite" as const, db: db!, query: query! };
      return ofGroup(name, source, values, fields);
    });
  }
  if (origin !== undefined) {
    return [ofGroup("items", httpSource(origin), values)];
  }
  const source: Source = query === undefined
    ? { kind: "scores", db: db ?? "scores.db" }
    : { kind: "sqlite", db: db ?? "scores.db", query };
  return [ofGroup("scores", source, values)];
}

/** Reads `NAME=URL` or `NAME=FILE#SQL`. */
function namedGroup(text: string): [string, Source] {
  const [, name, source] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name === undefined) {
    throw new Exit(
      `--group must be NAME=URL or NAME=FILE#SQL: received ${text}`,
      2,
    );
  }
  if (/^https?:/.test(source!)) return [name, httpSource(source!)];
  const [, db, query] = /^([^#]+)#(.+)$/s.exec(source!) ?? [];
  if (db === undefined) {
    throw new Exit(
      `--group must be NAME=URL or NAME=FILE#SQL: received ${text}`,
      2,
    );
  }
  return [name, { kind: "sqlite", db, query: query! }];
}

/** What stands for a key in a URL. */
export const KEY = "{key}";

/** What stands for it where a URL is parsed: it means nothing there. */
export const MARK: string = "key".padEnd(32, "0");

function httpSource(url: string): Source {
  const fault = faultOf(url);
  if (fault === undefined) return { kind: "http", url };
  throw new Exit(`Cannot load values from ${url}: ${fault}`, 2);
}

function faultOf(text: string): string | undefined {
  if (!text.includes(KEY)) return `there is no ${KEY} in it`;
  // What is its host, only the parser knows: http:///a and http:\\a have one, too.
  const marked = text.replaceAll(KEY, MARK);
  const url = URL.canParse(marked) ? new URL(marked) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    return "it is no http or https URL";
  }
  if (url.username !== "" || url.password !== "") {
    return "a URL may not have a user or a password";
  }
  if (url.host.includes(MARK) || url.hash !== "") {
    return `${KEY} must be in the path or the query, without a # behind it`;
  }
  return undefined;
}

/** A group, with what its own fields, the settings and defaults say. */
function ofGroup(
  name: string,
  source: Source,
  values: Values,
  fields: GroupFields = {},
): GroupSettings {
  const of = <N extends Name>(name: N): Values[N] => {
    const own = fields[fieldOf(name)!];
    if (own === undefined) return values[name];
    // The schema has been held against it.
    return settingOf(name).kind.parse(`${own}`) as Values[N];
  };
  const isHttp = source.kind === "http";
  return {
    name,
    source,
    maxBytes: of("max-bytes") ??
      DEFAULT_BYTES[source.kind],
    ttlMs: of("ttl") ?? (isHttp ? HTTP_TTL_MS : Infinity),
    staleWhileRevalidateMs: of("stale-while-revalidate"),
    staleIfErrorMs: of("stale-if-error") ?? (isHttp ? HTTP_STALE_MS : 0),
    negativeTtlMs: of("negative-ttl"),
    loadTimeoutMs: of("load-timeout"),
    contentType: of("content-type"),
  };
}
