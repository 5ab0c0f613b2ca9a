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
