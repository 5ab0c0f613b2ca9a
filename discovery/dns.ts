/**
 * Lists of peers from DNS: the addresses of a name, or the hosts and ports of a service.
 *
 * @module
 */

import { builtinModule } from "../base/builtins.ts";
import { checkFunctions, checkOptions, type Names } from "../base/checks.ts";
import { describe } from "../base/errors.ts";
import {
  type PeerLists,
  poll,
  POLL_OPTIONS,
  type PollOptions,
} from "./polling.ts";

/** A name that has the addresses of all processes, which listen on one port. */
export interface DnsHost {
  /** The name, such as that of a headless service of Kubernetes. */
  hostname: string;
  /** The port of all processes. */
  port: number;
  /**
   * How they are reached.
   *
   * @default {"http"}
   */
  protocol?: "http" | "https";
  /**
   * The version of IP. Choose one where processes have an IPv4 and an IPv6 address:
   * otherwise they are listed twice.
   *
   * @default {0} both
   */
  family?: 0 | 4 | 6;
}

/** A service that has the host and the port of each process. */
export interface DnsService {
  /** The name of its SRV records, such as `_http._tcp.geecache.example.com`. */
  srv: string;
  /**
   * How the processes are reached.
   *
   * @default {"http"}
   */
  protocol?: "http" | "https";
}

/** Options for {@linkcode dnsPeers}. */
export interface DnsPeersOptions extends PollOptions {
  /**
   * What finds the addresses of a `hostname`, as `lookup` of Node's `dns/promises`
   * does. That one is the default, and honors the hosts file and search domains.
   *
   * @default {lookup} the runtime's
   */
  lookup?: (
    hostname: string,
    options: { all: true; family: 0 | 4 | 6 },
  ) => Promise<readonly { address: string }[]>;
  /**
   * What finds the records of a `srv`, as `resolveSrv` of Node's `dns/promises` does.
   *
   * @default {resolveSrv} the runtime's
   */
  resolveSrv?: (
    name: string,
  ) => Promise<readonly { name: string; port: number }[]>;
}

const ACTION = "Cannot find peers by DNS";

const HOST: Names<DnsHost> = {
  hostname: true,
  port: true,
  protocol: true,
  family: true,
};
const SERVICE: Names<DnsService> = { srv: true, protocol: true };
const OPTIONS: Names<DnsPeersOptions> = {
  ...POLL_OPTIONS,
  lookup: true,
  resolveSrv: true,
};

/** What this needs of Node's module `dns/promises`. */
interface DnsModule {
  lookup: NonNullable<DnsPeersOptions["lookup"]>;
  Resolver: new () => {
    resolveSrv: NonNullable<DnsPeersOptions["resolveSrv"]>;
    cancel(): void;
  };
}

/**
 * The processes that a name in DNS has, asked for again and again, for
 * {@linkcode HTTPPool.follow}: those at its A and AAAA records, or the targets of its
 * SRV records, by their names. A question that fails gives its error in place of a list,
 * and is asked again.
 *
 * The `self` of each process must be its origin as it stands in the list: its address,
 * or the target's name.
 *
 * @example Pods behind a headless service, with a lookup in place of DNS
 * ```ts
 * import { dnsPeers, HTTPPool } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const lookup = () => Promise.resolve([{ address: "10.0.0.1" }, { address: "fd00::2" }]);
 * const peers = dnsPeers({ hostname: "geecache", port: 8080 }, { lookup });
 * for await (const list of peers) {
 *   assertEquals(list, ["http://10.0.0.1:8080", "http://[fd00::2]:8080"]);
 *   break;
 * }
 * ```
 *
 * @throws {TypeError} If an argument is of the wrong kind, or the runtime has no DNS.
 * @throws {RangeError} If a number is out of range.
 */
export function dnsPeers(
  name: DnsHost | DnsService,
  options: DnsPeersOptions = {},
): PeerLists {
  checkName(name);
  checkOptions(ACTION, options, OPTIONS);
  const { lookup, resolveSrv } = options;
  checkFunctions(ACTION, { lookup, resolveSrv });
  const { protocol = "http" } = name;
  const originOf = (host: string, port: number): string =>
    `${protocol}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  if ("srv" in name) {
    if (lookup !== undefined) {
      throw new TypeError(`${ACTION}: lookup is for a hostname, not for srv`);
    }
    const resolve = resolveSrv === undefined
      ? resolveSrvOf(moduleOf("resolveSrv"))
      : resolveSrv;
    return poll(ACTION, async (signal) => {
      const records = await resolve(name.srv, signal);
      checkRecords(
        "resolveSrv",
        "{ name, port }",
        records,
        (one) => typeof one.name === "string" && typeof one.port === "number",
      );
      // A name with nothing but a dot says that there is no such service.
      const targets = records
        .map(({ name, port }) => ({ host: name.replace(/\.$/, ""), port }))
        .filter(({ host }) => host !== "");
      return listOf(targets.map(({ host, port }) => originOf(host, port)));
    }, options);
  }
  if (resolveSrv !== undefined) {
    throw new TypeError(`${ACTION}: resolveSrv is for srv, not for a hostname`);
  }
  const { hostname, port, family = 0 } = name;
  const find = lookup ?? moduleOf("lookup").lookup;
  return poll(ACTION, async () => {
    const addresses = await find(hostname, { all: true, family });
    checkRecords(
      "lookup",
      "{ address }",
      addresses,
      ({ address }) => typeof address === "string",
    );
    return listOf(addresses.map(({ address }) => originOf(address, port)));
  }, options);
}

/** Each origin once, sorted: resolvers answer in any order. */
function listOf(origins: readonly string[]): string[] {
  return [...new Set(origins)].sort();
}

/**
 * The runtime's DNS.
 *
 * @param option What can be given instead.
 * @throws {TypeError} If there is none.
 */
function moduleOf(option: string): DnsModule {
  const dns = builtinModule("dns/promises");
  if (dns === undefined) {
    throw new TypeError(
      `${ACTION}: this runtime has no module dns/promises: give the option ${option}`,
    );
  }
  return dns as DnsModule;
}

/** Asks with a resolver of its own each time, whose questions can be taken back. */
function resolveSrvOf({ Resolver }: DnsModule) {
  return (
    name: string,
    signal: AbortSignal,
  ): Promise<readonly { name: string; port: number }[]> => {
    const resolver = new Resolver();
    signal.addEventListener("abort", () => resolver.cancel());
    return resolver.resolveSrv(name);
  };
}

/** Checks what a function of the caller's has found. */
function checkRecords<T>(
  option: string,
  form: string,
  records: readonly T[],
  isRight: (record: T) => boolean,
): void {
  const fits = (one: T): boolean =>
    typeof one === "object" && one !== null && isRight(one);
  const isArray = Array.isArray(records);
  if (isArray && records.every(fits)) return;
  const wrong = isArray ? records.find((one) => !fits(one)) : records;
  throw new TypeError(
    `${ACTION}: ${option} must give an array of ${form}: received ${
      describe(wrong)
    }`,
  );
}

function checkName(name: DnsHost | DnsService): void {
  const isObject = typeof name === "object" && name !== null;
  if (!isObject || ("srv" in name) === ("hostname" in name)) {
    throw new TypeError(
      `${ACTION}: the name must be { hostname, port } or { srv }: received ${
        isObject ? `{ ${Object.keys(name).join(", ")} }` : describe(name)
      }`,
    );
  }
  const { protocol = "http" } = name;
  checkOne("protocol", '"http" or "https"', protocol, ["http", "https"]);
  if ("srv" in name) {
    checkOptions(ACTION, name, SERVICE);
    checkText("srv", name.srv);
    return;
  }
  checkOptions(ACTION, name, HOST);
  checkText("hostname", name.hostname);
  const { port, family = 0 } = name;
  checkOne("family", "0, 4 or 6", family, [0, 4, 6]);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return;
  throw new (typeof port === "number" ? RangeError : TypeError)(
    `${ACTION}: port must be a whole number from 1 to 65535: received ${
      describe(port)
    }`,
  );
}

function checkText(what: string, value: unknown): void {
  if (typeof value === "string" && value !== "") return;
  throw new TypeError(
    `${ACTION}: ${what} must be a name in DNS: received ${describe(value)}`,
  );
}

function checkOne(
  what: string,
  rule: string,
  value: unknown,
  all: readonly unknown[],
): void {
  if (all.includes(value)) return;
  throw new TypeError(
    `${ACTION}: ${what} must be ${rule}: received ${describe(value)}`,
  );
}
