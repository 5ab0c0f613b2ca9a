/**
 * One key in one request: the way of curl, of Go, and of our own peers where there is no
 * link.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import { LoadError, NotFoundError } from "../base/errors.ts";
import type { PeerValue } from "../base/peers.ts";
import {
  encodeKey,
  groupPath,
  HEADER,
  keyPath,
  readLife,
} from "../protocol/wire.ts";
import type { Question } from "./question.ts";
import type { Requests } from "./requests.ts";
import { type Answer, type Question as Request, textOf } from "./transport.ts";

/** A peer holds a question of many at least so long for a load. */
const MIN_HOLD_MS = 50;

/** The questions to one peer that are requests of their own. */
export class SingleGets {
  readonly #requests: Requests;

  constructor(requests: Requests) {
    this.#requests = requests;
  }

  /**
   * Asks for a key. `undefined`: it is still loading, and is to be asked for again.
   *
   * @param rivals How many questions want to go this way, with this one.
   * @throws As `Peer.get()` does.
   */
  async get(
    { group, key, peeks, served, work }: Question,
    signal: AbortSignal,
    rivals: number,
  ): Promise<PeerValue | undefined> {
    const { clock, timeoutMs } = this.#requests.transport;
    const askedAt = clock.now();
    // Half of the time it may be silent, so that "pending" arrives before that is over.
    // All share that half: there may be few sockets, for which the others wait.
    const halfMs = Math.floor(timeoutMs / 2);
    const shareMs = Math.max(Math.floor(halfMs / rivals), MIN_HOLD_MS);
    const waitMs = Math.min(halfMs, shareMs);
    const headers: Record<string, string> = { [HEADER.wait]: String(waitMs) };
    if (peeks) headers[HEADER.peek] = "1";
    if (served > 0) headers[HEADER.served] = String(served);
    if (work?.traceparent !== undefined) {
      headers[HEADER.traceparent] = work.traceparent;
    }
    const request = {
      ...this.#requestOf(group, key),
      headers,
      repeatable: true,
    };
    const requests = this.#requests;
    const answer =
      await (work === undefined
        ? requests.ask(request, signal)
        : work.run(() => requests.ask(request, signal)));
    switch (answer.meaning) {
      case "200 value":
        return this.#value(answer);
      case "404 not-found":
        throw new NotFoundError(group, key);
      case "500 failed":
        throw new LoadError(group, key, textOf(answer));
      case "202 pending":
        // A peer that does not hold the request must not be asked in a tight loop.
        if (clock.now() - askedAt <= waitMs / 2) {
          await this.#requests.pause(signal);
        }
        return undefined;
      default:
        throw this.#requests.refusal(answer);
    }
  }

  /** @throws {PeerError} If the protocol cannot carry the key. It is loaded here then. */
  #requestOf(group: string, key: string): Request {
    const { basePath, protocol } = this.#requests.transport;
    const path = keyPath(basePath, group, key, protocol.native);
    if (path !== undefined) return { method: "GET", path };
    if (!protocol.native) {
      throw this.#requests.error("its protocol cannot carry so long a key");
    }
    return {
      method: "POST",
      path: groupPath(basePath, group),
      body: encodeKey(key),
    };
  }

  #value(answer: Answer): PeerValue {
    let view: ByteView;
    try {
      view = this.#requests.transport.protocol.decode(answer.body);
    } catch (error) {
      throw this.#requests.refusal(answer, `the body is malformed: ${error}`);
    }
    const { headers } = answer;
    const value = readLife(view, headers, answer.tookMs);
    if (value === undefined) {
      throw this.#requests.refusal(
        answer,
        `${HEADER.ttl} is not whole milliseconds: ${
          [HEADER.ttl, HEADER.stale, HEADER.windows].map((name) =>
            headers.get(name)
          ).find((text) => text !== null)
        }`,
      );
    }
    if (headers.has(HEADER.hot)) value.isHot = true;
    return value;
  }
}
