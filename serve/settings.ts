/**
 * The settings of the program, in one table. The flags, the variables, the schema of
 * the configuration file, the help text and the table in docs/program.md come from it.
 *
 * @module
 */

import { type Discovery, discovery } from "./discover.ts";
import {
  type Kind,
  list,
  mediaType,
  oneOf,
  onOff,
  port,
  size,
  text,
  time,
  whole,
} from "./kinds.ts";

/** One setting. */
export interface Setting<T = unknown> {
  readonly kind: Kind<T>;
  /** What it does, in the lines of the help text. */
  readonly help: readonly string[];
  /** What it is if nobody sets it, as it would be written. */
  readonly default?: string;
  /** What the help text says in place of the default. */
  readonly otherwise?: string;
  /** Whether a group in the configuration file may have its own. */
  readonly ofGroup?: true;
  /** Whether its flag may be given several times. */
  readonly many?: true;
  /** Its name in the configuration file; `null`: it cannot stand there. */
  readonly field?: string | null;
}

function setting<T>(
  kind: Kind<T>,
  help: readonly string[],
  more: Omit<Setting<T>, "kind" | "help"> = {},
): Setting<T> {
  return { kind, help, ...more };
}

/**
 * The values of settings, by the names of their flags. Sizes are bytes, times are
 * milliseconds.
 */
export interface Values {
  "port": number;
  "host": string;
  "self": string | undefined;
  "peers": string[] | undefined;
  "discover": Discovery | undefined;
  "discover-every": number;
  "min-peers": number | undefined;
  "api": number | undefined;
  "health-port": number | undefined;
  "origin": string | undefined;
  "db": string | undefined;
  "query": string | undefined;
  "group": string[] | undefined;
  "max-bytes": number | undefined;
  "ttl": number | undefined;
  "stale-while-revalidate": number;
  "stale-if-error": number | undefined;
  "negative-ttl": number;
  "load-timeout": number;
  "content-type": string;
  "secret-file": string | undefined;
  "cluster": string | undefined;
  "tls-cert": string | undefined;
  "tls-key": string | undefined;
  "tls-ca": string | undefined;
  "drain-timeout": number;
  "stop-timeout": number;
  "admin": boolean;
  "demo": boolean;
  "log": "text" | "json";
  "verbose": boolean;
  "config": string | undefined;
}

/** The name of a setting, which is the name of its flag. */
export type Name = keyof Values;

/** Of a setting that may be given several times, each value is of the kind. */
type Each<N extends Name> = N extends "group" ? string : NonNullable<Values[N]>;

/** All settings, in the order of the help text. */
const SETTINGS: { readonly [N in Name]: Setting<Each<N>> } = {
  "port": setting(port, ["the port to listen on; 0 picks a free one"], {
    default: "9999",
  }),
  "host": setting(text("HOST"), ["the address to listen on"], {
    default: "127.0.0.1",
  }),
  "self": setting(
    text("URL"),
    ["the origin at which other nodes reach this one"],
    { otherwise: "http://HOST:PORT, localhost if local" },
  ),
  "peers": setting(list, ["the origins of all nodes, including this one"], {
    otherwise: "this node runs alone",
  }),
  "discover": setting(discovery, [
    "where the list of nodes is kept: dns:HOST:PORT,",
    "srv:NAME or file:FILE; --peers is the list until",
    "there is an answer",
  ], { otherwise: "none" }),
  "discover-every": setting(time, ["how often to look there"], {
    default: "5s",
  }),
  "min-peers": setting(whole("COUNT", 9_999), [
    "how many other nodes must be in the list before",
    "/readyz says yes",
  ], { otherwise: "1 in a cluster, else 0" }),
  "api": setting(
    port,
    ["a second port, which serves only the front door"],
    { otherwise: "none" },
  ),
  "health-port": setting(port, [
    "a port for /healthz, /readyz and /metrics alone,",
    "without TLS; they are not on the other ports then",
  ], { otherwise: "none" }),
  "origin": setting(text("URL"), [
    "the group items: values from any HTTP source, such as",
    "https://api.example.com/items/{key}",
  ], { otherwise: "none" }),
  "db": setting(text("FILE"), [
    "the database; without --query, created with three",
    "scores if missing",
  ], { otherwise: "scores.db" }),
  "query": setting(text("SQL"), [
    "the group scores: values from the database, which is",
    "read and never written, such as",
    '"select score from scores where name = ?"',
  ], { otherwise: "none" }),
  "group": setting(text("NAME=SOURCE"), [
    "a group of any name; once for each. SOURCE is URL as",
    "for --origin, or FILE#SQL as for --db and --query",
  ], { otherwise: "none", many: true, field: "groups" }),
  "max-bytes": setting(size, [
    "the memory budget of a group, such as 2048, 512KiB,",
    "64MiB or 1GiB",
  ], { otherwise: "2KiB for the three scores, else 64MiB", ofGroup: true }),
  "ttl": setting(time, [
    "how long a value is fresh if its source does not say",
  ], { otherwise: "1m from HTTP, forever from a database", ofGroup: true }),
  "stale-while-revalidate": setting(time, [
    "how long after that it is still answered at once,",
    "while it is loaded again",
  ], { default: "0", ofGroup: true }),
  "stale-if-error": setting(time, [
    "how long after that it is answered if a load fails",
  ], { otherwise: "5m from HTTP, else 0", ofGroup: true }),
  "negative-ttl": setting(time, [
    "how long it is remembered that there is no such key",
  ], { default: "0", ofGroup: true }),
  "load-timeout": setting(time, [
    "how long a source may take before it has failed",
  ], { default: "10s", ofGroup: true }),
  "content-type": setting(mediaType, [
    "the type of values if their source does not say",
  ], { default: "application/octet-stream", ofGroup: true }),
  "secret-file": setting(text("FILE"), [
    "what the nodes share and others do not know: a secret",
    "in each line, of which the first is sent",
  ], { otherwise: "none" }),
  "cluster": setting(
    text("NAME"),
    ["the name of the cluster, the same in all nodes"],
    { otherwise: "none" },
  ),
  "tls-cert": setting(text("FILE"), [
    "the certificate of this node: it serves https",
  ], { otherwise: "none" }),
  "tls-key": setting(text("FILE"), ["the key of that certificate"], {
    otherwise: "none",
  }),
  "tls-ca": setting(text("FILE"), [
    "the authority of all nodes: whoever connects must show",
    "a certificate that it signed",
  ], { otherwise: "none" }),
  "drain-timeout": setting(time, [
    "how long a node that stops hands over to the others",
  ], { default: "2s" }),
  "stop-timeout": setting(time, [
    "how long it takes to stop at most, drain included",
  ], { default: "4s" }),
  "admin": setting(onOff, [
    "let the page at / show keys, ask and change something",
    "beyond this machine, too",
  ], { default: "false" }),
  "demo": setting(onOff, [
    "add the group demo, which has a value for any key",
  ], { default: "false" }),
  "log": setting(oneOf("text", "json"), ["the form of the log's lines"], {
    default: "text",
  }),
  "verbose": setting(onOff, ["also log each request and each load"], {
    default: "false",
  }),
  "config": setting(
    text("FILE"),
    ["a file of settings; flags and variables come first"],
    { otherwise: "none", field: null },
  ),
};

/** All names, in the order of the table. */
export const NAMES = Object.keys(SETTINGS) as Name[];

/** A setting, as all of them are. */
export function settingOf(name: Name): Setting {
  return SETTINGS[name];
}

/** The variable of a setting: `GEECACHE_MAX_BYTES` for `max-bytes`. */
export function variableOf(name: Name): string {
  return `GEECACHE_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** Its field in the configuration file: `maxBytes` for `max-bytes`. */
export function fieldOf(name: Name): string | undefined {
  const { field } = settingOf(name);
  if (field === null) return undefined;
  return field ?? name.replace(/-([a-z])/g, (_, a: string) => a.toUpperCase());
}

/** What a setting is if nobody sets it; `undefined` if that says nothing. */
export function defaultOf(name: Name): string | undefined {
  const { default: value, otherwise } = settingOf(name);
  const shown = value ?? otherwise;
  return shown === "none" || shown === "false" ? undefined : shown;
}
