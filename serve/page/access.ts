/**
 * Who may open the page, and who may change or ask something through it.
 *
 * A browser sends requests for any page that it shows. So a request must name a host
 * that this process is known by, which a name that was pointed here later is not, and
 * it must not come from a page of another origin.
 *
 * @module
 */

import { isLoopbackName } from "../hosts.ts";

/** Why a request is refused. */
export interface Refusal {
  readonly status: 403 | 405 | 415 | 421;
  readonly message: string;
  /** The methods that are allowed, where the method is why. */
  readonly allow?: string;
}

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** The host that a request names: in its address, and in its header if there is one. */
function hostsOf(request: Request): URL[] {
  const url = new URL(request.url);
  const header = request.headers.get("Host");
  if (header === null) return [url];
  const named = urlOf(`${url.protocol}//${header}`);
  return named === undefined ? [] : [url, named];
}

/**
 * Why `request` gets no answer, or `undefined` if it gets one.
 *
 * @param hosts Names of this process beside those of loopback, without ports.
 * @param method What the path is for: `"POST"` changes or asks something.
 */
export function refusalOf(
  request: Request,
  hosts: ReadonlySet<string>,
  method: "GET" | "POST",
): Refusal | undefined {
  const named = hostsOf(request);
  const stranger = named.find(({ hostname }) =>
    !isLoopbackName(hostname) && !hosts.has(hostname)
  );
  if (named.length === 0 || stranger !== undefined) {
    const known = [...new Set(["localhost", ...hosts])].join(", ");
    const name = stranger?.hostname ?? request.headers.get("Host");
    return {
      status: 421,
      message: `This page is served as ${known}: received the host ${name}`,
    };
  }
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (method === "GET" ? !isRead : request.method !== "POST") {
    const allow = method === "GET" ? "GET, HEAD" : "POST";
    return {
      status: 405,
      message: `${request.method} is not allowed here: only ${allow}`,
      allow,
    };
  }
  const foreign = foreignOf(request, named[0]!, method);
  if (foreign !== undefined) {
    return {
      status: 403,
      message: `Only the page itself may do this: received ${foreign}`,
    };
  }
  if (method === "GET" || isJson(request)) return undefined;
  const type = request.headers.get("Content-Type");
  return {
    status: 415,
    message: `The body must be application/json: received ${type}`,
  };
}

/** The header by which a request comes from a page of another origin. */
function foreignOf(
  { headers, url }: Request,
  { host }: URL,
  method: "GET" | "POST",
): string | undefined {
  const origin = headers.get("Origin");
  if (origin !== null && urlOf(origin)?.host !== host) {
    return `Origin: ${origin}`;
  }
  const site = headers.get("Sec-Fetch-Site");
  if (site === null || site === "same-origin") return undefined;
  // Typed into the address bar, or a link to the page on another one.
  const isVisit = new URL(url).pathname === "/" &&
    headers.get("Sec-Fetch-Mode") === "navigate";
  if (method === "GET" && (site === "none" || isVisit)) return undefined;
  return `Sec-Fetch-Site: ${site}`;
}

function isJson({ headers }: Request): boolean {
  const type = headers.get("Content-Type") ?? "";
  return /^application\/json\s*(;|$)/i.test(type);
}
