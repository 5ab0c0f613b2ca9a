/**
 * What was seen when a peer gave no answer, and what to look at then.
 *
 * @module
 */

/** What to look at when an answer came that means nothing to a pool. */
export function adviceOnStatus(
  status: number,
  basePath: string,
): string | undefined {
  if (status >= 300 && status < 400) {
    return "is its origin as it serves, http or https?";
  }
  switch (status) {
    case 200:
    case 204:
    case 405:
      return "is that another program, or a pool in another protocol?";
    case 400:
      return "does it serve https, or is it a pool in another protocol?";
    case 401:
    case 403:
    case 407:
      return "does something in front of pool.handler ask who we are?";
    case 404:
      return `is pool.handler mounted there, under the same basePath, ${basePath}?`;
    case 413:
      return "does something in front of pool.handler limit bodies?";
    case 415:
      return "does the server read bodies before pool.handler can?";
    case 502:
    case 503:
    case 504:
      return "is the process behind that proxy up?";
    default:
      return undefined;
  }
}

/** What to look at when no answer came. Each runtime says it in its own words. */
const FAILURES: readonly [seen: RegExp, advice: string, scheme?: string][] = [
  [/refused|unable to connect/i, "does a server listen there?"],
  [/ENOTFOUND|EAI_AGAIN|dns error/i, "is the name right?"],
  [
    /certificate|CERT_/i,
    "does this process trust its certificate?",
    "https:",
  ],
  [
    /corrupt message|wrong.version|EPROTO|TLS|SSL/i,
    "does it serve http, not https?",
    "https:",
  ],
  [
    /reset|closed|hang up|HTTP\/|HTTP version/i,
    "does it serve https, not http?",
    "http:",
  ],
];

/** Why a request failed, with its causes, in one line, and what to look at. */
export function sayFailure(origin: string, error: unknown): string {
  const said: string[] = [];
  for (let one = error, depth = 0; one != null && depth < 5; depth++) {
    const { message, code, cause, errors } = one as {
      message?: unknown;
      code?: unknown;
      cause?: unknown;
      errors?: readonly unknown[];
    };
    // A connection that was tried at several addresses has an error for each.
    const text = message || code || (errors ? "" : one);
    if (text !== "") said.push(String(text).replace(/\s+/g, " ").trim());
    one = cause ?? errors?.[0];
  }
  const what = said.join(": ").slice(0, 500);
  const found = FAILURES.find(([seen, , scheme]) =>
    seen.test(what) && origin.startsWith(scheme ?? "")
  );
  return found === undefined ? what : `${what}: ${found[1]}`;
}
