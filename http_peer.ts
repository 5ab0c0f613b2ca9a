/**
 * Talking to one peer: what its answers mean, and how long it may be silent.
 *
 * @module
 */

import { ByteView } from "./byte_view.ts";
import { LoadError, NotFoundError } from "./errors.ts";
import {
  type Answer,
  PeerClient,
  type PeerClientOptions,
  type PeerStats,
  type Question,
  textOf,
} from "./http_client.ts";
import type { Peer, PeerRequestOptions, PeerValue } from "./peers.ts";
import {
  encodeFrames,
  encodeKey,
  encodeTtl,
  groupPath,
  HEADER,
  keyPath,
  withTtl,
} from "./wire.ts";

/** A body of keys is cut into several of at most so many bytes, or one key. */
const MAX_KEYS_BYTES = 1024 * 1024;

/** The shortest wait before a peer that did not wait itself is asked again. */
const MIN_WAIT_MS = 50;

/** What an {@linkcode HTTPPeer} is made of. */
export interface HTTPPeerOptions extends PeerClientOptions {
  basePath: string;
  random: () => number;
}

/** A peer behind an HTTP origin. */
export class HTTPPeer implements Peer {
  readonly id: string;
  readonly #options: HTTPPeerOptions;
  readonly #client: PeerClient;

  constructor(id: string, options: HTTPPeerOptions) {
    this.id = id;
    this.#options = options;
    this.#client = new PeerClient(id, options);
  }

  async get(
    group: string,
    key: string,
    options: PeerRequestOptions = {},
  ): Promise<PeerValue> {
    const { basePath, timeoutMs, clock } = this.#options;
    // Half of its time to be silent: "pending" arrives before that is over.
    const waitMs = Math.floor(timeoutMs / 2);
    const headers = { [HEADER.wait]: String(waitMs) };
    const path = keyPath(basePath, group, key);
    const question: Question = path === undefined
      ? {
        method: "POST",
        path: groupPath(basePath, group),
        headers,
        body: encodeKey(key),
      }
      : { method: "GET", path, headers };
    let busySince: number | undefined;
    for (;;) {
      const askedAt = clock.now();
      const answer = await this.#client.ask(question, options.signal);
      switch (answer.meaning) {
        case "200 value":
          return this.#value(answer);
        case "404 not-found":
          throw new NotFoundError(group, key);
        case "500 failed":
          throw new LoadError(group, key, textOf(answer));
        case "202 pending":
          busySince = undefined;
          // One that does not hold the request must not be asked in a tight loop.
          if (clock.now() - askedAt < waitMs / 2) {
            await this.#client.delay(MIN_WAIT_MS, options.signal);
          }
          break;
        case "429 busy":
          busySince ??= clock.now();
          await this.#waitWhileBusy(busySince, answer, options.signal);
          break;
        default:
          throw this.#client.refusal(answer);
      }
    }
  }

  async set(
    group: string,
    key: string,
    { value, ttlMs }: PeerValue,
    options: PeerRequestOptions = {},
  ): Promise<void> {
    const { basePath } = this.#options;
    const ttl = encodeTtl(ttlMs);
    const headers: Record<string, string> = ttl === undefined
      ? {}
      : { [HEADER.ttl]: ttl };
    const path = keyPath(basePath, group, key);
    const answer = await this.#client.ask(
      path === undefined
        ? {
          method: "POST",
          path: groupPath(basePath, group),
          headers: { ...headers, [HEADER.method]: "PUT" },
          body: encodeFrames([key], value),
        }
        : { method: "PUT", path, headers, body: value.bytes() },
      options.signal,
    );
    if (answer.meaning !== "204 done") throw this.#client.refusal(answer);
  }

  async remove(
    group: string,
    keys: readonly string[],
    options: PeerRequestOptions = {},
  ): Promise<void> {
    const { basePath } = this.#options;
    const path = keys.length === 1
      ? keyPath(basePath, group, keys[0]!)
      : undefined;
    if (path !== undefined) {
      return await this.#drop({ method: "DELETE", path }, options.signal);
    }
    for (const body of framesOf(keys)) {
      const headers = { [HEADER.method]: "DELETE" };
      await this.#drop(
        { method: "POST", path: groupPath(basePath, group), headers, body },
        options.signal,
      );
    }
  }

  async clear(group: string, options: PeerRequestOptions = {}): Promise<void> {
    const path = `${groupPath(this.#options.basePath, group)}?clear`;
    await this.#drop({ method: "DELETE", path }, options.signal);
  }

  /** What was asked of it so far. */
  stats(): PeerStats {
    return this.#client.stats();
  }

  /** Ends the requests under way, and all later ones, with an error. */
  close(): void {
    this.#client.close();
  }

  /** A write after which nothing is left; a peer without the group has nothing. */
  async #drop(question: Question, signal?: AbortSignal): Promise<void> {
    const answer = await this.#client.ask(question, signal);
    if (answer.meaning !== "204 done" && answer.meaning !== "404 no-group") {
      throw this.#client.refusal(answer);
    }
  }

  #value(answer: Answer): PeerValue {
    const ttl = answer.headers.get(HEADER.ttl);
    const value = withTtl(ByteView.from(answer.body), ttl);
    if (value !== undefined) return value;
    throw this.#client.refusal(
      answer,
      `${HEADER.ttl} is not whole milliseconds: ${ttl}`,
    );
  }

  /**
   * Waits as long as a busy peer says, with some jitter.
   *
   * @throws {PeerError} If it has been busy for as long as it may be silent.
   */
  async #waitWhileBusy(
    since: number,
    answer: Answer,
    signal?: AbortSignal,
  ): Promise<void> {
    const { clock, random, timeoutMs } = this.#options;
    const left = since + timeoutMs - clock.now();
    if (left <= 0) throw this.#client.refusal(answer);
    const asked = Number(answer.headers.get("Retry-After")) * 1000;
    const wait = Math.max(asked || 0, MIN_WAIT_MS) * (1 + random() / 4);
    await this.#client.delay(Math.min(wait, left), signal);
  }
}

/** Keys as bodies of frames, none of them too large. */
function* framesOf(
  keys: readonly string[],
): IterableIterator<Uint8Array<ArrayBuffer>> {
  let from = 0;
  let bytes = 0;
  for (const [index, key] of keys.entries()) {
    // No key has more than 3 bytes a character.
    const size = 4 + 3 * key.length;
    if (index > from && bytes + size > MAX_KEYS_BYTES) {
      yield encodeFrames(keys.slice(from, index));
      from = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (from < keys.length) yield encodeFrames(keys.slice(from));
}
