/**
 * The default `fetch` of a pool: the runtime's, around the proxies that it would use.
 *
 * Runtimes send requests to the proxy of variables such as `HTTP_PROXY`, those to
 * other machines of the same rack and to loopback, too. A proxy would see values and
 * the secret, and answers in place of a peer that is gone.
 *
 * @module
 */

/** What each runtime looks up in the options of its `fetch`; the others ignore it. */
interface Around extends RequestInit {
  /** Bun's: `false` means no proxy. */
  proxy?: false;
  /** That of Node, which is undici's. */
  dispatcher?: object;
}

/** A dispatcher of undici's that takes its proxies from variables. */
type EnvDispatcher = object & {
  constructor: { name: string; new (options: { noProxy: string }): object };
};

/** Under this symbol undici keeps the dispatcher of all requests that name none. */
const DISPATCHER = Symbol.for("undici.globalDispatcher.1");

let direct: { instead: EnvDispatcher; dispatcher: object } | undefined;

/** Looks `fetch` up at each call: a test or an agent may replace it later. */
export function runtimeFetch(
  url: string,
  init: RequestInit,
): Promise<Response> {
  if (typeof fetch !== "function") {
    throw new TypeError(
      "this runtime has no fetch: give HTTPPool one as its option",
    );
  }
  const around: Around = { ...init, proxy: false };
  const dispatcher = directDispatcher();
  if (dispatcher !== undefined) around.dispatcher = dispatcher;
  // No `Request` is built: `fetch` would build it again.
  return fetch(url, around);
}

/**
 * A dispatcher without proxies, where the global one takes its proxies from variables.
 * Any other that a program has set is left in place.
 */
function directDispatcher(): object | undefined {
  const instead = (globalThis as { [DISPATCHER]?: EnvDispatcher })[DISPATCHER];
  if (instead?.constructor.name !== "EnvHttpProxyAgent") return undefined;
  if (direct?.instead !== instead) {
    const dispatcher = new instead.constructor({ noProxy: "*" });
    direct = { instead, dispatcher };
  }
  return direct.dispatcher;
}

/**
 * The variable whose proxy gets the default requests to `origin`, where no option can
 * keep them from it; `undefined`: there is none, or that cannot be known.
 */
export function proxyVariableOf(origin: string): string | undefined {
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
