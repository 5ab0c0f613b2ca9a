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
  protocol: Protocol;
  /** Each of them lets a request in; `undefined`: every request is let in. */
  secrets: readonly string[] | undefined;
  /** The name of this process's cluster, if it has one. */
  cluster: string | undefined;
  /** How many requests of peers may wait for loads at a time. */
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
  #serving = 0;
  #refused = 0;
  #draining = false;

  constructor(options: AdmissionOptions, ring: OwnRing) {
    this.#options = options;
    this.#ring = ring;
  }

  /** How many requests of peers wait for loads. */
  get serving(): number {
    return this.#serving;
  }

  /** How many requests came without the secret, or from peers of another cluster. */
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
    const stranger = this.#refuseStranger(request);
    if (stranger !== undefined) return stranger;
    const ring = headers.get(HEADER.ring);
    // While this process drains, the others take it out of their lists, as they should.
    if (ring !== null && !this.#draining) {
      this.#ring.compareRing(ring, () => headers.get(HEADER.peer) ?? "");
    }
    return undefined;
  }

  /** The refusal of a peer of another cluster. A program that is no peer may ask. */
  #refuseStranger(request: Request): Response | undefined {
    const { protocol, cluster = null } = this.#options;
    const { headers } = request;
    const theirs = protocol.native ? headers.get(HEADER.cluster) : null;
    if (theirs === cluster) return undefined;
    if (theirs === null && !headers.has(HEADER.peer)) return undefined;
    this.#refused++;
    const message = "this process belongs to another cluster";
    return text(request, 403, message, "refused");
  }

  /**
   * The refusal of a request that needs a load; `undefined`: the load may begin. Go
   * processes and other HTTP clients are never refused: they know no such answer, and
   * Go processes would all load what one of ours can load for them.
   */
  refuseLoad(request: Request): Response | undefined {
    const { protocol, maxPeerRequests } = this.#options;
    if (!protocol.native || !request.headers.has(HEADER.wait)) return undefined;
    if (this.#draining) {
      return text(
        request,
        503,
        "about to close: ask the next node",
        "draining",
      );
    }
    return this.#serving >= maxPeerRequests
      ? busy(request, `${this.#serving} requests of peers are under way`)
      : undefined;
  }

  /** Counts a request that waits for a load. Call what it returns once, at the end. */
  serve(): () => void {
    this.#serving++;
    return () => {
      this.#serving--;
    };
  }
}
