/**
 * Proxies that would see what only peers should.
 *
 * The default `fetch` of a pool goes around them, but on Deno nothing can keep requests
 * from a proxy that variables name.
 *
 * @module
 */

import { runtimeFetch } from "./direct_fetch.ts";
import type { Settings } from "./pool_options.ts";

/** Looks for such proxies whenever a pool gets a list. */
export class ProxyCheck {
  readonly #settings: Settings;
  #warned = false;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /**
   * Warns, once, of a proxy that gets the requests to one of `origins`.
   *
   * @throws {TypeError} If it would get the pool's secret, too.
   */
  check(action: string, origins: Iterable<string>): void {
    const { self, fetch, secrets, logger } = this.#settings;
    if (fetch !== runtimeFetch || this.#warned) return;
    for (const origin of origins) {
      if (origin === self) continue;
      const name = proxyVariableOf(origin);
      if (name === undefined) continue;
      const cure =
        "name it in NO_PROXY, or give the option fetch, such as keepAliveFetch() of geecache/node";
      const what = `the requests to ${origin}`;
      if (secrets !== undefined) {
        throw new TypeError(
          `${action}: ${name} would get ${what} and their secret: ${cure}`,
        );
      }
      logger.warn(`[Pool ${self}] ${name} gets ${what}: ${cure}`);
      this.#warned = true;
      return;
    }
  }
}

/**
 * The variable whose proxy gets the default requests to `origin`, where no option can
 * keep them from it; `undefined`: there is none, or that cannot be known.
 */
function proxyVariableOf(origin: string): string | undefined {
  if (!takesClient()) return undefined;
  const { protocol, hostname } = new URL(origin);
  const own = protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const names = [own, own.toLowerCase(), "ALL_PROXY", "all_proxy"];
  const name = names.find((name) => (variable(name) ?? "") !== "");
  if (name === undefined) return undefined;
  const except = variable("NO_PROXY") ?? variable("no_proxy") ?? "";
  return isExcepted(hostname, except) ? undefined : name;
}

/**
 * Whether this runtime's `fetch` takes its proxies from a `client`, which only the
 * runtime's own namespace can make. That is so on Deno.
 */
function takesClient(): boolean {
  let isRead = false;
  new Request("http://localhost", {
    get client(): undefined {
      isRead = true;
      return undefined;
    },
  } as RequestInit);
  return isRead;
}

/** A variable of the environment; `undefined` where it may not be read. */
function variable(name: string): string | undefined {
  try {
    // dnt-shim-ignore
    const { process } = globalThis as {
      process?: {
        env: Record<string, string | undefined>;
        stderr: { isTTY?: boolean };
      };
    };
    // At a terminal Deno would ask its user for permission.
    return process === undefined || process?.stderr?.isTTY
      ? undefined
      : process?.env?.[name];
  } catch {
    return undefined;
  }
}

/** Whether `NO_PROXY` names a host: a name, a suffix, an address, or a range of IPv4. */
function isExcepted(hostname: string, except: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const isAddress = numberOf(host) !== undefined || host.includes(":");
  return except.split(",").map((entry) => entry.trim().toLowerCase()).some(
    (entry) => {
      if (entry === "" || entry === host) return entry === host;
      if (isAddress) return isInRange(host, entry);
      return entry === "*" || host.endsWith(`.${entry.replace(/^\*?\./, "")}`);
    },
  );
}

function isInRange(host: string, range: string): boolean {
  const [base = "", bits = ""] = range.split("/");
  const [from, address] = [numberOf(base), numberOf(host)];
  if (from === undefined || address === undefined || bits === "") return false;
  const size = 2 ** (32 - Number(bits));
  return Math.floor(address / size) === Math.floor(from / size);
}

/** An address of IPv4 as a number. */
function numberOf(text: string): number | undefined {
  if (!/^\d+(?:\.\d+){3}$/.test(text)) return undefined;
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}
