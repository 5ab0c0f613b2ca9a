/**
 * Who is let in, and how many at a time.
 *
 * @module
 */

import { busy, text } from "./answers.ts";
import type { Protocol } from "../protocol/protocols.ts";
import { isOneOf } from "../protocol/secret.ts";
import { HEADER } from "../protocol/wire.ts";

/** What {@linkcode Admission} are made of. */
export interface AdmissionOptions {
  protocol: Protocol;
  /** Any of which lets in; `undefined`: everybody is let in. */
  secrets: readonly string[] | undefined;
  /** How many requests of peers may wait for loads at a time. */
  maxPeerRequests: number;
  /** This process's own ring, as a peer's request says its own. */
  fingerprint: () => string;
  /** A peer's request came from another ring than this one's, or from the same. */
  onRing: (differs: boolean, peer: () => string) => void;
}

/** What a request passes before it is looked at, and before it may load. */
export class Admission {
  readonly #options: AdmissionOptions;
  #serving = 0;
  #refused = 0;
  #draining = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** How many requests of peers wait for loads. */
  get serving(): number {
    return this.#serving;
  }

  /** How many requests came without the secret. */
  get refused(): number {
    return this.#refused;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** From now on nothing is loaded for peers, where they know what that means. */
  drain(): void {
    this.#draining = true;
  }

  /** The answer to who is not let in; `undefined`: it is. */
  enter(request: Request): Response | undefined {
    const { secrets, fingerprint, onRing } = this.#options;
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
    const ring = headers.get(HEADER.ring);
    // Who is about to close is in nobody's list soon, as it should be.
    if (ring !== null && !this.#draining) {
      onRing(ring !== fingerprint(), () => headers.get(HEADER.peer) ?? "");
    }
    return undefined;
  }

  /**
   * The answer to a request for which something would have to be loaded, and must
   * not be now; `undefined`: it may. Go's processes know neither answer, and would
   * all load what one of ours can load for them.
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

  /** Counts a request that waits for a load. Returns what ends it, to be called once. */
  serve(): () => void {
    this.#serving++;
    return () => {
      this.#serving--;
    };
  }
}
