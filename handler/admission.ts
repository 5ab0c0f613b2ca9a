/**
 * Which requests are let in, and how many at a time.
 *
 * @module
 */

import { busy, text } from "./answers.ts";
import type { Protocol } from "../protocol/protocols.ts";
import { isOneOf } from "../protocol/secret.ts";
import { HEADER } from "../protocol/wire.ts";

/** Options for {@linkcode Admission}. */
export interface AdmissionOptions {
  /** This process's own origin. */
  self: string;
  protocol: Protocol;
  /** Each of them lets a request in; `undefined`: every request is let in. */
  secrets: readonly string[] | undefined;
  /** The name of this process's cluster, if it has one. */
  cluster: string | undefined;
  /** How many keys of peers may wait for loads at a time. */
  maxPeerRequests: number;
}

/** Knows this process's own list of nodes. */
export interface OwnRing {
  /** Compares it with that of the process `peer`. */
  compareRing(fingerprint: string, peer: () => string): void;
}

/** Checks a request before it is read, and again before it may load something. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #ring: OwnRing;
  readonly #hostname: string;
  #serving = 0;
  #refused = 0;
  #draining = false;

  constructor(options: AdmissionOptions, ring: OwnRing) {
    this.#options = options;
    this.#ring = ring;
    this.#hostname = new URL(options.self).hostname;
  }

  /** How many keys of peers wait for loads. */
  get serving(): number {
    return this.#serving;
  }

  /** How many requests came without the secret, from another cluster, or from a page. */
  get refused(): number {
    return this.#refused;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** From now on nothing is loaded for peers that know what draining means. */
  drain(): void {
    this.#draining = true;
  }

  /** The refusal of a request; `undefined`: it is let in. */
  enter(request: Request): Response | undefined {
    const { secrets } = this.#options;
    const { headers } = request;
    if (secrets !== undefined) {
      const given = headers.get(HEADER.secret);
      if (!isOneOf(secrets, given ?? "")) {
        this.#refused++;
        const what = given === null
          ? "this one has none"
          : "this one has another";
        const message = `requests need this pool's secret: ${what}`;
        return text(request, 401, message, "refused");
      }
    }
    const rule = this.#clusterRule(request) ?? this.#pageRule(request);
    if (rule !== undefined) {
      this.#refused++;
      return text(request, 403, rule, "refused");
    }
    const ring = headers.get(HEADER.ring);
    // While this process drains, the others take it out of their lists, as they should.
    if (ring !== null && !this.#draining) {
      this.#ring.compareRing(ring, () => headers.get(HEADER.peer) ?? "");
    }
    return undefined;
  }

  /** The rule that a peer of another cluster breaks. A program that is no peer may ask. */
  #clusterRule({ headers }: Request): string | undefined {
    const { protocol, cluster = null } = this.#options;
    const theirs = protocol.native ? headers.get(HEADER.cluster) : null;
    if (theirs === cluster) return undefined;
    if (theirs === null && !headers.has(HEADER.peer)) return undefined;
    return "this process belongs to another cluster";
  }

  /**
   * The rule that a page in a browser breaks, or `undefined` if no page sent the request,
   * or a page of this process's own did. A page of another origin may not even have a
   * key loaded. Nor may a page whose name leads here only since it was loaded (DNS
   * rebinding): the browser takes that for the page's own origin.
   */
  #pageRule({ headers, url }: Request): string | undefined {
    const site = headers.get("Sec-Fetch-Site");
    const origin = headers.get("Origin");
    // Browsers send `Sec-Fetch-Site` only over TLS and to loopback, and `Origin` not
    // with each GET.
    const isPage = site !== null || origin !== null ||
      headers.has("Referer") ||
      headers.get("User-Agent")?.startsWith("Mozilla/");
    if (!isPage) return undefined;
    // A request without a host has a URL that cannot be read.
    const { host, hostname } = URL.canParse(url)
      ? new URL(url)
      : { host: "", hostname: "" };
    const isCross = (site !== null && site !== "same-origin" &&
      site !== "none") || (origin !== null && hostOf(origin) !== host);
    if (isCross) return "a page of another origin may not ask this process";
    return hostname === this.#hostname || isLoopback(hostname)
      ? undefined
      : `a page may ask this process only as ${this.#hostname} or localhost`;
  }

  /**
   * The refusal of a request that needs a load; `undefined`: the load may begin. Go
   * processes and other HTTP clients are never refused: they know no such answer, and
   * Go processes would all load what one of ours can load for them.
   */
  refuseLoad(request: Request): Response | undefined {
    const isPeer = this.#options.protocol.native &&
      request.headers.has(HEADER.wait);
    switch (isPeer ? this.refusesLoad() : undefined) {
      case "draining": {
        const message = "about to close: ask the next node";
        return text(request, 503, message, "draining");
      }
      case "busy":
        return busy(request, `${this.#serving} keys of peers are under way`);
      default:
        return undefined;
    }
  }

  /** Why nothing more is loaded for our own peers; `undefined`: something is. */
  refusesLoad(): "draining" | "busy" | undefined {
    if (this.#draining) return "draining";
    return this.#serving >= this.#options.maxPeerRequests ? "busy" : undefined;
  }

  /** Compares the list of nodes that a process has with this one's. */
  compareRing(fingerprint: string, peer: string): void {
    // While this process drains, the others take it out of their lists, as they should.
    if (!this.#draining) this.#ring.compareRing(fingerprint, () => peer);
  }

  /** Counts a key that waits for a load. Call what it returns once, at the end. */
  serve(): () => void {
    this.#serving++;
    return () => {
      this.#serving--;
    };
  }
}

/** The host of an origin; that of `null`, which hides what it is, is none. */
function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** Whether a name or an address means the machine that looks it up, by definition. */
function isLoopback(hostname: string): boolean {
  return /^(?:.+\.)?localhost\.?$|^127(?:\.\d+){3}$|^\[::1\]$/.test(hostname);
}
